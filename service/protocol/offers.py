"""Handlers of the tools, prompts, resources and completions of a server; lists go by pages."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

import orjson

from service.protocol import signing
from service.protocol.call import TASKS_DECLARED, Call
from service.protocol.catalog import ResourceEntry, Server
from service.protocol.client import HAS_TASKS
from service.protocol.errors import INVALID_PARAMS, RpcError, check_text
from service.protocol.headers import check_param_headers
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import ResourceUpdated

MAX_COMPLETIONS: Final = 100
"""Values of one completion (spec 2026-07-28, Completion)."""

OWN: Final = "~"
"""The first character of a cursor among the caller's own resources. All other cursors are base64url, without it."""


async def list_tools(server: Server, call: Call) -> Result:
    """List the tools, always in one order, so that a model's prompt cache holds."""
    return _page(server, call, "tools", {name: tool.listing for name, tool in server.tools_shown(call).items()})


def call_tool(server: Server, call: Call) -> Awaitable[Result]:
    """Run one tool. An unknown name is the caller's mistake; a failed run is a result."""
    params = call.request.params
    name = params.get("name")
    tools = server.tools_shown(call)
    tool = tools.get(name) if isinstance(name, str) else None
    if tool is None:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {_shown(name)}. The tools are: {', '.join(tools)}.")
    arguments = _arguments(params)
    if tool.param_headers and call.headers is not None:
        check_param_headers(call.headers, tool.param_headers, arguments)
    if server.tasks is not None and call.era in HAS_TASKS and TASKS_DECLARED in call.client.capabilities:
        return server.tasks.run(call, tool.run(call, arguments))
    return tool.run(call, arguments)


def tool_scope(server: Server, call: Call) -> str | None:
    """Return the scope that a call of a tool needs; None where there is no such tool, or no arguments to judge by."""
    name = call.params.get("name")
    tool = server.tools_shown(call).get(name) if isinstance(name, str) else None
    try:
        return None if tool is None else tool.scope(_arguments(call.params))
    except RpcError:
        return None


async def list_prompts(server: Server, call: Call) -> Result:
    """List the prompts."""
    return _page(server, call, "prompts", {name: prompt.listing for name, prompt in server.prompts.items()})


async def get_prompt(server: Server, call: Call) -> Result:
    """Return the messages of one prompt."""
    name = call.params.get("name")
    prompt = server.prompts.get(name) if isinstance(name, str) else None
    if prompt is None:
        raise RpcError(INVALID_PARAMS, f"Unknown prompt: {_shown(name)}. The prompts are: {', '.join(server.prompts)}.")
    arguments = _arguments(call.params)
    declared = prompt.listing.get("arguments", [])
    missing = [each["name"] for each in declared if each.get("required") and each["name"] not in arguments]
    if missing:
        raise RpcError(INVALID_PARAMS, f"The prompt {name} needs {' and '.join(f'`{each}`' for each in missing)}.")
    return await prompt.get(call, arguments)


async def list_resources(server: Server, call: Call) -> Result:
    """List the resources: first the shared ones, then, from the last page of these on, the caller's own."""
    cursor = call.params.get("cursor")
    if isinstance(cursor, str) and cursor.startswith(OWN):
        return await _own_resources(server, call, [], cursor.removeprefix(OWN))
    page = _page(server, call, "resources", {uri: each.listing for uri, each in server.resources.items()})
    if "nextCursor" in page or server.resource_pages is None:
        return page
    return await _own_resources(server, call, page["resources"], None)


async def list_templates(server: Server, call: Call) -> Result:
    """List the templates of resources."""
    listings = {uri: each.listing for uri, each in server.templates.items()}
    return _page(server, call, "resourceTemplates", listings)


async def read_resource(server: Server, call: Call) -> Result:
    """Return the contents of a URI. An unknown one is -32602 with the URI in `data` (SEP-2164)."""
    uri = _uri(call)
    known = server.resources.get(uri) or server.app_views.get(uri)
    entries: list[ResourceEntry] = [known] if known is not None else list(server.templates.values())
    for entry in entries:
        contents = await entry.read(call, uri)
        if contents is not None:
            return {"contents": list(contents)}
    raise RpcError(INVALID_PARAMS, f"There is no resource {_shown(uri)}.", {"uri": uri})


async def subscribe(server: Server, call: Call) -> Result:
    """Subscribe this session's streams to a resource."""
    uri, session_id = _uri(call), call.session_id
    server.memory.subscribe(session_id, uri, call.owner)
    for stream in server.hub.streams_of(session_id):
        stream.wanted.add(ResourceUpdated(uri))
    return {}


async def unsubscribe(server: Server, call: Call) -> Result:
    """Unsubscribe this session's streams from a resource."""
    uri, session_id = _uri(call), call.session_id
    server.memory.unsubscribe(session_id, uri)
    for stream in server.hub.streams_of(session_id):
        stream.wanted.discard(ResourceUpdated(uri))
    return {}


async def complete(server: Server, call: Call) -> Result:
    """Return values for an argument of a prompt or template, from the text typed so far."""
    ref, argument = call.params.get("ref"), call.params.get("argument")
    if not isinstance(ref, dict) or not _is_listed(server, ref):
        raise RpcError(INVALID_PARAMS, "params.ref must name a prompt or a resource template that is listed.")
    if not isinstance(argument, dict) or not all(isinstance(argument.get(each), str) for each in ("name", "value")):
        raise RpcError(INVALID_PARAMS, 'params.argument must be an object with the strings "name" and "value".')
    for each in ("name", "value"):
        check_text(f"params.argument.{each}", argument[each])
    assert server.complete is not None, "without it there is no such method"  # noqa: S101 - see METHODS
    values = list(await server.complete(call, ref, argument))
    shown = values[:MAX_COMPLETIONS]
    return {"completion": {"values": shown, "total": len(values), "hasMore": len(values) > len(shown)}}


def _is_listed(server: Server, ref: Mapping[str, Any]) -> bool:
    match ref:
        case {"type": "ref/prompt", "name": str(name)}:
            return name in server.prompts
        case {"type": "ref/resource", "uri": str(uri)}:
            return uri in server.templates or uri in server.resources
        case _:
            return False


def _arguments(params: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = params.get("arguments")
    if arguments in (None, "", []):  # as Go, form fields and PHP write an empty object
        return {}
    if isinstance(arguments, str):
        arguments = _read_json(arguments)
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "params.arguments must be an object, or be left out.")
    return arguments


def _read_json(text: str) -> Any:
    """Read arguments that a gateway has encoded twice; None for any other text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _uri(call: Call) -> str:
    uri = call.params.get("uri")
    if not isinstance(uri, str):
        raise RpcError(INVALID_PARAMS, "params.uri must be a string.")
    check_text("params.uri", uri)
    return uri


def _shown(name: object) -> str:
    return str(name)[:100]


async def _own_resources(server: Server, call: Call, before: Sequence[Result], cursor: str | None) -> Result:
    """Return a page of the caller's own resources, after the shared ones in `before`."""
    if server.resource_pages is None:
        raise _unknown_cursor()
    try:
        after = None if cursor is None else _key_of(cursor)
        entries, following = await server.resource_pages(call, after)
    except ValueError as unknown:
        if cursor is None:  # a mistake of ours: there was no cursor to be wrong
            raise
        raise _unknown_cursor() from unknown
    result: Result = {"resources": [*before, *entries]}
    if following is not None:
        result["nextCursor"] = OWN + signing.encode(following.encode())
    return result


def _page(server: Server, call: Call, member: str, listings: Mapping[str, Any]) -> Result:
    """Return one page of a list, from the cursor on. A cursor is the key of the last entry of the page before."""
    keys, start = list(listings), 0
    cursor = call.params.get("cursor")
    if cursor is not None:
        start = _after(keys, cursor)
    page = keys[start : start + server.page_size]
    result: Result = {member: [listings[key] for key in page]}
    if start + server.page_size < len(keys):
        result["nextCursor"] = signing.encode(page[-1].encode())
    return result


def _after(keys: list[str], cursor: object) -> int:
    try:
        return keys.index(_key_of(str(cursor))) + 1
    except ValueError as unknown:
        raise _unknown_cursor() from unknown


def _unknown_cursor() -> RpcError:
    message = "params.cursor is not one of ours, or its entry is gone: list again from the first page."
    return RpcError(INVALID_PARAMS, message)


def _key_of(cursor: str) -> str:
    """Return the key behind a cursor; raises ValueError for a text that is no cursor."""
    return signing.decode(cursor).decode()
