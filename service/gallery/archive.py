"""Several pictures as one ZIP, made while it is sent: no more than a piece of one picture is in memory.

Pictures are compressed already, so they are stored as they are; entries are large ones (ZIP64) from the start, as sizes
stand behind the bytes of a stream.
"""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from service.storage.files import Files

PIECE: Final = 256 * 1024
MOST: Final = 1000
"""Pictures of one archive."""


class _Sink(io.RawIOBase):
    """A stream that only writes: it holds what was written until that is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]  # narrower than any buffer
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


async def archive(files: Files, pictures: Iterable[tuple[str, str]]) -> AsyncGenerator[bytes, None]:
    """The bytes of a ZIP of pictures, each a name of a stored file and its name in the archive.

    One that was removed meanwhile is left out. Names that are the same are told apart.
    """
    sink, used = _Sink(), set[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as whole:
        for name, shown in pictures:
            stored = await files.find(name)
            if stored is None or not stored.size:
                continue
            opened = await files.open_range(name, range(stored.size))
            if opened is None:
                continue
            entry = zipfile.ZipInfo(_fresh(shown, used), time.localtime()[:6])
            async with opened:
                with whole.open(entry, "w", force_zip64=True) as inner:
                    async for piece in opened.chunks():
                        # In a thread: the checksum takes a millisecond for each megabyte.
                        await asyncio.to_thread(inner.write, piece)
                        yield sink.take()
    yield sink.take()


def _fresh(name: str, used: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    number, fresh = 1, name
    while fresh.lower() in used:
        number += 1
        fresh = f"{stem}-{number}{dot}{ending}"
    used.add(fresh.lower())
    return fresh


def as_file(name: str) -> str:
    """Return a disposition by which browsers save a file under this name (RFC 6266, with RFC 8187 for letters)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    quoted = "".join(f"%{byte:02X}" if not chr(byte).isalnum() or byte > 127 else chr(byte) for byte in name.encode())
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quoted}"
