"""The identity that the guard finds for a request, as a handler behind it reads it."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.authorization import SCOPES
from service.settings import Settings
from service.web.guard import Guard
from service.web.identity import IDENTITY

ANNA = "anna-0123456789abcdef"


async def answered(env: dict[str, str], path: str = "/mcp", authorization: str | None = None) -> tuple[int, str]:
    """The status, and the owner and the scopes that a handler behind the guard read."""

    async def tell(request: web.Request) -> web.Response:
        identity = request.get(IDENTITY)
        return web.Response(text=f"{identity.owner} {sorted(identity.scopes)}" if identity else "nobody")

    app = web.Application(middlewares=[Guard(Settings.from_env(env)).middleware()])
    for each in ("/mcp", "/healthz"):
        app.router.add_get(each, tell)
    async with TestClient(TestServer(app)) as client:
        response = await client.get(path, headers={"Authorization": authorization} if authorization else {})
        return response.status, await response.text()


async def test_without_tokens_everything_belongs_to_the_local_owner_with_every_scope() -> None:
    """Ours: a laptop with no settings just works."""
    assert await answered({}) == (200, f"local {sorted(SCOPES)}")


async def test_a_static_token_gives_its_name_and_every_scope() -> None:
    """Ours: scopes narrow access tokens of an authorization server; whoever sets a static token trusts its holder."""
    found = await answered({"EASEL_TOKENS": f"anna:{ANNA}"}, authorization=f"Bearer {ANNA}")
    assert found == (200, f"anna {sorted(SCOPES)}")


@pytest.mark.parametrize("env", [{}, {"EASEL_TOKENS": f"anna:{ANNA}"}])
async def test_a_route_that_needs_no_token_acts_for_nobody(env: dict[str, str]) -> None:
    """Ours: a handler that read an owner there would act for somebody who did not ask."""
    assert await answered(env, "/healthz") == (200, "nobody")
