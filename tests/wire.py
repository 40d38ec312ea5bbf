"""Messages and headers of both eras for tests, and a small client that keeps nothing but its session id."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
CLIENT = {"name": "cursor-test", "version": "1"}
"""A client that is shown all that the specification has but links; one that nobody knows is shown less."""

ANNA = "anna-0123456789abcdef"
BEN = "ben-0123456789abcdef"
"""Tokens of two owners; `TWO_TOKENS` is the setting that has both."""

TWO_TOKENS = f"anna:{ANNA},ben:{BEN}"

ACCEPT = "application/json, text/event-stream"
NAMES = ("name", "uri", "taskId")
"""The params that `Mcp-Name` repeats."""


def request(method: str, params: Mapping[str, Any] | None = None, id_: object = 1) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": dict(params or {})}


def modern_params(params: Mapping[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    """Params with the `_meta` that a modern request must have; keyword arguments go into it."""
    fields = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, CLIENT_KEY: CLIENT, **meta}
    return {**(params or {}), "_meta": fields}


def modern_headers(method: str, name: str | None = None) -> dict[str, str]:
    """The headers that a modern request must have."""
    headers = {"Accept": ACCEPT, "Mcp-Protocol-Version": MODERN, "Mcp-Method": method}
    return headers | ({"Mcp-Name": name} if name else {})


@dataclass
class Heard:
    """An answer: status, headers, the response message, and the notifications before it."""

    status: int
    headers: Mapping[str, str]
    message: dict[str, Any]
    notifications: list[dict[str, Any]] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        """The result; fails the test when there is an error instead."""
        assert "result" in self.message, self.message
        result: dict[str, Any] = self.message["result"]
        return result

    @property
    def code(self) -> int:
        """The error's code."""
        code: int = self.message["error"]["code"]
        return code


@dataclass
class WireClient:
    """Sends single messages over HTTP, in either era."""

    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    session_id: str = ""

    async def post(self, message: object, headers: Mapping[str, str] | None = None) -> Heard:
        """Post a message as it stands, and read the whole answer."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"Accept": ACCEPT, "Content-Type": "application/json", **self.headers, **(headers or {})}
        async with self.session.post(self.url, data=data, headers=sent) as answer:
            messages = [each async for each in messages_of(answer)]
            return Heard(answer.status, answer.headers, messages[-1] if messages else {}, messages[:-1])

    async def open(self, version: str = LEGACY, **capabilities: Any) -> Heard:
        """Open a legacy session and keep its id."""
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": CLIENT}
        heard = await self.post(request("initialize", params, 0))
        self.session_id = heard.headers.get("Mcp-Session-Id", "")
        return heard

    async def legacy(self, method: str, params: Mapping[str, Any] | None = None, id_: object = 1) -> Heard:
        """Send a request in the open session."""
        return await self.post(request(method, params, id_), {"Mcp-Session-Id": self.session_id})

    async def modern(self, method: str, params: Mapping[str, Any] | None = None, **meta: Any) -> Heard:
        """Send a modern request with everything it needs."""
        name = next((value for key, value in (params or {}).items() if key in NAMES), None)
        return await self.post(request(method, modern_params(params, **meta)), modern_headers(method, name))

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
        """Call a tool in the modern era and return its result."""
        heard = await self.modern("tools/call", {"name": tool, "arguments": dict(arguments or {})}, **meta)
        return heard.result


async def messages_of(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON-RPC messages of an HTTP answer, whichever of the two forms it has."""
    if answer.content_type == "application/json":
        yield json.loads(await answer.read())
    elif answer.content_type == "text/event-stream":
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


async def until(true: Callable[[], bool], deadline_s: float = 30) -> None:
    """Wait for what nothing announces; fails the test when it does not come."""
    async with asyncio.timeout(deadline_s):
        while not true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)


@asynccontextmanager
async def wire_client(url: str, token: str | None = None) -> AsyncIterator[WireClient]:
    """A client for one endpoint, with its own connections."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session:
        yield WireClient(session, url, headers)


class Listener:
    """An open `subscriptions/listen` stream, past its acknowledgement."""

    def __init__(self, messages: AsyncIterator[dict[str, Any]], acknowledged: dict[str, Any]) -> None:
        self.acknowledged = acknowledged
        self._messages = messages

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            return await anext(self._messages)


@asynccontextmanager
async def listening(
    client: WireClient, notifications: Mapping[str, Any], id_: object = 1, **meta: Any
) -> AsyncIterator[Listener]:
    method = "subscriptions/listen"
    message = request(method, modern_params({"notifications": notifications}, **meta), id_)
    async with client.session.post(client.url, json=message, headers=modern_headers(method) | client.headers) as answer:
        messages = messages_of(answer)
        yield Listener(messages, await anext(messages))
