"""The variables that a command is run with: those of the environment, and below them those of a file.

The file is `.env` of the working folder, or the one that `FLOW2API_MCP_ENV_FILE` names, as the Flow2API MCP Server had
it. Its lines are read as python-dotenv reads them, but for a path of Windows in double quotes, whose backslashes stay.
"""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from service.settings_reader import SettingsError

FILE: Final = ".env"
OTHER_FILE: Final = "FLOW2API_MCP_ENV_FILE"

WINDOWS_PATH: Final = re.compile(r'"((?:[A-Za-z]:|%\w+%|\\)\\[^"]*)"')
"""A value such as "C:\\new\\files": python-dotenv would take `\\n` in it for a line break."""

MARKERS: Final = ("/run/.containerenv", "/.dockerenv")
"""Files by which Podman and Docker mark a container."""

TO_UTF8: Final = (
    "save it as UTF-8 in your editor, or in PowerShell: "
    "Get-Content {file} | Set-Content -Encoding utf8 {file}.new, or elsewhere: "
    "iconv -f {encoding} -t UTF-8 {file} > {file}.new; then put {file}.new in its place"
)


def environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables, and below them those of the file. Raises `SettingsError` for one that cannot be read."""
    other = variables.get(OTHER_FILE, "").strip()
    file = Path(other).expanduser() if other else Path(FILE)
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        if other:
            raise SettingsError(OTHER_FILE, f"{file} is not there; name the file of your settings") from error
        return dict(variables)
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    return read_settings(file, data) | dict(variables)


def read_settings(file: Path, data: bytes) -> dict[str, str]:
    """Return the variables of a file of settings with these bytes. Raises `SettingsError`."""
    try:
        text = data.decode("utf-8-sig")  # Notepad begins a file with a byte order mark
    except UnicodeDecodeError as error:
        encoding = _encoding_of(data)
        advice = TO_UTF8.format(file=file, encoding=encoding or "GBK")
        looks = f"; it looks like {encoding}" if encoding else ""
        raise SettingsError(str(file), f"cannot be read: it is not UTF-8 text{looks}: {advice}") from error
    written = list(parse_stream(io.StringIO(text)))
    for line in written:
        if line.error:
            raise SettingsError(str(file), f"line {line.original.line} is not of the form NAME=value")
    return {line.key: _value_of(line, line.value) for line in written if line.key and line.value is not None}


def _value_of(line: Binding, value: str) -> str:
    raw = WINDOWS_PATH.fullmatch(line.original.string.partition("=")[2].strip())
    return value if raw is None else raw[1]


def _encoding_of(data: bytes) -> str:
    """Name the encoding of a text that is not UTF-8, by its beginning or by what decodes it; "" for none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    try:
        data.decode("gbk")
    except UnicodeDecodeError:
        return ""
    return "GBK"


def in_container(env: Mapping[str, str]) -> bool:
    """Tell whether this process runs in a container. The variable `container`, where it is set, decides."""
    if "container" in env:  # set by Podman and systemd (systemd.io/CONTAINER_INTERFACE)
        return env["container"] != ""
    return "KUBERNETES_SERVICE_HOST" in env or any(Path(each).exists() for each in MARKERS)
