"""The MCP endpoint over HTTP: a thin edge around admission and dispatch.

POST carries every message. GET and DELETE of the legacy revisions are optional there and not offered: 405.
"""

import os
import time
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import hdrs, web

from service.protocol.admission import Arrival, Notice, Refused, Reply, admit
from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.dispatch import answer
from service.protocol.headers import SESSION_ID
from service.protocol.session import Sessions
from service.web_calls import RunningCalls
from service.web_guard import PRINCIPAL, refused
from service.web_stream import Accepts, ReplyStream

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Far more than a prompt and its parameters; the whole body is held in memory."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What the MCP endpoint answers from."""

    server: Server
    sessions: Sessions
    calls: RunningCalls

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Take one JSON-RPC message."""
        if request.content_type != "application/json":
            return refused(415, f"Content-Type is {request.content_type!r}; send application/json.")
        accepts = Accepts(request.headers.getall(hdrs.ACCEPT, []))
        if not accepts.json and not accepts.sse:
            return refused(406, "Accept must list application/json and text/event-stream.")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return refused(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        arrival = Arrival(principal=request[PRINCIPAL], now=time.time(), nonce=os.urandom(16))
        match admit(request.headers.items(), body, self.sessions, arrival):
            case Refused() as refusal:
                return web.Response(body=refusal.body(), status=refusal.status, content_type="application/json")
            case Notice() as notice:
                self._take(notice)
                return web.Response(status=202)
            case Reply():
                return web.Response(status=202)
            case Call() as call:
                return await self._reply(request, accepts, call)

    def _take(self, notice: Notice) -> None:
        if notice.session is not None and notice.notification.method == "notifications/cancelled":
            self.calls.cancel(notice.session, notice.notification.params.get("requestId"))

    async def _reply(self, request: web.Request, accepts: Accepts, call: Call) -> web.StreamResponse:
        stream = ReplyStream(request, accepts)
        try:
            ended = await self.calls.run(call, answer(self.server, replace(call, send=stream.send)))
        except BaseException:
            stream.abandon()
            raise
        if ended is None:
            return await stream.end()
        opened = call.session.id if call.session is not None and call.opens_session and not ended.failed else None
        return await stream.finish(ended, {SESSION_ID: opened} if opened else {})


async def other_methods(request: web.Request) -> web.StreamResponse:  # noqa: ARG001 - aiohttp's signature
    """Say that only POST is offered here."""
    response = refused(405, "This endpoint takes POST only.")
    response.headers[hdrs.ALLOW] = "POST"
    return response


def add_routes(app: web.Application, path: str, endpoint: Endpoint) -> None:
    """Serve the endpoint at `path`."""
    app.router.add_post(path, endpoint.post)
    app.router.add_route("*", path, other_methods)
