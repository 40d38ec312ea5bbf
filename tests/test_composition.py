"""The composed service tells its own listeners, and other processes, of what happens; and hears what those tell."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from service.app import Running
from service.storage.notices import HistoryChanged, JobChanged, Notice, Notices, TaskMessaged, TaskMoved
from service.storage.opened import Storage
from service.stores import open_stores
from tests.conftest import Serve
from tests.joined_notices import Wire
from tests.protocol.samples import TASKS
from tests.wire import CAPABILITIES_KEY, WireClient, listening, wire_client


@pytest.fixture
def wire() -> Wire:
    return Wire()


@asynccontextmanager
async def joined(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> AsyncIterator[tuple[Running, WireClient, Notices]]:
    """A service on a wire of notices, and the other end of it."""

    async def on_the_wire(*arguments: object, **named: object) -> Storage:
        return replace(await open_stores(*arguments, **named), notices=wire.join(0.01))  # type: ignore[arg-type] # as they came

    monkeypatch.setattr("service.app.open_stores", on_the_wire)
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        yield easel, client, wire.join()


async def test_a_listener_hears_of_what_another_process_does(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    async with joined(serve, monkeypatch, wire) as (_, client, other):
        wanted = {"resourcesListChanged": True, "resourceSubscriptions": ["easel://history/7"]}
        async with listening(client, wanted) as listener:
            for notice in (
                JobChanged("ben", 7, ended=True),
                JobChanged("local", 8),
                JobChanged("local", 7, ended=True),
            ):
                other.tell(notice)
            heard = [await listener.next(), await listener.next()]
            other.tell(HistoryChanged("local"))
            heard.append(await listener.next())
    methods = ["notifications/resources/updated", "notifications/resources/list_changed"]
    assert [each["method"] for each in heard] == [*methods, methods[1]]
    assert heard[0]["params"]["uri"] == "easel://history/7"


async def test_others_are_told_of_pictures_that_went_and_of_tasks(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    async with joined(serve, monkeypatch, wire) as (easel, client, other):
        heard: list[Notice] = []
        other.hear(heard.append)
        can: dict[str, Any] = {CAPABILITIES_KEY: {"extensions": {TASKS: {}}}}
        made = await client.call("generate", {"prompt": "a fox"}, **can)
        await easel.context.retention.delete_ended("local", 0)
        other.tell(TaskMessaged(made.get("taskId", "none")))
    assert HistoryChanged("local") in heard
    assert {each.owner for each in heard if isinstance(each, TaskMoved)} <= {"local"}
