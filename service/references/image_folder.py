"""The newest pictures of the image folder, where a chat program keeps what a person attaches.

1. Files directly in the folder and one level below it; of these so many at most, so that a wrong folder costs little.
2. Newest is what came last: a copy may keep the time of its original, so the later of both times of a file counts.
3. What a file is, its first bytes say. Documents are passed over. A picture that cannot be taken is not: to go on with
   an older one would be to draw from a picture that nobody meant.
4. Nothing outside is ever read: no link is followed, neither in the walk nor in the opening, and only plain files are.

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
from service.pictures.previews import SNIFFED_TEXT, brands, described, is_text, sniff

ENTRIES: Final = 50_000
"""Looked at in all, a tenth of a second. Cherry Studio keeps each attachment once, in one folder."""

OPENED: Final = 200
"""How many files, newest first, are opened in the search for pictures among documents."""

SHOWN_NAME: Final = 60

READING: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""No link, and no waiting at what became a pipe meanwhile. Windows has neither flag, and one of its own."""


UNKEPT_PICTURES: Final = (b"BM", b"II*\x00", b"MM\x00*")
HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"})
"""BMP, TIFF, and what iPhones make: pictures, but none that image services take."""


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """One picture of the folder: the name of its file, as it can be shown, and what is in it."""

    name: str
    data: bytes = field(repr=False)


async def newest(folder: Path, count: int, max_bytes: int) -> list[FoundImage]:
    """The newest pictures, newest first: exactly so many, or a `WorkError` that says what is there instead."""
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
    """The plain files of the folder and of the folders in it, each after its time; a bounded number of looks."""
    top = list(islice(_entries(str(root)), most))
    below = (entry for folder in top if folder.is_dir(follow_symlinks=False) for entry in _entries(folder.path))
    for entry in (*top, *islice(below, most - len(top))):
        with suppress(FileNotFoundError):  # removed meanwhile
            looked = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(looked.st_mode):
                yield max(looked.st_mtime_ns, looked.st_ctime_ns), entry.path


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where it is not for us."""
    with suppress(PermissionError, FileNotFoundError), os.scandir(folder) as entries:
        yield from entries


def _read(path: Path, root: Path, max_bytes: int) -> bytes | None:
    """The bytes of a picture; None where it is none, has gone, or lies outside."""
    try:
        with os.fdopen(os.open(path, READING), "rb") as file:
            if not _is_inside(file, path, root):
                return None
            start = file.read(SNIFFED_TEXT)
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
    """Whether what was opened is a plain file of the folder: a folder on the way may have become a link meanwhile."""
    opened, real = os.fstat(file.fileno()), path.resolve(strict=True)
    return stat.S_ISREG(opened.st_mode) and real.is_relative_to(root) and os.path.samestat(opened, real.stat())


def _is_picture(start: bytes, path: Path) -> bool:
    if sniff(start) is not None:
        return True
    if not is_text(start) and (start.startswith(UNKEPT_PICTURES) or HEIC & set(brands(start))):
        raise _problem(
            f"the newest picture, {_shown(path)}, is {described(start)}. The person should send it as PNG, JPEG or WebP"
        )
    return False


def _shown(path: Path | str) -> str:
    """The name of a file, which somebody else chose, as it may stand in a result: one short line without markup."""
    plain = (each for each in Path(path).name if each.isprintable() and each not in "[]()<>`*|\\")
    return "".join(plain)[:SHOWN_NAME]


def _problem(what: str) -> WorkError:
    return WorkError(f"`use_latest_user_image`: {what}.", kind="reference")
