"""Rules that the suite leaves out, against the fixture over HTTP: headers, logs, subscriptions, state, tasks."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.subscriptions import PROMPTS, RESOURCES, TOOLS, Change, ResourceUpdated
from tests.conformance.content import said
from tests.conformance.server import running, server, with_tool
from tests.wire import (
    ANNA,
    BEN,
    CAPABILITIES_KEY,
    MODERN,
    TWO_TOKENS,
    Heard,
    WireClient,
    listening,
    messages_of,
    modern_headers,
    modern_params,
    request,
    until,
    wire_client,
)

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
ELICITS: dict[str, Any] = {"elicitation": {}}


@asynccontextmanager
async def fixture_client(fixture: Server | None = None) -> AsyncIterator[WireClient]:
    async with running(fixture=fixture) as url, wire_client(url) as client:
        yield client


@asynccontextmanager
async def two_principals() -> AsyncIterator[tuple[WireClient, WireClient]]:
    async with running(tokens=TWO_TOKENS) as url:
        async with wire_client(url, ANNA) as anna, wire_client(url, BEN) as ben:
            yield anna, ben


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def texts(heard: Heard) -> list[str]:
    return [block["text"] for block in heard.result["content"]]


# Headers and the body that they must agree with.


async def test_meta_without_the_version_header_is_a_mismatch() -> None:
    """Spec 2026-07-28, Protocol Version Header: it MUST be there; whoever routes by it reads another era."""
    headers = {"Mcp-Method": "tools/list"}
    async with fixture_client() as client:
        heard = await client.post(request("tools/list", modern_params(), id_="an id"), headers)
    assert (heard.status, heard.code, heard.message["id"]) == (400, -32020, "an id")


async def test_session_and_event_ids_mean_nothing_to_a_modern_request() -> None:
    """Spec 2026-07-28, Earlier Streamable HTTP Revisions: both are ignored."""
    headers = modern_headers("tools/list") | {"Mcp-Session-Id": "forged", "Last-Event-Id": "nobody-7"}
    async with fixture_client() as client:
        heard = await client.post(request("tools/list", modern_params()), headers)
    assert heard.result["tools"]
    assert "Mcp-Session-Id" not in heard.headers


NAMED: dict[str, dict[str, Any]] = {
    "tools/call": {"name": "greet", "arguments": {"name": "Ada"}},
    "prompts/get": {"name": "test_simple_prompt"},
    "resources/read": {"uri": "test://static-text"},
    "tasks/get": {"taskId": "a"},
    "tasks/update": {"taskId": "a", "inputResponses": {}},
    "tasks/cancel": {"taskId": "a"},
}


def name_in(params: Mapping[str, Any]) -> str:
    return str(next(iter(params.values())))


@pytest.mark.parametrize("method", NAMED)
@pytest.mark.parametrize(
    ("sent", "passes"),
    [
        pytest.param("{}", True, id="as it stands"),
        pytest.param("base64", True, id="as Base64"),
        pytest.param("  {}\t", True, id="with space around"),
        pytest.param("x{}", False, id="another"),
        pytest.param(None, False, id="missing"),
        pytest.param("", False, id="empty"),
        pytest.param("=?base64?!?=", False, id="broken Base64"),
        pytest.param("=?base64?YQ==", False, id="a literal that begins as Base64"),
        pytest.param("=?base64?//79?=", False, id="Base64 of no text"),
    ],
)
async def test_the_name_header_agrees_with_the_body(method: str, sent: str | None, passes: bool) -> None:
    """Spec 2026-07-28, Request Metadata, Server Validation: 400 and -32020, for every method that has a name."""
    name = name_in(NAMED[method])
    value = encoded(name) if sent == "base64" else None if sent is None else sent.format(name)
    headers = modern_headers(method) | ({} if value is None else {"Mcp-Name": value})
    params = modern_params(NAMED[method], **{CAPABILITIES_KEY: TASKS})
    async with fixture_client() as client:
        heard = await client.post(request(method, params, id_=77), headers)
    assert heard.message["id"] == 77
    if passes:
        assert "error" not in heard.message or heard.code == -32602  # there is no task "a"
    else:
        assert (heard.status, heard.code) == (400, -32020)


@pytest.mark.parametrize("header", ["Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Mcp-Param-Region"])
async def test_a_header_sent_twice_is_a_mismatch(header: str) -> None:
    """Ours: of two values, a router may have read the one and we the other, though both be the same."""
    headers = modern_headers("tools/call", "test_x_mcp_header") | {"Mcp-Param-Region": "eu"}
    params = modern_params({"name": "test_x_mcp_header", "arguments": {"region": "eu"}})
    pairs = [*headers.items(), ("Content-Type", "application/json"), (header, headers[header])]
    async with fixture_client() as client:
        async with client.session.post(client.url, json=request("tools/call", params, id_=8), headers=pairs) as answer:
            [message] = [each async for each in messages_of(answer)]
    assert (answer.status, message["error"]["code"], message["id"]) == (400, -32020, 8)


TYPED = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "flag": {"type": "boolean", "x-mcp-header": "Flag"},
        "outer": {"type": "object", "properties": {"inner": {"type": "string", "x-mcp-header": "Inner"}}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers", "passes"),
    [
        pytest.param({"count": 42}, {"Mcp-Param-Count": "42"}, True, id="integer"),
        pytest.param({"count": 42}, {"Mcp-Param-Count": "42.0"}, True, id="integer as a decimal"),
        pytest.param({"count": 42}, {"Mcp-Param-Count": "4_2"}, False, id="integer as Python alone reads it"),
        pytest.param({"count": 42}, {"Mcp-Param-Count": "43"}, False, id="another integer"),
        pytest.param({"count": -7}, {"Mcp-Param-Count": encoded("-7")}, True, id="integer as Base64"),
        pytest.param({"count": 42}, {"Mcp-Param-Count": "9" * 5000}, False, id="integer without end"),
        pytest.param({"count": 42}, {}, False, id="missing"),
        pytest.param({"count": None}, {}, True, id="null has no header"),
        pytest.param({}, {}, True, id="nothing has none either"),
        pytest.param({"flag": True}, {"Mcp-Param-Flag": "true"}, True, id="boolean"),
        pytest.param({"flag": False}, {"Mcp-Param-Flag": "true"}, False, id="the other boolean"),
        pytest.param({"flag": True}, {"Mcp-Param-Flag": "True"}, False, id="boolean as Python writes it"),
        pytest.param({"outer": {"inner": "a"}}, {"Mcp-Param-Inner": "a"}, True, id="nested"),
        pytest.param({"outer": {"inner": "a"}}, {"mcp-param-inner": "b"}, False, id="nested and different"),
        pytest.param({"outer": {"inner": "ä ö"}}, {"Mcp-Param-Inner": encoded("ä ö")}, True, id="beyond ASCII"),
        pytest.param({"outer": 3}, {}, True, id="nothing where it would be nested"),
        pytest.param({}, {"Mcp-Param-Other": "x"}, True, id="a header of nothing"),
    ],
)
async def test_a_parameter_header_agrees_with_the_argument(
    arguments: Mapping[str, Any], headers: dict[str, str], passes: bool
) -> None:
    """Spec 2026-07-28, Custom Headers from Tool Parameters: integers as numbers, booleans as JSON writes them."""

    async def run(call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
        return said("It ran.")

    message = request("tools/call", modern_params({"name": "typed", "arguments": arguments}), id_=5)
    async with fixture_client(with_tool("typed", run, TYPED)) as client:
        heard = await client.post(message, modern_headers("tools/call", "typed") | headers)
    if passes:
        assert texts(heard) == ["It ran."]
    else:
        assert (heard.status, heard.code, heard.message["id"]) == (400, -32020, 5)


# Logs.


@pytest.mark.parametrize(("level", "count"), [(None, 0), ("debug", 3), ("info", 3), ("notice", 0), ("emergency", 0)])
async def test_a_modern_call_gets_the_logs_that_it_asks_for(level: str | None, count: int) -> None:
    """Spec 2026-07-28, Logging: from the level on, and nothing without one."""
    meta = {} if level is None else {LOG_LEVEL: level}
    async with fixture_client() as client:
        heard = await client.modern("tools/call", {"name": "test_tool_with_logging"}, **meta)
    assert [each["method"] for each in heard.notifications] == ["notifications/message"] * count
    assert {each["params"]["level"] for each in heard.notifications} <= {"info"}


@pytest.mark.parametrize(("level", "count"), [(None, 3), ("debug", 3), ("info", 3), ("warning", 0)])
async def test_a_legacy_session_gets_the_logs_from_its_level_on(level: str | None, count: int) -> None:
    """Spec 2025-11-25, Logging: a level holds until the next; until the first one the choice is ours, `info`."""
    async with fixture_client() as client:
        await client.open()
        if level is not None:
            assert (await client.legacy("logging/setLevel", {"level": level})).result == {}
        heard = await client.legacy("tools/call", {"name": "test_tool_with_logging"})
        other = WireClient(client.session, client.url)
        await other.open()
        unaffected = await other.legacy("tools/call", {"name": "test_tool_with_logging"})
    assert (len(heard.notifications), len(unaffected.notifications)) == (count, 3)


async def test_a_level_that_there_is_not_is_refused_on_either_wire() -> None:
    async with fixture_client() as client:
        await client.open()
        legacy = await client.legacy("logging/setLevel", {"level": "loud"})
        modern = await client.modern("tools/call", {"name": "test_logging_tool"}, **{LOG_LEVEL: "loud"})
    assert (legacy.code, modern.code, modern.status) == (-32602, -32602, 400)
    assert "emergency" in modern.message["error"]["message"]


# Subscriptions.


KINDS: list[tuple[dict[str, Any], Change, str, dict[str, Any]]] = [
    ({"toolsListChanged": True}, TOOLS, "notifications/tools/list_changed", {}),
    ({"promptsListChanged": True}, PROMPTS, "notifications/prompts/list_changed", {}),
    ({"resourcesListChanged": True}, RESOURCES, "notifications/resources/list_changed", {}),
    (
        {"resourceSubscriptions": ["test://watched-resource", "test://other"]},
        ResourceUpdated("test://watched-resource"),
        "notifications/resources/updated",
        {"uri": "test://watched-resource"},
    ),
]


@pytest.mark.parametrize(("asked", "notice", "method", "params"), KINDS, ids=[kind[2] for kind in KINDS])
@pytest.mark.parametrize("id_", [7, "7"], ids=["number", "text"])
async def test_each_kind_of_notice_reaches_who_asked_for_it_and_nobody_else(
    asked: dict[str, Any], notice: Change, method: str, params: dict[str, Any], id_: int | str
) -> None:
    """Spec 2026-07-28, Subscriptions: the granted filter comes first, and every message names the listen request."""
    fixture, named = server(), {"_meta": {SUBSCRIPTION: id_}}
    async with fixture_client(fixture) as client, listening(client, asked, id_) as listener:
        assert listener.acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert listener.acknowledged["params"] == {"notifications": asked, **named}
        for _, other, *_ in KINDS:
            fixture.hub.publish(other)
        fixture.hub.publish(ResourceUpdated("test://unasked"))
        heard = await listener.next()
        assert (heard["method"], heard["params"]) == (method, params | named)
        fixture.hub.publish(notice)
        assert (await listener.next())["method"] == method


async def test_streams_of_one_client_are_told_each_by_its_own_filter() -> None:
    fixture = server()
    async with fixture_client(fixture) as client, AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(listening(client, asked, id_)) for id_, (asked, *_) in enumerate(KINDS)
        ]
        for _, notice, *_ in KINDS:
            fixture.hub.publish(notice)
        heard = [await listener.next() for listener in listeners]
    assert [(each["method"], each["params"]["_meta"][SUBSCRIPTION]) for each in heard] == [
        (kind[2], id_) for id_, kind in enumerate(KINDS)
    ]


async def test_a_task_tells_its_owner_how_it_stands() -> None:
    """SEP-2663, Status Notifications: the whole task, by a subscription to its id."""
    async with fixture_client() as client:
        created = await client.modern("tools/call", {"name": "failing_job"}, **{CAPABILITIES_KEY: TASKS})
        task_id = created.result["taskId"]
        async with listening(client, {"taskIds": [task_id, "unknown"]}, **{CAPABILITIES_KEY: TASKS}) as listener:
            assert listener.acknowledged["params"]["notifications"] == {"taskIds": [task_id]}
            while (told := await listener.next())["params"]["status"] == "working":
                pass
        stands = await client.modern("tasks/get", {"taskId": task_id}, **{CAPABILITIES_KEY: TASKS})
    assert told["method"] == "notifications/tasks"
    assert (told["params"]["taskId"], told["params"]["status"]) == (task_id, "completed")
    assert told["params"]["result"] == stands.result["result"]


@pytest.mark.parametrize("asked", [None, [], {"toolsListChanged": 1}, {"taskIds": "a"}, {"resourceSubscriptions": [1]}])
async def test_a_filter_that_is_none_is_refused(asked: object) -> None:
    async with fixture_client() as client:
        heard = await client.modern("subscriptions/listen", {"notifications": asked})
    assert (heard.status, heard.code) == (400, -32602)


async def test_a_stopping_server_ends_its_streams_with_a_result() -> None:
    """Spec 2026-07-28, Subscriptions, Graceful Closure: the response to the listen request comes last."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running())
        async with wire_client(url) as client, listening(client, {"toolsListChanged": True}, "last") as listener:
            stopping = asyncio.create_task(stack.aclose())
            ending = await listener.next()
            with pytest.raises(StopAsyncIteration):
                await listener.next()
            await stopping
    assert ending["id"] == "last"
    assert ending["result"]["resultType"] == "complete"
    assert ending["result"]["_meta"][SUBSCRIPTION] == "last"


# Request state.


KEEPER = "test_input_required_result_request_state"
TWIN = "test_input_required_result_tampered_state"


async def ask_state(client: WireClient) -> str:
    heard = await client.modern("tools/call", {"name": KEEPER}, **{CAPABILITIES_KEY: ELICITS})
    assert heard.result["resultType"] == "input_required"
    return str(heard.result["requestState"])


async def answer_state(client: WireClient, state: object, tool: str = KEEPER, **params: Any) -> Heard:
    answers = {"confirm": {"action": "accept", "content": {"ok": True}}}
    told = {"name": tool, "inputResponses": answers, "requestState": state, **params}
    return await client.modern("tools/call", told, **{CAPABILITIES_KEY: ELICITS})


async def test_request_state_is_for_one_call_of_one_principal() -> None:
    """Spec 2026-07-28, MRTR, Server Requirements: bound to who asked, to the method and to its arguments."""
    async with two_principals() as (anna, ben):
        state = await ask_state(anna)
        assert texts(await answer_state(anna, state)) == ["state-ok"]
        foreign = [
            await answer_state(ben, state),
            await answer_state(anna, state, TWIN),
            await answer_state(anna, state, arguments={"other": 1}),
            *[await answer_state(anna, altered) for altered in alterations(state)],
        ]
    assert {(heard.status, heard.code) for heard in foreign} == {(400, -32602)}


def alterations(state: str) -> Iterator[object]:
    yield from (state + "=", state[:-1], state.upper(), "", ".", "ä", 7, {}, [state], state.replace(".", ".."))


# Tasks.


async def test_a_task_of_another_principal_does_not_exist() -> None:
    """SEP-2663, Security: whoever knows the id of somebody's task can neither see, answer, end nor follow it."""
    declared = {CAPABILITIES_KEY: TASKS | ELICITS}
    async with two_principals() as (anna, ben):
        created = await anna.modern("tools/call", {"name": "confirm_delete"}, **declared)
        task_id = created.result["taskId"]
        answers = {"confirm": {"action": "accept", "content": {"confirm": True}}}
        for task, method in product((task_id, "unknown"), ("tasks/get", "tasks/update", "tasks/cancel")):
            refused = await ben.modern(method, {"taskId": task, "inputResponses": answers}, **declared)
            assert (refused.code, task_id in str(refused.message)) == (-32602, False)
        async with listening(ben, {"taskIds": [task_id]}, **declared) as listener:
            assert listener.acknowledged["params"]["notifications"] == {"taskIds": []}
        stands = await anna.modern("tasks/get", {"taskId": task_id}, **declared)
        assert stands.result["status"] in ("working", "input_required")


# Cancelling.


async def test_a_notification_does_not_cancel_a_modern_call() -> None:
    """Spec 2026-07-28, Streamable HTTP, Cancellation: closing the stream does; the notification is for stdio."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        began.set()
        await go_on.wait()
        return said("It went on.")

    params = {"requestId": 1, "_meta": modern_params()["_meta"]}
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    async with fixture_client(with_tool("waits", run)) as client:
        call = asyncio.create_task(client.modern("tools/call", {"name": "waits"}))
        await began.wait()
        assert (await client.post(notice, {"Mcp-Protocol-Version": MODERN})).status == 202
        go_on.set()
        assert texts(await call) == ["It went on."]


async def test_closing_a_stream_that_was_silent_so_far_cancels_a_modern_call() -> None:
    """Spec 2026-07-28, Streamable HTTP, Cancellation: no message need have been sent on it."""
    began, over = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            over.set_result("cancelled")
            raise
        raise AssertionError

    async with fixture_client(with_tool("waits", run)) as client:
        call = asyncio.create_task(client.modern("tools/call", {"name": "waits"}))
        await began.wait()
        call.cancel()
        async with asyncio.timeout(60):
            assert await over == "cancelled"


async def test_a_listener_that_goes_away_is_forgotten() -> None:
    """Ours: nothing is kept for it, and nothing is written to it."""
    fixture = server()
    async with fixture_client(fixture) as client:
        async with listening(client, {"toolsListChanged": True}):
            assert fixture.hub._modern
        await until(lambda: not fixture.hub._modern)
