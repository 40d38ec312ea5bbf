"""MCP over standard input and output: the same admission and dispatch, one message a line.

1. A thread reads lines, since not every kind of input can be awaited on every system; another writes them, one whole
   line after the other, so that a slow client holds up nothing but its own output.
2. Each call is a task; `notifications/cancelled` ends one, in both eras (spec 2026-07-28, stdio, Cancellation).
3. `initialize` opens the one legacy session there can be, which gets the changes of lists from then on.
4. The end of the input ends the service: work comes to its end, running calls get their grace, and their responses
   still go out.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Final

from service.protocol.admission import Arrival, ClientNotification, ClientResponse, Keys, Refused, admit_line
from service.protocol.call import Call, read_reason
from service.protocol.catalog import Server
from service.protocol.dispatch import respond, respond_from_cache
from service.protocol.jsonrpc import RequestId, notification_message
from service.protocol.pending_requests import ClientChannel, PendingRequests
from service.protocol.session import Session
from service.protocol.subscriptions import TaskChanged, notification_of

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of one message. The rest of a longer line is skipped, and the beginning refused as broken JSON."""

MAX_UNWRITTEN: Final = 20
"""Lines that may wait for a client that does not read; progress beyond them is dropped."""


class LineOutput:
    """Writes whole lines, in order, from a thread of its own."""

    def __init__(self, output: BinaryIO) -> None:
        """Start the writer; it owns `output` from now on."""
        self._output = output
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="stdout")
        self._unwritten = 0

    async def write(self, message: bytes) -> bool:
        """Write one message and wait for that; return whether it went out."""
        return await self._submit(message)

    def post(self, message: bytes) -> None:
        """Write one message without waiting, unless too many wait already."""
        if self._unwritten < MAX_UNWRITTEN:
            self._submit(message)

    def close(self) -> None:
        """Take no more messages; those before still go out."""
        self._writer.shutdown(wait=False)

    def _submit(self, message: bytes) -> "asyncio.Future[bool]":
        self._unwritten += 1
        written = asyncio.get_running_loop().run_in_executor(self._writer, self._write_line, message)
        written.add_done_callback(self._count_written)
        return written

    def _count_written(self, _: "asyncio.Future[bool]") -> None:
        self._unwritten -= 1

    def _write_line(self, message: bytes) -> bool:
        try:
            self._output.write(message + b"\n")
            self._output.flush()
        except (OSError, ValueError):
            return False  # the client is gone, and the end of the input, which comes with it, ends the service
        return True


class LineChannel(ClientChannel):
    """The channel of a call over standard output: there is neither a head to send nor a connection to end."""

    def __init__(self, output: LineOutput, pending: PendingRequests) -> None:
        """Make the channel of one call."""
        self.pending = pending
        self._output = output

    async def send(self, message: bytes) -> bool:
        """Write a line."""
        return await self._output.write(message)

    def post(self, message: bytes) -> None:
        """Write a line without waiting."""
        self._output.post(message)

    def open(self) -> None:
        """Do nothing: no client gives up on a silent pipe."""

    def hang_up(self, call: Call) -> None:
        """Do nothing: the pipe is that of all calls."""


@dataclass(kw_only=True)
class StdioServer:
    """Serves one client, whose calls belong to `owner`."""

    server: Server
    keys: Keys
    owner: str
    output: BinaryIO
    _session: Session | None = None
    _calls: dict[RequestId, tuple[Call, asyncio.Task[None]]] = field(default_factory=dict)
    _changes: asyncio.Task[None] | None = None
    _pending: PendingRequests = field(default_factory=PendingRequests)
    _lines: LineOutput = field(init=False)

    def __post_init__(self) -> None:
        """Start the writer."""
        self._lines = LineOutput(self.output)

    async def serve(self, source: BinaryIO, grace_s: float, drain: Callable[[], Awaitable[None]] | None = None) -> None:
        """Answer until `source` ends or this is cancelled; then `drain`, and give calls `grace_s` seconds more."""
        lines: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=100)
        _read_in_a_thread(source, lines)
        try:
            while (line := await lines.get()) is not None:
                if line.strip():
                    await self._take(line)
        finally:
            if drain is not None:
                await drain()
            await self._close(grace_s)

    async def _take(self, line: bytes) -> None:
        arrival = Arrival(owner=self.owner, now=time.time(), nonce=partial(secrets.token_bytes, 16))
        match admit_line(line, self.keys, arrival, self._session):
            case Refused() as refusal:
                if not refusal.silent:
                    await self._lines.write(refusal.body())
            case ClientResponse() as message:
                self._pending.resolve(message.session, message.response)
            case ClientNotification(notification=notification):
                if notification.method == "notifications/cancelled":
                    self._cancel(notification.params.get("requestId"), notification.params.get("reason"))
            case Call() as call:
                self._start(call)

    def _start(self, call: Call) -> None:
        if call.opens_session:
            self._session = call.session
        call.channel = LineChannel(self._lines, self._pending)
        task = asyncio.create_task(self._run(call))
        running = self._calls[call.id] = (call, task)
        task.add_done_callback(lambda _: self._forget(call.id, running))

    async def _run(self, call: Call) -> None:
        try:
            response = respond_from_cache(self.server, call) or await respond(self.server, call)
        finally:
            if not call.is_task:
                call.end()
        if await self._lines.write(response.body) and response.delivery is not None:
            response.delivery.run()
        if call.opens_session and call.session is not None and self._changes is None:
            self._changes = asyncio.create_task(self._send_changes(call.session))

    async def _send_changes(self, session: Session) -> None:
        """Send the changes of the lists, and of the resources that the session subscribes to."""
        wanted = self.server.list_changes_for(session.client, "")
        subscription = self.server.hub.open_for_session(session.id, wanted, session.owner)
        try:
            while (change := await subscription.next()) is not None:
                if not isinstance(change, TaskChanged):
                    await self._lines.write(notification_message(*notification_of(change)))
        finally:
            self.server.hub.forget(subscription)

    def _cancel(self, request_id: object, reason: object) -> None:
        running = self._calls.get(request_id) if isinstance(request_id, str | int) else None
        if running is not None:
            call, task = running
            call.cancel_reason = read_reason(reason)
            task.cancel()

    def _forget(self, request_id: RequestId, ended: tuple[Call, asyncio.Task[None]]) -> None:
        # A client may use an id again; then the entry is the later call's.
        if self._calls.get(request_id) is ended:
            del self._calls[request_id]

    async def _close(self, grace_s: float) -> None:
        self.server.hub.close()
        running = {task for _, task in self._calls.values()}
        if running:
            await asyncio.wait(running, timeout=grace_s)
        for task in running:
            task.cancel()
        if self._changes is not None:
            running.add(self._changes)
        if running:
            await asyncio.wait(running)
        self._lines.close()


def _read_in_a_thread(source: BinaryIO, lines: "asyncio.Queue[bytes | None]") -> None:
    """Put every line of `source` into the queue, then None. The thread ends with its input, or with the process."""
    loop = asyncio.get_running_loop()

    def put(line: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    threading.Thread(target=_read_lines, args=(source, put), name="stdin", daemon=True).start()


def _read_lines(source: BinaryIO, put: Callable[[bytes | None], None]) -> None:
    try:
        while line := source.readline(MAX_LINE):
            put(line)
            while not line.endswith(b"\n") and (rest := source.readline(MAX_LINE)):
                if rest.endswith(b"\n"):
                    break
        put(None)
    except (RuntimeError, OSError, ValueError):
        return  # the loop or the input was closed under us: the process ends
