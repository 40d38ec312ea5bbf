"""Requests that go to their handler by method and path: each is answered as aiohttp's own search would have it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from service.web.known_routes import KnownRoutes


@web.middleware
async def mark(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers["X-Marked"] = str(request.match_info.http_exception)
    return response


async def signed(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Signed"] = "yes"


async def tell(request: web.Request) -> web.Response:
    assert request.match_info.current_app is request.app
    return web.Response(text=f"{request.method} {request.path} {dict(request.match_info)} {request.query_string}")


@dataclass
class Site:
    """A client of the application, and the requests for which aiohttp has searched."""

    client: TestClient[web.Request, web.Application]
    searched: list[str] = field(default_factory=list)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    app = web.Application(middlewares=[mark])
    app.on_response_prepare.append(signed)
    app.router.add_post("/mcp", tell)
    app.router.add_get("/mcp", tell, allow_head=False)
    app.router.add_route("*", "/mcp", tell)
    app.router.add_get("/files/{name}", tell)
    server = TestServer(app)
    await server.start_server()
    assert server.runner is not None
    aiohttps = server.runner.server
    assert aiohttps is not None
    search = aiohttps.request_handler
    async with TestClient(server) as client:
        site = Site(client)

        async def noted(request: web.BaseRequest) -> web.StreamResponse:
            site.searched.append(f"{request.method} {request.path_qs}")
            return await search(request)

        aiohttps.request_handler = KnownRoutes(app, noted).handle
        yield site


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_known_path_is_not_searched_for(site: Site, method: str) -> None:
    for _ in range(2):
        answer = await site.client.request(method, "/mcp")
        assert await answer.text() == f"{method} /mcp {{}} "
        assert (answer.headers["X-Marked"], answer.headers["X-Signed"]) == ("None", "yes")
    assert site.searched == []


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        pytest.param("POST", "/mcp?client=cherry", "POST /mcp {} client=cherry", id="a query"),
        pytest.param("PATCH", "/mcp", "PATCH /mcp {} ", id="a method of a route for all"),
        pytest.param("GET", "/files/a.png", "GET /files/a.png {'name': 'a.png'} ", id="a path that varies"),
        pytest.param("GET", "/nowhere", "404: Not Found", id="a path that nobody serves"),
    ],
)
async def test_all_else_is_left_to_aiohttp(site: Site, method: str, path: str, text: str) -> None:
    answer = await site.client.request(method, path)
    assert await answer.text() == text
    assert site.searched == [f"{method} {path}"]


async def test_a_client_that_waits_for_a_word_before_its_body_gets_it(
    site: Site,
) -> None:
    """Spec RFC 9110, 10.1.1: aiohttp sends `100 Continue` within its search."""
    answer = await site.client.post("/mcp", data=b"{}", expect100=True)
    assert await answer.text() == "POST /mcp {} "
    assert site.searched == ["POST /mcp"]
