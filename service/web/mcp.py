"""The MCP endpoint over HTTP, POST: a thin edge around admission and dispatch. GET and DELETE are in `sessions.py`."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.bounds.bodies import read_limited
from service.bounds.limits import BATCH_GENERATIONS, LimitError, refusal
from service.hosts import is_loopback
from service.protocol.admission import (
    Admitted,
    Arrival,
    Batch,
    ClientNotification,
    ClientResponse,
    Keys,
    Refused,
    Single,
    admit,
)
from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.client import OUTLIVES_ITS_STREAM, RESUMES
from service.protocol.dispatch import EncodedResponse, refuse, respond, respond_from_cache
from service.protocol.errors import INVALID_REQUEST, RpcError, limit_exceeded, retry_after
from service.protocol.headers import SESSION_ID
from service.protocol.jsonrpc import RequestId
from service.protocol.methods import scope_needed
from service.protocol.pending_requests import PendingRequests
from service.protocol.replay import Stream, Streams
from service.protocol.session import Session
from service.web.guard import error_response
from service.web.identity import IDENTITY, Identity
from service.web.protected_resource import ProtectedResource
from service.web.response import NO_HEADERS
from service.web.running_calls import Pace, RunningCalls, Share
from service.web.stream import AGAIN_S, SILENCE_S, Accepts, KeepAlive, ReplyStream, StreamChannel

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Far more than a prompt and its parameters; the whole body is held in memory."""

BODY_DEADLINE_S: Final = 60.0
"""The largest body over a slow mobile network. A client that sends a byte now and then only holds a connection."""

HINT: Final = "client"
"""The query parameter by which a URL names the client it was given to, as in `/mcp?client=cherry-studio`."""

MAX_HINT: Final = 64

CANCELLED: Final = "notifications/cancelled"

LISTEN: Final = "subscriptions/listen"
"""The one call that goes on as long as its client wants."""

make_nonce: Final = partial(secrets.token_bytes, 16)


@dataclass(frozen=True, kw_only=True)
class McpEndpoint:
    """The server behind the endpoint, and the state of its open calls, requests and streams."""

    server: Server
    keys: Keys
    pending: PendingRequests = field(default_factory=PendingRequests)
    body_deadline_s: float = BODY_DEADLINE_S
    resource: ProtectedResource | None = None
    """The endpoint as clients with access tokens know it; None where none are taken."""
    links_follow_host: bool = False
    """Links begin with the loopback `Host` of the request: a container may be published at another port."""
    open_gallery: Callable[[Identity], str] | None = None
    """Gives the path by which a caller opens the gallery in a browser."""
    pace: Pace = field(default_factory=Pace)
    keep_alive: KeepAlive = field(default_factory=lambda: KeepAlive(SILENCE_S, AGAIN_S))

    @cached_property
    def calls(self) -> RunningCalls:
        """The calls that run, and the shares of requests."""
        return RunningCalls(self.server.allowances)

    @cached_property
    def streams(self) -> Streams:
        """The streams that clients can come again for."""
        return Streams.within(self.server.allowances)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Take one JSON-RPC message, or a batch."""
        if (turn := self.pace.turn()) is not None:
            await turn
        headers = request.headers
        accepts = terms_of(
            headers.get(hdrs.CONTENT_TYPE, ""), headers.get(hdrs.CONTENT_ENCODING), *headers.getall(hdrs.ACCEPT, ())
        )
        if isinstance(accepts, Unfit):
            return error_response(accepts.status, accepts.message)
        identity = request[IDENTITY]
        share = Share(self.calls, identity.owner)
        try:
            return await self._post(request, identity, accepts, share)
        finally:
            share.end()

    async def _post(
        self, request: web.Request, identity: Identity, accepts: Accepts, share: Share
    ) -> web.StreamResponse:
        try:
            # Nearly every body has come with its head.
            body = request.content.read_nowait() if request.content.is_eof() else await self._body_of(request, share)
        except LimitError as full:
            return limit_response(full)
        except web.RequestPayloadError:
            return error_response(400, "The body ended before it was complete, or is not framed as HTTP has it.")
        except TimeoutError:
            return error_response(408, f"The body did not arrive within {self.body_deadline_s:g} seconds.")
        if len(body) > MAX_BODY_BYTES:
            return error_response(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        admitted, size = admit(request.headers.items(), body, self.keys, self._arrival_of(request, identity)), len(body)
        del body  # it is not held as long as its calls run
        if identity.scopes is not SCOPES and (missing := self._missing_scopes(identity, admitted)):
            return step_up(self.resource, missing, admitted.id if isinstance(admitted, Call) else None)
        try:
            if not isinstance(admitted, Call):
                self._count(admitted, identity.owner)
            share.receive(size)
        except LimitError as full:
            if isinstance(admitted, Call):
                return whole(admitted, refuse(self.server, admitted, full))
            return limit_response(full)
        match admitted:
            case Call() as call:
                return await self._reply(request, accepts, call, share)
            case Refused() as refused:
                return response_of(refused)
            case Batch() as batch:
                return await self._reply_to_batch(request, accepts, batch, share)
            case ClientNotification() | ClientResponse() as message:
                self._take(message)
                return web.Response(status=202)

    def _arrival_of(self, request: web.Request, identity: Identity) -> Arrival:
        arrival = arrival_of(request, identity)
        if self.links_follow_host:
            arrival.reached_at = loopback_url_of(request.scheme, request.headers.get(hdrs.HOST, ""))
        if self.open_gallery is not None:
            arrival.open_gallery = partial(self.open_gallery, identity)
        return arrival

    def _missing_scopes(self, identity: Identity, admitted: Admitted) -> list[str]:
        """Return the scopes that a message needs, or the messages of a batch together, and its token does not grant.

        A batch is refused whole, before anything of it ran: a client asks for all scopes at once and sends it again.
        """
        items = admitted.items if isinstance(admitted, Batch) else (admitted,)
        needed = {scope_needed(self.server, each) for each in items if isinstance(each, Call)}
        return sorted(each for each in needed if each is not None and each not in identity.scopes)

    def _count(self, admitted: Admitted, owner: str) -> None:
        """Count a message that is no call, or each of a batch; raises `LimitError`. Dispatch counts calls.

        A cancellation and an answer to a question of ours end work that was counted: they are taken at any time.
        """
        match admitted:
            case Batch(items=items):
                for each in items:
                    self._count(each, owner)
            case Call() | ClientResponse():
                pass
            case ClientNotification(notification=notification) if notification.method == CANCELLED:
                pass
            case _:
                self.server.call_rate.take(owner)

    async def close(self, grace_s: float) -> None:
        """End open streams, and give running calls and tasks their grace."""
        self.server.hub.close()
        tasks = self.server.tasks
        await asyncio.gather(self.calls.close(grace_s), *([] if tasks is None else [tasks.close(grace_s)]))

    async def _body_of(self, request: web.Request, share: Share) -> bytes:
        """Return the body as it comes, or as much of it as shows that it is too large; raises `LimitError`."""
        announced = request.content_length
        share.receive(MAX_BODY_BYTES if announced is None else min(announced, MAX_BODY_BYTES))
        async with asyncio.timeout(self.body_deadline_s):
            return await read_limited(request.content, MAX_BODY_BYTES)

    def _take(self, message: ClientNotification | ClientResponse) -> None:
        match message:
            case ClientResponse():
                self.pending.resolve(message.session, message.response)
            case ClientNotification(session=None):
                pass
            case ClientNotification(session=session, notification=notification) if session is not None:
                if notification.method == CANCELLED:
                    self.calls.cancel(session, notification.params.get("requestId"), notification.params.get("reason"))

    async def _reply(self, request: web.Request, accepts: Accepts, call: Call, share: Share) -> web.StreamResponse:
        store = None if call.session is None else partial(self._open_stored, call.session, call.version)
        stream = ReplyStream(request, accepts, self.keep_alive, store=store)
        try:
            response = respond_from_cache(self.server, call)
            if response is None:
                if not call.opens_session:  # its head has the id of the session, and a comment would come with another
                    stream.watch_silence()
                expires = request[IDENTITY].expires if call.request.method == LISTEN else math.inf
                run = self._run(call, stream, accepts, share)
                response = await (run if expires == math.inf else _until(expires, run))
            if response is None:
                return await stream.end()
            return await stream.finish(response.body, response.status, headers_of(call, response))
        except BaseException:
            stream.abandon()
            raise

    async def _reply_to_batch(
        self, request: web.Request, accepts: Accepts, batch: Batch, share: Share
    ) -> web.StreamResponse:
        """Answer a batch by the list of its responses, or by a stream of them where a message came before."""
        stream = ReplyStream(request, accepts, self.keep_alive)
        stream.watch_silence()
        try:
            items = self._within_limit(batch.items)
            bodies = await asyncio.gather(*(self._answer_item(item, stream, accepts, share) for item in items))
        except BaseException:
            stream.abandon()
            raise
        responses = [body for body in bodies if body is not None]
        if not responses and not stream.opened:
            stream.abandon()
            return web.Response(status=202)
        if not stream.opened and accepts.json:
            return await stream.finish(b"[" + b",".join(responses) + b"]", 200, {})
        for each in responses:
            await stream.send(each)
        return await stream.end()

    def _within_limit(self, items: Iterable[Single]) -> Iterator[Single]:
        """Yield the items of a batch; beyond the limit, calls of tools that make pictures are refused instead."""
        begun = 0
        for item in items:
            if not isinstance(item, Call) or not self._makes_pictures(item):
                yield item
                continue
            begun += _pictures(item)
            most = self.server.allowances.each(BATCH_GENERATIONS, item.owner)
            beyond = refusal(BATCH_GENERATIONS, most, overall=False, retry_after_s=1, advice="in another batch")
            yield item if begun <= most else Refused(status=200, error=limit_exceeded(beyond), id=item.id)

    def _makes_pictures(self, call: Call) -> bool:
        """Return whether this is a call of a tool whose work a job stands for, which can be resumed."""
        name = call.params.get("name")
        tool = self.server.tools.get(name) if call.method == "tools/call" and isinstance(name, str) else None
        return tool is not None and tool.resume is not None

    async def _answer_item(self, item: Single, stream: ReplyStream, accepts: Accepts, share: Share) -> bytes | None:
        match item:
            case Refused():
                return None if item.silent else item.body()
            case Call():
                response = await self._run(item, stream, accepts, share)
                return None if response is None else response.body
            case ClientNotification() | ClientResponse():
                self._take(item)
                return None

    async def _run(self, call: Call, stream: ReplyStream, accepts: Accepts, share: Share) -> EncodedResponse | None:
        """Run the call, in a task of its own where its era has it; None for one that was cancelled, or left."""
        try:
            share.add(call)
        except LimitError as full:
            return refuse(self.server, call, full)
        work = self._respond(call, stream, accepts)
        if call.era in OUTLIVES_ITS_STREAM:
            return await self.calls.run_apart(call, work)
        self.calls.add(call)
        try:
            return await work
        finally:
            self.calls.remove(call)

    async def _respond(self, call: Call, stream: ReplyStream, accepts: Accepts) -> EncodedResponse:
        call.channel = StreamChannel(stream, accepts, self.pending, self.calls.leave)
        try:
            response = await respond(self.server, call)
        except asyncio.CancelledError:
            stream.leave_behind(None)
            raise
        else:
            stream.leave_behind(response.body, response.delivery)
            return response
        finally:
            if not call.is_task:
                call.end()

    def _open_stored(self, session: Session, version: str) -> Stream:
        """Return a store for the events of a call; calls of sessions can come for them again."""
        # A random id tells nothing of the calls of others, and none comes again from a later process.
        return self.streams.open(secrets.token_hex(8), session.id, session.owner, primed=version in RESUMES)


@dataclass(frozen=True)
class Unfit:
    """The refusal of a request by its headers, before its body is read."""

    status: int
    message: str


@lru_cache(maxsize=256)  # a client sends the same with every request
def terms_of(content_type: str, encoding: str | None, *accept: str) -> Accepts | Unfit:
    """Return the forms in which a request with these headers may be answered."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        named = repr(media_type[:100]) if media_type else "missing"
        return Unfit(415, f"Content-Type is {named}; send application/json.")
    if encoding is not None:
        return Unfit(415, "Send the body as it is, without Content-Encoding.")
    accepts = Accepts(accept)
    if not accepts.json and not accepts.sse:
        return Unfit(406, "Accept must list application/json and text/event-stream.")
    return accepts


def arrival_of(request: web.Request, identity: Identity) -> Arrival:
    """Return the facts of a request that admission needs."""
    hint = request.query.get(HINT, "")[:MAX_HINT] if "?" in request.raw_path else ""
    return Arrival(owner=identity.owner, now=time.time(), nonce=make_nonce, client_hint=hint)


@lru_cache(maxsize=256)  # a client sends the same with every request
def loopback_url_of(scheme: str, host: str) -> str:
    """Return the URL of a loopback `Host`, as this machine can reach it; "" for any other host."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not is_loopback(name):
        return ""
    return f"{scheme}://{f'[{name}]' if ':' in name else name}{'' if port is None else f':{port}'}"


async def _until(expires: float, work: Awaitable[EncodedResponse | None]) -> EncodedResponse | None:
    """Await the response of a call that must not outlast its access token; None when it was ended for that."""
    try:
        async with asyncio.timeout(expires - time.time()):
            return await work
    except TimeoutError:
        return None


def headers_of(call: Call, response: EncodedResponse) -> Mapping[str, str]:
    """Return the headers of a response to a call: the id of a new session, or when to try again."""
    if response.error is None:
        is_new = call.session is not None and call.opens_session
        return {SESSION_ID: call.session_id} if is_new else NO_HEADERS
    seconds = retry_after(response.error)
    return NO_HEADERS if seconds is None else {hdrs.RETRY_AFTER: str(seconds)}


def whole(call: Call, response: EncodedResponse) -> web.Response:
    """Return the HTTP response of a call that was refused before it ran."""
    headers = headers_of(call, response)
    return web.Response(body=response.body, status=response.status, content_type="application/json", headers=headers)


def limit_response(refusal: LimitError) -> web.Response:
    """Return the refusal of a request beyond a limit before its message was read."""
    return error_response(429, str(refusal), {hdrs.RETRY_AFTER: str(math.ceil(refusal.retry_after_s))})


def response_of(refused: Refused) -> web.Response:
    """Return the HTTP response of a refused message."""
    return web.Response(body=refused.body(), status=refused.status, content_type="application/json")


def step_up(resource: ProtectedResource | None, scopes: Sequence[str], id_: RequestId | None) -> web.Response:
    """Return the refusal of a message beyond the scopes of its token, with the scopes that it needs."""
    error = RpcError(INVALID_REQUEST, f"This needs an access token with the scope {' '.join(scopes)}.", status=403)
    response = response_of(Refused(status=403, error=error, id=id_))
    if resource is not None:
        response.headers[hdrs.WWW_AUTHENTICATE] = resource.step_up(*scopes)
    return response


def _pictures(call: Call) -> int:
    """Return the number of pictures that a call asks for, by its arguments as they came."""
    arguments = call.params.get("arguments")
    count = arguments.get("count", 1) if isinstance(arguments, dict) else 1
    return count if isinstance(count, int) and count > 1 else 1
