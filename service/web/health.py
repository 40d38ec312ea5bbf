"""`/healthz`: whether this process serves. It says nothing else, so it needs no token; `/health` is the same."""

from typing import Final

from aiohttp import web

PATHS: Final = ("/healthz", "/health")


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    """Answer that we are here."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


def add_routes(app: web.Application) -> None:
    """Serve the route, under both names that monitors ask for."""
    for path in PATHS:
        app.router.add_get(path, healthz)
