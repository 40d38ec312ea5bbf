"""A real aiohttp server on loopback, for as long as a block lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback, on a free port unless one is given, and yield the URL."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound, *_ = runner.addresses[0]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()
