"""Reading the body of an HTTP message without taking more of it into memory than is wanted."""

import io
from typing import Final, Protocol

PIECE: Final = 64 * 1024


class Readable(Protocol):
    """A body that arrives: the `content` of an aiohttp request or response."""

    async def read(self, n: int = -1, /) -> bytes:
        """Return up to `n` bytes as soon as there are any, and none at the end."""
        ...


async def read_limited(body: Readable, limit: int) -> bytes:
    """Read a body to its end, or one byte more than `limit`, by which the caller sees that it is larger."""
    taken = io.BytesIO()  # it grows in place and gives its bytes away, where joining pieces would copy them all
    while taken.tell() <= limit and (piece := await body.read(min(PIECE, limit + 1 - taken.tell()))):
        taken.write(piece)
    return taken.getvalue()
