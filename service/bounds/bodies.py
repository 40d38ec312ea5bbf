"""Reading the body of an HTTP message without taking more of it into memory than is wanted."""

import io
from typing import Final, Protocol

PIECE: Final = 256 * 1024
"""Bytes taken at one go: as many as the event loop reads from a connection, so that none is cut in two and copied."""


class Readable(Protocol):
    """A body that arrives: the `content` of an aiohttp request or response."""

    async def read(self, n: int = -1, /) -> bytes:
        """Return up to `n` bytes as soon as there are any, and none at the end."""
        ...


async def read_limited(body: Readable, limit: int, told: int = 0) -> bytes:
    """Read a body to its end, or one byte more than `limit`, by which the caller sees that it is larger.

    Memory for the length that was `told` is taken at once: to grow piece by piece copies what is there many times.
    """
    taken = io.BytesIO()  # it gives its bytes away, where joining pieces would copy them all
    if PIECE < told <= limit:
        taken.seek(told - 1)
        taken.write(b"\0")
        taken.seek(0)
    while taken.tell() <= limit and (piece := await body.read(min(PIECE, limit + 1 - taken.tell()))):
        taken.write(piece)
    taken.truncate()  # there may be fewer than were told
    return taken.getvalue()
