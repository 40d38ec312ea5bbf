"""A reverse proxy on loopback that is wrong in one way, as are those of people: it buffers, renames, limits, loses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.emulators.loopback import serving

HOP = ("host", "connection", "transfer-encoding", "content-length", "keep-alive")
"""Headers of one connection, which a proxy does not pass on (RFC 9110, 7.6.1); the length is set anew."""


@dataclass(kw_only=True)
class Proxy:
    """The proxy and its faults; with none of them it passes on everything as it comes."""

    target: str
    host: str = ""
    """`Host` that it sends in place of that of the request."""
    buffers: bool = False
    """It sends an answer when it has all of it."""
    most_bytes: int = 0
    """A longer body is refused with 413."""
    only: str = ""
    """Paths that begin otherwise are answered with a page of its own."""
    drops: tuple[str, ...] = ()
    """Headers that it takes away."""
    adds: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    """Its own answer to everything."""
    redirect: str = ""
    """The address that it sends everybody to."""
    asked: int = 0
    """Requests that came."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.redirect:
            return web.Response(status=308, headers={"Location": self.redirect + request.path})
        if self.status or not request.path.startswith(self.only):
            return web.Response(
                status=self.status or 404, text="<h1>A page of the proxy</h1>", content_type="text/html"
            )
        if self.most_bytes and (request.content_length or 0) > self.most_bytes:
            return web.Response(status=413, text="<h1>413 Request Entity Too Large</h1>", content_type="text/html")
        left_out = (*HOP, *(each.lower() for each in self.drops))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
        headers |= {"Host": self.host or request.headers["Host"], **self.adds}
        if request.content_length is not None:
            headers["Content-Length"] = str(request.content_length)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.target + request.path_qs,
                headers=headers,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            ) as answer,
        ):
            return await self._answer(request, answer)

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
        if self.buffers:
            return web.Response(status=answer.status, headers=headers, body=await answer.read())
        response = web.StreamResponse(status=answer.status, headers=headers)
        if request.method == "HEAD":  # the length is all that it is asked for
            response.content_length = answer.content_length
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        return response


@asynccontextmanager
async def broken_proxy(proxy: Proxy) -> AsyncIterator[str]:
    """Run the proxy, and yield its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    async with serving(app) as url:
        yield url
