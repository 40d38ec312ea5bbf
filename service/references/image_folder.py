"""The newest pictures of the image folder, where a chat program keeps what a person attaches.

1. Files directly in the folder and one level below it are looked at, `ENTRIES` at most, so that a wrong folder costs
   little.
2. The newest file is the one that came last: a copy may keep the time of its original, so the later of both times
   counts.
3. The first bytes of a file tell its type. Documents are passed over. A picture of a type that is not kept ends the
   search: the next older one is a picture that nobody meant.
4. Only plain files inside the folder are read: no link is followed, in the walk or in the opening.

All of it blocks, so `newest` runs in a thread.
"""

import asyncio
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from service.images import WorkError
from service.pictures.sniffing import HEAD_BYTES, convertible, other_picture, sniff
from service.redaction import visible

ENTRIES: Final = 50_000
"""Most files that are looked at, in a tenth of a second. Cherry Studio keeps each attachment once, in one folder."""

OPENED: Final = 200
"""Most files, newest first, that are opened in the search for pictures among documents."""

SHOWN_NAME: Final = 60

READING: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Follow no link, and do not wait at a pipe. Windows has neither flag, and one of its own."""


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """One picture of the folder: the name of its file, as it can be shown, and its bytes."""

    name: str
    data: bytes = field(repr=False)


async def newest(folder: Path, count: int, max_bytes: int) -> list[FoundImage]:
    """Return the `count` newest pictures, newest first. Raises `WorkError` where the folder has fewer."""
    return await asyncio.to_thread(_newest, folder, count, max_bytes)


def _newest(folder: Path, count: int, max_bytes: int) -> list[FoundImage]:
    try:
        root = folder.resolve(strict=True)
        os.scandir(root).close()
        candidates = heapq.nlargest(OPENED, _files(root))
    except OSError as error:
        raise _problem(
            f"the image folder cannot be read: {error.strerror}. Whoever runs this server should look at "
            "EASEL_IMAGE_DIR"
        ) from error
    found: list[FoundImage] = []
    for _, path in candidates:
        if len(found) == count:
            break
        data = _read(Path(path), root, max_bytes)
        if data is not None:
            found.append(FoundImage(name=_shown(path), data=data))
    if len(found) < count:
        there = f"only {len(found)} of them" if found else "none"
        raise _problem(f"{count} of the newest pictures were asked for, and there is {there} in the image folder")
    return found


def _files(root: Path, most: int = ENTRIES) -> Iterator[tuple[int, str]]:
    """Yield time and path of the plain files of the folder and of the folders in it, `most` at most."""
    top = list(islice(_entries(str(root)), most))
    below = (entry for folder in top if folder.is_dir(follow_symlinks=False) for entry in _entries(folder.path))
    for entry in (*top, *islice(below, most - len(top))):
        with suppress(FileNotFoundError):  # removed meanwhile
            looked = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(looked.st_mode):
                yield max(looked.st_mtime_ns, looked.st_ctime_ns), entry.path


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder; none of one that may not be read."""
    with suppress(PermissionError, FileNotFoundError), os.scandir(folder) as entries:
        yield from entries


def _read(path: Path, root: Path, max_bytes: int) -> bytes | None:
    """Return the bytes of a picture; None for a document, and for a file that has gone or lies outside."""
    try:
        with os.fdopen(os.open(path, READING), "rb") as file:
            if not _is_inside(file, path, root):
                return None
            start = file.read(HEAD_BYTES)
            if not _is_picture(start, path):
                return None
            data = start + file.read(max_bytes + 1 - len(start))
    except OSError:
        return None
    if len(data) > max_bytes:
        raise _problem(
            f"the newest picture, {_shown(path)}, has more than {max_bytes // 1_000_000} MB. The person should send a "
            "smaller one"
        )
    return data


def _is_inside(file: BinaryIO, path: Path, root: Path) -> bool:
    """Tell whether the open file is a plain file of the folder: a folder above may have become a link meanwhile."""
    opened, real = os.fstat(file.fileno()), path.resolve(strict=True)
    return stat.S_ISREG(opened.st_mode) and real.is_relative_to(root) and os.path.samestat(opened, real.stat())


def _is_picture(start: bytes, path: Path) -> bool:
    if sniff(start) is not None or convertible(start) is not None:
        return True
    if other := other_picture(start):
        raise _problem(
            f"the newest picture, {_shown(path)}, is {other}, a type that is not kept. The person should send it as "
            "PNG, JPEG or WebP"
        )
    return False


def _shown(path: Path | str) -> str:
    """Return the name of a file, which anybody may have chosen, as one short line without markup."""
    return "".join(each for each in visible(Path(path).name) if each not in "\n[]()<>`*|\\")[:SHOWN_NAME]


def _problem(what: str) -> WorkError:
    return WorkError(f"`use_latest_user_image`: {what}.", kind="reference")
