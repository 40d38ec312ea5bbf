"""METHODS, the one table of which methods there are and in which era, with the handlers of the protocol's own matters.

A handler takes the server and the call, returns a plain dict and raises `RpcError`. It knows no HTTP and no envelope.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from service.protocol import offers
from service.protocol.call import TASKS, Call
from service.protocol.catalog import Server
from service.protocol.errors import INVALID_REQUEST, METHOD_NOT_FOUND, RpcError
from service.protocol.inquiry import missing_capabilities
from service.protocol.jsonrpc import Result, notification_message
from service.protocol.log_levels import read_level
from service.protocol.subscriptions import (
    SUBSCRIPTION_ID,
    Notice,
    TaskChanged,
    notices_of,
    notification_of,
    read_filter,
)
from service.protocol.task_records import WORKING, TaskRecord
from service.protocol.tasks import Tasks
from service.protocol.versions import BOTH, HAS_TASKS, LEGACY, MODERN, SUPPORTED_VERSIONS, Era

Handler: TypeAlias = Callable[[Server, Call], Awaitable[Result]]


@dataclass(frozen=True)
class Method:
    """One row of the table. `capability`: the method is there only on a server that declares it.

    `fixed`: without a cursor the result is the same for all who are shown the same tools, until something of the server
    is replaced.
    """

    handle: Handler
    eras: frozenset[Era]
    capability: str | None = None
    fixed: bool = False

    def is_offered(self, server: Server, era: Era) -> bool:
        """Whether this server has the method, in this era."""
        return era in self.eras and (self.capability is None or self.capability in server.capabilities)


async def initialize(server: Server, call: Call) -> Result:
    """Open a session: admission has negotiated `call.version` and minted `call.session`."""
    return {
        "protocolVersion": call.version,
        "capabilities": server.capabilities,
        "serverInfo": server.info,
        "instructions": server.instructions,
    }


async def ping(server: Server, call: Call) -> Result:  # noqa: ARG001 - every handler takes both
    """Answer that we are here."""
    return {}


async def set_level(server: Server, call: Call) -> Result:
    """Remember the least severe log level that this session wants."""
    server.memory.set_level(call.session_id, read_level(call.params.get("level")))
    return {}


async def discover(server: Server, call: Call) -> Result:  # noqa: ARG001 - every handler takes both
    """Say what we speak and offer."""
    capabilities = server.capabilities
    if server.extensions:
        capabilities["extensions"] = server.extensions
    return {
        "supportedVersions": list(SUPPORTED_VERSIONS),
        "capabilities": capabilities,
        "instructions": server.instructions,
    }


async def listen(server: Server, call: Call) -> Result:
    """Stream the change notices that were asked for, until either side ends it (spec 2026-07-28, Subscriptions)."""
    if not call.takes_streams:
        raise RpcError(INVALID_REQUEST, "subscriptions/listen is answered by a stream: accept text/event-stream.")
    asked = await _granted(server, call, read_filter(call.params.get("notifications")))
    subscription = server.hub.open(notices_of(asked), call.owner)
    for task_id in asked.get("taskIds", ()):
        # It may have changed since the client last saw it, before anybody listened: it is told where it stands.
        subscription.offer(TaskChanged(task_id))
    try:
        await _notify(call, "notifications/subscriptions/acknowledged", {"notifications": asked})
        while (notice := await subscription.next()) is not None:
            await _tell(server, call, notice)
    finally:
        server.hub.forget(subscription)
    return {"_meta": {SUBSCRIPTION_ID: call.id}}


async def get_task(server: Server, call: Call) -> Result:
    """Where a task stands, with its result once it has one."""
    tasks = _tasks(server, call)
    task = await tasks.get(call.owner, call.params.get("taskId"))
    if task.status == WORKING and task.id not in tasks.running:
        task = await _caught_up(server, call, tasks, task)
    if tasks.is_unfetched(task.id):
        call.on_delivered(partial(tasks.fetched, task.id))
    return task.wire()


async def _caught_up(server: Server, call: Call, tasks: Tasks, task: TaskRecord) -> TaskRecord:
    """A task that nothing here works on, as its tool knows it."""
    tool = server.tools.get(task.tool)
    if tool is None or tool.resume is None or not task.work:
        return task
    result = await tool.resume(call, task.work)
    return task if result is None else await tasks.complete(task, result)


async def update_task(server: Server, call: Call) -> Result:
    """Bring answers to a task that waits for them."""
    tasks = _tasks(server, call)
    await tasks.update(call.owner, call.params.get("taskId"), call.params.get("inputResponses"))
    return {}


async def cancel_task(server: Server, call: Call) -> Result:
    """Stop a task's work."""
    await _tasks(server, call).cancel(call.owner, call.params.get("taskId"))
    return {}


def _tasks(server: Server, call: Call) -> Tasks:
    """The tasks, for a client that declared the extension: gated before any task is looked up (SEP-2663)."""
    if server.tasks is None:
        raise RpcError(METHOD_NOT_FOUND, "This server has no tasks.")
    if not server.tasks.taken_by(call):
        raise missing_capabilities({"extensions": {TASKS: {}}})
    return server.tasks


async def _granted(server: Server, call: Call, asked: dict[str, Any]) -> dict[str, Any]:
    """What of a filter is honoured: lists and resources that there are, tasks of the caller that exist."""
    if "taskIds" in asked and server.tasks is not None:
        tasks, owner = _tasks(server, call), call.owner
        asked["taskIds"] = [each for each in asked["taskIds"] if await tasks.exists(owner, each)]
    absent = {
        "taskIds": server.tasks is None,
        "promptsListChanged": not server.prompts,
        "resourcesListChanged": not server.has_resources,
        "resourceSubscriptions": not server.has_resources,
    }
    return {name: value for name, value in asked.items() if not absent.get(name, False)}


async def _tell(server: Server, call: Call, notice: Notice) -> None:
    """Pass a notice on; nothing of a task that is gone by now."""
    if not isinstance(notice, TaskChanged):
        await _notify(call, *notification_of(notice))
        return
    tasks = _tasks(server, call)
    try:
        task = await tasks.get(call.owner, notice.task_id)
    except RpcError:
        return
    if await _notify(call, "notifications/tasks", task.wire()) and task.result is not None:
        tasks.fetched(task.id)


async def _notify(call: Call, method: str, params: dict[str, Any]) -> bool:
    return await call.send(notification_message(method, {**params, "_meta": {SUBSCRIPTION_ID: call.id}}))


METHODS: Final[Mapping[str, Method]] = {
    "initialize": Method(initialize, LEGACY),
    "ping": Method(ping, LEGACY),
    "logging/setLevel": Method(set_level, LEGACY),
    "resources/subscribe": Method(offers.subscribe, LEGACY, "resources"),
    "resources/unsubscribe": Method(offers.unsubscribe, LEGACY, "resources"),
    "server/discover": Method(discover, MODERN, fixed=True),
    "subscriptions/listen": Method(listen, MODERN),
    "tasks/get": Method(get_task, HAS_TASKS),
    "tasks/update": Method(update_task, HAS_TASKS),
    "tasks/cancel": Method(cancel_task, HAS_TASKS),
    "tools/list": Method(offers.list_tools, BOTH, fixed=True),
    "tools/call": Method(offers.call_tool, BOTH),
    "prompts/list": Method(offers.list_prompts, BOTH, "prompts"),
    "prompts/get": Method(offers.get_prompt, BOTH, "prompts"),
    "resources/list": Method(offers.list_resources, BOTH, "resources"),
    "resources/templates/list": Method(offers.list_templates, BOTH, "resources"),
    "resources/read": Method(offers.read_resource, BOTH, "resources"),
    "completion/complete": Method(offers.complete, BOTH, "completions"),
}
