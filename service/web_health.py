"""`/healthz`: whether this process serves. It says nothing else, so it needs no token."""

from aiohttp import web


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    """Answer that we are here."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


def add_routes(app: web.Application) -> None:
    """Serve the route."""
    app.router.add_get("/healthz", healthz)
