"""Messages of any kind in any order: admission and dispatch never raise, and an error names its request.

Requests are made of parts that are right, nearly right and absurd, so that most get far before they fail.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.protocol.admission import Admitted, Batch, Refused, admit, admit_line
from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, ResourceEntry, Server
from service.protocol.client_requests import elicit
from service.protocol.dispatch import respond
from service.protocol.errors import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
)
from service.protocol.headers import NAMED_BY
from service.protocol.jsonrpc import Result
from service.protocol.methods import METHODS
from service.protocol.subscriptions import Hub
from service.protocol.tasks import Tasks
from tests.memory_keeper import MemoryKeeper
from tests.protocol.samples import KEYS, Clock, arrival, said, server
from tests.wire import CAPABILITIES_KEY, CLIENT_KEY, LEGACY, MODERN, VERSION_KEY, request

CODES = {
    PARSE_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    INVALID_PARAMS,
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
}
"""Every error but -32603: nothing that a client sends is a bug of ours."""

FORM = {"type": "object", "properties": {"name": {"type": "string"}}}


async def echo(call: Call, arguments: Mapping[str, Any]) -> Result:
    call.report("echo", 1)
    await call.log("info", arguments)
    return said(f"{dict(arguments)}"[:1000])


async def ask(call: Call, arguments: Mapping[str, Any]) -> Result:
    answer = await call.ask("name", elicit("Name?", FORM), keep={"a": 1}, instead="Pass it.")
    return said(f"{answer}"[:1000])


async def detach(call: Call, arguments: Mapping[str, Any]) -> Result:
    await call.become_task(required=True)
    return said("Done.")


async def read(call: Call, uri: str) -> Sequence[Result] | None:
    return None if uri == "test://none" else [{"uri": uri, "text": "x"}]


async def complete(call: Call, ref: Mapping[str, Any], argument: Mapping[str, Any]) -> Sequence[str]:
    return [f"{argument['value']}"]


def full() -> Server:
    hub = Hub()
    hub.close()  # streams of change notices end after what there is to tell
    return server(
        echo,
        ask,
        detach,
        hub=hub,
        prompts={"p": PromptEntry(listing={"name": "p", "arguments": [{"name": "a", "required": True}]}, get=echo)},
        resources={"test://a": ResourceEntry(listing={"uri": "test://a", "name": "a"}, read=read)},
        templates={"test://{a}": ResourceEntry(listing={"uriTemplate": "test://{a}", "name": "t"}, read=read)},
        complete=complete,
        tasks=Tasks(keeper=MemoryKeeper(), clock=Clock(), hub=hub),
    )


def opened(version: str) -> str:
    """The id of a session of a revision."""
    body = json.dumps(request("initialize", {"protocolVersion": version, "capabilities": {"elicitation": {}}})).encode()
    call = admit([], body, KEYS, arrival())
    assert isinstance(call, Call)
    assert call.session is not None
    return call.session.id


SESSION_IDS = {version: opened(version) for version in (LEGACY, "2025-06-18", "2025-03-26")}

TEXT = st.text(max_size=20) | st.sampled_from(["echo", "ask", "detach", "p", "test://a", "test://none", MODERN, LEGACY])
SCALAR = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALAR | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
IDS = st.integers(-(2**53), 2**53) | st.text(max_size=10)
ABLE: dict[str, Any] = {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
CAPABILITIES: st.SearchStrategy[Any] = st.just({}) | st.just(ABLE) | JSON
META = st.fixed_dictionaries(
    {VERSION_KEY: st.just(MODERN) | JSON, CAPABILITIES_KEY: CAPABILITIES},
    optional={
        CLIENT_KEY: JSON,
        "progressToken": JSON,
        "io.modelcontextprotocol/logLevel": st.sampled_from(["debug", "loud"]) | JSON,
    },
)
TOOLS = st.sampled_from(["echo", "ask", "detach", "p"])
URIS = st.sampled_from(["test://a", "test://b", "test://none"])
GOOD_META = st.fixed_dictionaries(
    {VERSION_KEY: st.just(MODERN), CAPABILITIES_KEY: st.just({}) | st.just(ABLE)},
    optional={"progressToken": IDS, "io.modelcontextprotocol/logLevel": st.just("debug")},
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "_meta": META | JSON,
        "name": TOOLS | TEXT | JSON,
        "uri": URIS | TEXT | JSON,
        "arguments": st.dictionaries(TEXT, JSON, max_size=4) | JSON,
        "cursor": JSON,
        "level": JSON,
        "ref": st.just({"type": "ref/prompt", "name": "p"}) | JSON,
        "argument": st.just({"name": "a", "value": "x"}) | JSON,
        "taskId": JSON,
        "inputResponses": st.just({"name": {"action": "accept", "content": {"name": "Ada"}}}) | JSON,
        "requestState": JSON,
        "protocolVersion": TEXT | JSON,
        "capabilities": CAPABILITIES,
        "clientInfo": JSON,
        "notifications": st.just({"toolsListChanged": True, "taskIds": ["x"]}) | JSON,
    },
)
METHOD = st.sampled_from(sorted(METHODS)) | TEXT
GOOD = st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "id": IDS, "method": METHOD, "params": PARAMS})
BAD = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON,
        "id": IDS | JSON,
        "method": METHOD | JSON,
        "params": PARAMS | JSON,
        "result": JSON,
        "error": JSON,
    },
)
MESSAGE = GOOD | BAD
NAMES = st.sampled_from(
    ["Mcp-Method", "mcp-method", "Mcp-Name", "Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Param-A", "Accept"]
)
VALUES = TEXT | st.sampled_from([*SESSION_IDS.values(), *METHODS, "=?base64?ZWNobw==?=", "=?base64?%%?=", "\udcff"])
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
SESSION_PAIRS = st.sampled_from([[("Mcp-Session-Id", id_)] for id_ in SESSION_IDS.values()])


OFTEN = st.sampled_from([*sorted(METHODS), *["tools/call", "prompts/get", "resources/read"] * 4])
RIGHT = st.fixed_dictionaries(
    {},
    optional={
        "name": TOOLS,
        "uri": URIS,
        "arguments": st.dictionaries(TEXT, JSON, max_size=4),
        "requestState": st.none(),
    },
)
"""Params that get a call into its handler; the rest of them may be anything."""


@st.composite
def modern_posts(draw: st.DrawFn) -> tuple[list[tuple[str, str]], object]:
    """A modern request that is right but for its params, with the headers that it must have."""
    method = draw(OFTEN)
    params = {**draw(PARAMS), **draw(RIGHT), "_meta": draw(GOOD_META)}
    target = params.get(NAMED_BY.get(method, ""))
    encoded = base64.b64encode(target.encode()).decode() if isinstance(target, str) else ""
    pairs = [("Mcp-Protocol-Version", MODERN), ("Mcp-Method", method), ("Mcp-Name", f"=?base64?{encoded}?=")]
    return pairs, request(method, params, draw(IDS))


@st.composite
def legacy_posts(draw: st.DrawFn) -> tuple[list[tuple[str, str]], object]:
    """A request of a session that is right but for its params, or a batch of such."""
    params = st.builds(lambda some, right: {**some, **right, "_meta": {"progressToken": 1}}, PARAMS, RIGHT)
    single = st.builds(request, OFTEN, params, IDS)
    return draw(SESSION_PAIRS), draw(single | st.lists(single | MESSAGE, max_size=3))


WILD_POSTS = st.tuples(PAIRS | SESSION_PAIRS, MESSAGE | st.lists(MESSAGE, max_size=3))


def readable_id(message: object) -> object:
    """The id of a message if it has one as the specs allow: what an error about it must name."""
    id_ = message.get("id") if isinstance(message, dict) else None
    if isinstance(id_, int) and not -(2**63) <= id_ < 2**64:  # a float to the parser, as to JavaScript
        return None
    return id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else None


def check_error(message: Mapping[str, Any], id_: object) -> None:
    """An error of the client's making, that names its request and tells nothing of our code."""
    assert message.get("id") == id_
    assert message["error"]["code"] in CODES, message
    assert message["error"]["message"]
    assert "Traceback" not in json.dumps(message)


async def answered(given: Server, admitted: Admitted, sent: object) -> None:
    """Run whatever was admitted to its end, and look at every answer."""
    match admitted:
        case Refused():
            assert 400 <= admitted.status < 500 or admitted.status == 200
            check_error(json.loads(admitted.body()), None if isinstance(sent, list) else readable_id(sent))
        case Batch(items=items):
            assert isinstance(sent, list)
            for item, message in zip(items, sent, strict=True):
                await answered(given, item, message)
        case Call():
            async with asyncio.timeout(60):
                heard = await respond(given, admitted)
            message = json.loads(heard.body)
            assert message["id"] == readable_id(sent)
            if heard.failed:
                check_error(message, readable_id(sent))
        case _:
            assert "id" not in sent or "method" not in sent  # type: ignore[operator]  # a notification or a response


@pytest.fixture(autouse=True)
def no_bug_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Ours: what a client sends never ends as "Internal error" with a traceback in the log."""
    with caplog.at_level(logging.ERROR):
        yield
    assert not caplog.records


def run(given: Server, admitted: Admitted, sent: object) -> None:
    asyncio.run(finish(given, admitted, sent))


async def finish(given: Server, admitted: Admitted, sent: object) -> None:
    await answered(given, admitted, sent)
    if given.tasks is not None:
        await given.tasks.close(10)


@settings(deadline=None, max_examples=400)
@given(post=WILD_POSTS | modern_posts() | legacy_posts())
def test_any_message_is_answered_or_refused(post: tuple[list[tuple[str, str]], object]) -> None:
    """Ours: no 500, no traceback, no stuck request; every error echoes its id."""
    pairs, message = post
    run(full(), admit(pairs, json.dumps(message).encode(), KEYS, arrival()), json.loads(json.dumps(message)))


@settings(deadline=None)
@given(body=st.binary(max_size=60) | MESSAGE.map(lambda each: json.dumps(each).encode()[:-1]), pairs=PAIRS)
def test_bytes_that_are_no_message_are_refused(body: bytes, pairs: list[tuple[str, str]]) -> None:
    admitted = admit(pairs, body, KEYS, arrival())
    assert isinstance(admitted, Refused)
    assert admitted.status == 400
    check_error(json.loads(admitted.body()), admitted.id)


@settings(deadline=None)
@given(messages=st.lists(MESSAGE, max_size=8))
def test_lines_come_in_any_order(messages: list[dict[str, Any]]) -> None:
    """Ours, stdio: before `initialize`, after it, and twice; each line gets its own answer."""
    given, session = full(), None
    for message in messages:
        admitted = admit_line(json.dumps(message).encode(), KEYS, arrival(), session)
        run(given, admitted, json.loads(json.dumps(message)))
        if isinstance(admitted, Call) and admitted.opens_session:
            session = admitted.session


@settings(deadline=None, max_examples=50)
@given(methods=st.lists(st.tuples(st.sampled_from(sorted(METHODS)), PARAMS), max_size=8))
def test_methods_of_a_session_come_in_any_order(methods: list[tuple[str, dict[str, Any]]]) -> None:
    """Ours: before `notifications/initialized`, and without it."""
    given = full()
    for number, (method, params) in enumerate(methods):
        message = request(method, {name: value for name, value in params.items() if name != "_meta"}, number)
        pairs = [("Mcp-Session-Id", SESSION_IDS[LEGACY])]
        run(given, admit(pairs, json.dumps(message).encode(), KEYS, arrival()), json.loads(json.dumps(message)))


def test_an_internal_error_is_not_among_what_a_client_can_cause() -> None:
    assert INTERNAL_ERROR not in CODES
