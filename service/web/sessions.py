"""GET and DELETE of the MCP endpoint, which only legacy sessions have.

GET opens the session's own stream, for change notices, or goes on with a stream that was broken, from `Last-Event-ID`
on. DELETE ends the session. Spec 2025-11-25, Transports; the modern era has neither: 405.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from service.authorization import LOOK
from service.bounds.limits import LimitError
from service.protocol.admission import Arrival, Refused, find_session
from service.protocol.call import Call, DeliveryCallbacks
from service.protocol.client import ERA_OF, Era
from service.protocol.headers import LAST_EVENT_ID, PROTOCOL_VERSION, Headers
from service.protocol.jsonrpc import Request, Result, notification_message, result_message
from service.protocol.origins import read_origin
from service.protocol.replay import KEEP_ALIVE, Stream, frame
from service.protocol.session import Session
from service.protocol.subscriptions import Change, ResourceUpdated, TaskChanged, notification_of, passes
from service.storage.ended_sessions import EndedSessions
from service.web.guard import error_response
from service.web.identity import IDENTITY
from service.web.mcp import McpEndpoint, arrival_of, limit_response, response_of, step_up
from service.web.response import FITS_BYTES, NO_HEADERS, RawResponse
from service.web.stream import WRITE_DEADLINE_S, Accepts, KeepAlive

logger = logging.getLogger(__name__)

BEAT_S: Final = 20.0
"""Seconds between two keep-alive comments on a stream; they also find out that a reader is gone."""


MAX_ENDED: Final = 10_000
"""Sessions of one owner that this process ends: each end is remembered until the id would expire, for a month."""

LOOK_S: Final = 1.0
"""Seconds between two looks whether work of another process has ended."""

NOTHING_KEPT: Final = (
    "Nothing is kept from this Last-Event-ID on: its stream is another session's, or old, or was another process's "
    "before its work had begun. Send the request again; what was begun is not paid for twice."
)
NOT_REPLAYED: Final = (
    "Messages between this Last-Event-ID and the result were those of another process, and are not sent again. The "
    "result follows once the picture is there."
)
NO_STREAM: Final = "A GET is answered by a stream: Accept must list text/event-stream."


class SessionRoutes:
    """The two routes, on one endpoint."""

    def __init__(self, endpoint: McpEndpoint, ended: EndedSessions, beat_s: float) -> None:
        """Serve the sessions of `endpoint`, but the `ended` ones, with a comment every `beat_s` seconds."""
        self._endpoint = endpoint
        self._ended = ended
        self._ended_of: Counter[str] = Counter()
        self._keep_alive = KeepAlive(beat_s)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Open the stream of a session, or resume one from `Last-Event-ID`."""
        if _is_modern(request):
            return _post_only()
        if LOOK not in request[IDENTITY].scopes:
            return step_up(self._endpoint.resource, [LOOK], None)
        accept = request.headers.getall(hdrs.ACCEPT, [])
        if not Accepts(accept).sse:
            return error_response(406, NO_STREAM)
        arrival = arrival_of(request, request[IDENTITY])
        found = find_session(request.headers.items(), self._endpoint.keys, arrival)
        if isinstance(found, Refused):
            return response_of(found)
        try:
            self._endpoint.server.call_rate.take(arrival.owner)
            with self._endpoint.server.hub.streams.hold(arrival.owner):
                return await self._open(request, arrival, *found)
        except LimitError as full:
            return limit_response(full)

    async def _open(
        self, request: web.Request, arrival: Arrival, session: Session, headers: Headers
    ) -> web.StreamResponse:
        last = headers.get(LAST_EVENT_ID)
        if last is None:
            return await self._stream(request, session, self._changes(session, arrival.client_hint))
        place = self._endpoint.streams.find(last, session.id)
        if place is None:
            return await self._open_elsewhere(request, arrival, session, last)
        stream, after = place
        if stream.is_over(after):
            return _nothing_follows(stream)
        return await self._stream(request, session, stream.follow(after), lambda: stream.delivery)

    async def _open_elsewhere(
        self, request: web.Request, arrival: Arrival, session: Session, last: str
    ) -> web.StreamResponse:
        """Resume a stream of another process, or of an earlier one: its call is answered once its work has ended."""
        origin = read_origin(last)
        tool = None if origin is None else self._endpoint.server.tools.get(origin.tool)
        if origin is None or tool is None or tool.resume is None:
            return error_response(400, NOTHING_KEPT)
        again = Request(id=origin.request_id, method="tools/call", params={"name": origin.tool})
        call = Call(
            request=again,
            era=Era.LEGACY,
            version=session.version,
            owner=session.owner,
            client=session.client,
            client_hint=arrival.client_hint,
            session=session,
            log_level=self._endpoint.server.memory.level_of(session.id),
        )
        answer = self._answer_elsewhere(call, partial(tool.resume, call, origin.work))
        return await self._stream(request, session, answer, lambda: call.delivery)

    async def _answer_elsewhere(
        self, call: Call, resume: Callable[[], Awaitable[Result | None]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield a word that nothing before is sent again, and then the result once there is one."""
        if passes("notice", call.log_level):
            params = {"level": "notice", "logger": "easel", "data": NOT_REPLAYED}
            yield frame(notification_message("notifications/message", params))
        while (result := await resume()) is None:  # noqa: ASYNC110 - its end is in the records, whoever does the work
            await asyncio.sleep(LOOK_S)
        yield frame(result_message(call.id, result))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """End a session, here and for every process on this data folder."""
        if _is_modern(request):
            return _post_only()
        found = find_session(request.headers.items(), self._endpoint.keys, arrival_of(request, request[IDENTITY]))
        if isinstance(found, Refused):
            return response_of(found)
        session, _ = found
        if self._ended_of[session.owner] >= MAX_ENDED:
            return _not_allowed("POST, GET", f"{MAX_ENDED} sessions were ended; this one ends when its id expires.")
        try:
            self._endpoint.server.call_rate.take(session.owner)
            self._ended_of[session.owner] += 1
            await self._ended.add(session.id, session.expires)
        except LimitError as full:
            return limit_response(full)
        except OSError as problem:
            self._ended_of[session.owner] -= 1  # it is not remembered
            logger.error("A session could not be ended: %s", problem)  # noqa: TRY400 - the disk's, with nothing to trace
            return error_response(
                503, "The session could not be ended, since this cannot be kept now. Try again later."
            )
        server = self._endpoint.server
        for stream in server.hub.streams_of(session.id):
            stream.close()
        self._endpoint.pending.cancel_session(session.id)
        self._endpoint.streams.forget_session(session.id)
        server.memory.forget(session.id)
        return web.Response(status=204)

    async def _changes(self, session: Session, client_hint: str) -> AsyncGenerator[bytes, None]:
        """Yield the changes for a session: of the lists, and of the resources that it subscribed to."""
        server = self._endpoint.server
        hub = server.hub
        wanted: list[Change] = [
            *server.list_changes_for(session.client, client_hint),
            *map(ResourceUpdated, server.memory.look(session.id).resources),
        ]
        subscription = hub.open_for_session(session.id, wanted, session.owner)
        try:
            while (change := await subscription.next()) is not None:
                if not isinstance(change, TaskChanged):
                    yield frame(notification_message(*notification_of(change)))
        finally:
            hub.forget(subscription)

    async def _stream(
        self,
        request: web.Request,
        session: Session,
        events: AsyncGenerator[bytes, None],
        delivery: Callable[[], DeliveryCallbacks | None] = lambda: None,
    ) -> web.StreamResponse:
        """Send events as they come, perhaps those of a call that has a `delivery`, and now and then a comment."""
        response, expires = RawResponse(request), request[IDENTITY].expires
        response.begin(NO_HEADERS)
        response.put(KEEP_ALIVE)
        whole, silent = False, None
        try:
            async with asyncio.timeout(None if expires == math.inf else expires - time.time()) as limit:
                silent = SilentStream(response, limit, partial(self._ended.contains, session.id))
                self._keep_alive.watch(silent)
                whole = await self._send(response, session, events)
        except TimeoutError:
            pass  # the token has expired, or another process on this data folder has ended the session
        finally:
            if silent is not None:
                self._keep_alive.forget(silent)
            await events.aclose()
        await _end(response, delivery() if whole else None)
        return response.sent

    async def _send(self, response: RawResponse, session: Session, events: AsyncGenerator[bytes, None]) -> bool:
        """Send events to their end; False where the session ends, or the client is gone, before that."""
        async for event in events:
            if self._ended.contains(session.id) or not await _write(response, event):
                return False
        return True


class SilentStream:
    """A stream of a session, on which comments are sent. It is over where `is_ended` says so, or its client is gone."""

    __slots__ = ("_is_ended", "_limit", "_response")

    def __init__(self, response: RawResponse, limit: asyncio.Timeout, is_ended: Callable[[], bool]) -> None:
        """Send comments on this response until the limit of its time."""
        self._response = response
        self._limit = limit
        self._is_ended = is_ended

    def beat(self) -> bool:
        """Send a comment; return whether another may be needed."""
        if not self._is_ended() and self._response.put(KEEP_ALIVE, optional=True):
            return True
        self._limit.reschedule(asyncio.get_running_loop().time())
        return False


def add_routes(
    app: web.Application, path: str, endpoint: McpEndpoint, ended: EndedSessions, beat_s: float = BEAT_S
) -> None:
    """Serve the whole MCP endpoint at `path`, with a slash at its end as well.

    A redirect from one to the other would lose the body, or the token, in several clients.
    """
    routes = SessionRoutes(endpoint, ended, beat_s)
    for each in (path, f"{path}/"):
        app.router.add_post(each, endpoint.post)
        app.router.add_get(each, routes.get, allow_head=False)
        app.router.add_delete(each, routes.delete)
        app.router.add_route("*", each, _other_methods)


async def _write(response: RawResponse, chunk: bytes) -> bool:
    return response.put(chunk) and (
        response.waiting <= FITS_BYTES or await response.flush(WRITE_DEADLINE_S, whole=False)
    )


async def _end(response: RawResponse, delivery: DeliveryCallbacks | None) -> None:
    """End a stream, and run the delivery callbacks of the call whose events have all arrived."""
    sent = response.end() and await response.flush(WRITE_DEADLINE_S, whole=True)
    if sent and delivery is not None:
        delivery.run()


def _nothing_follows(stream: Stream) -> web.Response:
    """Return 405: the client has all events, or has cancelled the call, which is not answered then.

    To an empty stream the official SDKs would come back twice a second, as to one that hung up.
    """
    if stream.delivery is not None:
        stream.delivery.run()
    return _not_allowed("POST, DELETE", "Nothing follows this Last-Event-ID: its call has ended.")


def _is_modern(request: web.Request) -> bool:
    return ERA_OF.get(request.headers.get(PROTOCOL_VERSION), Era.MODERN) is Era.MODERN


async def _other_methods(request: web.Request) -> web.StreamResponse:
    return _post_only() if _is_modern(request) else _not_allowed("POST, GET, DELETE")


def _post_only() -> web.Response:
    return _not_allowed("POST")


def _not_allowed(methods: str, why: str = "") -> web.Response:
    response = error_response(405, why or f"This endpoint takes {methods}.")
    response.headers[hdrs.ALLOW] = methods
    return response
