"""The means of a handler towards its caller. Above all `ask`: one text, four ways to the person."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from service.protocol.call import CEILING, Call, DeliveryCallbacks, RisingProgress, read_reason
from service.protocol.catalog import ResourceEntry
from service.protocol.client import Era
from service.protocol.client_requests import elicit, elicit_url
from service.protocol.dispatch import respond
from service.protocol.errors import INVALID_PARAMS, MISSING_CAPABILITY, RpcError
from service.protocol.jsonrpc import Response, Result
from service.protocol.pending_requests import PendingRequests
from service.protocol.round_trips import InputRequiredError
from service.protocol.subscriptions import Hub
from service.protocol.tasks import Tasks
from tests.memory_keeper import MemoryKeeper
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
from tests.wire import CAPABILITIES_KEY, modern_headers, modern_params, request, until

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
ADA = {"action": "accept", "content": {"name": "Ada"}}


async def greet(call: Call, arguments: Mapping[str, Any]) -> Result:
    """The one text of a handler that asks: it neither knows nor says how."""
    await call.become_task()
    name = arguments.get("name")
    if name is None:
        given = await call.ask("name", elicit("Your name?", FORM), keep={"by": "Easel"}, instead="Pass `name`.")
        name = f"{given['content']['name']} of {call.kept['by']}"
    return said(f"Hello, {name}!")


SERVER = server(greet)
GREETING = said("Hello, Ada of Easel!")


async def test_a_legacy_client_is_asked_by_a_request_on_the_stream_of_its_call() -> None:
    """Ours, the first of four ways; spec 2025-11-25, Elicitation."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asking = call(params={"name": "greet"}, era=Era.LEGACY, can=["elicitation/form"], channel=outbox)
    answered = asyncio.create_task(respond(SERVER, asking))
    sent = await outbox.next()
    assert sent["method"] == "elicitation/create"
    requests.resolve(SESSION, Response(id=sent["id"], answer=ADA, failed=False))
    assert result(await answered) == GREETING


async def test_a_modern_client_is_asked_by_a_result_and_calls_again() -> None:
    """Ours, the second of four ways; spec 2026-07-28, MRTR."""

    async def round_trip(**brought: Any) -> Any:
        params = modern_params({"name": "greet", **brought}, **{CAPABILITIES_KEY: {"elicitation": {}}})
        admitted = arrive(request("tools/call", params, 5), modern_headers("tools/call", "greet"))
        assert isinstance(admitted, Call)
        admitted.channel = Outbox()
        return result(await respond(SERVER, admitted))

    asked = await round_trip()
    assert asked["resultType"] == "input_required"
    again = await round_trip(inputResponses={"name": ADA}, requestState=asked["requestState"])
    assert (again["resultType"], again["content"]) == ("complete", GREETING["content"])


async def test_a_client_of_tasks_is_asked_by_its_task() -> None:
    """Ours, the third of four ways; SEP-2663, Task Update Requests."""
    tasks = Tasks(keeper=MemoryKeeper(), clock=Clock(), hub=Hub())
    fixture = server(greet, tasks=tasks)

    async def ask(method: str, **params: Any) -> Any:
        return result(await respond(fixture, call(method, params, can=["elicitation/form", TASKS])))

    task_id = (await ask("tools/call", name="greet"))["taskId"]
    task = await ask("tasks/get", taskId=task_id)
    assert task["status"] == "input_required"
    await ask("tasks/update", taskId=task_id, inputResponses={"name": ADA})
    await tasks.close(10)
    assert (await ask("tasks/get", taskId=task_id))["result"] == GREETING


@pytest.mark.parametrize("era", Era)
async def test_a_client_that_cannot_be_asked_is_told_which_argument_to_pass(era: Era) -> None:
    """Ours, the fourth of four ways: a result that the model reads and acts on."""
    given = result(await respond(SERVER, call(params={"name": "greet"}, era=era)))
    assert (given["isError"], given["content"]) == (True, said("Pass `name`.")["content"])
    passed = result(await respond(SERVER, call(params={"name": "greet", "arguments": {"name": "Ada"}}, era=era)))
    assert passed["content"] == said("Hello, Ada!")["content"]


async def test_without_an_argument_to_pass_instead_the_capability_is_demanded() -> None:
    """Spec 2026-07-28: -32021 and 400."""

    async def insist(call: Call, arguments: Mapping[str, Any]) -> Result:
        await call.ask("name", elicit("Your name?", FORM))
        return said("unreachable")

    given = await respond(server(insist), call(params={"name": "insist"}))
    assert (given.status, error(given)["code"]) == (400, MISSING_CAPABILITY)


async def test_outside_of_tools_the_refusal_is_an_error() -> None:
    """Ours: a prompt's result has no place for what to do instead."""

    async def read(call: Call, uri: str) -> list[Result]:
        await call.ask("name", elicit("Your name?", FORM), instead="Read another one.")
        return []

    fixture = server(resources={"test://a": ResourceEntry(listing={"uri": "test://a", "name": "a"}, read=read)})
    given = error(await respond(fixture, call("resources/read", {"uri": "test://a"})))
    assert (given["code"], given["message"]) == (INVALID_PARAMS, "Read another one.")


@pytest.mark.parametrize(("token", "heard"), [("a", 2), (0, 2), (None, 0), (True, 0), ({}, 0)])
async def test_progress_goes_to_callers_that_gave_a_token(token: object, heard: int) -> None:
    """Spec 2026-07-28, Progress: a token is a string or an integer, and comes back as it was."""
    outbox = Outbox()
    caller = call(params={"_meta": {"progressToken": token}}, channel=outbox)
    caller.report("begun", 1)
    caller.report("nearly done", 90)
    caller.end()
    caller.report("unheard", 95)
    sent = outbox.rest()
    assert len(sent) == heard
    assert caller.progress_token == (token if heard else None)
    if heard:
        assert sent[0] == {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1, "total": 100, "message": "begun"},
        }
        assert sent[1]["params"]["progress"] == 90


@pytest.mark.parametrize("params", [{}, {"_meta": None}, {"_meta": []}])
async def test_without_meta_there_is_no_progress_to_tell(params: dict[str, Any]) -> None:
    outbox = Outbox()
    call(params=params, channel=outbox).report("unheard")
    assert outbox.rest() == []


async def test_log_messages_pass_from_the_callers_threshold_on() -> None:
    """Spec 2026-07-28, Logging: only the levels that the client wants, only on this request's stream."""
    outbox = Outbox()
    caller = call(log_level="warning", channel=outbox)
    await caller.log("info", "unheard")
    await caller.log("error", {"a": 1}, logger="sketch")
    await caller.log("warning", "heard")
    assert [each["params"] for each in outbox.rest()] == [
        {"level": "error", "logger": "sketch", "data": {"a": 1}},
        {"level": "warning", "data": "heard"},
    ]


async def test_what_nobody_listens_to_is_dropped() -> None:
    caller = call(params={"_meta": {"progressToken": 1}}, log_level="debug")
    caller.report("unheard", 1)
    await caller.log("info", "x")
    caller.channel.hang_up(caller)


async def test_a_call_that_cannot_become_a_task_stays_a_call_or_is_refused() -> None:
    """SEP-2663: -32021 where the work is too long to be waited for."""
    await call().become_task()

    async def long(call: Call, arguments: Mapping[str, Any]) -> Result:
        await call.become_task(required=True)
        return said("unreachable")

    given = error(await respond(server(long), call(params={"name": "long"})))
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
    given = await respond(server(run), call(params={"name": "run"}, era=era, can=[f"elicitation/{other}"]))
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
        admitted.channel = outbox
        return result(await respond(server(run), admitted))

    asked = await round_trip()
    params = asked["inputRequests"]["page"]["params"]
    assert params == {"mode": "url", "message": "Upload.", "url": "https://easel.example.com/u"}
    again = await round_trip(inputResponses={"page": {"action": "accept"}}, requestState=asked["requestState"])
    assert again["content"] == said("accept u")["content"]
    assert outbox.rest() == []


async def test_what_a_call_has_no_connection_for_does_nothing() -> None:
    given = call()
    given.channel.open()
    given.channel.hang_up(given)
    given.channel.post(b"{}")
    assert (given.is_task, await given.channel.send(b"{}")) == (False, False)


@pytest.mark.parametrize(
    ("reason", "read"), [("enough", "enough"), (None, ""), (5, ""), ("x" * 1000, "x" * 200)], ids=str
)
def test_the_reason_of_a_cancellation_is_read_with_care(reason: object, read: str) -> None:
    assert read_reason(reason) == read


Arguments = Mapping[str, Any]


def test_receipts_run_in_order_and_once() -> None:
    """Ours: two ways may hand over one result, as when a stream is replayed that had come through."""
    done: list[str] = []
    receipts = DeliveryCallbacks()
    receipts.add(lambda: done.append("first"))
    receipts.add(lambda: done.append("second"))
    receipts.run()
    receipts.run()
    assert done == ["first", "second"]


async def test_a_result_carries_the_receipts_of_its_call() -> None:
    done: list[str] = []

    async def draw(call: Call, arguments: Arguments) -> Result:
        call.on_delivered(lambda: done.append("delivered"))
        call.on_delivered(lambda: done.append("twice"))
        return said("Drawn.")

    given = await respond(server(draw), call(params={"name": "draw"}))
    assert done == []
    assert given.delivery is not None
    given.delivery.run()
    assert done == ["delivered", "twice"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RpcError(INVALID_PARAMS, "No."), id="an error"),
        pytest.param(ZeroDivisionError(), id="a bug"),
        pytest.param(InputRequiredError({"resultType": "input_required"}), id="a question"),
    ],
)
async def test_what_is_no_result_delivers_nothing(error: Exception) -> None:
    """Ours: a picture that the answer did not hold is not thought to have arrived."""

    async def draw(call: Call, arguments: Arguments) -> Result:
        call.on_delivered(lambda: None)
        raise error

    assert (await respond(server(draw), call(params={"name": "draw"}))).delivery is None


async def test_a_call_without_receipts_has_none() -> None:
    async def draw(call: Call, arguments: Arguments) -> Result:
        return said("Drawn.")

    assert (await respond(server(draw), call(params={"name": "draw"}))).delivery is None


class Notified:
    """Takes values and messages."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []

    def __call__(self, value: float, message: str) -> None:
        self.steps.append((value, message))

    @property
    def values(self) -> list[float]:
        return [value for value, _ in self.steps]


async def test_values_rise_whatever_is_reported() -> None:
    """Spec 2026-07-28, Progress: the value MUST increase with each notification."""
    notified = Notified()
    progress = RisingProgress(notified)
    for percent in (10, 5, None, None, 50, 50, 100, 100, None):
        progress.report("x", percent)
    progress.stop()
    assert all(before < after < CEILING for before, after in pairwise(notified.values))
    assert (notified.values[0], notified.values[4]) == (10, 50)


@pytest.mark.parametrize(("percent", "value"), [(0, 0), (None, 5), (33.3, 33), (100, 98)])
async def test_the_first_value_is_the_reported_one(percent: float | None, value: float) -> None:
    """Ours: at 98 at most, for there may be more to say before the result."""
    notified = Notified()
    progress = RisingProgress(notified)
    progress.report("x", percent)
    progress.stop()
    assert notified.values == [pytest.approx(value)]


async def test_values_are_whole_numbers_until_the_steps_become_smaller() -> None:
    """Ours: clients show the number as it is, and 42.8275 % tells nobody more than 43 %."""
    notified = Notified()
    progress = RisingProgress(notified)
    for _ in range(100):
        progress.report("x")
    progress.stop()
    assert all(value == int(value) for value in notified.values[:40])
    assert all(before < after < CEILING for before, after in pairwise(notified.values))


async def test_a_message_is_one_short_line() -> None:
    notified = Notified()
    progress = RisingProgress(notified)
    for message in ("  two\n lines ", "x" * 1000, " "):
        progress.report(message)
    progress.stop()
    assert [len(message) for _, message in notified.steps] == [9, 200, 200]


async def test_silence_is_broken_by_the_last_message() -> None:
    """Ours: many clients give up on a call that says nothing for a minute."""
    notified = Notified()
    progress = RisingProgress(notified, silence_s=0.01)
    progress.keep_alive()
    progress.keep_alive()
    progress.report("drawing", 10)
    await until(lambda: len(notified.steps) > 2)
    progress.stop()
    assert notified.steps[1][1] == "drawing (0 s)"
    assert all(before < after for before, after in pairwise(notified.values))


async def test_nothing_follows_the_end() -> None:
    """Spec 2026-07-28, Progress: notifications MUST stop after completion."""
    notified = Notified()
    progress = RisingProgress(notified, silence_s=0.001)
    progress.keep_alive()
    await until(lambda: bool(notified.steps))
    progress.stop()
    before = len(notified.steps)
    progress.report("late", 90)
    progress.keep_alive()
    await asyncio.sleep(0.01)
    assert len(notified.steps) == before


async def test_an_ended_call_is_freed_without_a_run_of_the_garbage_collector() -> None:
    """Ours: a call holds its picture, and a loop of thousands of calls a minute would hold megabytes."""
    ended = call(params={"_meta": {"progressToken": 1}}, channel=Outbox())
    ended.report("drawing", 10)
    progress = ended.progress()
    assert progress is not None
    progress.keep_alive()
    del progress
    held = weakref.ref(ended.client)
    gc.disable()
    try:
        ended.end()
        del ended
        assert held() is None
    finally:
        gc.enable()
