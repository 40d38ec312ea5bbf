"""The MCP endpoint over HTTP, POST: a thin edge around admission and dispatch. GET and DELETE are in `web_sessions`."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import Final

from aiohttp import hdrs, web

from service.protocol.admission import Arrival, Batch, Keys, Notice, Refused, Reply, Single, admit
from service.protocol.asking import OpenRequests
from service.protocol.call import Call, nothing_to_end, nothing_to_open, unheard
from service.protocol.catalog import Server
from service.protocol.dispatch import Answer, answer, answer_again
from service.protocol.headers import SESSION_ID
from service.protocol.inquiry import UNASKED
from service.protocol.replay import Stream, Streams
from service.protocol.versions import RESUMES
from service.web.guard import OWNER, refused
from service.web.keep_alive import Silences
from service.web.running_calls import RunningCalls
from service.web.stream import NO_HEADERS, SILENCE_S, Accepts, ReplyStream

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Far more than a prompt and its parameters; the whole body is held in memory."""

BODY_DEADLINE_S: Final = 60.0
"""The largest body over a slow mobile network. Who sends a byte now and then only holds a connection."""

HINT: Final = "client"
"""The query parameter by which a URL says which client it was given to, as in `/mcp?client=cherry-studio`."""

MAX_HINT: Final = 64

make_nonce: Final = partial(secrets.token_bytes, 16)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What the MCP endpoint answers from, and what is open at it."""

    server: Server
    keys: Keys
    calls: RunningCalls = field(default_factory=RunningCalls)
    requests: OpenRequests = field(default_factory=OpenRequests)
    streams: Streams = field(default_factory=Streams)
    stream_ids: Iterator[str] = field(default_factory=lambda: _stream_ids(secrets.token_hex(4)))
    body_deadline_s: float = BODY_DEADLINE_S
    silence_s: float = SILENCE_S
    silences: Silences = field(init=False)

    def __post_init__(self) -> None:
        """Watch for silence on the answers."""
        object.__setattr__(self, "silences", Silences(self.silence_s))

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Take one JSON-RPC message, or a batch."""
        headers = request.headers
        accepts = terms_of(
            headers.get(hdrs.CONTENT_TYPE, ""), headers.get(hdrs.CONTENT_ENCODING), *headers.getall(hdrs.ACCEPT, ())
        )
        if isinstance(accepts, Unfit):
            return refused(accepts.status, accepts.message)
        try:
            # Nearly every body has come with its head.
            body = request.content.read_nowait() if request.content.is_eof() else await self._body_of(request)
        except web.RequestPayloadError:
            return refused(400, "The body ended before it was complete, or is not framed as HTTP has it.")
        except TimeoutError:
            return refused(408, f"The body did not arrive within {self.body_deadline_s:g} seconds.")
        if len(body) > MAX_BODY_BYTES:
            return refused(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        match admit(headers.items(), body, self.keys, arrival_of(request)):
            case Call() as call:
                return await self._reply(request, accepts, call)
            case Refused() as refusal:
                return refusal_of(refusal)
            case Batch() as batch:
                return await self._reply_to_batch(request, accepts, batch)
            case Notice() | Reply() as said:
                self._take(said)
                return web.Response(status=202)

    async def close(self, grace_s: float) -> None:
        """End open streams, and give running calls and tasks their grace."""
        self.server.hub.close()
        tasks = self.server.tasks
        await asyncio.gather(self.calls.close(grace_s), *([] if tasks is None else [tasks.close(grace_s)]))

    async def _body_of(self, request: web.Request) -> bytes:
        """The body as it comes, or as much of it as shows that it is too large."""
        body = bytearray()
        async with asyncio.timeout(self.body_deadline_s):
            while len(body) <= MAX_BODY_BYTES and (chunk := await request.content.readany()):
                body += chunk
        return bytes(body)

    def _take(self, said: Notice | Reply) -> None:
        match said:
            case Reply():
                self.requests.answer(said.session, said.response)
            case Notice(session=None):
                pass
            case Notice(session=session, notification=notification) if session is not None:
                if notification.method == "notifications/cancelled":
                    self.calls.cancel(session, notification.params.get("requestId"), notification.params.get("reason"))

    async def _reply(self, request: web.Request, accepts: Accepts, call: Call) -> web.StreamResponse:
        stream = ReplyStream(request, accepts, self.silences, keep=self._keep_of(call))
        try:
            ended = answer_again(self.server, call) or await self.calls.run(call, self._answer(call, stream, accepts))
            if ended is None:
                return await stream.end()
            opens = call.session is not None and call.opens_session and not ended.failed
            return await stream.finish(ended.body, ended.status, {SESSION_ID: call.session_id} if opens else NO_HEADERS)
        except BaseException:
            stream.abandon()
            raise

    async def _hang_up(self, call: Call, stream: ReplyStream) -> None:
        if stream.hang_up():
            self.calls.leave(call)

    async def _reply_to_batch(self, request: web.Request, accepts: Accepts, batch: Batch) -> web.StreamResponse:
        """Answer a batch by a list of its answers, or by a stream of them where something came before."""
        stream = ReplyStream(request, accepts, self.silences)
        try:
            bodies = await asyncio.gather(*(self._answer_item(item, stream, accepts) for item in batch.items))
        except BaseException:
            stream.abandon()
            raise
        answers = [body for body in bodies if body is not None]
        if not answers and not stream.opened:
            stream.abandon()
            return web.Response(status=202)
        if not stream.opened and accepts.json:
            return await stream.finish(b"[" + b",".join(answers) + b"]", 200, {})
        for each in answers:
            await stream.send(each)
        return await stream.end()

    async def _answer_item(self, item: Single, stream: ReplyStream, accepts: Accepts) -> bytes | None:
        match item:
            case Refused():
                return None if item.silent else item.body()
            case Call():
                ended = await self.calls.run(item, self._answer(item, stream, accepts))
                return None if ended is None else ended.body
            case Notice() | Reply():
                self._take(item)
                return None

    async def _answer(self, call: Call, stream: ReplyStream, accepts: Accepts) -> Answer:
        call.send, call.open_stream, call.takes_streams = stream.send, stream.open, accepts.sse
        if call.session is not None:
            call.inquiry = self.requests.inquiry_of(call, call.session)
            call.hang_up = partial(self._hang_up, call, stream)
        try:
            ended = await answer(self.server, call)
        except BaseException:
            stream.leave_behind(None)
            raise
        else:
            stream.leave_behind(ended.body, ended.receipts)
            return ended
        finally:
            # What a handler says after its answer MUST NOT reach its client (spec 2026-07-28, Progress).
            call.send, call.open_stream = unheard, nothing_to_open
            if call.session is not None:
                # They hold the call that holds them: it is to go now, and not when garbage is looked for.
                call.inquiry, call.hang_up = UNASKED, nothing_to_end

    def _keep_of(self, call: Call) -> Callable[[], Stream] | None:
        """What keeps the events of this call's stream; calls of sessions can come for them again."""
        if call.session is None:
            return None
        session_id, primed = call.session.id, call.version in RESUMES
        return lambda: self.streams.open(next(self.stream_ids), session_id, primed=primed)


@dataclass(frozen=True)
class Unfit:
    """Why a request is not even read."""

    status: int
    message: str


@lru_cache(maxsize=256)  # a client says the same with every request
def terms_of(content_type: str, encoding: str | None, *accept: str) -> Accepts | Unfit:
    """In which forms a request with these headers may be answered."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        return Unfit(415, f"Content-Type is {media_type[:100]!r}; send application/json.")
    if encoding is not None:
        return Unfit(415, "Send the body as it is, without Content-Encoding.")
    accepts = Accepts(accept)
    if not accepts.json and not accepts.sse:
        return Unfit(406, "Accept must list application/json and text/event-stream.")
    return accepts


def arrival_of(request: web.Request) -> Arrival:
    """What admission must be told about a request."""
    hint = request.query.get(HINT, "")[:MAX_HINT] if "?" in request.raw_path else ""
    return Arrival(owner=request[OWNER], now=time.time(), nonce=make_nonce, client_hint=hint)


def _stream_ids(prefix: str) -> Iterator[str]:
    """Ids of streams. The prefix tells them from those of another process or an earlier one, which clients may know."""
    return map(f"{prefix}{{:x}}".format, count())


def refusal_of(refusal: Refused) -> web.Response:
    """A refusal as an HTTP answer."""
    return web.Response(body=refusal.body(), status=refusal.status, content_type="application/json")
