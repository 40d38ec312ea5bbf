"""Tasks of several processes on one database: a request that reaches another process does what it says, or says so."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.client_requests import elicit
from service.protocol.dispatch import respond
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import Hub
from service.protocol.task_records import CANCELLED, COMPLETED, ENDED, INPUT_REQUIRED, WORKING, TaskKeeper
from service.protocol.tasks import NOBODY_ASKS, NOT_ANSWERED, NOT_STOPPED, Tasks
from service.storage.task_rows import MAX_UNREAD
from tests.engines import Engine
from tests.protocol.samples import NOW, TASKS, call, error, result, said, server
from tests.wire import until

Arguments = Mapping[str, Any]
CAN = ("elicitation/form", TASKS)
NAME = elicit("Your name?", {"type": "object", "properties": {"name": {"type": "string"}}})
ADA = {"name": {"action": "accept", "content": {"name": "Ada"}}}
LOOK_S = 0.01


class Process:
    """One of the processes: it offers a tool that works until `go_on`, and one that asks for a name."""

    def __init__(self, keeper: TaskKeeper) -> None:
        self.tasks = Tasks(keeper=keeper, clock=lambda: NOW, hub=Hub(), look_s=LOOK_S, confirmed_s=5)
        self.began, self.go_on = asyncio.Event(), asyncio.Event()
        self.leaves = False
        self.stops = True
        self.cancelled: list[str] = []
        self.server = server(self.work, self.ask, tasks=self.tasks, hub=self.tasks.hub)
        self.server.tools = {**self.server.tools, "work": replace(self.server.tools["work"], cancel=self.cancel)}

    async def work(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        await call.remember("vase 7")
        if self.leaves:
            call.leave_running()
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.append("here")
            raise
        return said("Done.")

    async def ask(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        answer = await call.ask("name", NAME)
        return said(answer["content"]["name"])

    async def cancel(self, call: Call, work: str) -> bool:
        self.cancelled.append(f"{work} of {call.owner}")
        return self.stops

    async def send(self, method: str, owner: str = "anna", **params: Any) -> Any:
        return result(await respond(self.server, call(method, params, can=CAN, owner=owner)))

    async def refused(self, method: str, owner: str = "anna", **params: Any) -> Any:
        return error(await respond(self.server, call(method, params, can=CAN, owner=owner)))

    async def start(self, tool: str) -> str:
        id_: str = (await self.send("tools/call", name=tool))["taskId"]
        return id_

    async def status(self, task_id: str, *wanted: str) -> str:
        """The status of a task, once it is one of those that are wanted."""
        async with asyncio.timeout(60):
            while True:
                status: str = (await self.send("tasks/get", taskId=task_id))["status"]
                if status in wanted:
                    return status
                await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def processes(engine: Engine, *dead: str) -> AsyncIterator[list[Process]]:
    """Two processes on one database, of which some are dead to the other."""
    both: list[Process] = []
    opened = [await engine.open(lease) for lease in ("a", "b")]
    for lease in dead:
        await engine.die(lease)
    try:
        both += [Process(each.tasks) for each in opened]
        yield both
    finally:
        for process in both:
            process.go_on.set()
            await process.tasks.close(0)
        for each in opened:
            await each.close()


async def test_a_task_of_another_process_is_cancelled_before_the_answer_says_so(engine: Engine) -> None:
    """Bug: the other process said yes to `tasks/cancel`, and the task went on."""
    async with processes(engine) as (one, other):
        task_id = await one.start("work")
        await one.began.wait()
        assert (await other.send("tasks/cancel", taskId=task_id)).keys() == {"resultType", "_meta"}
        assert (await other.send("tasks/get", taskId=task_id))["status"] == CANCELLED
        assert (one.cancelled, other.cancelled) == (["here"], [])
        assert await other.send("tasks/cancel", taskId=task_id)


async def test_a_process_that_does_not_answer_is_named_instead_of_a_success(engine: Engine) -> None:
    """Ours: one that hangs is alive all the same. The next look of it cancels the task after all."""
    async with processes(engine) as (one, other):
        one.tasks.look_s, other.tasks.confirmed_s = 3600, 0.05
        task_id = await one.start("work")
        await one.began.wait()
        assert await other.refused("tasks/cancel", taskId=task_id) == {"code": INTERNAL_ERROR, "message": NOT_ANSWERED}
        assert await other.status(task_id, WORKING, *ENDED) == WORKING


async def test_a_task_whose_process_died_is_cancelled_by_its_tool(engine: Engine) -> None:
    """Ours: what it began may go on at an image service."""
    async with processes(engine, "a") as (one, other):
        task_id = await one.start("work")
        await one.began.wait()
        await other.send("tasks/cancel", taskId=task_id)
        assert other.cancelled == ["vase 7 of anna"]
        assert await other.status(task_id, *ENDED) == CANCELLED


async def test_a_task_that_its_handler_left_is_cancelled_by_its_tool(engine: Engine) -> None:
    """Bug: no handler ran any more, so nothing was cancelled, and the answer was a success."""
    async with processes(engine) as (one, other):
        one.leaves = True
        tasks = [await one.start("work"), await one.start("work")]
        await until(lambda: not one.tasks.running)
        await one.send("tasks/cancel", taskId=tasks[0])
        await other.send("tasks/cancel", taskId=tasks[1])
        assert (one.cancelled, other.cancelled) == (["vase 7 of anna"], ["vase 7 of anna"])
        assert [await one.status(each, *ENDED) for each in tasks] == [CANCELLED] * 2


async def test_work_that_the_tool_cannot_stop_is_named_instead_of_a_success(engine: Engine) -> None:
    async with processes(engine, "a") as (one, other):
        other.stops = False
        task_id = await one.start("work")
        await one.began.wait()
        assert await other.refused("tasks/cancel", taskId=task_id) == {"code": INTERNAL_ERROR, "message": NOT_STOPPED}
        assert await other.status(task_id, WORKING, *ENDED) == WORKING


async def test_an_answer_that_reaches_another_process_comes_to_the_task(engine: Engine) -> None:
    """Bug: the other process took it and dropped it, and the task waited until it expired."""
    async with processes(engine) as (one, other):
        task_id = await one.start("ask")
        await other.status(task_id, INPUT_REQUIRED)
        await other.send("tasks/update", taskId=task_id, inputResponses=ADA)
        await other.status(task_id, COMPLETED)
        task = await other.send("tasks/get", taskId=task_id)
        assert task["result"]["content"][0]["text"] == "Ada"


async def test_an_answer_for_a_process_that_died_is_refused(engine: Engine) -> None:
    """Ours: nobody would ever read it."""
    async with processes(engine, "a") as (one, other):
        task_id = await one.start("ask")
        await one.status(task_id, INPUT_REQUIRED)
        refused = await other.refused("tasks/update", taskId=task_id, inputResponses=ADA)
        assert refused == {"code": INVALID_PARAMS, "message": NOBODY_ASKS}


@pytest.mark.parametrize("method", ["tasks/update", "tasks/cancel"])
async def test_a_task_of_somebody_else_gets_no_message(engine: Engine, method: str) -> None:
    """Attack: the id of a task of another process and another owner is tried."""
    async with processes(engine) as (one, other):
        task_id = await one.start("work")
        await one.began.wait()
        params = {"inputResponses": ADA} if method == "tasks/update" else {}
        strange = await other.refused(method, "ben", taskId=task_id, **params)
        assert strange == await other.refused(method, "ben", taskId="never", **params)
        assert await other.status(task_id, WORKING, *ENDED) == WORKING


async def test_messages_that_nobody_reads_are_bounded(engine: Engine) -> None:
    """Attack: a client answers without end for a process that hangs."""
    async with processes(engine) as (one, other):
        one.tasks.look_s = 3600
        task_id = await one.start("ask")
        await one.status(task_id, INPUT_REQUIRED)
        for _ in range(2):
            await other.send("tasks/update", taskId=task_id, inputResponses={"x": "x" * (MAX_UNREAD // 2)})
        assert (await other.refused("tasks/update", taskId=task_id, inputResponses=ADA))["code"] == INVALID_PARAMS


async def test_a_process_that_is_woken_takes_its_messages_at_once(engine: Engine) -> None:
    """Ours: replicas look for messages seldom, and tell each other of those that they leave."""
    async with processes(engine) as (one, other):
        one.tasks.look_s = 3600
        other.tasks.messaged = one.tasks.wake
        task_id = await one.start("ask")
        await one.status(task_id, INPUT_REQUIRED)
        one.tasks.wake("no task of anybody")
        await other.send("tasks/update", taskId=task_id, inputResponses=ADA)
        await other.status(task_id, COMPLETED)


async def test_a_task_that_has_just_ended_takes_no_message(engine: Engine) -> None:
    async with processes(engine) as (one, other):
        one.tasks.look_s = 3600
        task_id = await one.start("ask")
        await one.status(task_id, INPUT_REQUIRED)
        await other.send("tasks/update", taskId=task_id, inputResponses=ADA)
        running = one.tasks.running.pop(task_id)
        await one.tasks._take_messages(task_id)
        one.tasks.running[task_id] = running
        assert await one.status(task_id, INPUT_REQUIRED) == INPUT_REQUIRED
        running.cancel()


async def test_other_processes_are_told_of_each_status(engine: Engine) -> None:
    """Ours: a listener of any replica hears of a task."""
    async with processes(engine) as (one, _):
        told: list[tuple[str, str]] = []
        one.tasks.moved = lambda owner, task_id: told.append((owner, task_id))
        task_id = await one.start("ask")
        await one.status(task_id, INPUT_REQUIRED)
        await one.send("tasks/update", taskId=task_id, inputResponses=ADA)
        await one.status(task_id, COMPLETED)
        assert set(told) == {("anna", task_id)}
        assert len(told) >= 2
