"""A pooler before PostgreSQL, as far as its clients can tell that it is there: PgBouncer in transaction mode.

It names another process than the server's own, and passes no notice on (postgresql.org/docs/current/protocol-message-
formats.html: BackendKeyData is K, NotificationResponse is A).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from yarl import URL

KEY_DATA: Final = b"K"
NOTICE: Final = b"A"
ANOTHER_PROCESS: Final = (4_000_000).to_bytes(4, "big")
NO_TLS: Final = b"N"


@contextlib.asynccontextmanager
async def pooled(url: str) -> AsyncIterator[str]:
    """The URL of a database behind a pooler."""
    place = URL(url)
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            answers, requests = await asyncio.open_connection(place.host, place.port)
            passing = asyncio.create_task(_pass_on(reader, requests))
            try:
                await _answer(answers, writer)
            finally:
                passing.cancel()
                requests.close()
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield str(place.with_port(port))
    finally:
        server.close()
        for each in at_work:
            each.cancel()
        await asyncio.gather(*at_work)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    kind = await reader.readexactly(1)
    if kind == NO_TLS:  # the answer to a request for TLS, of one byte; later an N is a message as others are
        writer.write(kind)
        kind = await reader.readexactly(1)
    while True:
        length = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(length, "big") - 4)
        if kind != NOTICE:
            writer.write(kind + length + (ANOTHER_PROCESS + body[4:] if kind == KEY_DATA else body))
        kind = await reader.readexactly(1)
