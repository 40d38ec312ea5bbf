"""What a handler can do for its caller. Above all `ask`: one text, four ways to the person."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from service.protocol.asking import OpenRequests
from service.protocol.call import Call, read_reason
from service.protocol.catalog import ResourceEntry
from service.protocol.dispatch import answer
from service.protocol.errors import INVALID_PARAMS, MISSING_CAPABILITY
from service.protocol.jsonrpc import Response, Result
from service.protocol.questions import elicit, elicit_url
from service.protocol.subscriptions import Hub
from service.protocol.task_records import MemoryKeeper
from service.protocol.tasks import Tasks
from service.protocol.versions import Era
from tests.protocol.samples import (
    SESSION,
    TASKS,
    Clock,
    Outbox,
    arrive,
    call,
    error,
    result,
    said,
    server,
)
from tests.wire import CAPABILITIES_KEY, modern_headers, modern_params, request

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
ADA = {"action": "accept", "content": {"name": "Ada"}}


async def greet(call: Call, arguments: Mapping[str, Any]) -> Result:
    """The one text of a handler that asks: it neither knows nor says how."""
    await call.detach()
    name = arguments.get("name")
    if name is None:
        given = await call.ask("name", elicit("Your name?", FORM), keep={"by": "Easel"}, instead="Pass `name`.")
        name = f"{given['content']['name']} of {call.kept['by']}"
    return said(f"Hello, {name}!")


SERVER = server(greet)
GREETING = said("Hello, Ada of Easel!")


async def test_a_legacy_client_is_asked_by_a_request_on_the_stream_of_its_call() -> None:
    """Ours, the first of four ways; spec 2025-11-25, Elicitation."""
    requests, outbox = OpenRequests(), Outbox()
    asking = call(params={"name": "greet"}, era=Era.LEGACY, can=["elicitation/form"], send=outbox.send)
    asking.inquiry = requests.inquiry_of(asking, SESSION)
    answered = asyncio.create_task(answer(SERVER, asking))
    sent = await outbox.next()
    assert sent["method"] == "elicitation/create"
    requests.answer(SESSION, Response(id=sent["id"], answer=ADA, failed=False))
    assert result(await answered) == GREETING


async def test_a_modern_client_is_asked_by_a_result_and_calls_again() -> None:
    """Ours, the second of four ways; spec 2026-07-28, MRTR."""

    async def round_trip(**brought: Any) -> Any:
        params = modern_params({"name": "greet", **brought}, **{CAPABILITIES_KEY: {"elicitation": {}}})
        admitted = arrive(request("tools/call", params, 5), modern_headers("tools/call", "greet"))
        assert isinstance(admitted, Call)
        return result(await answer(SERVER, admitted))

    asked = await round_trip()
    assert asked["resultType"] == "input_required"
    again = await round_trip(inputResponses={"name": ADA}, requestState=asked["requestState"])
    assert (again["resultType"], again["content"]) == ("complete", GREETING["content"])


async def test_a_client_of_tasks_is_asked_by_its_task() -> None:
    """Ours, the third of four ways; SEP-2663, Task Update Requests."""
    tasks = Tasks(keeper=MemoryKeeper(), clock=Clock(), hub=Hub())
    fixture = server(greet, tasks=tasks)

    async def ask(method: str, **params: Any) -> Any:
        return result(await answer(fixture, call(method, params, can=["elicitation/form", TASKS])))

    task_id = (await ask("tools/call", name="greet"))["taskId"]
    task = await ask("tasks/get", taskId=task_id)
    assert task["status"] == "input_required"
    await ask("tasks/update", taskId=task_id, inputResponses={"name": ADA})
    await tasks.close(10)
    assert (await ask("tasks/get", taskId=task_id))["result"] == GREETING


@pytest.mark.parametrize("era", Era)
async def test_a_client_that_cannot_be_asked_is_told_which_argument_to_pass(era: Era) -> None:
    """Ours, the fourth of four ways: a result that the model reads and acts on."""
    given = result(await answer(SERVER, call(params={"name": "greet"}, era=era)))
    assert (given["isError"], given["content"]) == (True, said("Pass `name`.")["content"])
    passed = result(await answer(SERVER, call(params={"name": "greet", "arguments": {"name": "Ada"}}, era=era)))
    assert passed["content"] == said("Hello, Ada!")["content"]


async def test_without_an_argument_to_pass_instead_the_capability_is_demanded() -> None:
    """Spec 2026-07-28: -32021 and 400."""

    async def insist(call: Call, arguments: Mapping[str, Any]) -> Result:
        await call.ask("name", elicit("Your name?", FORM))
        return said("unreachable")

    given = await answer(server(insist), call(params={"name": "insist"}))
    assert (given.status, error(given)["code"]) == (400, MISSING_CAPABILITY)


async def test_outside_of_tools_the_refusal_is_an_error() -> None:
    """Ours: a prompt's result has no place for what to do instead."""

    async def read(call: Call, uri: str) -> list[Result]:
        await call.ask("name", elicit("Your name?", FORM), instead="Read another one.")
        return []

    fixture = server(resources={"test://a": ResourceEntry(listing={"uri": "test://a", "name": "a"}, read=read)})
    given = error(await answer(fixture, call("resources/read", {"uri": "test://a"})))
    assert (given["code"], given["message"]) == (INVALID_PARAMS, "Read another one.")


@pytest.mark.parametrize(("token", "heard"), [("a", 2), (0, 2), (None, 0), (True, 0), ({}, 0)])
async def test_progress_goes_to_callers_that_gave_a_token(token: object, heard: int) -> None:
    """Spec 2026-07-28, Progress: a token is a string or an integer, and comes back as it was."""
    outbox = Outbox()
    caller = call(params={"_meta": {"progressToken": token}}, send=outbox.send)
    await caller.progress(1)
    await caller.progress(2, 2, "done")
    sent = outbox.rest()
    assert len(sent) == heard
    if heard:
        assert sent[0] == {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1},
        }
        assert sent[1]["params"] == {"progressToken": token, "progress": 2, "total": 2, "message": "done"}


@pytest.mark.parametrize("params", [{}, {"_meta": None}, {"_meta": []}])
async def test_without_meta_there_is_no_progress_to_tell(params: dict[str, Any]) -> None:
    outbox = Outbox()
    await call(params=params, send=outbox.send).progress(1)
    assert outbox.rest() == []


async def test_log_messages_pass_from_the_callers_threshold_on() -> None:
    """Spec 2026-07-28, Logging: only the levels that the client wants, only on this request's stream."""
    outbox = Outbox()
    caller = call(log_level="warning", send=outbox.send)
    await caller.log("info", "unheard")
    await caller.log("error", {"a": 1}, logger="sketch")
    await caller.log("warning", "heard")
    assert [each["params"] for each in outbox.rest()] == [
        {"level": "error", "logger": "sketch", "data": {"a": 1}},
        {"level": "warning", "data": "heard"},
    ]


async def test_what_nobody_listens_to_is_dropped() -> None:
    caller = call(params={"_meta": {"progressToken": 1}}, log_level="debug")
    await caller.progress(1)
    await caller.log("info", "x")
    await caller.hang_up()


async def test_a_call_that_cannot_become_a_task_stays_a_call_or_is_refused() -> None:
    """SEP-2663: -32021 where the work is too long to be waited for."""
    await call().detach()

    async def long(call: Call, arguments: Mapping[str, Any]) -> Result:
        await call.detach(required=True)
        return said("unreachable")

    given = error(await answer(server(long), call(params={"name": "long"})))
    assert given["code"] == MISSING_CAPABILITY
    assert given["data"] == {"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


def test_only_initialize_opens_a_session() -> None:
    assert call("initialize", era=Era.LEGACY).opens_session
    assert not call("ping", era=Era.LEGACY).opens_session
    assert not call("initialize").opens_session


@pytest.mark.parametrize("era", Era)
@pytest.mark.parametrize("question", ["form", "url"])
async def test_a_client_is_asked_only_in_a_mode_that_it_declared(era: Era, question: str) -> None:
    """Spec 2026-07-28, Elicitation: servers MUST NOT ask in modes that the client does not support."""
    questions = {"form": elicit("Your name?", FORM), "url": elicit_url("Upload.", "https://easel.example.com/u", "e")}

    async def run(call: Call, arguments: Mapping[str, Any]) -> Result:
        return await call.ask("it", questions[question])

    other = {"form": "url", "url": "form"}[question]
    given = await answer(server(run), call(params={"name": "run"}, era=era, can=[f"elicitation/{other}"]))
    assert error(given)["code"] == MISSING_CAPABILITY
    assert error(given)["data"] == {"requiredCapabilities": {"elicitation": {question: {}}}}


async def test_a_modern_client_is_sent_to_a_page_and_comes_again() -> None:
    """Spec 2026-07-28, URL Mode Flow: no id, and no notice that the page is done."""
    outbox = Outbox()

    async def run(call: Call, arguments: Mapping[str, Any]) -> Result:
        agreed = await call.ask("page", elicit_url("Upload.", "https://easel.example.com/u", "e-1"), keep={"page": "u"})
        await call.complete_elicitation("e-1")
        return said(f"{agreed['action']} {call.kept['page']}")

    async def round_trip(**brought: Any) -> Any:
        capable: dict[str, Any] = {CAPABILITIES_KEY: {"elicitation": {"url": {}}}}
        sent = request("tools/call", modern_params({"name": "run", **brought}, **capable), 5)
        admitted = arrive(sent, modern_headers("tools/call", "run"))
        assert isinstance(admitted, Call)
        admitted.send = outbox.send
        return result(await answer(server(run), admitted))

    asked = await round_trip()
    params = asked["inputRequests"]["page"]["params"]
    assert params == {"mode": "url", "message": "Upload.", "url": "https://easel.example.com/u"}
    again = await round_trip(inputResponses={"page": {"action": "accept"}}, requestState=asked["requestState"])
    assert again["content"] == said("accept u")["content"]
    assert outbox.rest() == []


async def test_what_a_call_has_no_connection_for_does_nothing() -> None:
    given = call()
    await given.open_stream()
    await given.hang_up()
    assert (given.detached, await given.send(b"{}")) == (False, False)


@pytest.mark.parametrize(
    ("reason", "read"), [("enough", "enough"), (None, ""), (5, ""), ("x" * 1000, "x" * 200)], ids=str
)
def test_the_reason_of_a_cancellation_is_read_with_care(reason: object, read: str) -> None:
    assert read_reason(reason) == read
