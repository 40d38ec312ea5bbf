"""Legacy sessions over HTTP: their streams, what is replayed, their end, older revisions, restarts and replicas."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.images import LOCAL_OWNER
from service.protocol.call import Call
from service.protocol.client import Client
from service.protocol.client_requests import elicit
from service.protocol.session import LIFETIME_S, Sessions
from service.protocol.subscriptions import PROMPTS, RESOURCES, TOOLS, ResourceUpdated
from service.storage.disk_sessions import LOOK_S
from service.web import sessions
from tests.command_process import banner_of, easel, value_of
from tests.conformance.content import said
from tests.conformance.server import running, server, with_tool
from tests.conformance.tools import NAME_FORM
from tests.conftest import Serve
from tests.session_stream import calling, events_of, get, reset
from tests.wire import ACCEPT, LEGACY, MODERN, WireClient, request, until, wire_client

OLDER = ("2025-06-18", "2025-03-26")
REVISIONS = (LEGACY, *OLDER)
WATCHED = "test://watched-resource"


async def delete(client: WireClient, session_id: str = "") -> int:
    headers = {"Mcp-Session-Id": session_id or client.session_id} | client.headers
    async with client.session.delete(client.url, headers=headers) as answer:
        return answer.status


# The stream of change notices.


async def test_a_session_hears_of_every_list_and_of_what_it_subscribed_to() -> None:
    """Spec 2025-11-25: list_changed for all, resources/updated from subscribe to unsubscribe, before GET or after."""
    fixture = server()
    async with running(fixture=fixture) as url, wire_client(url) as client:
        await client.open()
        await client.legacy("resources/subscribe", {"uri": WATCHED})
        async with get(client) as stream:
            await client.legacy("resources/subscribe", {"uri": "test://later"})
            heard = []
            for notice in (TOOLS, PROMPTS, RESOURCES, ResourceUpdated(WATCHED), ResourceUpdated("test://later")):
                fixture.hub.publish(notice)
                heard.append((await stream.next()).message)
            await client.legacy("resources/unsubscribe", {"uri": WATCHED})
            fixture.hub.publish(ResourceUpdated(WATCHED))
            fixture.hub.publish(TOOLS)
            heard.append((await stream.next()).message)
    assert [each["method"].removeprefix("notifications/") for each in heard] == [
        *("tools/list_changed", "prompts/list_changed", "resources/list_changed"),
        *("resources/updated", "resources/updated", "tools/list_changed"),
    ]
    assert [each["params"]["uri"] for each in heard[3:5]] == [WATCHED, "test://later"]


async def test_of_two_streams_of_a_session_the_newest_is_told() -> None:
    """Spec 2025-11-25, Multiple Connections: both stay open, and no message goes to both."""
    fixture = server()
    async with running(fixture=fixture) as url, wire_client(url) as client:
        await client.open()
        async with get(client) as older:
            async with get(client) as newer:
                for notice in (TOOLS, PROMPTS):
                    fixture.hub.publish(notice)
                told = [(await newer.next()).message["method"] for _ in range(2)]
            await until(lambda: len(fixture.hub.streams_of(client.session_id)) == 1)
            fixture.hub.publish(RESOURCES)
            first = (await older.next()).message["method"]
    assert told == ["notifications/tools/list_changed", "notifications/prompts/list_changed"]
    assert first == "notifications/resources/list_changed"


async def test_a_silent_stream_shows_that_it_lives() -> None:
    """Ours: a proxy closes what says nothing, and a reader that is gone is only found by writing to it."""
    async with running(beat_s=0.01) as url, wire_client(url) as client:
        await client.open()
        async with get(client) as stream, asyncio.timeout(60):
            assert [(await stream.answer.content.readline())[:1] for _ in range(6)] == [b"\n", b":"] * 3


async def test_a_stream_ends_when_the_service_stops() -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running())
        async with wire_client(url) as client:
            await client.open()
            async with get(client) as stream:
                stopping = asyncio.create_task(stack.aclose())
                assert await stream.ended()
                await stopping


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Accept": "application/json"}, 406, id="takes no streams"),
        pytest.param({"Mcp_Session_Id": "forged"}, 404, id="unknown session"),
        pytest.param({"Last_Event_Id": "nothing-1"}, 400, id="unknown event"),
        pytest.param({"Last_Event_Id": ""}, 400, id="empty event"),
        pytest.param({"Last_Event_Id": "x-٣"}, 400, id="event in digits of another script"),
    ],
)
async def test_a_get_that_cannot_be_served_says_why(headers: dict[str, str], status: int) -> None:
    async with running() as url, wire_client(url) as client:
        await client.open()
        async with get(client, **headers) as stream:
            assert stream.answer.status == status
            assert (await stream.answer.json())["error"]["message"]


@pytest.mark.parametrize("seen", [0, 1, 2], ids=["nothing but the primer", "one event", "two events"])
@pytest.mark.parametrize("when", ["while it runs", "after its end"])
async def test_what_a_broken_connection_lost_is_replayed(seen: int, when: str) -> None:
    """Spec 2025-11-25, Resumability: from `Last-Event-ID` on, once each, in order, and the result at the end."""
    steps, over = [asyncio.Event() for _ in range(4)], asyncio.Event()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        for number, step in enumerate(steps):
            call.report(str(number), number)
            await step.wait()
        over.set()
        return said("It came through.")

    async with running(fixture=with_tool("steps", run)) as url, wire_client(url) as client:
        await client.open()
        async with calling(client, "steps") as (events, writer):
            primer = await anext(events)
            assert primer.primes
            last = primer.id
            for step in steps[:seen]:
                last = (await anext(events)).id
                step.set()
            reset(writer)
        if when == "after its end":
            for step in steps:
                step.set()
            await over.wait()
        async with get(client, Last_Event_Id=last) as stream:
            for step in steps:
                step.set()
            heard = [await stream.next() for _ in range(len(steps) - seen + 1)]
            assert await stream.ended()
        async with get(client, Last_Event_Id=heard[-1].id) as again:
            assert again.answer.status == 405
    assert [each.message["params"]["progress"] for each in heard[:-1]] == list(range(seen, len(steps)))
    assert heard[-1].message["result"]["content"][0]["text"] == "It came through."
    assert len({each.id for each in heard} | {last}) == len(heard) + 1


async def test_nobody_comes_again_and_again_for_a_call_that_was_cancelled() -> None:
    """Bug: it was answered by an empty stream, and the Python SDK came back for more twice a second, for ever.

    Spec 2025-11-25, Listening for Messages from the Server: a GET is answered by a stream, or by 405.
    """
    started = asyncio.Event()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        call.channel.open()
        started.set()
        await asyncio.Event().wait()
        return said("never")

    async with running(fixture=with_tool("steps", run)) as url, wire_client(url) as client:
        await client.open()
        async with calling(client, "steps", "call") as (events, _):
            await started.wait()
            cancelled = {"requestId": "call", "reason": "enough"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}
            await client.post(notice, {"Mcp-Session-Id": client.session_id})
            [primer] = [event async for event in events]
        async with get(client, Last_Event_Id=primer.id) as stream:
            assert stream.answer.status == 405
            assert stream.answer.headers["Allow"] == "POST, DELETE"


async def test_events_of_one_session_are_nothing_to_another() -> None:
    """Ours: an event id is no key. The streams of a session, and of no other, are replayed to it."""
    async with running() as url, wire_client(url) as client:
        await client.open()
        async with calling(client, "test_tool_with_progress") as (events, _):
            last = (await anext(events)).id
            await anext(events)
        thief = WireClient(client.session, url)
        await thief.open()
        async with get(thief, Last_Event_Id=last) as stream:
            assert stream.answer.status == 400
        async with get(client, Last_Event_Id=last) as stream:
            assert stream.answer.status == 200


async def test_a_call_that_hangs_up_is_answered_on_the_next_connection() -> None:
    """SEP-1699: beside the session's own stream, which stays open and hears nothing of it."""
    async with running() as url, wire_client(url) as client:
        await client.open()
        async with get(client), calling(client, "test_reconnection", "call") as (events, _):
            last = [event.id async for event in events]
            async with get(client, Last_Event_Id=last[-1]) as again:
                heard = await again.next()
                assert await again.ended()
    assert heard.message["id"] == "call"
    assert heard.message["result"]["content"][0]["text"] == "It came on the second connection."


async def test_a_question_that_was_lost_is_asked_again_on_the_next_connection() -> None:
    """Ours: the person's form is not gone with the train's tunnel."""

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        answer = await call.ask("name", elicit("Your name?", NAME_FORM))
        return said(str(answer["content"]["name"]))

    async with running(fixture=with_tool("steps", run)) as url, wire_client(url) as client:
        await client.open(elicitation={})
        async with calling(client, "steps") as (events, writer):
            last = (await anext(events)).id
            reset(writer)
        async with get(client, Last_Event_Id=last) as stream:
            asked = (await stream.next()).message
            answers = {"action": "accept", "content": {"name": "Ada"}}
            reply = {"jsonrpc": "2.0", "id": asked["id"], "result": answers}
            assert (await client.post(reply, {"Mcp-Session-Id": client.session_id})).status == 202
            heard = (await stream.next()).message
    assert asked["method"] == "elicitation/create"
    assert heard["result"]["content"][0]["text"] == "Ada"


async def test_nobody_answers_for_another_session() -> None:
    """Ours: the id of a question, were it known, is of use in its own session only."""
    answers = {"action": "accept", "content": {"name": "Mallory"}}
    async with running() as url, wire_client(url) as client:
        await client.open(elicitation={})
        other = WireClient(client.session, url)
        await other.open(elicitation={})
        async with calling(client, "test_streaming_elicitation") as (events, _):
            await anext(events)
            asked = (await anext(events)).message
            forged = {"jsonrpc": "2.0", "id": asked["id"], "result": answers}
            assert (await other.post(forged, {"Mcp-Session-Id": other.session_id})).status == 202
            decline = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}}
            for _ in range(2):  # the second has nobody left to hear it
                assert (await client.post(decline, {"Mcp-Session-Id": client.session_id})).status == 202
            heard = (await anext(events)).message
    assert heard["result"]["content"][0]["text"] == "decline"


# Older revisions, and clients that skip a step.


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_legacy_revision_is_spoken_when_asked_for(revision: str) -> None:
    async with running() as url, wire_client(url) as client:
        hello = await client.open(revision)
        headers = {"Mcp-Session-Id": client.session_id, "Mcp-Protocol-Version": revision}
        tools = await client.post(request("tools/list"), headers)
        made = await client.legacy("tools/call", {"name": "test_tool_with_progress", "_meta": {"progressToken": 1}})
        unknown = await client.legacy("server/discover")
    assert hello.result["protocolVersion"] == revision
    assert "resultType" not in tools.result
    assert "ttlMs" not in tools.result
    assert [each["params"]["progress"] for each in made.notifications] == [0, 50, 98]
    assert (unknown.status, unknown.code) == (200, -32601)


@pytest.mark.parametrize("asked", [MODERN, "2024-11-05", "v999", ""])
async def test_a_revision_without_sessions_or_unknown_is_answered_with_the_newest_that_has_them(asked: str) -> None:
    """Spec 2025-11-25, Version Negotiation: another one that we support; `initialize` never opens the modern era."""
    async with running() as url, wire_client(url) as client:
        assert (await client.open(asked)).result["protocolVersion"] == LEGACY
        assert (await client.legacy("ping")).result == {}


@pytest.mark.parametrize(("revision", "primed"), [(LEGACY, True), *((each, False) for each in OLDER)])
async def test_only_the_newest_revision_gets_an_empty_event_first(revision: str, primed: bool) -> None:
    """SEP-1699: a client from before it may take an event without data for a broken message."""
    async with running() as url, wire_client(url) as client:
        await client.open(revision)
        async with calling(client, "test_tool_with_progress") as (events, _):
            first = await anext(events)
    assert (first.primes, bool(first.id)) == (primed, True)


@pytest.mark.parametrize("method", ["tools/list", "ping", "tools/call"])
async def test_a_request_before_initialized_is_served(method: str) -> None:
    """Ours: nothing is remembered of a session, so neither is a notification; a client in a hurry is no danger."""
    async with running() as url, wire_client(url) as client:
        await client.open()
        assert "error" not in (await client.legacy(method, {"name": "test_simple_text"})).message


async def test_a_request_before_initialize_is_told_what_to_send() -> None:
    async with running() as url, wire_client(url) as client:
        heard = await client.post(request("tools/list", id_=3))
    assert (heard.status, heard.code, heard.message["id"]) == (400, -32600, 3)
    assert "initialize" in heard.message["error"]["message"]


@asynccontextmanager
async def batching(revision: str = "2025-03-26", **capabilities: Any) -> AsyncIterator[WireClient]:
    async with running(silence_s=0.01) as url, wire_client(url) as client:
        await client.open(revision, **capabilities)
        yield client


async def post_batch(client: WireClient, batch: list[Any], accept: str = ACCEPT) -> tuple[int, str, Any]:
    """Post a batch; returns the status, the content type, and what came: a list either way."""
    headers = {"Accept": accept, "Mcp-Session-Id": client.session_id}
    async with client.session.post(client.url, json=batch, headers=headers) as answer:
        if answer.content_type == "text/event-stream":
            return answer.status, answer.content_type, [event.message async for event in events_of(answer.content)]
        body = await answer.read()
        return answer.status, answer.content_type, json.loads(body) if body else []


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_a_batch_is_answered_by_a_list_of_its_answers() -> None:
    """Spec 2025-03-26, Sending Messages: requests are answered, notifications are not, each error has its id."""
    batch = [request("ping", id_=1), INITIALIZED, request("nope", id_="b"), {"jsonrpc": "1.0", "id": 9}, 7]
    async with batching() as client:
        status, kind, answers = await post_batch(client, batch, "application/json")
    assert (status, kind) == (200, "application/json")
    assert answers[0] == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert [(each.get("id"), each["error"]["code"]) for each in answers[1:]] == [
        *(("b", -32601), (9, -32600), (None, -32600))
    ]


async def test_a_session_that_is_opened_slowly_has_its_id() -> None:
    """Bug: the comment of a machine that was held up went out first, with a head that had no id."""
    async with running(silence_s=0) as url, wire_client(url) as client:
        await client.open("2025-11-25")
        assert client.session_id


async def test_a_batch_with_progress_is_answered_by_one_stream() -> None:
    params = {"name": "test_tool_with_progress", "_meta": {"progressToken": "p"}}
    async with batching() as client:
        _, kind, messages = await post_batch(client, [request("ping", id_=1), request("tools/call", params, 2)])
    assert kind == "text/event-stream"
    assert len([each for each in messages if each.get("method") == "notifications/progress"]) == 3
    assert {each["id"] for each in messages if "result" in each} == {1, 2}


async def test_a_batch_of_what_needs_no_answer_gets_none() -> None:
    """Bug: a comment of five seconds later went out behind the 202, and the next answer was taken for its rest."""
    async with batching() as client:
        assert (await post_batch(client, [INITIALIZED, INITIALIZED]))[::2] == (202, [])
        other = WireClient(client.session, client.url, session_id=client.session_id)
        # A silent call of five beats, in which nothing may be written to the connection of the batch.
        await other.legacy("tools/call", {"name": "slow_compute", "arguments": {"seconds": 0.05}})
        for _ in range(3):
            assert (await client.legacy("ping")).result == {}


@pytest.mark.parametrize(
    ("revision", "batch"),
    [
        pytest.param("2025-06-18", [request("ping")], id="taken out again in the next revision"),
        pytest.param(LEGACY, [request("ping")], id="and not back since"),
        pytest.param("2025-03-26", [], id="empty"),
        pytest.param("2025-03-26", [request("ping", id_=n) for n in range(51)], id="endless"),
    ],
)
async def test_a_batch_that_may_not_be_is_refused(revision: str, batch: list[Any]) -> None:
    async with batching(revision) as client:
        status, _, answer = await post_batch(client, batch)
    assert (status, answer["error"]["code"]) == (400, -32600)


async def test_a_batch_of_an_open_question_is_answered_when_the_question_is() -> None:
    call = request("tools/call", {"name": "test_streaming_elicitation"}, 2)
    async with batching(elicitation={}) as client:
        headers = {"Accept": ACCEPT, "Mcp-Session-Id": client.session_id}
        async with client.session.post(client.url, json=[call], headers=headers) as answer:
            events = events_of(answer.content)
            asked = (await anext(events)).message
            reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "cancel"}}
            assert (await post_batch(client, [reply]))[0] == 202
            heard = (await anext(events)).message
    assert heard["result"]["content"][0]["text"] == "cancel"


async def test_a_batch_goes_on_without_its_connection() -> None:
    """Spec 2025-03-26, Transports: disconnection SHOULD NOT be interpreted as the client cancelling its request."""
    began, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        began.set()
        await go_on.wait()
        over.set()
        return said("It went on.")

    async with running(fixture=with_tool("steps", run)) as url, wire_client(url) as client:
        await client.open("2025-03-26")
        posting = asyncio.create_task(post_batch(client, [request("tools/call", {"name": "steps"}), request("ping")]))
        async with asyncio.timeout(60):
            await began.wait()
            posting.cancel()
            await asyncio.wait({posting})
            assert (await client.legacy("ping")).result == {}
            go_on.set()
            await over.wait()


# The end of a session.


async def test_delete_ends_a_session_and_all_that_is_open_in_it() -> None:
    """Spec 2025-11-25, Session Management: 404 from then on, whatever the method."""
    async with running() as url, wire_client(url) as client:
        await client.open()
        async with get(client) as stream:
            assert await delete(client) == 204
            assert await stream.ended()
        posted = await client.legacy("ping", id_="p")
        async with get(client) as again:
            assert (posted.status, posted.message["id"], again.answer.status) == (404, "p", 404)
        assert await delete(client) == 404
        await client.open()
        assert (await client.legacy("ping")).result == {}


async def test_delete_ends_the_calls_that_wait_for_an_answer() -> None:
    """Bug: they waited on for ten minutes, for an answer that nobody could give any more."""
    over = asyncio.get_running_loop().create_future()

    async def run(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            await call.ask("name", elicit("Your name?", NAME_FORM))
        finally:
            over.set_result("ended")
        raise AssertionError

    async with running(fixture=with_tool("steps", run)) as url, wire_client(url) as client:
        await client.open(elicitation={})
        async with calling(client, "steps") as (events, _):
            await anext(events)
            asked = (await anext(events)).message
            assert await delete(client) == 204
            async with asyncio.timeout(60):
                assert (asked["method"], await over) == ("elicitation/create", "ended")
                assert [event.message async for event in events] == []


async def test_an_end_that_cannot_be_kept_is_not_confirmed(serve: Serve, tmp_path: Path) -> None:
    """Bug: a full disk became an internal server error in plain text."""
    async with serve() as service, wire_client(service.mcp_url) as client:
        await client.open()
        shutil.rmtree(tmp_path / "data" / "ended-sessions")
        headers = {"Mcp-Session-Id": client.session_id}
        async with client.session.delete(client.url, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, -32600)
        assert (await client.legacy("ping")).result == {}


async def test_an_end_that_cannot_be_kept_is_not_counted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: each try while the disk was full took one of the ends that an owner has."""
    monkeypatch.setattr(sessions, "MAX_ENDED", 1)
    ended = tmp_path / "data" / "ended-sessions"
    async with serve() as service, wire_client(service.mcp_url) as client:
        await client.open()
        ended.rename(ended.with_name("away"))
        assert [await delete(client) for _ in range(2)] == [503, 503]
        ended.with_name("away").rename(ended)
        assert await delete(client) == 204


def altered(session_id: str) -> list[str]:
    """Ids that somebody may have made of one that we gave."""
    head, _, signature = session_id.partition(".")
    other = "A" if head[9] != "A" else "B"
    return [
        head,
        f"{head}.",
        f".{signature}",
        f"{session_id}=",
        f"{head[:9]}{other}{head[10:]}.{signature}",
        f"{head}.{signature.swapcase()}",
        f"{head}.{signature}.{signature}",
        session_id.upper(),
        "x" * 5000,
        "\xe4\xf6",
        "null",
    ]


async def test_an_id_that_was_altered_is_no_session(serve: Serve) -> None:
    """Spec 2025-11-25, Session Management: 404, so that the client starts anew."""
    async with serve() as service, wire_client(service.mcp_url) as client:
        await client.open()
        own = client.session_id
        for forged in altered(own):
            client.session_id = forged
            heard = await client.legacy("ping", id_="f")
            assert (heard.status, heard.code, heard.message["id"]) == (404, -32600, "f"), forged
            assert await delete(client) == 404
        client.session_id = own
        assert (await client.legacy("ping")).result == {}


@pytest.mark.parametrize(("age", "status"), [(LIFETIME_S - 60, 200), (LIFETIME_S + 1, 404)])
async def test_an_id_that_has_expired_is_no_session(age: float, status: int) -> None:
    minted = Sessions(b"k" * 32).mint(LEGACY, Client(), LOCAL_OWNER, now=time.time() - age, nonce=bytes(16))
    async with running(key=b"k" * 32) as url, wire_client(url) as client:
        client.session_id = minted.id
        assert (await client.legacy("ping")).status == status


# Restarts and replicas.


async def test_a_session_outlives_a_restart_and_its_end_does_too(serve: Serve) -> None:
    """Ours: an id says all there is to know, signed by a secret of the data folder."""
    async with serve() as service, wire_client(service.mcp_url) as client:
        await client.open()
        living = client.session_id
        await client.open()
        ended = client.session_id
        assert await delete(client) == 204
    async with serve() as service, wire_client(service.mcp_url) as client:
        client.session_id = living
        assert (await client.legacy("tools/list")).result["tools"]
        client.session_id = ended
        assert (await client.legacy("tools/list")).status == 404


async def test_a_session_of_another_data_folder_is_unknown(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service, wire_client(service.mcp_url) as client:
        await client.open()
        async with (
            serve(EASEL_DATA_DIR=str(tmp_path / "other")) as stranger,
            wire_client(stranger.mcp_url) as elsewhere,
        ):
            elsewhere.session_id = client.session_id
            assert (await elsewhere.legacy("ping")).status == 404


async def test_two_processes_on_one_folder_share_their_sessions(tmp_path: Path) -> None:
    """Ours: replicas need no stickiness, and what is ended at one has ended at the other."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    data = {"EASEL_DATA_DIR": str(tmp_path / "data")}
    with easel(folders[0], **data) as first, easel(folders[1], **data) as second:
        banners = [await asyncio.to_thread(banner_of, process) for process in (first, second)]
        urls = [value_of(banner, "MCP endpoint") for banner in banners]
        async with wire_client(urls[0]) as client, wire_client(urls[1]) as other:
            await client.open()
            other.session_id = client.session_id
            await client.legacy("tools/call", {"name": "generate", "arguments": {"prompt": "a fox"}})
            found = await other.legacy("tools/call", {"name": "history"})
            assert "a fox" in str(found.result)
            for forged in altered(client.session_id)[:4]:
                assert (await other.post(request("ping"), {"Mcp-Session-Id": forged})).status == 404
            assert await delete(other) == 204
            assert (await other.legacy("ping")).status == 404
            async with asyncio.timeout(60):
                heard = await client.legacy("ping")
                while heard.status != 404:
                    await asyncio.sleep(LOOK_S)
                    heard = await client.legacy("ping")


async def test_a_stream_ends_when_its_session_is_ended_elsewhere(tmp_path: Path) -> None:
    """Bug: a stream that the other process knew nothing of went on telling a session that had ended."""
    one = running(folder=tmp_path, key=b"k" * 32, beat_s=0.01)
    another = running(folder=tmp_path, key=b"k" * 32)
    async with one as url, another as other_url, wire_client(url) as client, wire_client(other_url) as other:
        await client.open()
        async with get(client) as stream:
            assert await delete(other, client.session_id) == 204
            assert await stream.ended()
