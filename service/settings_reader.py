"""Single settings out of an environment: numbers, choices, lists, URLs and paths, by the rows of `settings_table.py`.

An older name counts where the newer one is not set; a value that cannot be read raises `SettingsError`, which names the
setting as it was written.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from service.hosts import is_loopback
from service.settings_table import OLDER_VALUES, SETTINGS

Read = TypeVar("Read")

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
"""The rows of the table by their names."""


class SettingsError(Exception):
    """A setting cannot be used: its name, what is wrong, what would be right. One line, no secret in it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class SettingsReader:
    """Reads single settings out of an environment and tells under which name one was written."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {name: _unquoted(value) for name, value in env.items()}
        self.notes: list[str] = []

    def text(self, name: str) -> str:
        """Return the value of a setting, or its default; the value of an older name in the words of the newer one."""
        written = self.written(name)
        value = self._env.get(written, "")
        return OLDER_VALUES.get(written, str)(value) if value else BY_NAME[name].default

    def error(self, name: str, problem: str) -> SettingsError:
        """Return the error about a setting, by the name under which it was written."""
        return SettingsError(self.written(name), problem)

    def number(self, name: str, least: int, most: int) -> int:
        """Return a whole number within these bounds."""
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise self.error(name, f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    def seconds(self, name: str, least: float, most: float) -> float:
        """Return a number of seconds within these bounds."""
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) or not least <= float(text) <= most:
            raise self.error(name, f"{text!r} is not a number of seconds from {least:g} to {most:g}")
        return float(text)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words, in lower case."""
        text = self.text(name).lower()
        if text not in allowed:
            raise self.error(name, f"{text!r} is none of {', '.join(allowed)}")
        return text

    def words(self, name: str, read: Callable[[list[str]], Read]) -> Read:
        """Return the reading of a list, whose entries commas or spaces part; `read` raises ValueError."""
        try:
            return read(list(filter(None, re.split(r"[,\s]+", self.text(name)))))
        except ValueError as error:
            raise self.error(name, str(error)) from error

    def url(self, name: str) -> str:
        """Return an http(s) URL without query, its trailing slashes cut off; "" when it is not set."""
        text = self.text(name)
        if not text:
            return ""
        if re.fullmatch(r"(?!https?:)[\w.-]+(:[0-9]+)?(/\S*)?|\[[0-9a-fA-F:.]+\](:[0-9]+)?(/\S*)?", text):
            raise self.error(name, f"{shown(text)!r} has no scheme; write {_with_scheme(text)}")
        try:
            parts = urlsplit(text)
            sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError:
            sound = False
        if not sound or parts.username or re.search(r"\s", text):
            raise self.error(name, f"{shown(text)!r} is not a URL such as {BY_NAME[name].example}")
        if parts.query or parts.fragment:
            raise self.error(name, f"{shown(text)!r} goes on after its path; {_without_query(parts)}")
        return text.rstrip("/")

    def path(self, name: str) -> Path:
        """Return a path; `~` is the home of the user that runs the service, `%NAME%` a variable, as in Windows."""
        text = re.sub(r"%(\w+)%", lambda found: self._variable(name, found[1]), self.text(name))
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            raise self.error(name, f"{text!r}: nobody here has such a home folder") from error

    def _variable(self, name: str, wanted: str) -> str:
        """Return a variable that a path names; names of Windows have no case."""
        found = next((value for each, value in self._env.items() if each.upper() == wanted.upper()), "")
        if not found:
            raise self.error(name, f"%{wanted}% is not set here; write the folder itself")
        return found

    def written(self, name: str) -> str:
        """Return the name under which a setting was given: its own, else the first older one that is set."""
        for candidate in (name, *BY_NAME[name].older):
            if self._env.get(candidate):
                return candidate
        return name


def _unquoted(value: str) -> str:
    """Return a value without one pair of quotes round it: `--env-file` and systemd pass on what a shell takes off."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].strip()
    return value


def _with_scheme(address: str) -> str:
    """Return an address as a URL: http for this machine, a local name or an IP address, else https."""
    host = urlsplit(f"//{address}").hostname or ""
    near = "." not in host or re.fullmatch(r"[0-9.]+", host) or is_loopback(host)
    return f"{'http' if near else 'https'}://{address}"


def _without_query(parts: SplitResult) -> str:
    """Return the advice for a URL with a query: Azure asks for one, and has another address without."""
    if "api-version" in parts.query:
        return f"for Azure OpenAI write https://{parts.netloc}/openai/v1, which needs no api-version"
    return f"write {parts.scheme}://{parts.netloc}{parts.path}"


def shown(url: str) -> str:
    """Return a URL without what may be a password or a key in it."""
    return re.sub(r"\?.*", "?…", re.sub(r"//[^/@]*@", "//…@", url))[:200]
