"""Parts for tests of the protocol: calls without an edge, small servers, and a place to send messages to."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from service.protocol.admission import Admitted, Arrival, Keys, admit
from service.protocol.call import Call
from service.protocol.catalog import Run, Server, ToolEntry
from service.protocol.client import Client, Era
from service.protocol.dispatch import EncodedResponse
from service.protocol.jsonrpc import Request, Result
from service.protocol.pending_requests import ClientChannel, PendingRequests
from service.protocol.session import Session, Sessions

NOW = 1_800_000_000.0
KEYS = Keys(sessions=Sessions(b"k" * 32), request_state=b"s" * 32)
SESSION = Session(id="session", version="2025-11-25", client=Client(), owner="anna")
VERSIONS = {Era.MODERN: "2026-07-28", Era.LEGACY: "2025-11-25"}
TASKS = "extensions/io.modelcontextprotocol/tasks"


class Outbox(ClientChannel):
    """The channel of a client that is played by the test: messages are handed out in order."""

    def __init__(self, pending: PendingRequests | None = None, *, takes_messages: bool = True) -> None:
        self.pending = pending or PendingRequests()
        self.takes_messages = takes_messages
        self.reached = True
        """True while the client is there."""
        self.opened = 0
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, message: bytes) -> bool:
        self._messages.put_nowait(json.loads(message))
        return self.reached

    def post(self, message: bytes) -> None:
        self._messages.put_nowait(json.loads(message))

    def open(self) -> None:
        self.opened += 1

    def hang_up(self, call: Call) -> None:  # noqa: ARG002 - the contract's
        raise AssertionError("no client of these tests comes again")

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            return await self._messages.get()

    def rest(self) -> list[dict[str, Any]]:
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def arrival(owner: str = "anna", now: float = NOW) -> Arrival:
    return Arrival(owner=owner, now=now, nonce=lambda: b"n" * 16)


def arrive(
    message: object,
    headers: Mapping[str, str] | None = None,
    now: float = NOW,
    owner: str = "anna",
    keys: Keys = KEYS,
) -> Admitted:
    """Admit one POST; what is no bytes is sent as JSON."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return admit((headers or {}).items(), body, keys, arrival(owner, now))


def call(
    method: str = "tools/call",
    params: Mapping[str, Any] | None = None,
    era: Era = Era.MODERN,
    can: Iterable[str] = (),
    **others: Any,
) -> Call:
    """A call as admission makes one; `can` are the capabilities of its client."""
    request = Request(id=5, method=method, params=params or {})
    client = Client(capabilities=frozenset(can))
    fields = {"owner": "anna", "session": SESSION if era is Era.LEGACY else None, **others}
    return Call(request=request, era=era, version=VERSIONS[era], client=client, **fields)


def tool(run: Run, schema: Mapping[str, Any] | None = None) -> ToolEntry:
    """A tool of the function's name."""
    listing = {"name": run.__name__, "inputSchema": schema or {"type": "object"}}
    return ToolEntry(listing=listing, run=run)


def server(*runs: Run, **others: Any) -> Server:
    """A server with these functions as its tools."""
    tools = {run.__name__: tool(run) for run in runs}
    return Server(name="test", version="1", title="Test", instructions="Be kind.", tools=tools, **others)


def said(text: str) -> Result:
    """A tool result of one text."""
    return {"content": [{"type": "text", "text": text}]}


def result(given: EncodedResponse) -> Any:
    """The result of an answer; fails the test when it is an error."""
    message = json.loads(given.body)
    assert (message["id"], given.failed) == (5, False), message
    return message["result"]


def error(given: EncodedResponse) -> Any:
    """The error of an answer; fails the test when it is a result."""
    message = json.loads(given.body)
    assert (message["id"], given.failed) == (5, True), message
    return message["error"]
