"""The connections of clients: how many there may be, how long each may take, and the refusals of aiohttp in our words.

1. `Connections` holds those that are open. Where one more is too many, the one that has waited longest for a request
   is closed for it; where none waits, the newcomer is refused. So a stranger who only opens connections, or a proxy
   that keeps a pool of them, locks nobody out.
2. A `Connection` is aiohttp's, with deadlines: for the head of a request, and for bytes that its client does not read.
   Deadlines are looked at once a second, by one timer for all of them.
3. Refusals that aiohttp would word, of a request that cannot be read or has no route, get our body and `Server` header;
   its own tell a stranger the versions to attack.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong

from service.hosts import Network
from service.web.guard import error_response
from service.web.one_task import OneTask
from service.web.response import SERVER, Sent

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of the request line and all fields. The largest that we know are those of a browser with the cookies of a host."""

END_OF_HEAD: Final = b"\r\n\r\n"
MAX_FIELDS: Final = 100
MAX_FIELD_BYTES: Final = 16 * 1024
"""Of one field. Access tokens have 8 kB at most, since most servers take no longer fields than that."""

READ_BYTES: Final = 64 * 1024
"""aiohttp holds twice as many bytes of a body that nobody reads yet, then it lets the client wait."""

LOOK_S: Final = 1.0
"""Seconds between two looks at the deadlines."""

QUIET_S: Final = 60.0
"""Seconds between two lines of the log about the same want."""

_NOWHERE: Final = "Nothing is served at this path. MCP clients use the URL that the service prints at its start."
_TEXT: Final = {
    400: "This is not an HTTP/1.1 request, as RFC 9112 has it. A port without TLS was perhaps sent TLS, or HTTP/2.",
    404: _NOWHERE,
    405: "This path takes other methods: see the header Allow.",
    408: "The head of the request did not arrive in time.",
    413: "The body is too large.",
    417: "Send no other Expect than 100-continue.",
    431: "The request line and the fields of the head are too long.",
    500: "Internal error. The server's log has the details.",
}
"""The messages of refusals that no route of ours words, by HTTP status."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds of connections: their number in all and of one address, and seconds until each deadline.

    `head_s` counts from the opening of a connection, or from the first byte of a later request, to the end of a head;
    `idle_s` from an answer to the next request; `unread_s` while a client takes no byte of what was written; `linger_s`
    while the rest of a refused request is dropped, since a client sends first, and reads then.
    `exempt` may have as many as all together: the addresses of proxies, by which everybody comes.
    """

    most: int = 1000
    per_address: int = 1000
    head_s: float = 10.0
    idle_s: float = 75.0
    unread_s: float = 120.0
    linger_s: float = 5.0
    look_s: float = LOOK_S
    exempt: tuple[Network, ...] = ()

    @property
    def looks_for_unread(self) -> int:
        """The number of looks for one that goes through the bytes that are not read: a few within that deadline."""
        return max(1, int(self.unread_s / self.look_s / 20))


class Connection(OneTask):
    """One connection, served by aiohttp within our deadlines. It waits for a head, or handles a request."""

    __slots__ = (
        *("_body", "_head_tail", "_is_refused", "_pool", "_socket", "_unsent", "_unsent_since"),
        *("address", "head_bytes", "head_due"),
    )

    def __init__(self, pool: "Connections", server: web.Server, address: str) -> None:
        """Begin a connection from this address, which `pool` holds once it is made."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # as aiohttp's own runner passes it
            keepalive_timeout=pool.bounds.idle_s,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
            lingering_time=pool.bounds.linger_s,
            read_bufsize=READ_BYTES,
            auto_decompress=False,  # a compressed body is refused, not unpacked first
        )
        self.address = address
        self.head_bytes = 0
        """The bytes of a head that has not ended yet."""
        self.head_due: float | None = self._loop.time() + pool.bounds.head_s
        """The time until which the head must have ended; None while none has begun."""
        self._pool = pool
        self._socket: asyncio.Transport | None = None
        """The transport, which aiohttp forgets as soon as it means to close it."""
        self._body: Any = None
        """The body of the last request, of which a part may come after the answer."""
        self._head_tail = b""
        """The last bytes of a head that has not ended yet, which may be the first ones of its end."""
        self._is_refused = False
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and wait for the first head."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        self._socket = transport
        self._pool.take(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Be counted no more."""
        self._pool.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and bound those of a head."""
        if self._is_refused:
            return
        if self._pool.waits(self) and (self._body is None or self._body.is_eof()) and not self._takes_head(data):
            return
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, where reading was paused; aiohttp would have its parser look for more each time a body is read."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def begin(self, body: Any) -> None:
        """Note that a head has ended: from here on its request is handled."""
        self._body, self.head_bytes, self._head_tail, self.head_due = body, 0, b"", None
        self._pool.work(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response, with our words where aiohttp has its own, and wait for another request."""
        if isinstance(resp, Sent) and not self._upgraded:  # nothing is left to do, for which aiohttp has four steps
            request._finish()
            self._pool.wait(self)
            return resp, False
        if isinstance(resp, web.HTTPException):
            allowed = resp.headers.get(hdrs.ALLOW)
            resp = refusal(resp.status, {} if allowed is None else {hdrs.ALLOW: allowed})
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._pool.wait(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the response to a request that cannot be read, or whose handler failed; raises if one has begun.

        Requests that cannot be read are no news: anybody can send them, and would fill the log.
        """
        if status >= 500:
            logger.error("A request from %s failed", self.address, exc_info=exc)
        else:
            logger.debug("A request from %s cannot be read: %s", self.address, message)
        if request.writer.output_size > 0:
            raise ConnectionError("A response has begun, and cannot become another.")
        response = refusal(431 if isinstance(exc, LineTooLong) else status, {})
        response.force_close()
        return response

    def end_overdue(self, now: float, *, looks_at_unread: bool) -> None:
        """End the connection, if a deadline is over; to look at the bytes that nobody reads takes most of the time."""
        if self.head_due is not None and now >= self.head_due:
            if self.head_bytes:
                self._end_with(408)
            else:
                self.abort()
        elif looks_at_unread and self._is_unread(now):
            self.abort()

    def abort(self) -> None:
        """End the connection at once, whatever its client has not read."""
        self._pool.forget(self)
        if self._socket is not None:
            self._socket.abort()

    def _takes_head(self, data: bytes) -> bool:
        """Count the bytes of a head; return whether they are few enough to be read."""
        if not self.head_bytes and 0 <= data.find(END_OF_HEAD) <= MAX_HEAD_BYTES:
            return True  # nearly every head comes in one piece
        if self.head_due is None:
            self.head_due = self._loop.time() + self._pool.bounds.head_s
        # Its end may come in two pieces, and the body right behind the second one.
        end = 0 if END_OF_HEAD in self._head_tail + data[:3] else data.find(END_OF_HEAD)
        self.head_bytes += len(data) if end < 0 else end
        self._head_tail = (self._head_tail + data[-3:])[-3:]
        if self.head_bytes <= MAX_HEAD_BYTES:
            return True
        self._end_with(431)
        return False

    def _end_with(self, status: int) -> None:
        """Refuse a head, and drop the rest of it: closed at once, the client would lose the refusal to a reset."""
        self._is_refused, self.head_bytes, self.head_due = True, 0, self._loop.time() + self._pool.bounds.linger_s
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(raw_refusal(status, _TEXT[status]))
            self._socket.write_eof()

    def _is_unread(self, now: float) -> bool:
        """Return whether the client has taken no byte for too long; or, of a connection that ends, not the last one."""
        unsent = 0 if self._socket is None else self._socket.get_write_buffer_size()
        ends = self._socket is not None and self._socket.is_closing()
        if not self._unsent or (unsent != self._unsent and not ends):
            self._unsent_since = now
        self._unsent = unsent
        return unsent > 0 and now - self._unsent_since >= self._pool.bounds.unread_s


class Connections:
    """All open connections, and among them those that wait for a request, the longest first."""

    def __init__(self, bounds: Bounds) -> None:
        """Hold none."""
        self.bounds = bounds
        self._by_address: dict[str, dict[Connection, None]] = {}
        self._count = 0
        self._waiting: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._quiet_until: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        return self._count

    @property
    def open(self) -> list[Connection]:
        """The connections that are open."""
        return [each for own in self._by_address.values() for each in own]

    def make_room(self, address: str, *, is_exempt: bool = False) -> int:
        """Close a waiting connection where one more is too many. Return 0, or the HTTP status where none waits."""
        own = self._by_address.get(address, {})
        if len(own) >= self.bounds.per_address and not is_exempt:
            return 0 if self._end_one(each for each in own if each in self._waiting) else 429
        if self._count >= self.bounds.most:
            return 0 if self.end_waiting() else 503
        return 0

    def end_waiting(self) -> bool:
        """Close the connection that has waited longest for a request; return whether there was one."""
        return self._end_one(iter(self._waiting))

    def take(self, connection: Connection) -> None:
        """Count a new connection."""
        self._by_address.setdefault(connection.address, {})[connection] = None
        self._count += 1
        self._waiting[connection] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.bounds.look_s, self._look)

    def wait(self, connection: Connection) -> None:
        """Count a connection, unless it is lost, as one that waits for a request."""
        if connection in self._by_address.get(connection.address, ()):
            self._waiting[connection] = None

    def waits(self, connection: Connection) -> bool:
        """Return whether a connection waits for a request."""
        return connection in self._waiting

    def work(self, connection: Connection) -> None:
        """Count a connection as one that handles a request."""
        self._waiting.pop(connection, None)

    def forget(self, connection: Connection) -> None:
        """Count a connection no more, if it was counted."""
        own = self._by_address.get(connection.address, {})
        self._waiting.pop(connection, None)
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                del self._by_address[connection.address]

    def warn(self, want: str, *facts: object) -> None:
        """Log a want, at most once a minute: strangers can make it come a thousand times."""
        now = time.monotonic()
        if now >= self._quiet_until.get(want, 0.0):
            self._quiet_until[want] = now + QUIET_S
            logger.warning(want, *facts)

    def _end_one(self, waiting: Iterable[Connection]) -> bool:
        connection = next(iter(waiting), None)
        if connection is not None:
            connection.abort()
        return connection is not None

    def _look(self) -> None:
        """End the connections whose deadline is over."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._looks += 1
        looks_at_unread = self._looks % self.bounds.looks_for_unread == 0
        # A head is due only where one is waited for; the others may be thousands of streams.
        for connection in self.open if looks_at_unread else list(self._waiting):
            connection.end_overdue(now, looks_at_unread=looks_at_unread)
        self._timer = loop.call_later(self.bounds.look_s, self._look) if self._count else None


def begun_by(make_request: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Return a maker of requests that tells the connection of each that its head has ended."""

    def make(message: Any, body: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        protocol.begin(body)
        return make_request(message, body, protocol, writer, task)

    return make


def refusal(status: int, headers: dict[str, str]) -> web.Response:
    """Return our response for a status that no route of ours worded."""
    text = _TEXT.get(status) or f"{HTTPStatus(status).phrase}."
    return error_response(status, text, {**headers, hdrs.SERVER: SERVER})


def raw_refusal(status: int, message: str, retry_after_s: int | None = None) -> bytes:
    """Return the bytes of a refusal after which the connection ends."""
    body = error_response(status, message).body
    assert isinstance(body, bytes)  # noqa: S101 - of a text
    retry = "" if retry_after_s is None else f"Retry-After: {retry_after_s}\r\n"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nServer: {SERVER}\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body
