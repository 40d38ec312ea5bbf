"""The folder of an earlier server: where it lies, its history, its index, and the picture file of a URL. Only read.

Newer versions kept everything in `data/` beside the package, older ones in the package `mcp_server/` itself. Easel's
own data folder is named `data` too, and may be the same one: no name of either is a name of the other.

A file is named by the MD5 of its key, the URL without query and fragment, or, for pictures that came without a URL, of
its bytes. The index says the same as the names and the time beside it, so that it is not missed where it is gone. Its
absolute paths are those of the machine that wrote it, Windows or a container perhaps, and are not followed.
"""

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from service.old_data.history import ARCHIVE, RECENT, OldEntry, read_entries, read_json

INDEX: Final = "url_cache.json"
PICTURES: Final = "url_cache"
NAMES: Final = (RECENT, ARCHIVE, INDEX, PICTURES)
"""All that an earlier server kept and that is taken over."""

PACKAGE: Final = "mcp_server"
INSIDE: Final = ("data", PACKAGE)
"""The folders of a checkout that may hold it, the newer first."""

LARGEST_JSON: Final = 200_000_000
"""Bytes of a JSON file; 2000 entries of long prompts are a hundredth of it."""

OLD_NAME: Final = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9]{1,5})", re.ASCII)
OWN_LINK: Final = re.compile(r"/mcp-cache/([^/?#]+)")


@dataclass(frozen=True, kw_only=True)
class OldFile:
    """A picture file: its size in bytes, and when it was written, in seconds since the epoch.

    The index tells the latter better than the file itself, whose date a copy of the folder may have changed.
    """

    path: Path
    size: int
    written_at: float


@dataclass(frozen=True, kw_only=True)
class OldFolder:
    """All that is to be taken over, and in `faults` one line for each thing that cannot be."""

    path: Path
    digest: str
    """The same for the same contents, wherever they lie."""
    entries: list[OldEntry]
    files: dict[str, OldFile]
    index: dict[str, str] = field(repr=False)
    faults: list[str]

    def file_of(self, url: str) -> str:
        """Return the name of the file that a URL of the history stands for, or would have; "" for none."""
        own = OWN_LINK.search(url)
        if own is not None and OLD_NAME.fullmatch(own[1]):
            return own[1]
        key = re.split(r"[?#]", url, maxsplit=1)[0]
        named = self.index.get(key) or self.index.get(url)
        if named in self.files:
            return named
        digest = hashlib.md5(key.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
        return next((name for name in self.files if name.startswith(f"{digest}.")), named or "")


def holds_old_data(path: Path) -> bool:
    """Tell whether an earlier server kept something in this folder."""
    return any((path / name).exists() for name in NAMES)


def old_folders(path: Path) -> list[Path]:
    """Return the folders below a path, or the path itself, in which an earlier server kept something.

    A path may also name one of its files.
    """
    if path.name in NAMES:
        path = path.parent
    if holds_old_data(path):
        return [path]
    return [path / name for name in INSIDE if holds_old_data(path / name)]


def read_folder(path: Path) -> OldFolder:
    """Read all but the bytes of the pictures. Raises `OSError` where the folder itself cannot be read."""
    faults: list[str] = []
    texts = {name: _read(path / name, faults) for name in (ARCHIVE, RECENT, INDEX)}
    sizes = _listing(path / PICTURES, faults)
    entries = read_entries(texts[ARCHIVE], texts[RECENT], faults)
    index, times = _read_index(texts[INDEX], faults)
    files = {
        name: OldFile(path=path / PICTURES / name, size=found.st_size, written_at=times.get(name, found.st_mtime))
        for name, found in sizes.items()
    }
    return OldFolder(path=path, digest=_digest(texts, sizes), entries=entries, files=files, index=index, faults=faults)


def _read(path: Path, faults: list[str]) -> bytes | None:
    try:
        if path.stat().st_size > LARGEST_JSON:
            faults.append(f"{path.name} is larger than {LARGEST_JSON // 1_000_000} MB, and is not read.")
            return None
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        faults.append(f"{path.name} cannot be read: {error.strerror}.")
        return None


def _listing(path: Path, faults: list[str]) -> dict[str, os.stat_result]:
    """Return the plain files with names of pictures; others are counted as a fault."""
    found: dict[str, os.stat_result] = {}
    strange: list[str] = []
    if not path.is_dir():
        return found
    for entry in sorted(path.iterdir()):
        status = entry.lstat()
        if stat.S_ISREG(status.st_mode) and OLD_NAME.fullmatch(entry.name):
            found[entry.name] = status
        else:
            strange.append(entry.name)
    if strange:
        faults.append(f"{PICTURES} holds {len(strange)} files of other names, such as {strange[0][:80]!r}: left there.")
    return found


def _read_index(data: bytes | None, faults: list[str]) -> tuple[dict[str, str], dict[str, float]]:
    """Return the file name of each key, and the time of each file that has one."""
    names: dict[str, str] = {}
    times: dict[str, float] = {}
    strange = 0
    for key, entry in read_json(INDEX, data, faults)[1].items() if data is not None else ():
        name = _name_in(entry)
        if not name:
            strange += 1
            continue
        names[key] = name
        time = entry.get("time")
        if isinstance(time, int | float) and not isinstance(time, bool) and math.isfinite(time) and time > 0:
            times[name] = float(time)
    if strange:
        faults.append(f"Entries of {INDEX} that name no file: {strange}.")
    return names, times


def _name_in(entry: Any) -> str:
    """Return the file name of an entry: as it says, else the end of its path, of Windows too."""
    if not isinstance(entry, dict):
        return ""
    for value in (entry.get("filename"), entry.get("path")):
        name = re.split(r"[\\/]", value)[-1] if isinstance(value, str) else ""
        if OLD_NAME.fullmatch(name):
            return name
    return ""


def _digest(texts: dict[str, bytes | None], files: dict[str, os.stat_result]) -> str:
    parts: Iterable[object] = [
        *(hashlib.sha256(text).hexdigest() if text is not None else "" for text in texts.values()),
        *([name, found.st_size] for name, found in files.items()),
    ]
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()
