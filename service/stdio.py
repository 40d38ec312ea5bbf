"""MCP over standard input and output: the same admission and dispatch, one message a line.

1. Lines are read by a thread, since no system lets every kind of input be waited for otherwise; output goes out by
   another, one whole line after the other, so that a client that does not read holds nothing up.
2. Each call is a task; `notifications/cancelled` ends one, in both eras (spec 2026-07-28, stdio, Cancellation).
3. `initialize` opens the one legacy session there can be, which gets change notices from then on.
4. The end of the input ends it all: work is let come to its end, running calls get their grace, and their answers
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

from service.protocol.admission import Arrival, Keys, Notice, Refused, Reply, admit_line
from service.protocol.asking import OpenRequests
from service.protocol.call import Call, read_reason
from service.protocol.catalog import Server
from service.protocol.dispatch import answer, answer_again
from service.protocol.jsonrpc import RequestId, notification_message
from service.protocol.session import Session
from service.protocol.subscriptions import LISTS, TaskChanged, notification_of

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of one message. A longer line is skipped, and answered as what it is read as: no JSON."""


async def nothing_to_drain() -> None:
    """Where no work goes on beside the calls."""


@dataclass(kw_only=True)
class StdioServer:
    """Serves one client. `owner` owns what it makes."""

    server: Server
    keys: Keys
    owner: str
    output: BinaryIO
    _session: Session | None = None
    _calls: dict[RequestId, tuple[Call, asyncio.Task[None]]] = field(default_factory=dict)
    _notices: asyncio.Task[None] | None = None
    _requests: OpenRequests = field(default_factory=OpenRequests)
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="stdout"))

    async def serve(
        self, source: BinaryIO, grace_s: float, drain: Callable[[], Awaitable[None]] = nothing_to_drain
    ) -> None:
        """Answer until `source` ends or this is cancelled; then `drain`, and give calls `grace_s` seconds more."""
        lines: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=100)
        _read_in_a_thread(source, lines)
        try:
            while (line := await lines.get()) is not None:
                if line.strip():
                    await self._take(line)
        finally:
            await drain()
            await self._close(grace_s)

    async def _take(self, line: bytes) -> None:
        arrival = Arrival(owner=self.owner, now=time.time(), nonce=partial(secrets.token_bytes, 16))
        match admit_line(line, self.keys, arrival, self._session):
            case Refused() as refusal:
                if not refusal.silent:
                    await self._write(refusal.body())
            case Reply() as reply:
                self._requests.answer(reply.session, reply.response)
            case Notice(notification=notification):
                if notification.method == "notifications/cancelled":
                    self._cancel(notification.params.get("requestId"), notification.params.get("reason"))
            case Call() as call:
                self._start(call)

    def _start(self, call: Call) -> None:
        if call.opens_session:
            self._session = call.session
        call.send = self._write
        if call.session is not None:
            call.inquiry = self._requests.inquiry_of(call, call.session)
        task = asyncio.create_task(self._run(call))
        running = self._calls[call.id] = (call, task)
        task.add_done_callback(lambda _: self._forget(call.id, running))

    async def _run(self, call: Call) -> None:
        ended = answer_again(self.server, call) or await answer(self.server, call)
        if await self._write(ended.body) and ended.receipts is not None:
            ended.receipts.run()
        if call.opens_session and call.session is not None and self._notices is None:
            self._notices = asyncio.create_task(self._tell_changes(call.session))

    async def _tell_changes(self, session: Session) -> None:
        """Pass on the change notices of every list, and of the resources that the session subscribes to."""
        subscription = self.server.hub.open_for_session(session.id, LISTS.values(), session.owner)
        try:
            while (notice := await subscription.next()) is not None:
                if not isinstance(notice, TaskChanged):
                    await self._write(notification_message(*notification_of(notice)))
        finally:
            self.server.hub.forget(subscription)

    def _cancel(self, request_id: object, reason: object) -> None:
        running = self._calls.get(request_id) if isinstance(request_id, str | int) else None
        if running is not None:
            call, task = running
            call.cancel_reason = read_reason(reason)
            task.cancel()

    def _forget(self, request_id: RequestId, ended: tuple[Call, asyncio.Task[None]]) -> None:
        # An id may be used again; then the entry is the later call's.
        if self._calls.get(request_id) is ended:
            del self._calls[request_id]

    async def _write(self, message: bytes) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write_line, message)

    def _write_line(self, message: bytes) -> bool:
        try:
            self.output.write(message + b"\n")
            self.output.flush()
        except (OSError, ValueError):
            return False  # the client is gone: the end of the input, which comes with it, ends us
        return True

    async def _close(self, grace_s: float) -> None:
        self.server.hub.close()
        running = {task for _, task in self._calls.values()}
        if running:
            await asyncio.wait(running, timeout=grace_s)
        for task in running:
            task.cancel()
        if self._notices is not None:
            running.add(self._notices)
        if running:
            await asyncio.wait(running)
        self._writer.shutdown(wait=False)


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
