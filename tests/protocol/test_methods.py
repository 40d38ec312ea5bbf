"""The table of methods, and the protocol's own: discovery, levels, streams of change notices."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, ResourceEntry, Server
from service.protocol.client import Era
from service.protocol.dispatch import EncodedResponse, respond
from service.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY
from service.protocol.jsonrpc import Result
from service.protocol.methods import METHODS
from service.protocol.subscriptions import PROMPTS, RESOURCES, SUBSCRIPTION_ID, TOOLS, Hub, ResourceUpdated, TaskChanged
from service.protocol.task_records import TTL_MS
from service.protocol.tasks import Tasks
from tests.memory_keeper import MemoryKeeper
from tests.protocol.samples import SESSION, TASKS, Clock, Outbox, call, error, result, said, server

SHARED = {
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "completion/complete",
}


def test_the_eras_share_what_is_offered_and_differ_in_how_they_talk() -> None:
    """Spec 2026-07-28, changelog: no handshake, ping or log level; discovery, listening and tasks instead."""
    modern = {name for name, method in METHODS.items() if Era.MODERN in method.eras}
    legacy = {name for name, method in METHODS.items() if Era.LEGACY in method.eras}
    assert modern - SHARED == {"server/discover", "subscriptions/listen", "tasks/get", "tasks/update", "tasks/cancel"}
    assert legacy - SHARED == {
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    }
    assert modern & legacy == SHARED


async def echo(call: Call, arguments: Mapping[str, Any]) -> Result:
    return said("Echo.")


async def wait(call: Call, arguments: Mapping[str, Any]) -> Result:
    await call.become_task()
    await asyncio.Event().wait()
    return said("unreachable")


async def read(call: Call, uri: str) -> Sequence[Result]:
    return []


async def complete(call: Call, ref: Mapping[str, Any], argument: Mapping[str, Any]) -> Sequence[str]:
    return []


def full() -> Server:
    """A server that has everything."""
    hub = Hub()
    return server(
        echo,
        wait,
        hub=hub,
        prompts={"p": PromptEntry(listing={"name": "p"}, get=echo)},
        resources={"test://a": ResourceEntry(listing={"uri": "test://a", "name": "a"}, read=read)},
        complete=complete,
        tasks=Tasks(keeper=MemoryKeeper(), clock=Clock(), hub=hub),
    )


@pytest.mark.parametrize(
    ("given", "era", "capabilities"),
    [
        pytest.param(server(echo), Era.MODERN, {"tools": {"listChanged": True}, "logging": {}}, id="tools alone"),
        pytest.param(server(echo), Era.LEGACY, {"tools": {"listChanged": True}, "logging": {}}, id="tools, legacy"),
        pytest.param(
            full(),
            Era.MODERN,
            {
                "tools": {"listChanged": True},
                "logging": {},
                "prompts": {"listChanged": True},
                "resources": {"listChanged": True, "subscribe": True},
                "completions": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
            id="everything",
        ),
        pytest.param(
            full(),
            Era.LEGACY,
            {
                "tools": {"listChanged": True},
                "logging": {},
                "prompts": {"listChanged": True},
                "resources": {"listChanged": True, "subscribe": True},
                "completions": {},
            },
            id="everything, legacy: no extensions",
        ),
    ],
)
async def test_a_server_declares_what_it_has(given: Server, era: Era, capabilities: dict[str, Any]) -> None:
    """Spec 2026-07-28, Discovery. SEP-2663: tasks are an extension, never a capability of their own."""
    method = {Era.MODERN: "server/discover", Era.LEGACY: "initialize"}[era]
    assert result(await respond(given, call(method, era=era)))["capabilities"] == capabilities


@pytest.mark.parametrize(
    ("method", "era"),
    [
        pytest.param(name, era, id=f"{name} {era.value}")
        for name, method in METHODS.items()
        if method.capability
        for era in sorted(method.eras, key=str)
    ],
)
async def test_what_is_not_declared_is_not_there(method: str, era: Era) -> None:
    """Spec 2026-07-28, Discovery: a method that belongs to an undeclared capability is -32601."""
    given = await respond(server(echo), call(method, {"uri": "test://a", "name": "p"}, era))
    assert error(given)["code"] == METHOD_NOT_FOUND


async def test_a_session_sets_the_level_of_its_log_messages() -> None:
    """Spec 2025-11-25, Logging: `{}`, and messages below the level stop. Each session has its own."""
    given = server(loud)
    heard = []
    for level in ("error", "debug"):
        assert result(await respond(given, call("logging/setLevel", {"level": level}, Era.LEGACY))) == {}
        outbox = Outbox()
        await respond(given, call(params={"name": "loud"}, era=Era.LEGACY, channel=outbox))
        heard.append([each["params"]["level"] for each in outbox.rest()])
    assert heard == [["error"], ["debug", "info", "error"]]


async def loud(call: Call, arguments: Mapping[str, Any]) -> Result:
    for level in ("debug", "info", "error"):
        await call.log(level, "Said.")
    return said("Done.")


async def test_a_session_that_set_no_level_hears_from_info_on() -> None:
    outbox = Outbox()
    await respond(server(loud), call(params={"name": "loud"}, era=Era.LEGACY, channel=outbox))
    assert [each["params"]["level"] for each in outbox.rest()] == ["info", "error"]


async def test_a_level_that_there_is_not_changes_nothing() -> None:
    given = server(loud)
    refused = await respond(given, call("logging/setLevel", {"level": "loud"}, Era.LEGACY))
    assert (refused.status, error(refused)["code"]) == (200, INVALID_PARAMS)
    assert given.memory.look(SESSION.id).log_level == "info"


class Listening:
    """One `subscriptions/listen` under way."""

    def __init__(self, given: Server, notifications: object, can: Sequence[str] = (), owner: str = "anna") -> None:
        self.outbox = Outbox()
        listening = self.call = call(
            "subscriptions/listen",
            {"notifications": notifications},
            can=can,
            owner=owner,
            channel=self.outbox,
        )
        self.answer = asyncio.create_task(respond(given, listening))

    async def acknowledged(self) -> Any:
        """The acknowledgement of the server, which comes first of all."""
        first = await self.outbox.next()
        assert first["method"] == "notifications/subscriptions/acknowledged"
        return first["params"]["notifications"]

    async def ended(self) -> EncodedResponse:
        return await self.answer


EVERYTHING = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["test://a"],
}


async def test_a_stream_is_acknowledged_then_tells_and_names_its_request_each_time() -> None:
    """Spec 2026-07-28, Subscriptions: the id of the listen request, as it was sent, on every message."""
    given = full()
    listening = Listening(given, EVERYTHING)
    first = await listening.outbox.next()
    assert first["params"] == {"notifications": EVERYTHING, "_meta": {SUBSCRIPTION_ID: 5}}
    for notice in (TOOLS, PROMPTS, RESOURCES, ResourceUpdated("test://a"), ResourceUpdated("test://b")):
        given.hub.publish(notice)
    given.hub.close()
    assert result(await listening.ended())["_meta"][SUBSCRIPTION_ID] == 5
    assert [(each["method"], each["params"]) for each in listening.outbox.rest()] == [
        ("notifications/tools/list_changed", {"_meta": {SUBSCRIPTION_ID: 5}}),
        ("notifications/prompts/list_changed", {"_meta": {SUBSCRIPTION_ID: 5}}),
        ("notifications/resources/list_changed", {"_meta": {SUBSCRIPTION_ID: 5}}),
        ("notifications/resources/updated", {"uri": "test://a", "_meta": {SUBSCRIPTION_ID: 5}}),
    ]


async def test_a_stream_is_ended_gracefully_by_a_result_that_says_which_it_was() -> None:
    """Spec 2026-07-28, schema, SubscriptionsListenResult: empty but for `_meta`."""
    given = full()
    listening = Listening(given, {})
    assert await listening.acknowledged() == {}
    given.hub.close()
    ended = result(await listening.ended())
    assert ended.keys() == {"resultType", "_meta"}
    assert ended["resultType"] == "complete"


async def test_what_there_is_not_is_not_agreed_to() -> None:
    """Spec 2026-07-28, Acknowledgment: the subset that the server honours. Tasks nobody could have are not there."""
    given = server(echo)
    listening = Listening(given, {**EVERYTHING, "taskIds": ["x"]}, can=[TASKS])
    assert await listening.acknowledged() == {"toolsListChanged": True}
    given.hub.close()
    await listening.ended()


async def test_a_stream_that_the_client_leaves_is_forgotten() -> None:
    """Ours: a thousand clients that come and go leave nothing behind."""
    given = full()
    listening = Listening(given, EVERYTHING)
    await listening.acknowledged()
    listening.answer.cancel()
    await asyncio.wait({listening.answer})
    assert given.hub == Hub()


async def test_a_client_that_takes_no_stream_cannot_listen() -> None:
    given = await respond(
        full(), call("subscriptions/listen", {"notifications": {}}, channel=Outbox(takes_messages=False))
    )
    assert (given.status, error(given)["code"]) == (400, INVALID_REQUEST)


@pytest.mark.parametrize("notifications", [None, [], {"toolsListChanged": "yes"}, {"taskIds": [5]}])
async def test_a_filter_that_is_none_is_refused(notifications: object) -> None:
    given = await respond(full(), call("subscriptions/listen", {"notifications": notifications}, channel=Outbox()))
    assert (given.status, error(given)["code"]) == (400, INVALID_PARAMS)


async def task_of(given: Server, owner: str = "anna") -> str:
    created = result(await respond(given, call(params={"name": "wait"}, can=[TASKS], owner=owner)))
    id_: str = created["taskId"]
    return id_


async def test_a_task_is_told_of_as_it_stands_and_as_it_changes() -> None:
    """SEP-2663: a complete task each time. The first at once: it may have changed before anybody listened."""
    given = full()
    task_id = await task_of(given)
    listening = Listening(given, {"taskIds": [task_id, "unknown"]}, can=[TASKS])
    assert await listening.acknowledged() == {"taskIds": [task_id]}
    first = await listening.outbox.next()
    assert first["method"] == "notifications/tasks"
    assert first["params"]["_meta"] == {SUBSCRIPTION_ID: 5}
    assert (first["params"]["taskId"], first["params"]["status"]) == (task_id, "working")
    await respond(given, call("tasks/cancel", {"taskId": task_id}, can=[TASKS]))
    assert (await listening.outbox.next())["params"]["status"] == "cancelled"
    given.hub.close()
    await listening.ended()


async def test_a_task_of_somebody_else_is_not_told_of() -> None:
    given = full()
    listening = Listening(given, {"taskIds": [await task_of(given, "ben")]}, can=[TASKS])
    assert await listening.acknowledged() == {"taskIds": []}
    assert given.tasks is not None
    await given.tasks.close(0)
    given.hub.close()
    await listening.ended()
    assert listening.outbox.rest() == []


async def test_a_task_that_is_gone_is_told_of_no_more_and_the_stream_goes_on() -> None:
    """Bug: the notice of a task that expired in the meantime ended the whole stream with an error."""
    given = full()
    assert given.tasks is not None
    task_id = await task_of(given)
    await given.tasks.close(0)
    listening = Listening(given, {"taskIds": [task_id], "toolsListChanged": True}, can=[TASKS])
    await listening.acknowledged()
    assert (await listening.outbox.next())["params"]["status"] == "cancelled"
    given.tasks.clock = lambda: Clock().now + TTL_MS
    given.hub.publish(TaskChanged(task_id))
    given.hub.publish(TOOLS)
    assert (await listening.outbox.next())["method"] == "notifications/tools/list_changed"
    given.hub.close()
    assert result(await listening.ended())


async def test_listening_to_tasks_takes_the_extension() -> None:
    """SEP-2663, Task Status Notifications: -32021."""
    listening = call("subscriptions/listen", {"notifications": {"taskIds": ["x"]}}, channel=Outbox())
    given = await respond(full(), listening)
    assert (given.status, error(given)["code"]) == (400, MISSING_CAPABILITY)


async def test_a_stream_of_notices_lets_go_of_all_that_came_with_it() -> None:
    """Bug: 60 streams with 3 MB each of members that nobody reads held 420 MB for as long as they were open."""
    given = full()
    listening = Listening(given, {"toolsListChanged": True})
    assert listening.call.params
    await listening.acknowledged()
    assert listening.call.params == {}
    given.hub.close()
    assert result(await listening.ended())["_meta"][SUBSCRIPTION_ID] == 5
