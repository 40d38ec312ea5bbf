"""Handlers of what a server offers: tools, prompts, resources, completions; lists go by pages."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.protocol.call import Call
from service.protocol.catalog import ResourceEntry, Server, ToolEntry
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.inquiry import UnaskableError
from service.protocol.jsonrpc import Result
from service.protocol.param_headers import check_param_headers
from service.protocol.subscriptions import ResourceUpdated

MAX_COMPLETIONS: Final = 100
"""Values of one completion (spec 2026-07-28, Completion)."""

MAX_URI: Final = 2000
"""Characters of one that is subscribed to. A session may name a thousand, and each is remembered."""

OWN: Final = "~"
"""How a cursor among the caller's own resources begins: Base64, which all other cursors are, has no such character."""


async def list_tools(server: Server, call: Call) -> Result:
    """List the tools, always in one order, so that a model's prompt cache holds."""
    return _page(server, call, "tools", {name: tool.listing for name, tool in server.tools_shown(call).items()})


async def call_tool(server: Server, call: Call) -> Result:
    """Run one tool. An unknown name is the caller's mistake; a failed run is a result."""
    tool = _find_tool(server, call.params.get("name"))
    arguments = _arguments(call)
    if call.headers is not None:
        check_param_headers(call.headers, tool.param_headers, arguments)
    if server.tasks is not None and server.tasks.taken_by(call):
        return await server.tasks.run(call, lambda: _run(tool, call, arguments))
    return await _run(tool, call, arguments)


async def list_prompts(server: Server, call: Call) -> Result:
    """List the prompts."""
    return _page(server, call, "prompts", {name: prompt.listing for name, prompt in server.prompts.items()})


async def get_prompt(server: Server, call: Call) -> Result:
    """The messages of one prompt."""
    name = call.params.get("name")
    prompt = server.prompts.get(name) if isinstance(name, str) else None
    if prompt is None:
        raise RpcError(INVALID_PARAMS, f"Unknown prompt: {_shown(name)}. The prompts are: {', '.join(server.prompts)}.")
    arguments = _arguments(call)
    declared = prompt.listing.get("arguments", [])
    missing = [each["name"] for each in declared if each.get("required") and each["name"] not in arguments]
    if missing:
        raise RpcError(INVALID_PARAMS, f"The prompt {name} needs {' and '.join(f'`{each}`' for each in missing)}.")
    return await prompt.get(call, arguments)


async def list_resources(server: Server, call: Call) -> Result:
    """List the resources: first those that everybody has, then, on the last page of those and on, the caller's own."""
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
    """What a URI holds. One that does not exist is -32602 with the URI in `data` (SEP-2164)."""
    uri = _uri(call)
    known = server.resources.get(uri)
    entries: list[ResourceEntry] = [known] if known is not None else list(server.templates.values())
    for entry in entries:
        contents = await entry.read(call, uri)
        if contents is not None:
            return {"contents": list(contents)}
    raise RpcError(INVALID_PARAMS, f"There is no resource {_shown(uri)}.", {"uri": uri})


async def subscribe(server: Server, call: Call) -> Result:
    """Have this session's streams told when a resource changes."""
    uri, session_id = _uri(call), call.session_id
    if len(uri) > MAX_URI:
        raise RpcError(INVALID_PARAMS, f"params.uri must have at most {MAX_URI} characters to be subscribed to.")
    server.memory.subscribe(session_id, uri)
    for stream in server.hub.streams_of(session_id):
        stream.wanted.add(ResourceUpdated(uri))
    return {}


async def unsubscribe(server: Server, call: Call) -> Result:
    """Have them told no more."""
    uri, session_id = _uri(call), call.session_id
    server.memory.unsubscribe(session_id, uri)
    for stream in server.hub.streams_of(session_id):
        stream.wanted.discard(ResourceUpdated(uri))
    return {}


async def complete(server: Server, call: Call) -> Result:
    """Values that an argument of a prompt or template may have, from what was typed so far."""
    ref, argument = call.params.get("ref"), call.params.get("argument")
    if not isinstance(ref, dict) or not _is_listed(server, ref):
        raise RpcError(INVALID_PARAMS, "params.ref must name a prompt or a resource template that is listed.")
    if not isinstance(argument, dict) or not all(isinstance(argument.get(each), str) for each in ("name", "value")):
        raise RpcError(INVALID_PARAMS, 'params.argument must be an object with the strings "name" and "value".')
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


async def _run(tool: ToolEntry, call: Call, arguments: Mapping[str, Any]) -> Result:
    try:
        return await tool.run(call, arguments)
    except UnaskableError as refusal:
        return {"content": [{"type": "text", "text": str(refusal)}], "isError": True}


def _find_tool(server: Server, name: object) -> ToolEntry:
    tool = server.tools.get(name) if isinstance(name, str) else None
    if tool is None:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {_shown(name)}. The tools are: {', '.join(server.tools)}.")
    return tool


def _arguments(call: Call) -> Mapping[str, Any]:
    arguments = call.params.get("arguments", {})
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "params.arguments must be an object, or be left out.")
    return arguments


def _uri(call: Call) -> str:
    uri = call.params.get("uri")
    if not isinstance(uri, str):
        raise RpcError(INVALID_PARAMS, "params.uri must be a string.")
    return uri


def _shown(name: object) -> str:
    return str(name)[:100]


async def _own_resources(server: Server, call: Call, before: Sequence[Result], cursor: str | None) -> Result:
    """A page of the caller's own resources, after some that everybody has."""
    if server.resource_pages is None:
        raise _unknown_cursor()
    try:
        after = None if cursor is None else _decoded(cursor)
        entries, following = await server.resource_pages(call, after)
    except ValueError as unknown:
        if cursor is None:  # then it is no cursor that is wrong
            raise
        raise _unknown_cursor() from unknown
    result: Result = {"resources": [*before, *entries]}
    if following is not None:
        result["nextCursor"] = OWN + _encoded(following)
    return result


def _page(server: Server, call: Call, member: str, listings: Mapping[str, Any]) -> Result:
    """One page of a list, from the cursor on. A cursor is the key of the last entry of the page before."""
    keys, start = list(listings), 0
    cursor = call.params.get("cursor")
    if cursor is not None:
        start = _after(keys, cursor)
    page = keys[start : start + server.page_size]
    result: Result = {member: [listings[key] for key in page]}
    if start + server.page_size < len(keys):
        result["nextCursor"] = _encoded(page[-1])
    return result


def _after(keys: list[str], cursor: object) -> int:
    try:
        return keys.index(_decoded(str(cursor))) + 1
    except ValueError as unknown:
        raise _unknown_cursor() from unknown


def _unknown_cursor() -> RpcError:
    message = "params.cursor is not one of ours, or its entry is gone: list again from the first page."
    return RpcError(INVALID_PARAMS, message)


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decoded(cursor: str) -> str:
    """Raises ValueError for what `_encoded` did not make."""
    return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
