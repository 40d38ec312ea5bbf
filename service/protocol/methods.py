"""METHODS, the one table of the methods and their eras, with the handlers of the protocol's own matters.

A handler takes the server and the call, returns a plain dict and raises `RpcError`. It knows no HTTP and no envelope.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from service.authorization import DRAW, LOOK
from service.protocol import offers
from service.protocol.call import TASKS_DECLARED, Call
from service.protocol.catalog import Server
from service.protocol.channel import TASKS
from service.protocol.client import BOTH, HAS_TASKS, LEGACY, MODERN, SUPPORTED_VERSIONS, Era
from service.protocol.client_requests import missing_capabilities
from service.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, RpcError
from service.protocol.jsonrpc import Result, notification_message
from service.protocol.subscriptions import (
    SUBSCRIPTION_ID,
    Change,
    TaskChanged,
    changes_of,
    names_in,
    notification_of,
    read_filter,
    read_level,
)
from service.protocol.task_endings import CANCELLED_ENDING
from service.protocol.task_records import COMPLETED, WORKING, TaskRecord
from service.protocol.tasks import NOT_STOPPED, Tasks

Handler: TypeAlias = Callable[[Server, Call], Awaitable[Result]]


@dataclass(frozen=True)
class Method:
    """One row of the table. `capability`: the method exists only on a server that declares it.

    `fixed`: without a cursor, all callers that are shown the same tools get the same result, until something of the
    server is replaced. `refuses_in_result`: a refusal to ask the client, or beyond a limit, is a result that the model
    reads; else it is an error. `scope`: a call needs an access token that grants it; a call of a tool needs the scope
    of the tool.
    """

    handle: Handler
    eras: frozenset[Era]
    capability: str | None = None
    fixed: bool = False
    refuses_in_result: bool = False
    scope: str | None = None


async def initialize(server: Server, call: Call) -> Result:
    """Open a session: admission has negotiated `call.version` and minted `call.session`."""
    extensions = server.app_extension(call.client)
    return {
        "protocolVersion": call.version,
        "capabilities": {**server.capabilities, **({"extensions": extensions} if extensions else {})},
        "serverInfo": server.info,
        "instructions": server.instructions,
    }


async def ping(server: Server, call: Call) -> Result:  # noqa: ARG001 - every handler takes both
    """Return an empty result (spec, Ping)."""
    return {}


async def set_level(server: Server, call: Call) -> Result:
    """Set the least severe log level that this session wants."""
    server.memory.set_level(call.session_id, read_level(call.params.get("level")), call.owner)
    return {}


async def discover(server: Server, call: Call) -> Result:
    """Return the revisions that we speak and the capabilities that we have."""
    capabilities = server.capabilities
    if extensions := {**server.extensions, **server.app_extension(call.client)}:
        capabilities["extensions"] = extensions
    return {
        "supportedVersions": list(SUPPORTED_VERSIONS),
        "capabilities": capabilities,
        "instructions": server.instructions,
    }


async def listen(server: Server, call: Call) -> Result:
    """Stream the changes that the filter names, until either side ends it (spec 2026-07-28, Subscriptions)."""
    if not call.channel.takes_messages:
        raise RpcError(INVALID_REQUEST, "subscriptions/listen is answered by a stream: accept text/event-stream.")
    hub, wanted = server.hub, read_filter(call.params.get("notifications"))
    with hub.streams.hold(call.owner), hub.names.hold(call.owner, names_in(wanted)):
        granted = await _granted(server, call, wanted)
        # A stream lasts for days: what else came with it is let go.
        call.request, call.headers = call.request._replace(params={}), None
        await _stream_changes(server, call, granted)
    return {"_meta": {SUBSCRIPTION_ID: call.id}}


async def _stream_changes(server: Server, call: Call, granted: dict[str, Any]) -> None:
    subscription = server.hub.open(changes_of(granted), call.owner)
    for task_id in granted.get("taskIds", ()):
        # The task may have changed before the subscription was open: its state is sent at once.
        subscription.offer(TaskChanged(task_id))
    try:
        await _notify(call, "notifications/subscriptions/acknowledged", {"notifications": granted})
        while (change := await subscription.next()) is not None:
            await _notify_change(server, call, change)
    finally:
        server.hub.forget(subscription)


async def get_task(server: Server, call: Call) -> Result:
    """Return the state of a task, with its result once it has one."""
    tasks = _tasks(server, call)
    task = await tasks.get(call.owner, call.params.get("taskId"))
    if task.status == WORKING and task.id not in tasks.running:
        task = await _caught_up(server, call, tasks, task)
    if tasks.is_unfetched(task.id):
        call.on_delivered(partial(tasks.fetched, task.id))
    return task.wire()


async def _caught_up(server: Server, call: Call, tasks: Tasks, task: TaskRecord) -> TaskRecord:
    """Return a task that this process does not run, brought up to date by its tool."""
    tool = server.tools.get(task.tool)
    if tool is None or tool.resume is None or not task.work:
        return task
    result = await tool.resume(call, task.work)
    return task if result is None else await tasks.end(task, status=COMPLETED, message="", result=result)


async def update_task(server: Server, call: Call) -> Result:
    """Hand results to a task that waits for them."""
    tasks = _tasks(server, call)
    await tasks.update(call.owner, call.params.get("taskId"), call.params.get("inputResponses"))
    return {}


async def cancel_task(server: Server, call: Call) -> Result:
    """Stop a task's work, whichever process does it; raises -32603 where that cannot be."""
    tasks = _tasks(server, call)
    task = await tasks.get(call.owner, call.params.get("taskId"))
    if not await tasks.cancel(task):
        tool = server.tools.get(task.tool)
        if task.work and tool is not None and tool.cancel is not None and not await tool.cancel(call, task.work):
            raise RpcError(INTERNAL_ERROR, NOT_STOPPED)
        await tasks.end(task, **CANCELLED_ENDING)
    return {}


def _tasks(server: Server, call: Call) -> Tasks:
    """Return the tasks for a client that declared the extension, checked before any task is looked up (SEP-2663)."""
    if server.tasks is None:
        raise RpcError(METHOD_NOT_FOUND, "This server has no tasks.")
    if TASKS_DECLARED not in call.client.capabilities:
        raise missing_capabilities({"extensions": {TASKS: {}}})
    return server.tasks


async def _granted(server: Server, call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a filter that is honoured: existing lists and resources, and existing tasks of the caller."""
    if "taskIds" in wanted and server.tasks is not None:
        tasks, owner = _tasks(server, call), call.owner
        wanted["taskIds"] = [each for each in wanted["taskIds"] if await tasks.exists(owner, each)]
    absent = {
        "taskIds": server.tasks is None,
        "promptsListChanged": not server.prompts,
        "resourcesListChanged": not server.has_resources,
        "resourceSubscriptions": not server.has_resources,
    }
    return {name: value for name, value in wanted.items() if not absent.get(name, False)}


async def _notify_change(server: Server, call: Call, change: Change) -> None:
    """Send the notification of a change, but for a task that is gone by now."""
    if not isinstance(change, TaskChanged):
        await _notify(call, *notification_of(change))
        return
    tasks = _tasks(server, call)
    try:
        task = await tasks.get(call.owner, change.task_id)
    except RpcError:
        return
    if await _notify(call, "notifications/tasks", task.wire()) and task.result is not None:
        tasks.fetched(task.id)


async def _notify(call: Call, method: str, params: dict[str, Any]) -> bool:
    return await call.channel.send(notification_message(method, {**params, "_meta": {SUBSCRIPTION_ID: call.id}}))


METHODS: Final[Mapping[str, Method]] = {
    "initialize": Method(initialize, LEGACY),
    "ping": Method(ping, LEGACY),
    "logging/setLevel": Method(set_level, LEGACY),
    "resources/subscribe": Method(offers.subscribe, LEGACY, "resources", scope=LOOK),
    "resources/unsubscribe": Method(offers.unsubscribe, LEGACY, "resources", scope=LOOK),
    "server/discover": Method(discover, MODERN, fixed=True),
    "subscriptions/listen": Method(listen, MODERN, scope=LOOK),
    "tasks/get": Method(get_task, HAS_TASKS, scope=LOOK),
    "tasks/update": Method(update_task, HAS_TASKS, scope=DRAW),
    "tasks/cancel": Method(cancel_task, HAS_TASKS, scope=DRAW),
    "tools/list": Method(offers.list_tools, BOTH, fixed=True),
    "tools/call": Method(offers.call_tool, BOTH, refuses_in_result=True),
    "prompts/list": Method(offers.list_prompts, BOTH, "prompts"),
    "prompts/get": Method(offers.get_prompt, BOTH, "prompts", scope=LOOK),
    "resources/list": Method(offers.list_resources, BOTH, "resources", scope=LOOK),
    "resources/templates/list": Method(offers.list_templates, BOTH, "resources"),
    "resources/read": Method(offers.read_resource, BOTH, "resources", scope=LOOK),
    "completion/complete": Method(offers.complete, BOTH, "completions", scope=LOOK),
}


def scope_needed(server: Server, call: Call) -> str | None:
    """Return the scope that a call needs; None for one that every caller may make, or that its handler refuses.

    The lists of tools, prompts and templates are shown whole to everybody: they hold nothing of anybody, and a client
    can ask for a scope only by calling what needs it.
    """
    if call.method == "tools/call":
        return offers.tool_scope(server, call)
    method = METHODS.get(call.method)
    return None if method is None else method.scope
