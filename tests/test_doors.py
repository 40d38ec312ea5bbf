"""Every door that takes an id, tried with an id of another owner: the answer is that to an id which never was.

The doors are counted in the code's own tables: methods, routes, headers, queries, arguments of tools and prompts, and
templates. One that has no row here fails the test that counts them.
"""

import ast
import asyncio
import base64
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias, get_args

from service.features.resources import HISTORY_TEMPLATE, IMAGES_TEMPLATE, read_listings
from service.protocol import headers
from service.protocol.admission import MAY_ASK, Batch, Single
from service.protocol.jsonrpc import Request
from service.protocol.methods import METHODS
from service.protocol.round_trips import begin_state
from service.routes import ROUTES
from service.storage.sqlite.store import SqliteStore
from service.tools import APP_TOOLS, TOOLS
from service.tools.base import SCHEMAS, load_schema
from tests.app_host import APP_CLIENT
from tests.conftest import Serve
from tests.emulators.pictures import png
from tests.paths import SERVICE
from tests.session_stream import Event, events_of, get
from tests.two_owners import TwoOwners, drawn, two_owners
from tests.wire import (
    ACCEPT,
    CAPABILITIES_KEY,
    Heard,
    WireClient,
    listening,
    request,
    until,
    wire_client,
)

TASKS: Final[dict[str, Any]] = {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
FORM: Final[dict[str, Any]] = {CAPABILITIES_KEY: {"elicitation": {"form": {}}}}

UPLOAD: Final = {"prompt": "a fox in the rain", "use_upload": True}
"""A request of Anna's, for which she has sent a picture."""

OWN: Final = f"data:image/png;base64,{base64.b64encode(png(5, (8, 8))).decode()}"
"""A picture that whoever asks brings along."""

DELETE: Final = {"name": "delete", "arguments": {"history_id": 1}}


@dataclass(frozen=True, kw_only=True)
class Ids:
    """One id of each kind."""

    history: str
    picture: str
    task: str
    session: str
    event: str
    call: str
    question: str
    state: str


NEVER: Final = Ids(
    history="8765",
    picture=f"{'5e' * 16}.png",
    task="neverneverneverneverneverneverne",
    session="bmV2ZXI.bmV2ZXI",
    event=f"{'5e' * 8}-1",
    call="never",
    question="never",
    state="bmV2ZXI.bmV2ZXI",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that comes back, without the id itself."""

    status: int
    headers: Mapping[str, str]
    body: str


Ask: TypeAlias = Callable[[WireClient, Ids], Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class Door:
    """One place that takes an id, and the question that takes it there.

    `takes` names the rows of the code's tables that it stands for. `is_signed`: an id tells by itself that we made it,
    so checking a made-up one ends earlier.
    """

    ask: Ask
    takes: tuple[str, ...]
    is_signed: bool = False


def answer_of(heard: Heard, *ids: str) -> Answer:
    return seen(heard.status, heard.headers, json.dumps([*heard.notifications, heard.message]), *ids)


def seen(status: int, given: Mapping[str, str], body: str, *ids: str) -> Answer:
    for id_ in ids:
        body = body.replace(id_, "ID")
    kept = {name.lower(): value for name, value in given.items() if name.lower() not in ("date", "content-length")}
    return Answer(status=status, headers=kept, body=body)


def tool(name: str, arguments: Callable[[Ids], Mapping[str, Any]], *kinds: str, **meta: Any) -> Ask:
    """A call of a tool."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        params = {"name": name, "arguments": dict(arguments(ids))}
        return answer_of(await client.modern("tools/call", params, **meta), *(getattr(ids, kind) for kind in kinds))

    return ask


def modern(method: str, params: Callable[[Ids], Mapping[str, Any]], *kinds: str, **meta: Any) -> Ask:
    """A modern request."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        return answer_of(await client.modern(method, params(ids), **meta), *(getattr(ids, kind) for kind in kinds))

    return ask


def legacy(method: str, params: Callable[[Ids], Mapping[str, Any]], *kinds: str) -> Ask:
    """A request in a session of the one who asks."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        return answer_of(await client.legacy(method, params(ids)), *(getattr(ids, kind) for kind in kinds))

    return ask


def listen(wanted: Callable[[Ids], Mapping[str, Any]], *kinds: str) -> Ask:
    """A subscription, up to its acknowledgement."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        async with listening(client, wanted(ids), **TASKS) as listener:
            text = json.dumps(listener.acknowledged)
            return seen(200, {}, text, *(getattr(ids, kind) for kind in kinds))

    return ask


def http(method: str, **sent: Callable[[Ids], str]) -> Ask:
    """A request without a message, with headers that hold ids."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        given = {"Accept": ACCEPT, "Content-Type": "application/json", "Mcp-Session-Id": client.session_id}
        given |= {name.replace("_", "-"): value(ids) for name, value in sent.items()}
        body = json.dumps(request("tools/list")) if method == "POST" else None
        async with client.session.request(method, client.url, headers=given | client.headers, data=body) as answer:
            return seen(answer.status, answer.headers, await answer.text())

    return ask


def gallery(method: str, path: str, body: Callable[[Ids], Mapping[str, Any]] | None = None) -> Ask:
    """A request of the gallery's page, in a session of the one who asks. `path` has the id at {history}."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        origin = client.url.rpartition("/")[0]
        ours = {"Sec-Fetch-Site": "same-origin"}
        token = {"token": client.headers["Authorization"].removeprefix("Bearer ")}
        url = f"{origin}/gallery/sign-in"
        async with client.session.post(url, data=token, headers=ours, allow_redirects=False) as answer:
            ours["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        asked, url = dict(body(ids)) if body else {}, f"{origin}/gallery/api/{path.format(history=ids.history)}"
        sent = None if method == "GET" else asked
        async with client.session.request(method, url, json=sent, headers=ours) as answer:
            return seen(answer.status, answer.headers, await answer.text(), ids.history)

    return ask


def message(body: Callable[[Ids], Mapping[str, Any]]) -> Ask:
    """A message in a session of the one who asks."""

    async def ask(client: WireClient, ids: Ids) -> Answer:
        return answer_of(await client.post(dict(body(ids)), {"Mcp-Session-Id": client.session_id}))

    return ask


def completion(ref: Mapping[str, str], name: str, value: Callable[[Ids], str]) -> Ask:
    """A completion of the beginning of an id."""
    return modern("completion/complete", lambda ids: {"ref": ref, "argument": {"name": name, "value": value(ids)}})


DOORS: Final[Mapping[str, Door]] = {
    "history of one": Door(
        ask=tool("history", lambda ids: {"history_id": int(ids.history)}, "history"),
        takes=("tool history.history_id",),
    ),
    "history before one": Door(
        ask=tool("history", lambda ids: {"before": int(ids.history)}, "history"), takes=("tool history.before",)
    ),
    "page of a view before one": Door(
        ask=tool("history_page", lambda ids: {"before": int(ids.history)}, "history", **APP_CLIENT),
        takes=("tool history_page.before",),
    ),
    "delete": Door(
        ask=tool("delete", lambda ids: {"history_id": int(ids.history), "confirm": True}, "history"),
        takes=("tool delete.history_id",),
    ),
    "delete with a question": Door(
        ask=tool("delete", lambda ids: {"history_id": int(ids.history)}, "history", **FORM),
        takes=("tool delete.history_id", "method tools/call"),
    ),
    "generate from one": Door(
        ask=tool("generate", lambda ids: {"prompt": "p", "history_id": int(ids.history)}, "history"),
        takes=("tool generate.history_id",),
    ),
    "generate from a picture by name": Door(
        ask=tool("generate", lambda ids: {"prompt": "p", "image_url": f"/mcp-cache/{ids.picture}"}, "picture"),
        takes=("tool generate.image_url",),
    ),
    "generate from a picture by address": Door(
        ask=tool("generate", lambda ids: {"prompt": "p", "image_url": f"http://localhost/mcp-cache/{ids.picture}"}),
        takes=("tool generate.image_url",),
    ),
    "generate with the mask of one": Door(
        ask=tool("generate", lambda ids: {"prompt": "p", "image_url": OWN, "mask": ids.history}, "history"),
        takes=("tool generate.mask",),
    ),
    "generate with a mask by name": Door(
        ask=tool(
            "generate", lambda ids: {"prompt": "p", "image_url": OWN, "mask": f"/mcp-cache/{ids.picture}"}, "picture"
        ),
        takes=("tool generate.mask",),
    ),
    "read a generation": Door(
        ask=modern("resources/read", lambda ids: {"uri": f"easel://history/{ids.history}"}, "history"),
        takes=("method resources/read", "template easel://history/{id}", "header Mcp-Name"),
    ),
    "read a picture": Door(
        ask=modern("resources/read", lambda ids: {"uri": f"easel://images/{ids.picture}"}, "picture"),
        takes=("method resources/read", "template easel://images/{name}"),
    ),
    "the list after one": Door(
        ask=modern("resources/list", lambda ids: {"cursor": ids.history}), takes=("method resources/list",)
    ),
    "subscribe to a generation": Door(
        ask=legacy("resources/subscribe", lambda ids: {"uri": f"easel://history/{ids.history}"}, "history"),
        takes=("method resources/subscribe",),
    ),
    "subscribe to a picture": Door(
        ask=legacy("resources/subscribe", lambda ids: {"uri": f"easel://images/{ids.picture}"}, "picture"),
        takes=("method resources/subscribe",),
    ),
    "unsubscribe": Door(
        ask=legacy("resources/unsubscribe", lambda ids: {"uri": f"easel://history/{ids.history}"}),
        takes=("method resources/unsubscribe",),
    ),
    "listen to a generation": Door(
        ask=listen(lambda ids: {"resourceSubscriptions": [f"easel://history/{ids.history}"]}, "history"),
        takes=("method subscriptions/listen",),
    ),
    "listen to a task": Door(
        ask=listen(lambda ids: {"taskIds": [ids.task]}, "task"), takes=("method subscriptions/listen",)
    ),
    "a prompt about one": Door(
        ask=modern(
            "prompts/get",
            lambda ids: {"name": "flow2api_reference_sop", "arguments": {"history_id": ids.history}},
            "history",
        ),
        takes=("method prompts/get", "prompt flow2api_reference_sop.history_id"),
    ),
    "a prompt about a failure": Door(
        ask=modern(
            "prompts/get",
            lambda ids: {"name": "flow2api_troubleshoot_generate", "arguments": {"history_id": ids.history}},
            "history",
        ),
        takes=("method prompts/get", "prompt flow2api_troubleshoot_generate.history_id"),
    ),
    "complete a number of a template": Door(
        ask=completion({"type": "ref/resource", "uri": "easel://history/{id}"}, "id", lambda ids: ids.history),
        takes=("method completion/complete",),
    ),
    "complete a number of a prompt": Door(
        ask=completion({"type": "ref/prompt", "name": "flow2api_reference_sop"}, "history_id", lambda ids: ids.history),
        takes=("method completion/complete",),
    ),
    "complete the name of a picture": Door(
        ask=completion({"type": "ref/resource", "uri": "easel://images/{name}"}, "name", lambda ids: ids.picture[:9]),
        takes=("method completion/complete",),
    ),
    "a task": Door(
        ask=modern("tasks/get", lambda ids: {"taskId": ids.task}, "task", **TASKS), takes=("method tasks/get",)
    ),
    "answer a task": Door(
        ask=modern("tasks/update", lambda ids: {"taskId": ids.task, "inputResponses": {}}, "task", **TASKS),
        takes=("method tasks/update",),
    ),
    "cancel a task": Door(
        ask=modern("tasks/cancel", lambda ids: {"taskId": ids.task}, "task", **TASKS), takes=("method tasks/cancel",)
    ),
    "call in a session": Door(
        ask=http("POST", Mcp_Session_Id=lambda ids: ids.session),
        takes=("header Mcp-Session-Id", "route sessions.py add_post"),
        is_signed=True,
    ),
    "open the stream of a session": Door(
        ask=http("GET", Mcp_Session_Id=lambda ids: ids.session),
        takes=("header Mcp-Session-Id", "route sessions.py add_get"),
        is_signed=True,
    ),
    "end a session": Door(
        ask=http("DELETE", Mcp_Session_Id=lambda ids: ids.session),
        takes=("header Mcp-Session-Id", "route sessions.py add_delete"),
        is_signed=True,
    ),
    "an entry of the gallery": Door(ask=gallery("GET", "jobs/{history}"), takes=("route routes.py add_get",)),
    "a page of the gallery before an entry": Door(
        ask=gallery("GET", "jobs?before={history}"), takes=("route routes.py add_get",)
    ),
    "a picture of the gallery": Door(ask=gallery("GET", "download/{history}/1"), takes=("route routes.py add_get",)),
    "stop at the gallery": Door(ask=gallery("POST", "jobs/{history}/cancel"), takes=("route routes.py add_post",)),
    "fetch again at the gallery": Door(
        ask=gallery("POST", "jobs/{history}/restore"), takes=("route routes.py add_post",)
    ),
    "delete at the gallery": Door(
        ask=gallery("POST", "delete", lambda ids: {"history_ids": [int(ids.history)]}),
        takes=("route routes.py add_post",),
    ),
    "several pictures of the gallery": Door(
        ask=gallery("POST", "zip", lambda ids: {"pictures": [{"history_id": int(ids.history), "picture": 1}]}),
        takes=("route routes.py add_post",),
    ),
    "a look at several pictures of the gallery": Door(
        ask=gallery("POST", "zip/check", lambda ids: {"pictures": [{"history_id": int(ids.history), "picture": 1}]}),
        takes=("route routes.py add_post",),
    ),
    "draw at the gallery": Door(
        ask=gallery("POST", "generate", lambda ids: {"prompt": "p", "history_id": int(ids.history)}),
        takes=("route routes.py add_post",),
    ),
    "start from an address at the gallery": Door(
        ask=gallery("POST", "generate", lambda ids: {"prompt": "p", "image_url": f"/mcp-cache/{ids.picture}"}),
        takes=("route routes.py add_post",),
    ),
    "replay": Door(ask=http("GET", Last_Event_Id=lambda ids: ids.event), takes=("header Last-Event-Id",)),
    "cancel a call": Door(
        ask=message(
            lambda ids: {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": ids.call}}
        ),
        takes=("notification notifications/cancelled",),
    ),
    "answer a question": Door(
        ask=message(
            lambda ids: {
                "jsonrpc": "2.0",
                "id": ids.question,
                "result": {"action": "accept", "content": {"confirm": True}},
            }
        ),
        takes=("message ClientResponse",),
    ),
    "go on with a round trip": Door(
        ask=modern("tools/call", lambda ids: {**DELETE, "requestState": ids.state}, **FORM),
        takes=("method tools/call", *(f"round trip {method}" for method in MAY_ASK)),
        is_signed=True,
    ),
}

KEYS: Final[Mapping[str, str]] = {
    "route images.py add_get": "a name of 128 random bits, which shows its picture to whoever has it",
    "route upload.py add_get": "a link of 192 random bits",
    "route upload.py add_post": "the same",
}
"""Doors whose id is a key of its own: no token is asked for, and the token of somebody else makes no difference."""

NO_IDS: Final[Mapping[str, frozenset[str]]] = {
    "words and sizes of the request": frozenset(
        f"tool {name}.{argument}"
        for name, arguments in {
            "generate": "prompt model aspect_ratio resolution size quality complexity background output_format "
            "negative_prompt variation count seed picture",
            "generate_image": "prompt return_base64 model size negative_prompt seed steps guidance loras "
            "output_filename output_dir poll_interval_seconds max_poll_interval_seconds max_poll_attempts poll_backoff",
            "history": "picture wait_seconds query scope model state limit gallery costs",
            "history_page": "query scope model state limit",
            "delete": "confirm",
            "cache": "action keep include_history confirm",
        }.items()
        for argument in arguments.split()
    ),
    "a folder that is closed once there are several owners (tests/references/test_collect.py)": frozenset(
        {"tool generate.use_latest_user_image", "tool generate.user_image_count"}
    ),
    "pictures that were sent for the same words (below)": frozenset({"tool generate.use_upload"}),
    "an address that ModelScope reads, not this service": frozenset({"tool generate_image.image_url"}),
    "the same for everybody, or the caller's own session": frozenset(
        {
            "method initialize",
            "route page.py add_get",
            "method ping",
            "method logging/setLevel",
            "method server/discover",
            "method tools/list",
            "method prompts/list",
            "method resources/templates/list",
        }
    ),
    "words": frozenset(
        {
            "prompt flow2api_reference_sop.user_request",
            "prompt flow2api_prompt_builder.user_request",
            "prompt flow2api_prompt_builder.model",
            "prompt flow2api_prompt_builder.aspect_ratio",
            "prompt flow2api_troubleshoot_generate.error",
        }
    ),
    "facts of the message that the body repeats, or that name a revision": frozenset(
        {"header Mcp-Protocol-Version", "header Mcp-Method", "header Mcp-Param-"}
    ),
    "nothing of anybody": frozenset(
        {
            "route health.py add_get",
            "route pages.py add_get",
            "route public_url.py add_get",
            "route public_url.py add_post",
            "route protected_resource.py add_get",
            "route sessions.py add_route",
            "route sign_in.py add_get",
            "route sign_in.py add_post",
        }
    ),
    "widths and formats of a fixed set (tests/web/test_images.py)": frozenset({"query WIDTH", "query FORMAT"}),
    "the name of a client, a token, and numbers": frozenset(
        {"query HINT", "query KEY", "query 'sizes'", "query 'most'", "query 'lang'"}
    ),
    "made of the others": frozenset({"message Call", "message ClientNotification", "message Refused", "message Batch"}),
}
"""Rows of the tables that take no id of an owner, by what they take."""


def rows_of_the_code() -> Iterator[str]:
    """Every place of the code's tables at which something comes in that may be an id."""
    yield from (f"method {name}" for name in METHODS)
    for each in (*TOOLS, *APP_TOOLS):
        yield from (f"tool {each.name}.{argument}" for argument in load_schema(each.name)["properties"])
    names = [value for value in vars(headers).values() if isinstance(value, str)]
    yield from (f"header {name}" for name in names if re.fullmatch(r"Mcp-[A-Za-z-]+|Last-Event-Id", name))
    yield from (f"message {each.__name__}" for each in (*get_args(Single), Batch))
    yield from (f"round trip {method}" for method in MAY_ASK)
    for prompt, text in json.loads((SCHEMAS / "prompts.json").read_bytes())["prompts"].items():
        yield from (f"prompt {prompt}.{argument['name']}" for argument in text["arguments"])
    for path in SERVICE.rglob("*.py"):
        yield from rows_of_a_module(path)


def rows_of_a_module(path: Path) -> Iterator[str]:
    """Routes, parts of a query, and notifications that a module takes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="router"), attr=add)) if add.startswith("add_"):
                yield f"route {path.name} {add}"
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="query")), args=[asked, *_]):
                yield f"query {ast.unparse(asked)}"
            case ast.Compare(comparators=[ast.Constant(value=str(name))]) if name.startswith("notifications/"):
                yield f"notification {name}"


def test_every_door_has_a_row() -> None:
    """Ours: whoever adds a method, an argument or a route says here whether it takes an id, and tries it below."""
    taken = {row for door in DOORS.values() for row in door.takes} | set(KEYS)
    others = frozenset[str]().union(*NO_IDS.values())
    templates = {row for row in taken if row.startswith("template ")}
    code = set(rows_of_the_code())
    assert code - taken - others == set(), "rows of the code without one here"
    assert (taken | others) - code - templates == set(), "rows here without one in the code"
    assert not taken & others
    assert {f"template {each}" for each in (HISTORY_TEMPLATE, IMAGES_TEMPLATE)} == templates
    assert len(read_listings()) == len(templates) + 1, "the table of models is everybody's"
    assert {route.path for route in ROUTES if not route.needs_token} == {
        "/mcp-cache/", "/upload/", "/healthz", "/health", "/readyz", "/.well-known/oauth-protected-resource",
        "/gallery",
    }  # fmt: skip


@dataclass(kw_only=True)
class Annas:
    """All that is Anna's while others try her ids: a generation, a task at work, a call that waits for her answer."""

    ids: Ids
    events: AsyncIterator[Event]


@asynccontextmanager
async def annas(both: TwoOwners) -> AsyncIterator[Annas]:
    """Fill Anna's history, and open what can be open. Her numbers are such as nothing else in an answer is."""
    anna, easel = both.anna, both.easel
    assert easel.endpoint.server.tasks is not None
    easel.endpoint.server.tasks.look_s = 3600  # its looks would count as steps of a door
    assert isinstance(easel.context.store, SqliteStore)
    await easel.context.store.database.write(_count_from, "anna", 4321)
    made = await drawn(anna, "a fox")
    task = (await anna.modern("tools/call", {"name": "generate", "arguments": {"prompt": "[slow]"}}, **TASKS)).result
    await both.upstream.silent.wait()
    await anna.open(elicitation={})
    key = easel.endpoint.keys.request_state
    state = begin_state(key, Request(id=1, method="tools/call", params=DELETE), "anna", time.time()).token({}, ())
    body = request("tools/call", {"name": "delete", "arguments": {"history_id": made["history_id"]}}, "annas-call")
    sent = {"Accept": ACCEPT, "Mcp-Session-Id": anna.session_id, **anna.headers}
    async with anna.session.post(anna.url, json=body, headers=sent) as answer:
        events = events_of(answer.content)
        first, question = await anext(events), await anext(events)
        ids = Ids(
            history=str(made["history_id"]),
            picture=made["images"][0]["url"].rpartition("/")[2],
            task=task["taskId"],
            session=anna.session_id,
            event=first.id,
            call="annas-call",
            question=question.message["id"],
            state=str(state),
        )
        yield Annas(ids=ids, events=events)
        await anna.post(refusing(ids), {"Mcp-Session-Id": anna.session_id})  # else the end waits for her answer


def refusing(ids: Ids) -> dict[str, Any]:
    """The answer of a client whose person says no."""
    return {"jsonrpc": "2.0", "id": ids.question, "result": {"action": "decline"}}


def _count_from(connection: sqlite3.Connection, owner: str, number: int) -> None:
    connection.execute("INSERT INTO totals (owner, newest) VALUES (?, ?)", (owner, number))


BY_THE_CLOCK: Final = frozenset({"_catch_up", "watch", "keep_log_empty"})
"""Functions that run every so often, beside any request or by whichever comes then."""


@contextmanager
def work() -> Iterator[Counter[str]]:
    """Count the functions of `service/` that are called on the loop: the steps of the way that an id goes."""
    steps: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(SERVICE)) and not _runs_by_the_clock(frame):
            steps[f"{frame.f_code.co_filename.removeprefix(str(SERVICE))}:{frame.f_code.co_name}"] += 1

    sys.setprofile(note)
    try:
        yield steps
    finally:
        sys.setprofile(None)


def _runs_by_the_clock(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name in BY_THE_CLOCK:
            return True
        frame = frame.f_back
    return False


async def differences(client: WireClient, door: Door, foreign: Ids) -> list[str]:
    """The differences between the answers to the id of somebody else and to one that never was."""
    async with asyncio.timeout(60):  # a stream that was opened has no end
        with work() as without:
            never = await door.ask(client, NEVER)
        with work() as with_it:
            there = await door.ask(client, foreign)
    found = [f"{there} instead of {never}"] if there != never else []
    if without != with_it and not door.is_signed:
        found.append(f"it takes other steps: {with_it - without}, not {without - with_it}")
    return found


async def test_no_door_tells_an_id_of_another_owner_from_one_that_never_was(serve: Serve) -> None:
    """Attack: ids are guessed, overheard, or seen in a shared chat, and tried with a token of one's own."""
    async with two_owners(serve) as both, annas(both) as hers:
        await drawn(both.ben, "a badger")
        await both.ben.open(elicitation={})
        found: dict[str, list[str]] = {}
        for name, door in DOORS.items():
            for _ in range(10):  # something else may have run meanwhile; a difference that is real stays
                found[name] = await differences(both.ben, door, hers.ids)
                if not found[name]:
                    break
        assert not "\n".join(f"{name}: {each}" for name, each in found.items() if each)
        await is_unharmed(both.anna, hers)


async def is_unharmed(anna: WireClient, hers: Annas) -> None:
    """Check that Anna has everything still, and that the walk has woken nothing of hers."""
    listed = await anna.call("history")
    assert [each["state"] for each in listed["structuredContent"]["entries"]] == ["working", "done"]
    assert (await anna.modern("tasks/get", {"taskId": hers.ids.task}, **TASKS)).result["status"] == "working"
    assert "result" in (await anna.legacy("ping")).message
    async with get(anna, last_event_id=hers.ids.event) as stream:
        assert (await stream.next()).message["id"] == hers.ids.question
    await anna.post(refusing(hers.ids), {"Mcp-Session-Id": anna.session_id})
    assert "was not deleted" in (await anext(hers.events)).message["result"]["content"][0]["text"]


async def test_the_key_of_a_picture_or_of_an_upload_needs_no_token_and_gains_nothing_by_one(serve: Serve) -> None:
    """Ours: chat programs show pictures by their address alone, and phones open upload links without a token."""
    async with two_owners(serve) as both, wire_client(both.easel.mcp_url) as stranger:
        url = (await drawn(both.anna, "a fox"))["images"][0]["url"]
        link = (await both.anna.call("generate", UPLOAD))["structuredContent"]["upload_url"]
        for there, never in ((url, url.replace(url[-36:], NEVER.picture)), (link, link.replace(link[-40:], "x" * 40))):
            answers = [await fetched(each, there) for each in (both.anna, both.ben, stranger)]
            assert answers[0][0] == 200
            assert answers == [answers[0]] * 3
            assert [(await fetched(each, never))[0] for each in (both.anna, both.ben, stranger)] == [404] * 3


async def fetched(client: WireClient, url: str) -> tuple[int, bytes]:
    async with client.session.get(url, headers=client.headers) as answer:
        return answer.status, await answer.read()


async def test_nobody_is_notified_of_what_is_somebody_elses(serve: Serve) -> None:
    """Attack: a subscription to a guessed number, or to a task that was overheard, tells when it changes."""
    async with two_owners(serve) as both, annas(both) as hers:
        uris = [f"easel://history/{number}" for number in (4322, 4323, 4324, 1)]
        wanted = {"resourceSubscriptions": uris, "taskIds": [hers.ids.task]}
        await both.ben.open()
        for uri in uris:
            await both.ben.legacy("resources/subscribe", {"uri": uri})
        async with listening(both.ben, wanted, **TASKS) as listener, get(both.ben) as stream:
            await drawn(both.anna, "another fox")
            await both.anna.modern("tasks/cancel", {"taskId": hers.ids.task}, **TASKS)
            await both.anna.call("delete", {"history_id": 4322, "confirm": True})
            await drawn(both.ben, "a badger")
            first = [(await listener.next())["params"]["uri"]]
            while (event := await stream.next()).message["method"] != "notifications/resources/updated":
                pass
            assert [*first, event.message["params"]["uri"]] == ["easel://history/1"] * 2


async def test_the_same_request_of_two_owners_is_drawn_and_charged_twice(serve: Serve) -> None:
    """Attack: the words of somebody else are sent to see whether they are being drawn, or to have their picture."""
    async with two_owners(serve) as both:
        calls = [asyncio.create_task(drawn(each, "a fox [slow]")) for each in (both.anna, both.ben)]
        await until(lambda: both.upstream.charges.total() == 2)
        both.upstream.go_on.set()
        hers, his = await asyncio.gather(*calls)
        assert (hers["history_id"], his["history_id"]) == (1, 1)
        assert hers["images"][0]["url"] != his["images"][0]["url"]
        assert "joined" not in hers | his


async def test_pictures_that_were_sent_for_the_same_words_are_not_drawn_from(serve: Serve) -> None:
    """Attack: the same words as somebody's who has just sent a photo of theirs."""
    async with two_owners(serve) as both:
        link = (await both.anna.call("generate", UPLOAD))["structuredContent"]["upload_url"]
        async with both.anna.session.post(link, data=png(1, (16, 16))) as answer:
            assert answer.status == 200
        his = await both.ben.call("generate", UPLOAD)
        assert his["structuredContent"]["upload_url"] != link
        assert "mcp-cache" not in his["content"][0]["text"]
        assert "references" in await drawn(both.anna, "a fox in the rain", use_upload=True)


async def test_progress_of_equal_tokens_and_ids_goes_to_its_own_call(serve: Serve) -> None:
    """Ours: clients count their calls and tokens from 1, so those of two owners are mostly equal."""
    async with two_owners(serve) as both:
        calls = [
            asyncio.create_task(
                each.modern("tools/call", {"name": "generate", "arguments": {"prompt": words}}, progressToken=1)
            )
            for each, words in ((both.anna, "a fox"), (both.ben, "a fox [moderation]"))
        ]
        hers, his = await asyncio.gather(*calls)
        assert ("isError" in hers.result, "isError" in his.result) == (False, True)
        said = [[each["params"]["message"] for each in heard.notifications] for heard in (hers, his)]
        assert "Storing the picture" in said[0]
        assert "Storing the picture" not in said[1]


async def test_ids_of_streams_tell_nothing_of_the_calls_of_others(serve: Serve) -> None:
    """Bug: they counted the calls of everybody, so that each told how many others there were in between."""
    async with two_owners(serve) as both:
        await both.ben.open()
        before = await first_event_id(both.ben)
        await both.anna.open()
        await first_event_id(both.anna)
        after = await first_event_id(both.ben)
        assert abs(int(after.rpartition("-")[0], 16) - int(before.rpartition("-")[0], 16)) > 1_000_000


async def first_event_id(client: WireClient) -> str:
    """The id of the first event of a call that is answered by a stream."""
    sent = {"Accept": "text/event-stream", "Mcp-Session-Id": client.session_id, **client.headers}
    async with client.session.post(client.url, json=request("ping"), headers=sent) as answer:
        return (await anext(events_of(answer.content))).id
