"""Anything over the wire, from anybody: answered or refused at once, with no more memory than it takes.

1. Bytes, JSON, headers and orders of messages as hypothesis makes them up, against a server that runs all the while.
2. Many clients and bad ones, against a server in a process of its own, which says what it holds.
"""

import asyncio
import contextlib
import gzip
import http.client
import json
import logging
import re
import resource
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.protocol.headers import NAMED_BY
from service.protocol.methods import METHODS
from service.web.mcp import MAX_BODY_BYTES
from tests.conformance.server import running
from tests.session_stream import get
from tests.wire import (
    ACCEPT,
    CAPABILITIES_KEY,
    LEGACY,
    MODERN,
    VERSION_KEY,
    WireClient,
    listening,
    modern_headers,
    modern_params,
    request,
    wire_client,
)

PATIENCE_S: Final = 20
"""No answer takes so long; what does is stuck."""

TOKEN: Final = "hostile-0123456789"
BEARER: Final = ("Authorization", f"Bearer {TOKEN}")

EXAMPLES: Final = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass
class Target:
    """A server that runs in a thread, and what it logged as its own fault."""

    url: str
    faults: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)


class Faults(logging.Handler):
    """Collects tracebacks: the protocol's of a bug of ours, aiohttp's of a handler that raised."""

    def __init__(self, target: Target) -> None:
        super().__init__(logging.ERROR)
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, but for what aiohttp says of a request that is no HTTP."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, aiohttp.http_exceptions.HttpProcessingError):
            self._target.faults.append(self.format(record))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found = Target("")

    async def serve() -> None:
        async with running(tokens=f"hostile:{TOKEN}") as url:
            found.url = url
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    handler = Faults(found)
    logging.getLogger().addHandler(handler)
    thread.start()
    ready.wait(PATIENCE_S)
    yield found
    loop.call_soon_threadsafe(stop.set)
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "the server did not stop"
    loop.close()
    logging.getLogger().removeHandler(handler)


@dataclass
class Answer:
    """An answer: the status, and the message where it was JSON."""

    status: int
    kind: str
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body) if self.kind == "application/json" and self.body else None


def send(target: Target, method: str, headers: Mapping[str, str] | list[tuple[str, str]], body: bytes) -> Answer:
    """Send one request, with a token unless it has one; of a stream only the first line is read."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name == BEARER[0] for name, _ in pairs):
        pairs.append(BEARER)
    connection = http.client.HTTPConnection(*target.address, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, "/mcp", skip_accept_encoding=True)
        for name, value in pairs:
            connection.putheader(name, value.encode("utf-8", "surrogateescape"))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        kind = answer.headers.get_content_type()
        return Answer(answer.status, kind, answer.readline() if kind == "text/event-stream" else answer.read())
    finally:
        connection.close()


def check(target: Target, answer: Answer) -> None:
    """The rules of every answer."""
    assert answer.status < 500, answer
    assert b"Traceback" not in answer.body
    assert target.faults == []
    message = answer.message
    if isinstance(message, dict) and "error" in message:
        assert message["error"]["code"] != -32603, answer
        assert message["error"]["message"]


# Bytes.

PING: Final = json.dumps(request("tools/list", modern_params())).encode()
WHOLE: Final = (
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Accept: application/json, text/event-stream\r\nAuthorization: Bearer hostile-0123456789\r\n"
    b"Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"
    b"Content-Length: " + str(len(PING)).encode() + b"\r\n\r\n" + PING
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole request with some of it cut out, doubled, overwritten or filled in."""
    data = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        filling = draw(st.one_of(st.binary(max_size=20), st.just(data[start:end] * 2), st.sampled_from(SHARDS)))
        data = data[:start] + filling + data[end:]
    return data


SHARDS: Final = [
    b"\r\n",
    b"\r\n\r\n",
    b"\x00",
    b": ",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 0\r\n",
    b"\xff",
]


def exchange(target: Target, data: bytes) -> bytes:
    """Send bytes and say that there are no more; whatever they are, the server hangs up."""
    with socket.create_connection(target.address, timeout=PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


@EXAMPLES
@given(data=st.one_of(st.binary(max_size=300), damaged()))
def test_no_bytes_do_harm(target: Target, data: bytes) -> None:
    """Ours: at most a refusal; the next client is served."""
    received = exchange(target, data)
    assert not received.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), received
    assert b"Traceback" not in received
    assert target.faults == []
    assert send(target, "POST", TOOLS_LIST, PING).status == 200


TOOLS_LIST: Final = {"Content-Type": "application/json"} | modern_headers("tools/list")


# JSON.

SCALARS: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["", "\ud800", "2.0"])
)
ANY: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
NAMES: Final = st.sampled_from(
    [
        *("test_simple_text", "greet", "test_x_mcp_header", "multi_input", "test_input_required_result_request_state"),
        *("test_input_required_result_capabilities", "test_simple_prompt", "test_prompt_with_arguments", "unknown", ""),
    ]
)
URIS: Final = st.sampled_from(["test://static-text", "test://template/1/data", "test://none", "", "\x00"])
META: Final = st.fixed_dictionaries(
    {},
    optional={
        VERSION_KEY: st.one_of(st.just(MODERN), ANY),
        CAPABILITIES_KEY: st.one_of(
            st.just({}),
            st.just({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}),
            ANY,
        ),
        "io.modelcontextprotocol/clientInfo": ANY,
        "io.modelcontextprotocol/logLevel": st.one_of(st.just("debug"), ANY),
        "progressToken": ANY,
    },
)
PARAMS: Final = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(NAMES, ANY),
        "arguments": st.one_of(st.dictionaries(st.sampled_from(["name", "region", "arg1", "arg2"]), ANY), ANY),
        "uri": st.one_of(URIS, ANY),
        "taskId": ANY,
        "cursor": ANY,
        "level": st.one_of(st.just("info"), ANY),
        "protocolVersion": st.one_of(st.sampled_from([LEGACY, MODERN, "2025-03-26"]), ANY),
        "capabilities": ANY,
        "clientInfo": ANY,
        "notifications": st.one_of(
            st.dictionaries(st.sampled_from(["toolsListChanged", "taskIds", "resourceSubscriptions"]), ANY), ANY
        ),
        "inputResponses": st.one_of(st.dictionaries(st.sampled_from(["confirm", "user_name"]), ANY), ANY),
        "requestState": ANY,
        "ref": st.one_of(st.just({"type": "ref/prompt", "name": "test_simple_prompt"}), ANY),
        "argument": ANY,
        "requestId": ANY,
        "_meta": st.one_of(META, ANY),
    },
)
MESSAGES: Final = st.fixed_dictionaries(
    {"jsonrpc": st.one_of(st.just("2.0"), st.just("2.0"), ANY)},
    optional={
        "id": st.one_of(st.integers(-5, 5), st.text(max_size=5), ANY),
        "method": st.one_of(
            st.sampled_from([*METHODS, "notifications/cancelled", "notifications/initialized", "tasks/result"]), ANY
        ),
        "params": st.one_of(PARAMS, PARAMS, ANY),
        "result": ANY,
        "error": ANY,
    },
)


def encode(value: object) -> bytes:
    """As JSON that may be none: NaN, Infinity and lone surrogates stay what they are."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def has_id(value: object) -> bool:
    """True where the id of a message is one that an answer must repeat."""
    id_ = value.get("id") if isinstance(value, dict) else None
    readable = isinstance(id_, str | int) and not isinstance(id_, bool)
    return readable and not (isinstance(id_, int) and not -(2**63) <= id_ < 2**64) and "\\ud8" not in repr(id_)


def routed(message: object, era: str, session_id: str) -> dict[str, str]:
    """Headers as a client of this era would make them for a message, as far as it can be read."""
    headers = {"Content-Type": "application/json", "Accept": ACCEPT}
    if era == "legacy":
        return headers | {"Mcp-Session-Id": session_id}
    if era == "modern":
        headers["Mcp-Protocol-Version"] = MODERN
    method = message.get("method") if isinstance(message, dict) else None
    params = message.get("params") if isinstance(message, dict) else None
    if isinstance(method, str) and method.isascii() and method.isprintable():
        headers["Mcp-Method"] = method
        name = params.get(NAMED_BY.get(method, "")) if isinstance(params, dict) else None
        if isinstance(name, str) and name.isascii() and name.isprintable():
            headers["Mcp-Name"] = name
    return headers


def open_session(target: Target, revision: str = LEGACY) -> str:
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "hostile", "version": "1"}}
    connection = http.client.HTTPConnection(*target.address, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json", "Accept": ACCEPT, BEARER[0]: BEARER[1]}
    connection.request("POST", "/mcp", json.dumps(request("initialize", params, 0)), headers)
    session_id = connection.getresponse().headers["Mcp-Session-Id"]
    connection.close()
    return str(session_id)


@EXAMPLES
@given(message=st.one_of(MESSAGES, MESSAGES, ANY), era=st.sampled_from(["modern", "legacy", "neither"]))
def test_no_message_does_harm(target: Target, message: object, era: str) -> None:
    """Ours: a result, or an error that says what was wrong and repeats the id of what it answers."""
    answer = send(target, "POST", routed(message, era, session_of(target)), encode(message))
    check(target, answer)
    if isinstance(answer.message, dict) and "error" in answer.message and has_id(message):
        parsed = answer.message["error"]["code"] != -32700
        assert not parsed or answer.message["id"] == message["id"], answer  # type: ignore[index]  # `has_id` says so


@EXAMPLES
@given(batch=st.lists(MESSAGES, max_size=6))
def test_no_batch_does_harm(target: Target, batch: list[dict[str, Any]]) -> None:
    headers = routed(None, "legacy", session_of(target, "2025-03-26"))
    answer = send(target, "POST", headers | {"Accept": "application/json"}, encode(batch))
    check(target, answer)
    for each in answer.message if isinstance(answer.message, list) else []:
        assert each.get("error", {}).get("code") != -32603, each


SESSIONS: dict[tuple[str, str], str] = {}


def session_of(target: Target, revision: str = LEGACY) -> str:
    """One session of the target, opened when it is first needed."""
    if (target.url, revision) not in SESSIONS:
        SESSIONS[target.url, revision] = open_session(target, revision)
    return SESSIONS[target.url, revision]


@pytest.mark.parametrize("bracket", ["[]", "{}"])
@pytest.mark.parametrize("depth", [90, 101, 300, 1023, 1025, 100_000])
def test_no_depth_does_harm(target: Target, bracket: str, depth: int) -> None:
    """Bug: what the parser took, the encoder did not, and a handler that echoed it failed."""
    opening = bracket[0] if bracket == "[]" else '{"a":'
    nested = f"{opening * depth}1{bracket[1] * depth}"
    for field_ in ("arguments", "name", "uri", "requestState", "inputResponses", "cursor"):
        message = request("tools/call", modern_params({"name": "greet", "arguments": {}} | {field_: "@"}), id_="deep")
        body = json.dumps(message).replace('"@"', nested).encode()
        answer = send(target, "POST", TOOLS_CALL, body)
        check(target, answer)
        assert answer.message.get("id", "deep") == "deep"
    check(target, send(target, "POST", TOOLS_CALL, nested.encode()))


TOOLS_CALL: Final = {"Content-Type": "application/json"} | modern_headers("tools/call", "greet")


# Headers.

FRAMING: Final = ("content-length", "transfer-encoding", "connection", "upgrade", "expect", "host", "te", "trailer")
"""These say where a message ends, and who is spoken to: `damaged` and the tests of bodies see to them."""

FIELD: Final = st.one_of(
    st.sampled_from(
        [
            *("Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-Id", "Mcp-Param-Region"),
            *("Accept", "Content-Type", "Origin", "Authorization", "Cookie", "Range", "If-None-Match", "Forwarded"),
        ]
    ),
    st.from_regex(re.compile(r"\A[A-Za-z][A-Za-z0-9-]{0,20}\Z")).filter(lambda name: name.lower() not in FRAMING),
)
UNDECODABLE: Final = st.binary(max_size=20).map(
    lambda raw: raw.decode("ascii", "surrogateescape").translate(dict.fromkeys(range(32)))
)
TEXT: Final = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
    st.text(st.characters(min_codepoint=0xA0, max_codepoint=0x2FF), max_size=20),
    UNDECODABLE,
    UNDECODABLE.map(lambda text: f"Bearer {text}"),
    st.sampled_from([MODERN, LEGACY, "tools/list", "=?base64??=", "=?base64?/w==?=", "application/json", "*/*;q=0"]),
    st.integers(0, 9000).map(lambda size: "x" * size),
)


@EXAMPLES
@given(
    extra=st.lists(st.tuples(FIELD, TEXT), max_size=6),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PUT", "OPTIONS", "PROPFIND"]),
    usual=st.booleans(),
)
def test_no_headers_do_harm(target: Target, extra: list[tuple[str, str]], method: str, usual: bool) -> None:
    headers = [*(TOOLS_LIST.items() if usual else ()), *extra]
    check(target, send(target, method, headers, PING if method == "POST" else b""))


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param([("X", "a" * 9000)], id="one long"),
        pytest.param([(f"X{number}", "a") for number in range(1000)], id="very many"),
        pytest.param([("X" * 9000, "a")], id="a long name"),
        pytest.param([("Mcp-Session-Id", "a" * 8000)], id="a long session id"),
        pytest.param([("Last-Event-Id", "a-" * 4000)], id="a long event id"),
        pytest.param([("Accept", "a/b;q=0," * 1000)], id="a long list"),
        pytest.param([("Host", "localhost"), ("Host", "evil.example.com")], id="two hosts"),
    ],
)
def test_no_size_of_headers_does_harm(target: Target, extra: list[tuple[str, str]]) -> None:
    answer = send(target, "POST", [*TOOLS_LIST.items(), *extra], PING)
    check(target, answer)
    assert answer.status in (200, 400)


# Orders of messages.

STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["open", "ping", "cancel", "reply", "subscribe", "level", "call", "get", "resume", "delete"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(EXAMPLES, max_examples=60)
@given(steps=STEPS)
def test_no_order_of_messages_does_harm(target: Target, steps: list[tuple[str, int, int]]) -> None:
    """Ours: what a session may do depends on its being open, and on nothing that was said before."""
    ids = [open_session(target) for _ in range(3)]
    ended = set()
    for step, which, number in steps:
        if step == "open":
            ids[which] = open_session(target)
            ended.discard(which)
            continue
        answer = take_step(target, step, ids[which], number)
        check(target, answer)
        assert answer.status in ({404} if which in ended else EXPECTED.get(step, {200})), (step, answer)
        if step == "delete":
            ended.add(which)


EXPECTED: Final = {"cancel": {202}, "reply": {202}, "resume": {400}, "delete": {204}}


def take_step(target: Target, step: str, session_id: str, number: int) -> Answer:
    headers = {"Content-Type": "application/json", "Accept": ACCEPT, "Mcp-Session-Id": session_id}
    match step:
        case "get":
            return send(target, "GET", headers, b"")
        case "resume":
            return send(target, "GET", headers | {"Last-Event-Id": f"{number}-{number}"}, b"")
        case "delete":
            return send(target, "DELETE", headers, b"")
    messages = {
        "ping": request("ping", id_=number),
        "cancel": {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}},
        "reply": {"jsonrpc": "2.0", "id": f"easel-{number}", "result": {}},
        "subscribe": request("resources/subscribe", {"uri": "test://watched-resource"}, number),
        "level": request("logging/setLevel", {"level": "debug"}, number),
        "call": request("tools/call", {"name": "test_simple_text"}, number),
    }
    return send(target, "POST", headers, json.dumps(messages[step]).encode())


# Slow and oversized bodies.


async def raw(url: str, head: list[str], body: bytes = b"") -> bytes:
    """Send a request over a connection of its own, and return all that comes until the server hangs up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = ["POST /mcp HTTP/1.1", "Host: localhost", "Connection: close", "Content-Type: application/json", *head]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    async with asyncio.timeout(PATIENCE_S):
        received = await reader.readuntil(b"}}")
    writer.transport.abort()
    return received


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(["Content-Length: 100"], b"{", id="declared and not sent"),
        pytest.param(["Transfer-Encoding: chunked"], b"5\r\n{", id="a chunk that does not end"),
        pytest.param(["Transfer-Encoding: chunked"], b"", id="no chunk at all"),
    ],
)
async def test_a_body_that_does_not_come_is_not_waited_for(head: list[str], body: bytes) -> None:
    """Bug: a byte now and then held a request for ever."""
    async with running(body_deadline_s=0.05) as url:
        assert b" 408 " in await raw(url, head, body)


async def test_a_compressed_body_is_not_unpacked() -> None:
    """Ours: 200 kB of it may be 200 MB. No client sends any, and none is promised that it may."""
    bomb = gzip.compress(bytes(50 * MAX_BODY_BYTES), 1)
    async with running() as url:
        assert b" 415 " in await raw(url, ["Content-Encoding: gzip", f"Content-Length: {len(bomb)}"], bomb[:1000])


# Many clients, and bad ones, measured.

STREAMS: Final = 1000
SESSIONS_OPEN: Final = 200
STREAMS_BYTES: Final = 48 * 1024 * 1024
"""48 kB a stream: half of it is aiohttp's connection and request, the rest tasks and buffers."""

LEAK_BYTES: Final = 8 * 1024 * 1024
"""Memory that the allocator may keep between two equal rounds; a leak of 8 kB a stream would be as much."""

SLOW_BYTES: Final = 8 * 1024 * 1024
"""A reader that does not read may cost the buffers of its connection, and one notice of each kind."""


@dataclass
class Measured:
    """The measured server, and a client that is not counted among those that it is measured by."""

    url: str
    client: WireClient

    async def held(self) -> dict[str, int]:
        held: dict[str, int] = (await self.client.call("state"))["structuredContent"]
        return held

    async def settled(self, files: int, tasks: int) -> dict[str, int]:
        """Its holdings, once it holds no more connections and tasks than this."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                held = await self.held()
                if held["files"] <= files and held["tasks"] <= tasks:
                    return held


@asynccontextmanager
async def measured() -> AsyncIterator[Measured]:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a process its memory by /proc")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * STREAMS)), hard))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.measured_server"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with wire_client(url) as client:
            yield Measured(url, client)
        process.stdin.close()
        async with asyncio.timeout(2 * PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_streams_in_two_hundred_sessions_cost_little_and_are_released() -> None:
    """Ours: 48 kB each at most, no connection and no task left behind, and the second time no more than the first."""
    async with measured() as server:
        idle, peaks = await server.held(), []
        for _ in range(2):
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                async with AsyncExitStack() as stack:
                    await open_streams(WireClient(session, server.url), stack)
                    await server.client.call("publish", {"count": 2000})
                    peaks.append(await server.held())
            await server.settled(idle["files"], idle["tasks"])
    assert peaks[0]["files"] >= idle["files"] + STREAMS
    assert peaks[0]["bytes"] - idle["bytes"] < STREAMS_BYTES
    assert peaks[1]["bytes"] - peaks[0]["bytes"] < LEAK_BYTES


async def open_streams(client: WireClient, stack: AsyncExitStack) -> None:
    """Half of them modern, half of them of sessions; each is told of a change."""
    sessions = [WireClient(client.session, client.url) for _ in range(SESSIONS_OPEN)]
    for each in sessions:
        await each.open()
    listeners = [
        await stack.enter_async_context(listening(client, {"toolsListChanged": True}, number))
        for number in range(STREAMS // 2)
    ]
    streams = [await stack.enter_async_context(get(sessions[number % SESSIONS_OPEN])) for number in range(STREAMS // 2)]
    await client.call("test_trigger_tool_change")
    for listener in listeners:
        assert (await listener.next())["method"] == "notifications/tools/list_changed"
    for stream in streams[-SESSIONS_OPEN:]:  # the newest of each session
        assert (await stream.next()).message["method"] == "notifications/tools/list_changed"


@asynccontextmanager
async def deaf(url: str, method: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[None]:
    """A client that sends a request, and reads nothing of the answer."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
    sent = {"Host": "localhost", "Accept": ACCEPT, "Content-Type": "application/json", **headers}
    lines = [f"{method} /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    await asyncio.get_running_loop().sock_sendall(connection, head + body)
    try:
        yield
    finally:
        connection.close()


async def test_readers_that_do_not_read_cost_no_more_than_their_buffers() -> None:
    """Ours: 100,000 notices are told to a listener, a session's stream and a call's; none of them listens."""
    wanted = {"toolsListChanged": True, "resourceSubscriptions": [f"test://{number}" for number in range(1000)]}
    listen = json.dumps(request("subscriptions/listen", modern_params({"notifications": wanted}))).encode()
    talk = {"name": "chatter", "arguments": {"count": 100_000}, "_meta": {"progressToken": 1}}
    async with measured() as server, wire_client(server.url) as client:
        await client.open()
        own = {"Mcp-Session-Id": client.session_id}
        for number in range(100):
            await client.legacy("resources/subscribe", {"uri": f"test://{number}"})
        idle = await server.held()
        async with deaf(server.url, "POST", modern_headers("subscriptions/listen"), listen):
            async with deaf(server.url, "GET", own, b""):
                async with deaf(server.url, "POST", own, json.dumps(request("tools/call", talk)).encode()):
                    await server.client.call("publish", {"count": 100_000})
                    busy = await server.held()
        assert busy["bytes"] - idle["bytes"] < SLOW_BYTES
        assert busy["files"] == idle["files"] + 3
        assert (await client.legacy("ping")).result == {}


async def test_questions_that_nobody_answers_are_let_go_with_their_session() -> None:
    """Ours: two thousand of them, whose connections are gone, leave nothing once the session has ended."""
    call = json.dumps(request("tools/call", {"name": "test_streaming_elicitation"})).encode()
    async with measured() as server, wire_client(server.url) as client:
        await client.open(elicitation={})
        own = {"Mcp-Session-Id": client.session_id}
        idle = await server.held()
        for _ in range(20):
            async with AsyncExitStack() as stack:
                for _ in range(100):
                    await stack.enter_async_context(deaf(server.url, "POST", own, call))
                await client.legacy("ping")
        waiting = await server.held()
        async with client.session.delete(client.url, headers=own) as answer:
            assert answer.status == 204
        await server.settled(idle["files"], idle["tasks"])
    assert waiting["tasks"] > idle["tasks"] + 1000
    assert waiting["bytes"] - idle["bytes"] < STREAMS_BYTES
