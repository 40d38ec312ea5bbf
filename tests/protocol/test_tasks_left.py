"""Tasks whose work was remembered: they outlast the handler that began them, and its process."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.dispatch import respond
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import Hub, TaskChanged
from service.protocol.task_records import COMPLETED, TaskRecord
from service.protocol.tasks import Tasks
from tests.memory_keeper import MemoryKeeper
from tests.protocol.samples import TASKS, Clock, call, result, said, server

Arguments = Mapping[str, Any]


class Kiln:
    """A tool whose work goes on without it, and one process that offers it. The vase is ready once `fired` is set."""

    def __init__(self, keeper: MemoryKeeper | None = None) -> None:
        self.keeper = keeper or MemoryKeeper()
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fired = False
        self.asked: list[str] = []
        self.delivered = 0
        self.tasks = Tasks(keeper=self.keeper, clock=Clock(), hub=Hub())
        self.server = server(self.burn, self.forget, tasks=self.tasks, hub=self.tasks.hub)
        self.server.tools = {
            "burn": replace(self.server.tools["burn"], resume=self.resume), "forget": self.server.tools["forget"],
        }  # fmt: skip

    async def burn(self, call: Call, _: Arguments) -> Result:
        await call.become_task()
        await call.remember("vase 7")
        self.began.set()
        await self.go_on.wait()
        call.leave_running()
        return said("Still in the kiln.")

    async def forget(self, call: Call, _: Arguments) -> Result:
        await call.remember("before there was a task")
        await call.become_task()
        call.leave_running()
        return said("Nothing to come back for.")

    async def resume(self, call: Call, work: str) -> Result | None:
        self.asked.append(work)
        call.on_delivered(self.deliver)
        return said("A vase.") if self.fired else None

    def deliver(self) -> None:
        self.delivered += 1

    async def send(self, method: str, can: tuple[str, ...] = (TASKS,), **params: Any) -> Any:
        given = await respond(self.server, call(method, params, can=can, owner="anna"))
        if given.delivery is not None:
            given.delivery.run()
        return result(given)

    async def left(self) -> str:
        """Begin a task, and end its handler while the work goes on; returns the task's id."""
        created = await self.send("tools/call", name="burn")
        self.go_on.set()
        await self.tasks.close(10)
        id_: str = created["taskId"]
        return id_


async def test_a_task_that_its_handler_leaves_works_until_its_tool_knows_the_end() -> None:
    kiln = Kiln()
    task_id = await kiln.left()
    assert kiln.tasks.running == {}
    assert (await kiln.send("tasks/get", taskId=task_id))["status"] == "working"
    kiln.fired = True
    changes = kiln.tasks.hub.open([TaskChanged(task_id)], "anna")
    for _ in range(2):
        task = await kiln.send("tasks/get", taskId=task_id)
        assert (task["status"], task["result"]["content"]) == (COMPLETED, said("A vase.")["content"])
    assert kiln.asked == ["vase 7", "vase 7"]
    assert await changes.next() == TaskChanged(task_id)
    assert kiln.delivered


async def test_a_task_of_a_dead_process_is_asked_about_by_the_next() -> None:
    """Ours: a picture that is paid for arrives, also by the task that was promised for it."""
    first = Kiln()
    created = await first.send("tools/call", name="burn")
    await first.began.wait()
    second = Kiln(first.keeper)
    second.fired = True
    assert (await second.send("tasks/get", taskId=created["taskId"]))["status"] == COMPLETED
    await first.tasks.close(0)


async def test_while_its_handler_works_a_task_is_not_asked_about() -> None:
    kiln = Kiln()
    created = await kiln.send("tools/call", name="burn")
    await kiln.began.wait()
    assert (await kiln.send("tasks/get", taskId=created["taskId"]))["status"] == "working"
    assert kiln.asked == []
    await kiln.tasks.close(0)


@pytest.mark.parametrize("gone", ["the tool", "what it resumes by"])
async def test_what_no_tool_can_tell_stays_as_it_was_kept(gone: str) -> None:
    kiln = Kiln()
    task_id = await kiln.left()
    burn = replace(kiln.server.tools["burn"], resume=None)
    kiln.server.tools = {} if gone == "the tool" else {"burn": burn}
    assert (await kiln.send("tasks/get", taskId=task_id))["status"] == "working"


async def test_without_anything_remembered_of_the_task_a_handler_gives_its_result() -> None:
    kiln = Kiln()
    created = await kiln.send("tools/call", name="forget")
    await kiln.tasks.close(10)
    task = await kiln.send("tasks/get", taskId=created["taskId"])
    assert task["result"]["content"] == said("Nothing to come back for.")["content"]


async def test_a_call_that_is_no_task_remembers_nothing_and_is_answered() -> None:
    kiln = Kiln()
    kiln.go_on.set()
    given = await kiln.send("tools/call", can=(), name="burn")
    assert given["content"] == said("Still in the kiln.")["content"]


async def test_what_could_not_be_remembered_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the handler goes on; its task is told by its own end, as long as the process lives."""

    class Forgetful(MemoryKeeper):
        async def save(self, record: TaskRecord) -> None:
            if record.work:
                raise OSError("no room")
            await super().save(record)

    kiln = Kiln(Forgetful())
    with caplog.at_level(logging.ERROR):
        task_id = await kiln.left()
    assert "no room" in caplog.text
    task = await kiln.send("tasks/get", taskId=task_id)
    assert task["result"]["content"] == said("Still in the kiln.")["content"]
