"""`/healthz` and `/health`: a sign that this process serves. They reveal nothing else, so they need no token."""

from aiohttp import web

from service.routes import HEALTH


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    """Return 200 with a small JSON body."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


def add_routes(app: web.Application) -> None:
    """Serve the route under both names that monitors use."""
    for route in HEALTH:
        app.router.add_get(route.path, healthz)
