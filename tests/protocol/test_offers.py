"""Tools, prompts, resources and completions, as they are listed, found and refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, ResourceEntry, Server
from service.protocol.client import Era
from service.protocol.dispatch import respond
from service.protocol.errors import HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS
from service.protocol.headers import Headers
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import MAX_NAME, ResourceUpdated
from tests.protocol.samples import SESSION, call, error, result, said, server, tool

Arguments = Mapping[str, Any]


async def echo(call: Call, arguments: Arguments) -> Result:
    return said(f"{dict(arguments)}")


async def messages(call: Call, arguments: Arguments) -> Result:
    return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{dict(arguments)}"}}]}


async def read(call: Call, uri: str) -> Sequence[Result] | None:
    return [{"uri": uri, "text": f"It is {uri}."}]


async def read_nothing(call: Call, uri: str) -> Sequence[Result] | None:
    return None


async def read_numbers(call: Call, uri: str) -> Sequence[Result] | None:
    return [{"uri": uri, "text": "A number."}] if uri.removeprefix("test://n/").isdecimal() else None


async def complete(call: Call, ref: Arguments, argument: Arguments) -> Sequence[str]:
    return [f"{argument['value']}{number}" for number in range(150)]


def prompt(name: str, *arguments: Mapping[str, Any]) -> PromptEntry:
    return PromptEntry(listing={"name": name, "arguments": list(arguments)}, get=messages)


def template(uri: str, run: Any) -> ResourceEntry:
    return ResourceEntry(listing={"uriTemplate": uri, "name": uri}, read=run)


def full(**others: Any) -> Server:
    """A server that offers something of every kind."""
    return server(
        echo,
        prompts={
            "plain": PromptEntry(listing={"name": "plain"}, get=messages),
            "needy": prompt("needy", {"name": "a", "required": True}, {"name": "b"}, {"name": "c", "required": True}),
        },
        resources={"test://fox": ResourceEntry(listing={"uri": "test://fox", "name": "fox"}, read=read)},
        templates={
            "test://nothing/{x}": template("test://nothing/{x}", read_nothing),
            "test://n/{x}": template("test://n/{x}", read_numbers),
        },
        complete=complete,
        **others,
    )


async def ask(given: Server, method: str, era: Era = Era.MODERN, **params: Any) -> Any:
    return result(await respond(given, call(method, params, era)))


async def refuse(given: Server, method: str, era: Era = Era.MODERN, **params: Any) -> Any:
    return error(await respond(given, call(method, params, era)))


LISTS = [
    pytest.param("tools/list", "tools", id="tools"),
    pytest.param("prompts/list", "prompts", id="prompts"),
    pytest.param("resources/list", "resources", id="resources"),
    pytest.param("resources/templates/list", "resourceTemplates", id="templates"),
]


def long(count: int, page_size: int) -> Server:
    """A server with many entries in each list."""
    names = [f"entry {number} ü" for number in range(count)]
    return Server(
        name="test",
        version="1",
        title="Test",
        instructions="",
        tools={each: tool(echo) for each in names},
        prompts={each: prompt(each) for each in names},
        resources={each: ResourceEntry(listing={"uri": each}, read=read) for each in names},
        templates={each: template(each, read) for each in names},
        page_size=page_size,
    )


@pytest.mark.parametrize(("method", "member"), LISTS)
@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        pytest.param(7, [3, 3, 1], id="pages and a rest"),
        pytest.param(6, [3, 3], id="full pages: no empty one after them"),
        pytest.param(2, [2], id="one page"),
    ],
)
async def test_a_list_goes_by_pages(method: str, member: str, count: int, sizes: list[int]) -> None:
    """Spec 2026-07-28, Pagination: `nextCursor` is there while there is more, and absent at the end."""
    given, pages, params = long(count, 3), [], dict[str, Any]()
    while True:
        page = await ask(given, method, **params)
        pages.append(page[member])
        if "nextCursor" not in page:
            break
        params = {"cursor": page["nextCursor"]}
    assert [len(page) for page in pages] == sizes
    listed = [entry for page in pages for entry in page]
    assert listed == (await ask(long(count, 100), method))[member]


@pytest.mark.parametrize(("method", "member"), LISTS)
async def test_a_list_has_one_order_and_one_caching_hint_on_every_page(method: str, member: str) -> None:
    """Spec 2026-07-28, Caching: the same scope over all pages; the same order in every answer."""
    given = long(4, 3)
    first = await ask(given, method)
    assert await ask(given, method) == first
    second = await ask(given, method, cursor=first["nextCursor"])
    assert (second["ttlMs"], second["cacheScope"]) == (first["ttlMs"], first["cacheScope"])


@pytest.mark.parametrize("cursor", ["x", "", "!!!", "bm9wZQ==", 5, 1234, True, {}, ["x"]])
async def test_a_cursor_that_we_did_not_give_is_refused(cursor: object) -> None:
    """Spec 2026-07-28, Pagination: invalid cursors are -32602."""
    assert (await refuse(full(), "tools/list", cursor=cursor))["code"] == INVALID_PARAMS


async def test_a_cursor_whose_entry_is_gone_is_refused_with_what_to_do() -> None:
    given = long(4, 3)
    cursor = (await ask(given, "tools/list"))["nextCursor"]
    given.tools = {}
    assert "first page" in (await refuse(given, "tools/list", cursor=cursor))["message"]


@pytest.mark.parametrize(
    ("method", "params", "listed"),
    [
        pytest.param("tools/call", {"name": "nope"}, "echo", id="unknown tool"),
        pytest.param("tools/call", {"name": 5}, "echo", id="tool name is a number"),
        pytest.param("tools/call", {}, "echo", id="no tool name"),
        pytest.param("tools/call", {"name": "echo", "arguments": ["a"]}, "arguments", id="tool arguments are a list"),
        pytest.param("prompts/get", {"name": "nope"}, "plain, needy", id="unknown prompt"),
        pytest.param("prompts/get", {"name": []}, "plain, needy", id="prompt name is a list"),
        pytest.param("prompts/get", {"name": "plain", "arguments": 5}, "arguments", id="prompt arguments are a number"),
        pytest.param("prompts/get", {"name": "needy", "arguments": {"b": "x"}}, "`a` and `c`", id="arguments missing"),
        pytest.param("resources/read", {"uri": 5}, "uri", id="URI is a number"),
        pytest.param("resources/read", {}, "uri", id="no URI"),
    ],
)
async def test_a_wrong_name_or_argument_is_told_what_would_be_right(
    method: str, params: dict[str, Any], listed: str
) -> None:
    """Spec 2026-07-28, Tools and Prompts, Error Handling: unknown names and malformed requests are protocol errors."""
    given = await refuse(full(), method, **params)
    assert given["code"] == INVALID_PARAMS
    assert listed in given["message"]


async def test_an_endless_name_is_not_repeated() -> None:
    assert len((await refuse(full(), "tools/call", name="x" * 100_000))["message"]) < 200


async def test_a_tool_gets_its_arguments_or_none() -> None:
    assert (await ask(full(), "tools/call", name="echo", arguments={"a": 1}))["content"][0]["text"] == "{'a': 1}"
    assert (await ask(full(), "tools/call", name="echo"))["content"][0]["text"] == "{}"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(None, "{}", id="null, as Go writes an empty map"),
        pytest.param([], "{}", id="an empty list, as PHP writes one"),
        pytest.param("", "{}", id="an empty text"),
        pytest.param('{"a": 1}', "{'a': 1}", id="an object that was encoded twice"),
    ],
)
async def test_an_object_that_a_language_writes_otherwise_is_read_as_one(sent: object, read: str) -> None:
    """Ours: the schema of 2026-07-28 allows only an object, but mcp-go and others send these."""
    assert (await ask(full(), "tools/call", name="echo", arguments=sent))["content"][0]["text"] == read


@pytest.mark.parametrize("sent", ["a fox", '["a"]', 5, True])
async def test_arguments_that_are_no_object_are_refused(sent: object) -> None:
    assert "arguments" in (await refuse(full(), "tools/call", name="echo", arguments=sent))["message"]


async def test_a_header_that_differs_from_its_argument_stops_the_call() -> None:
    """Spec 2026-07-28, Server Validation: 400 and -32020. Legacy calls have no such headers."""
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    given = Server(name="t", version="1", title="T", instructions="", tools={"echo": tool(echo, schema)})
    params = {"name": "echo", "arguments": {"region": "eu"}}
    refused = await respond(given, call("tools/call", params, headers=Headers([("Mcp-Param-Region", "us")])))
    assert (refused.status, error(refused)["code"]) == (400, HEADER_MISMATCH)
    assert await ask(given, "tools/call", Era.LEGACY, **params) == said("{'region': 'eu'}")


async def test_a_prompt_gets_its_arguments() -> None:
    given = await ask(full(), "prompts/get", name="needy", arguments={"a": "1", "c": "3"})
    assert given["messages"][0]["content"]["text"] == "{'a': '1', 'c': '3'}"
    assert (await ask(full(), "prompts/get", name="plain"))["messages"]


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        pytest.param("test://fox", "It is test://fox.", id="a listed resource"),
        pytest.param("test://n/5", "A number.", id="of the template that has it"),
    ],
)
async def test_a_resource_is_read(uri: str, text: str) -> None:
    assert (await ask(full(), "resources/read", uri=uri))["contents"] == [{"uri": uri, "text": text}]


async def test_a_uri_that_does_not_exist_comes_back_in_the_error() -> None:
    """SEP-2164: -32602, with the URI in `data`."""
    given = await refuse(full(), "resources/read", uri="test://n/x")
    assert (given["code"], given["data"]) == (INVALID_PARAMS, {"uri": "test://n/x"})


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe", "resources/read"])
@pytest.mark.parametrize("uri", [5, None, "test://n/\0"], ids=["a number", "nothing", "with NUL"])
async def test_a_uri_that_is_none_is_refused(method: str, uri: object) -> None:
    given = server(templates={"test://{name}": ResourceEntry(listing={}, read=read)})
    asked = call(method, {"uri": uri}, Era.LEGACY, session=SESSION)
    assert error(await respond(given, asked))["code"] == INVALID_PARAMS


async def test_an_endless_uri_is_not_subscribed_to() -> None:
    """Attack: a thousand subscriptions of four megabytes each were remembered for a session."""
    given = server(templates={"test://{name}": ResourceEntry(listing={}, read=read)})
    asked = call("resources/subscribe", {"uri": "test://" + "x" * MAX_NAME}, Era.LEGACY, session=SESSION)
    assert error(await respond(given, asked))["code"] == INVALID_PARAMS
    assert given.memory.look(SESSION.id).resources == set()


async def test_a_session_is_told_of_the_resources_that_it_subscribed_to() -> None:
    """Spec 2025-11-25, Resources, Subscriptions: also on a stream that is open already."""
    given = full()
    stream = given.hub.open_for_session(SESSION.id, [], "anna")
    others = given.hub.open_for_session("other", [], "anna")
    assert await ask(given, "resources/subscribe", Era.LEGACY, uri="test://fox") == {}
    given.hub.publish(ResourceUpdated("test://fox"))
    assert await stream.next() == ResourceUpdated("test://fox")
    assert given.memory.look(SESSION.id).resources == {"test://fox"}
    assert await ask(given, "resources/unsubscribe", Era.LEGACY, uri="test://fox") == {}
    assert (stream.wanted, others.wanted, given.memory.look(SESSION.id).resources) == (set(), set(), set())


@pytest.mark.parametrize(
    "ref",
    [
        pytest.param({"type": "ref/prompt", "name": "needy"}, id="a prompt"),
        pytest.param({"type": "ref/resource", "uri": "test://n/{x}"}, id="a template"),
        pytest.param({"type": "ref/resource", "uri": "test://fox"}, id="a resource"),
    ],
)
async def test_at_most_a_hundred_completions_are_shown(ref: dict[str, str]) -> None:
    """Spec 2026-07-28, Completion: 100 values at most, and whether there are more."""
    given = (await ask(full(), "completion/complete", ref=ref, argument={"name": "a", "value": "x"}))["completion"]
    assert given == {"values": [f"x{number}" for number in range(100)], "total": 150, "hasMore": True}


@pytest.mark.parametrize(
    ("ref", "argument"),
    [
        pytest.param({"type": "ref/prompt", "name": "nope"}, {"name": "a", "value": ""}, id="unknown prompt"),
        pytest.param({"type": "ref/resource", "uri": "test://x"}, {"name": "a", "value": ""}, id="unknown resource"),
        pytest.param({"type": "ref/tool", "name": "echo"}, {"name": "a", "value": ""}, id="no such kind"),
        pytest.param("plain", {"name": "a", "value": ""}, id="no object"),
        pytest.param({"type": "ref/prompt", "name": "plain"}, None, id="no argument"),
        pytest.param({"type": "ref/prompt", "name": "plain"}, {"value": ""}, id="no name"),
        pytest.param({"type": "ref/prompt", "name": "plain"}, {"name": "a"}, id="no value"),
        pytest.param({"type": "ref/prompt", "name": "plain"}, {"name": "a", "value": "x\0"}, id="NUL in the value"),
        pytest.param({"type": "ref/prompt", "name": "plain"}, {"name": "a\0", "value": ""}, id="NUL in the name"),
    ],
)
async def test_what_cannot_be_completed_is_refused(ref: object, argument: object) -> None:
    given = await refuse(full(), "completion/complete", ref=ref, argument=argument)
    assert given["code"] == INVALID_PARAMS


OWNED = {"anna": ["a1", "a2", "a3"], "ben": ["b1"]}


async def own_pages(call: Call, cursor: str | None) -> tuple[Sequence[Result], str | None]:
    """Two pictures a page; a cursor is the number of the first."""
    uris = [f"test://picture/{name}" for name in OWNED[call.owner]]
    start = int(cursor or 0)
    if not 0 <= start < len(uris):
        raise ValueError("no such page")
    following = str(start + 2) if start + 2 < len(uris) else None
    return [{"uri": uri, "name": uri} for uri in uris[start : start + 2]], following


async def all_pages(given: Server, owner: str = "anna") -> list[list[str]]:
    pages, cursor = [], dict[str, Any]()
    while True:
        page = result(await respond(given, call("resources/list", cursor, owner=owner)))
        pages.append([each["uri"] for each in page["resources"]])
        if "nextCursor" not in page:
            return pages
        cursor = {"cursor": page["nextCursor"]}


async def test_resources_of_the_caller_follow_those_of_everybody() -> None:
    """Ours: on the last page of those already, since some clients ask for one page only."""
    given = long(4, 3)
    given.resource_pages = own_pages
    everybody = [f"entry {number} ü" for number in range(4)]
    anna = [f"test://picture/a{number}" for number in (1, 2, 3)]
    assert await all_pages(given) == [everybody[:3], [*everybody[3:], *anna[:2]], anna[2:]]
    assert await all_pages(given, "ben") == [everybody[:3], [*everybody[3:], "test://picture/b1"]]


async def test_a_server_may_have_resources_of_callers_alone() -> None:
    given = server(echo, resource_pages=own_pages)
    assert "resources" in given.capabilities
    assert await all_pages(given) == [["test://picture/a1", "test://picture/a2"], ["test://picture/a3"]]


@pytest.mark.parametrize("cursor", ["~!!!", "~bm9wZQ==", "~OQ==", "OQ==", "~~Mg=="])
@pytest.mark.parametrize("pages", [own_pages, None], ids=["own resources", "none"])
async def test_a_cursor_among_own_resources_that_is_none_is_refused(pages: Any, cursor: str) -> None:
    """Spec 2026-07-28, Pagination: -32602."""
    given = full(resource_pages=pages)
    assert (await refuse(given, "resources/list", cursor=cursor))["code"] == INVALID_PARAMS


async def test_a_bug_on_the_first_page_is_no_mistake_of_the_caller() -> None:
    async def broken(call: Call, cursor: str | None) -> tuple[Sequence[Result], str | None]:
        raise ValueError("a bug")

    assert (await refuse(full(resource_pages=broken), "resources/list"))["code"] == INTERNAL_ERROR


@pytest.mark.parametrize(("hint", "listed"), [("plain", []), ("", ["echo"])], ids=["a client that differs", "others"])
async def test_tools_are_there_as_they_are_shown_to_the_caller(hint: str, listed: list[str]) -> None:
    """Ours: a tool that is made for the view of an MCP App is not there for clients that show no views."""
    some = server(echo)
    some.show_tools = lambda asking: {} if asking.client_hint == "plain" else some.tools
    asked = call("tools/list")
    asked.client_hint = hint
    assert [each["name"] for each in result(await respond(some, asked))["tools"]] == listed
    called = call("tools/call", {"name": "echo", "arguments": {}})
    called.client_hint = hint
    answer = json.loads((await respond(some, called)).body)
    assert "result" in answer if listed else answer["error"]["code"] == INVALID_PARAMS
