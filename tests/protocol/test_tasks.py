"""Calls that became tasks: durable before they are announced, the caller's alone, and ended once."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.client import Era
from service.protocol.client_requests import elicit
from service.protocol.dispatch import respond
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import Hub, Subscription, TaskChanged
from service.protocol.task_records import CANCELLED, COMPLETED, FAILED, POLL_MS, TTL_MS, TaskRecord
from service.protocol.tasks import Tasks
from tests.memory_keeper import MemoryKeeper
from tests.protocol.samples import NOW, TASKS, Clock, Outbox, call, error, result, said, server

Arguments = Mapping[str, Any]
CAN = ("elicitation/form", TASKS)
NAME = elicit("Your name?", {"type": "object", "properties": {"name": {"type": "string"}}})
ADA = {"action": "accept", "content": {"name": "Ada"}}
BOB = {"action": "accept", "content": {"name": "Bob"}}


class Fixture:
    """A server with tasks, whose tools wait for `go_on` where they would work."""

    def __init__(self, keeper: MemoryKeeper | None = None) -> None:
        self.clock = Clock()
        self.tasks = Tasks(keeper=keeper or MemoryKeeper(), clock=self.clock, hub=Hub())
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()
        self.outbox = Outbox()
        self.delivered: list[str] = []
        self.reason: str | None = None
        runs = (
            *(self.work, self.quick, self.fail, self.crash, self.refuse, self.ask, self.ask_both, self.report),
            *(self.draw, self.draw_at_once, self.draw_in_vain),
        )
        self.server: Server = server(*runs, tasks=self.tasks, hub=self.tasks.hub)

    async def work(self, call: Call, _: Arguments) -> Result:
        self.began.set()
        await call.become_task()
        await self.go_on.wait()
        return said("Done.")

    async def quick(self, _call: Call, _: Arguments) -> Result:
        return said("At once.")

    async def fail(self, call: Call, _: Arguments) -> Result:
        await call.become_task(required=True)
        return {**said("It failed."), "isError": True}

    async def crash(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        raise ZeroDivisionError("secret detail")

    async def refuse(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        raise RpcError(INVALID_PARAMS, "x" * 1000, {"why": "so"})

    async def ask(self, call: Call, _: Arguments) -> Result:
        before = call.kept
        await call.become_task()
        first = await call.ask("name", NAME, keep={"step": 1})
        second = await call.ask("name", NAME)
        return said(f"{first['content']['name']} {second['content']['name']} {dict(before)} {dict(call.kept)}")

    async def ask_both(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(call.ask(key, NAME)) for key in ("a", "b")]
        return said(" ".join(each.result()["content"]["name"] for each in both))

    async def report(self, call: Call, _: Arguments) -> Result:
        call.report("before")
        await call.become_task()
        await call.become_task()
        call.report("y" * 1000)
        await call.log("info", "unheard")
        await self.go_on.wait()
        return said("Done.")

    async def draw(self, call: Call, _: Arguments) -> Result:
        call.on_delivered(lambda: self.delivered.append("before"))
        await call.become_task()
        assert call.is_task
        call.channel.open()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.reason = call.cancel_reason
            raise
        call.on_delivered(lambda: self.delivered.append("after"))
        return said("Drawn.")

    async def draw_at_once(self, call: Call, _: Arguments) -> Result:
        call.on_delivered(lambda: self.delivered.append("at once"))
        assert not call.is_task
        return said("Drawn.")

    async def draw_in_vain(self, call: Call, _: Arguments) -> Result:
        call.on_delivered(lambda: self.delivered.append("in vain"))
        await call.become_task()
        raise RpcError(INVALID_PARAMS, "No.")

    async def send(self, method: str, can: Any = CAN, owner: str = "anna", **params: Any) -> Any:
        given = call(method, params, can=can, owner=owner, channel=self.outbox, log_level="debug")
        answered = await respond(self.server, given)
        if answered.delivery is not None and self.outbox.reached:
            answered.delivery.run()
        return result(answered)

    async def refused(self, method: str, can: Any = CAN, owner: str = "anna", **params: Any) -> Any:
        return error(await respond(self.server, call(method, params, can=can, owner=owner)))

    async def start(self, tool: str) -> str:
        """Call a tool that becomes a task; returns its id."""
        created = await self.send("tools/call", name=tool)
        assert created["resultType"] == "task"
        id_: str = created["taskId"]
        return id_

    def listen(self, task_id: str) -> Subscription:
        return self.tasks.hub.open([TaskChanged(task_id)], "anna")

    async def ended(self, task_id: str) -> Any:
        """The task once it has ended and that is kept."""
        await self.tasks.close(10)
        return await self.send("tasks/get", taskId=task_id)


async def test_a_call_that_detaches_is_answered_with_its_task() -> None:
    """SEP-2663, Task Creation: flat, and none of the members that come later is there, not even as null."""
    fixture = Fixture()
    created = await fixture.send("tools/call", name="work")
    assert created.pop("_meta")
    assert created == {
        "resultType": "task",
        "taskId": created["taskId"],
        "status": "working",
        "createdAt": "2027-01-15T08:00:00.000Z",
        "lastUpdatedAt": "2027-01-15T08:00:00.000Z",
        "ttlMs": TTL_MS,
        "pollIntervalMs": POLL_MS,
    }
    fixture.go_on.set()
    await fixture.tasks.close(10)


async def test_a_call_that_does_not_detach_is_an_ordinary_call() -> None:
    given = await Fixture().send("tools/call", name="quick")
    assert (given["resultType"], given["content"]) == ("complete", said("At once.")["content"])


@pytest.mark.parametrize(
    ("era", "can"),
    [
        pytest.param(Era.MODERN, ["elicitation/form"], id="a client that does not take tasks"),
        pytest.param(Era.LEGACY, CAN, id="a legacy client, which could not ask for its task"),
    ],
)
async def test_no_task_is_made_for_a_client_without_the_extension(era: Era, can: list[str]) -> None:
    """SEP-2663, Capability Negotiation: regardless of prior declarations."""
    fixture = Fixture()
    fixture.go_on.set()
    given = result(await respond(fixture.server, call(params={"name": "work"}, era=era, can=can)))
    assert given["content"] == said("Done.")["content"]
    required = error(await respond(fixture.server, call(params={"name": "fail"}, era=era, can=can)))
    assert required["code"] == MISSING_CAPABILITY


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_the_extension_is_demanded_before_a_task_is_looked_up(method: str) -> None:
    """SEP-2663, Protocol Errors: -32021, also for ids that there are not."""
    given = await Fixture().refused(method, can=["elicitation/form"], taskId="nope", inputResponses={})
    assert given["code"] == MISSING_CAPABILITY
    assert given["data"] == {"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_server_without_tasks_has_no_such_methods(method: str) -> None:
    given = error(await respond(server(), call(method, {"taskId": "x"}, can=CAN)))
    assert given["code"] == METHOD_NOT_FOUND


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
@pytest.mark.parametrize("task_id", ["nope", 5, None, [], {}])
async def test_an_unknown_task_is_refused(method: str, task_id: object) -> None:
    """SEP-2663, Protocol Errors: -32602 for all three."""
    given = await Fixture().refused(method, taskId=task_id, inputResponses={})
    assert given["code"] == INVALID_PARAMS


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "ended"])
async def test_a_task_of_somebody_else_does_not_exist(is_running: bool) -> None:
    """Ours: an id that leaked is of no use with another token, and cannot even be told from one that never was."""
    fixture = Fixture()
    task_id = await fixture.start("work")
    if not is_running:
        fixture.go_on.set()
        await fixture.ended(task_id)
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        theirs = await fixture.refused(method, owner="ben", taskId=task_id, inputResponses={})
        unknown = await fixture.refused(method, owner="ben", taskId="nope", inputResponses={})
        assert theirs == unknown
    assert not await fixture.tasks.exists("ben", task_id)
    assert await fixture.tasks.exists("anna", task_id)
    fixture.go_on.set()
    await fixture.tasks.close(10)


class SlowKeeper(MemoryKeeper):
    """Keeps a record when it is let to, and says that it is about to."""

    def __init__(self) -> None:
        super().__init__()
        self.saving = asyncio.Event()
        self.let = asyncio.Event()

    async def save(self, record: TaskRecord) -> None:
        self.saving.set()
        await self.let.wait()
        await super().save(record)


async def test_a_task_is_kept_before_it_is_announced() -> None:
    """SEP-2663, Task Creation: not until a `tasks/get` for it would resolve."""
    keeper = SlowKeeper()
    fixture = Fixture(keeper)
    created = asyncio.create_task(fixture.send("tools/call", name="work"))
    await keeper.saving.wait()
    done, _ = await asyncio.wait({created}, timeout=0)
    assert not done
    keeper.let.set()
    task_id = (await created)["taskId"]
    assert await keeper.load("anna", task_id) is not None
    fixture.go_on.set()
    await fixture.tasks.close(10)


async def test_a_call_cancelled_before_it_became_a_task_ends_with_it() -> None:
    """Spec 2026-07-28, Cancellation: nobody knows of the task yet, so closing the stream ends the work."""
    keeper = SlowKeeper()
    fixture = Fixture(keeper)
    created = asyncio.create_task(fixture.send("tools/call", name="work"))
    await keeper.saving.wait()
    created.cancel()
    await asyncio.wait({created})
    assert created.cancelled()
    assert fixture.tasks.running == {}
    await fixture.tasks.close(0)


async def test_a_task_outlives_the_connection_that_made_it() -> None:
    """Ours: once it is kept, the task goes on whether or not its announcement arrived."""
    fixture = Fixture()
    created = asyncio.create_task(fixture.send("tools/call", name="work"))
    await fixture.began.wait()
    (task_id,) = fixture.tasks.running
    created.cancel()
    await asyncio.wait({created})
    assert created.cancelled()
    fixture.go_on.set()
    assert (await fixture.ended(task_id))["status"] == COMPLETED


@pytest.mark.parametrize(
    ("tool", "status", "member", "value"),
    [
        pytest.param("work", COMPLETED, "result", said("Done."), id="a result"),
        pytest.param("fail", COMPLETED, "result", {**said("It failed."), "isError": True}, id="a failed run"),
        pytest.param(
            "refuse",
            FAILED,
            "error",
            {"code": INVALID_PARAMS, "message": "x" * 1000, "data": {"why": "so"}},
            id="an error",
        ),
        pytest.param(
            "crash",
            FAILED,
            "error",
            {"code": INTERNAL_ERROR, "message": "Internal error. The server's log has the details."},
            id="a bug",
        ),
    ],
)
async def test_an_end_is_kept_as_a_result_or_an_error(
    tool: str, status: str, member: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """SEP-2663: `failed` is for JSON-RPC errors alone; a run that failed is a completed task. Details of a bug stay."""
    fixture = Fixture()
    fixture.go_on.set()
    with caplog.at_level(logging.ERROR):
        task = await fixture.ended(await fixture.start(tool))
    assert (task["resultType"], task["status"], task[member]) == ("complete", status, value)
    assert task.keys() & {"result", "error", "inputRequests"} == {member}
    assert len(task.get("statusMessage", "")) <= 200
    assert (caplog.text.count("ZeroDivisionError") > 0) == (tool == "crash")


async def test_a_cancelled_task_stops_its_work() -> None:
    """SEP-2663, Task Cancellation: an empty acknowledgement, and again after the end."""
    fixture = Fixture()
    task_id = await fixture.start("work")
    assert (await fixture.send("tasks/cancel", taskId=task_id)).keys() == {"resultType", "_meta"}
    task = await fixture.ended(task_id)
    assert (task["status"], task["statusMessage"]) == (CANCELLED, "Cancelled.")
    assert not task.keys() & {"result", "error"}
    assert (await fixture.send("tasks/cancel", taskId=task_id)).keys() == {"resultType", "_meta"}
    assert (await fixture.send("tasks/get", taskId=task_id))["status"] == CANCELLED


async def test_a_task_expires() -> None:
    """SEP-2663: after `ttlMs` from its creation a task may be discarded; ours say so."""
    fixture = Fixture()
    task_id = await fixture.start("work")
    fixture.go_on.set()
    await fixture.ended(task_id)
    fixture.clock.now = NOW + TTL_MS / 1000 - 1
    assert await fixture.send("tasks/get", taskId=task_id)
    fixture.clock.now = NOW + TTL_MS / 1000
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        given = await fixture.refused(method, taskId=task_id, inputResponses={})
        assert (given["code"], "expired" in given["message"]) == (INVALID_PARAMS, True)
    assert not await fixture.tasks.exists("anna", task_id)


async def test_a_task_says_when_it_changed() -> None:
    fixture = Fixture()
    task_id = await fixture.start("work")
    fixture.clock.now += 90
    fixture.go_on.set()
    task = await fixture.ended(task_id)
    assert task["createdAt"] == "2027-01-15T08:00:00.000Z"
    assert task["lastUpdatedAt"] == "2027-01-15T08:01:30.000Z"


async def test_a_task_asks_and_goes_on_with_the_answers() -> None:
    """SEP-2663, Task Update Requests. A key MUST be unique over a task's life, even when the handler's is not."""
    fixture = Fixture()
    task_id = await fixture.start("ask")
    parked = await fixture.send("tasks/get", taskId=task_id)
    assert (parked["status"], parked["inputRequests"]) == ("input_required", {"name": NAME.wire()})
    changes = fixture.listen(task_id)
    assert (await fixture.send("tasks/update", taskId=task_id, inputResponses={"name": ADA})).keys() == {
        "resultType",
        "_meta",
    }
    while (parked := await fixture.send("tasks/get", taskId=task_id))["status"] != "input_required":
        await changes.next()
    assert parked["inputRequests"] == {"name-2": NAME.wire()}
    await fixture.send("tasks/update", taskId=task_id, inputResponses={"name": BOB, "name-2": BOB})
    task = await fixture.ended(task_id)
    assert task["result"] == said("Ada Bob {} {'step': 1}")


async def test_questions_that_are_open_at_once_are_answered_one_by_one() -> None:
    """SEP-2663: a partial set may be accepted; the rest stays open. It shows in the next `tasks/get`."""
    fixture = Fixture()
    task_id = await fixture.start("ask_both")
    changes = fixture.listen(task_id)
    while len((await fixture.send("tasks/get", taskId=task_id)).get("inputRequests", {})) < 2:
        await changes.next()
    await fixture.send("tasks/update", taskId=task_id, inputResponses={"b": BOB})
    parked = await fixture.send("tasks/get", taskId=task_id)
    assert (parked["status"], list(parked["inputRequests"])) == ("input_required", ["a"])
    await fixture.send("tasks/update", taskId=task_id, inputResponses={"a": ADA, "b": ADA})
    assert (await fixture.ended(task_id))["result"] == said("Ada Bob")


async def test_the_last_answer_shows_at_once() -> None:
    """Ours: after the acknowledgement no client is shown a question again that it has answered."""
    fixture = Fixture()
    task_id = await fixture.start("ask")
    channel = fixture.tasks.running[task_id].channel
    await fixture.send("tasks/update", taskId=task_id, inputResponses={"name": ADA})
    assert channel.record is not None
    assert "name" not in channel.record.input_requests
    await fixture.send("tasks/cancel", taskId=task_id)
    await fixture.tasks.close(10)


@pytest.mark.parametrize(
    "responses",
    [
        pytest.param({}, id="none"),
        pytest.param({"unknown": {"ignored": True}}, id="an unknown key"),
        pytest.param({"name": 12345}, id="no answer to what was asked"),
        pytest.param({"name": {"roots": []}}, id="an answer to something else"),
    ],
)
async def test_what_answers_no_open_question_is_ignored(responses: dict[str, Any]) -> None:
    """SEP-2663, Task Update Requests: ignored, and acknowledged all the same."""
    fixture = Fixture()
    task_id = await fixture.start("ask")
    changes = fixture.listen(task_id)
    assert (await fixture.send("tasks/update", taskId=task_id, inputResponses=responses))["resultType"] == "complete"
    assert (await fixture.send("tasks/get", taskId=task_id))["status"] == "input_required"
    changes.close()
    assert await changes.next() is None
    await fixture.tasks.close(0)


@pytest.mark.parametrize("responses", [None, [], "Ada", 5])
async def test_responses_that_are_no_object_are_refused(responses: object) -> None:
    fixture = Fixture()
    task_id = await fixture.start("ask")
    given = await fixture.refused("tasks/update", taskId=task_id, inputResponses=responses)
    assert (given["code"], "inputResponses" in given["message"]) == (INVALID_PARAMS, True)
    await fixture.tasks.close(0)


async def test_an_ended_task_takes_answers_and_ignores_them() -> None:
    fixture = Fixture()
    fixture.go_on.set()
    task_id = await fixture.start("work")
    await fixture.ended(task_id)
    assert await fixture.send("tasks/update", taskId=task_id, inputResponses={"name": ADA})


async def test_an_end_is_never_taken_back() -> None:
    """Ours: an answer that comes while the cancellation is being kept does not wake the dead."""
    keeper = SlowKeeper()
    keeper.let.set()
    fixture = Fixture(keeper)
    task_id = await fixture.start("ask")
    channel = fixture.tasks.running[task_id].channel
    keeper.let.clear()
    keeper.saving.clear()
    await fixture.send("tasks/cancel", taskId=task_id)
    await keeper.saving.wait()
    late = asyncio.create_task(channel.resolve({"name": ADA}))
    later = asyncio.create_task(channel.save(status="working"))
    await asyncio.wait({late, later}, timeout=0)
    keeper.let.set()
    await asyncio.gather(late, later)
    assert (await fixture.ended(task_id))["status"] == CANCELLED


async def test_progress_of_a_task_is_its_status_message() -> None:
    """SEP-2663: progress and log messages MUST NOT be sent for a task; before it was one they may."""
    fixture = Fixture()
    created = await fixture.send("tools/call", name="report", _meta={"progressToken": 1})
    assert [each["params"]["message"] for each in fixture.outbox.rest()] == ["before"]
    task = await fixture.send("tasks/get", taskId=created["taskId"])
    assert task["statusMessage"] == "y" * 200
    fixture.go_on.set()
    assert "statusMessage" not in await fixture.ended(created["taskId"])


async def test_who_listens_is_told_of_every_change() -> None:
    fixture = Fixture()
    task_id = await fixture.start("work")
    changes = fixture.listen(task_id)
    fixture.go_on.set()
    assert await changes.next() == TaskChanged(task_id)
    assert (await fixture.ended(task_id))["status"] == COMPLETED


async def test_at_the_end_tasks_get_their_grace_and_every_end_is_kept() -> None:
    """Ours: a stop leaves no task that seems to work for ever."""
    fixture = Fixture()
    stuck, asking = await fixture.start("work"), await fixture.start("ask")
    await fixture.tasks.close(0)
    assert fixture.tasks.running == {}
    for task_id in (stuck, asking):
        assert (await fixture.send("tasks/get", taskId=task_id))["status"] == CANCELLED
    await fixture.tasks.close(0)


class PickyKeeper(MemoryKeeper):
    """Cannot keep some records: those that hold a result, or none from now on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False

    async def save(self, record: TaskRecord) -> None:
        if self.is_broken or record.result is not None:
            raise OSError("cannot keep it")
        await super().save(record)


async def test_an_end_that_cannot_be_kept_is_a_failure_and_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: such as a result that is no JSON; the task must not seem to work until it expires."""
    fixture = Fixture(PickyKeeper())
    task_id = await fixture.start("work")
    fixture.go_on.set()
    with caplog.at_level(logging.ERROR):
        task = await fixture.ended(task_id)
    assert (task["status"], task["error"]["code"]) == (FAILED, INTERNAL_ERROR)
    assert "cannot keep it" in caplog.text


async def test_a_keeper_that_is_broken_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the end stays in the log, and the stop goes on."""
    keeper = PickyKeeper()
    fixture = Fixture(keeper)
    task_id = await fixture.start("work")
    keeper.is_broken = True
    fixture.go_on.set()
    with caplog.at_level(logging.ERROR):
        await fixture.tasks.close(10)
    assert fixture.tasks.running == {}
    assert caplog.text.count("cannot keep it") >= 2
    assert (await fixture.send("tasks/get", taskId=task_id))["status"] == "working"


async def test_a_keeper_that_keeps_nothing_makes_no_task() -> None:
    """SEP-2663: what could not be made durable is not announced."""
    keeper = PickyKeeper()
    keeper.is_broken = True
    fixture = Fixture(keeper)
    given = await fixture.refused("tools/call", name="work")
    assert (given["code"], fixture.tasks.running) == (INTERNAL_ERROR, {})


async def test_a_result_is_delivered_when_it_is_fetched_and_not_before() -> None:
    """Ours: neither the task's announcement nor a look while it works hands anything over."""
    fixture = Fixture()
    task_id = await fixture.start("draw")
    await fixture.send("tasks/get", taskId=task_id)
    fixture.go_on.set()
    await fixture.tasks.close(10)
    assert fixture.delivered == []
    fixture.outbox.reached = False
    await fixture.send("tasks/get", taskId=task_id)
    assert fixture.delivered == []
    fixture.outbox.reached = True
    for _ in range(2):
        await fixture.send("tasks/get", taskId=task_id)
    assert fixture.delivered == ["before", "after"]


@pytest.mark.parametrize("reached", [True, False])
async def test_a_result_is_delivered_by_the_notice_that_holds_it(reached: bool) -> None:
    """SEP-2663, Task Status Notifications: a complete task, and so its result, each time. Ours: if it went out."""
    fixture = Fixture()
    task_id = await fixture.start("draw")
    listening = asyncio.create_task(fixture.send("subscriptions/listen", notifications={"taskIds": [task_id]}))
    await fixture.outbox.next()
    assert (await fixture.outbox.next())["params"]["status"] == "working"
    fixture.outbox.reached = reached
    fixture.go_on.set()
    assert (await fixture.outbox.next())["params"]["status"] == "completed"
    fixture.tasks.hub.close()
    await listening
    assert fixture.delivered == (["before", "after"] if reached else [])


async def test_a_call_that_stays_a_call_is_delivered_as_one() -> None:
    fixture = Fixture()
    await fixture.send("tools/call", name="draw_at_once")
    assert fixture.delivered == ["at once"]


async def test_a_task_that_failed_delivers_nothing() -> None:
    fixture = Fixture()
    await fixture.ended(await fixture.start("draw_in_vain"))
    assert fixture.delivered == []


async def test_a_task_that_its_client_cancels_says_so_to_its_work_and_delivers_nothing() -> None:
    """Ours: work can tell a person who changed their mind from a server that stops."""
    fixture = Fixture()
    task_id = await fixture.start("draw")
    await fixture.send("tasks/cancel", taskId=task_id)
    await fixture.ended(task_id)
    assert (fixture.reason, fixture.delivered) == ("", [])


async def test_a_task_that_ends_with_the_server_was_cancelled_by_nobody() -> None:
    fixture = Fixture()
    await fixture.start("draw")
    await fixture.tasks.close(0)
    assert fixture.reason is None


async def test_results_that_nobody_fetches_are_not_waited_for_for_ever() -> None:
    """Ours: what is kept to be told of an arrival is bounded; the results themselves stay."""
    fixture = Fixture()
    fixture.tasks.max_unfetched = 1
    fixture.go_on.set()
    first = await fixture.start("draw")
    await fixture.tasks.close(10)
    second = await fixture.start("draw")
    await fixture.tasks.close(10)
    assert (await fixture.send("tasks/get", taskId=first))["status"] == COMPLETED
    assert fixture.delivered == []
    await fixture.send("tasks/get", taskId=second)
    assert fixture.delivered == ["before", "after"]


async def test_a_task_is_told_of_to_its_owner_alone() -> None:
    fixture = Fixture()
    task_id = await fixture.start("work")
    mine, others = (fixture.tasks.hub.open([TaskChanged(task_id)], owner) for owner in ("anna", "ben"))
    fixture.go_on.set()
    await fixture.tasks.close(10)
    fixture.tasks.hub.close()
    assert (await mine.next(), await others.next()) == (TaskChanged(task_id), None)
