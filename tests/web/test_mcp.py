"""The MCP endpoint over HTTP, against the whole service: both eras, transport refusals, streams."""

import asyncio
import json
import logging
import re
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from service.app import Running
from service.web.mcp import MAX_BODY_BYTES, loopback_url_of
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import (
    ANNA,
    LEGACY,
    MODERN,
    TWO_TOKENS,
    WireClient,
    modern_headers,
    modern_params,
    request,
    until,
    wire_client,
)


def env_of(upstream: flow2api.Flow2Api) -> dict[str, str]:
    return {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}


DRAW = {"name": "generate", "arguments": {"prompt": "a red fox in snow"}}


async def test_a_legacy_session_from_initialize_to_a_picture(client: WireClient) -> None:
    hello = await client.open()
    assert hello.status == 200
    assert hello.result["protocolVersion"] == LEGACY
    assert client.session_id
    noted = await client.post(
        {"jsonrpc": "2.0", "method": "notifications/initialized"}, {"Mcp-Session-Id": client.session_id}
    )
    assert (noted.status, noted.message) == (202, {})
    assert [tool["name"] for tool in (await client.legacy("tools/list")).result["tools"]] == [
        "generate",
        "history",
        "delete",
        "cache",
    ]
    made = await client.legacy("tools/call", {**DRAW, "_meta": {"progressToken": "p"}})
    assert made.result["structuredContent"]["state"] == "done"
    steps = [each["params"]["progress"] for each in made.notifications]
    assert steps == sorted(set(steps))
    assert {each["params"]["progressToken"] for each in made.notifications} == {"p"}


async def test_a_modern_call_needs_no_session_and_gets_none(client: WireClient) -> None:
    heard = await client.modern("tools/call", DRAW)
    assert heard.status == 200
    assert heard.result["resultType"] == "complete"
    assert "Mcp-Session-Id" not in heard.headers


async def test_an_answer_is_json_but_for_what_takes_long(client: WireClient) -> None:
    """Spec 2026-07-28, Sending Messages: either form; a stream where something comes before the result.

    Ours: for a picture its head is sent at once, for a proxy gives up on a request that is not answered at all.
    """
    plain = await client.modern("tools/call", {"name": "cache", "arguments": {}})
    streamed = await client.modern("tools/call", DRAW, progressToken=7)
    assert plain.headers["Content-Type"] == "application/json"
    assert streamed.headers["Content-Type"] == "text/event-stream"
    assert streamed.headers["X-Accel-Buffering"] == "no"
    assert "no-cache" in streamed.headers["Cache-Control"]
    assert (plain.notifications, len(streamed.notifications) > 1) == ([], True)


async def test_a_failed_initialize_opens_no_session(client: WireClient) -> None:
    """Bug: a server that hands out a session with each refusal leaks one for every bad request."""
    heard = await client.post(request("initialize", {}, 0))
    assert "Mcp-Session-Id" not in heard.headers


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        pytest.param(b"{", {}, 400, -32700, id="no JSON"),
        pytest.param([], {}, 400, -32600, id="batch"),
        pytest.param(request("ping", id_=1), {}, 400, -32600, id="no session"),
        pytest.param(request("ping", id_=1), {"Mcp-Session-Id": "x"}, 404, -32600, id="unknown session"),
        pytest.param(
            request("nope", modern_params()), modern_headers("nope"), 404, -32601, id="unknown method, modern"
        ),
        pytest.param(request("ping", modern_params()), modern_headers("tools/list"), 400, -32020, id="header differs"),
        pytest.param(request("ping"), {"Mcp-Protocol-Version": MODERN}, 400, -32602, id="no meta"),
        pytest.param(request("ping"), {"Content-Type": "text/plain"}, 415, -32600, id="content type"),
        pytest.param(request("ping"), {"Content-Encoding": "gzip"}, 415, -32600, id="compressed"),
        pytest.param(request("ping"), {"Accept": "text/html"}, 406, -32600, id="accepts neither form"),
        pytest.param(request("ping"), {"Accept": "application/json;q=0"}, 406, -32600, id="accepts JSON with q=0"),
    ],
)
async def test_a_wrong_request_is_refused_in_json_rpc(
    client: WireClient, message: object, headers: dict[str, str], status: int, code: int
) -> None:
    heard = await client.post(message, headers)
    assert (heard.status, heard.code) == (status, code)
    assert heard.headers["Content-Type"].startswith("application/json")
    assert heard.message["error"]["message"]


async def test_a_post_without_a_content_type_is_told_which_one(client: WireClient) -> None:
    """Ours: an empty pair of quotes would not say that the header is absent."""
    async with client.session.post(client.url, data=b"{}", skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 415
        message = (await response.json())["error"]["message"]
    assert message == "Content-Type is missing; send application/json."


async def test_a_body_without_end_is_refused(client: WireClient) -> None:
    """Ours: a body is held in memory, so it is bounded, and what is beyond is not even read."""
    headers = {"Content-Type": "application/json"}
    async with client.session.post(client.url, data=BytesIO(b" " * (MAX_BODY_BYTES + 1)), headers=headers) as answer:
        assert answer.status == 413
        assert str(MAX_BODY_BYTES) in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/event-stream, application/json"])
async def test_a_client_that_takes_json_gets_an_answer(client: WireClient, accept: str) -> None:
    """Ours: the spec has clients list both; one that lists what we can answer with is not turned away."""
    message = request("tools/call", modern_params(DRAW, progressToken=1))
    heard = await client.post(message, modern_headers("tools/call", "generate") | {"Accept": accept})
    assert heard.result["structuredContent"]["state"] == "done"
    assert bool(heard.notifications) is (accept not in {"application/json", "application/*"})


async def test_a_client_that_takes_streams_alone_gets_one(client: WireClient) -> None:
    heard = await client.post(
        request("tools/list", modern_params()), modern_headers("tools/list") | {"Accept": "text/event-stream"}
    )
    assert heard.headers["Content-Type"] == "text/event-stream"
    assert heard.result["tools"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("session", [{}, {"Mcp-Session-Id": "x", "Last-Event-Id": "y-1"}], ids=["plain", "legacy too"])
async def test_modern_clients_are_told_that_post_is_the_one(
    client: WireClient, method: str, session: dict[str, str]
) -> None:
    """Spec 2026-07-28, Earlier Streamable HTTP Revisions: 405; session and event ids mean nothing here."""
    headers = {"Mcp-Protocol-Version": MODERN, "Accept": "text/event-stream", **session}
    async with client.session.request(method, client.url, headers=headers) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_are_told_which_there_are(client: WireClient, method: str) -> None:
    async with client.session.request(method, client.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST, GET, DELETE")


async def test_two_thousand_calls_go_over_one_connection(easel: Running) -> None:
    """Ours: nothing piles up over the life of a connection."""
    connector = aiohttp.TCPConnector(limit=1)
    body = json.dumps(request("tools/call", modern_params({"name": "history", "arguments": {"limit": 1}}))).encode()
    headers = modern_headers("tools/call", "history") | {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(2000):
            async with session.post(easel.mcp_url, data=body, headers=headers) as answer:
                assert answer.status == 200
                await answer.read()


def draw_silently() -> dict[str, object]:
    arguments = {"prompt": "a fox [detect-disconnect]"}
    return {"name": "generate", "arguments": arguments, "_meta": {"progressToken": 1}}


async def state_of_newest(client: WireClient) -> dict[str, Any]:
    """The newest entry of the history, once it has ended."""
    async with asyncio.timeout(60):
        while True:
            result = await client.call("history", {"limit": 1})
            entry: dict[str, Any] = result["structuredContent"]["entries"][0]
            if entry["state"] != "working":
                return entry
            await asyncio.sleep(0.01)


async def test_closing_the_stream_ends_a_modern_call_and_not_the_drawing_that_is_paid_for(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec 2026-07-28, Cancellation: closing the stream MUST be taken for one. Ours: money is spent by then."""
    caplog.set_level(logging.INFO)
    async with flow2api.running() as upstream, serve(**env_of(upstream)) as easel, wire_client(easel.mcp_url) as client:
        call = asyncio.create_task(client.modern("tools/call", draw_silently(), progressToken=1))
        await upstream.silent.wait()
        call.cancel()
        await until(lambda: "generate: cancelled in" in caplog.text)
        upstream.go_on.set()
        entry = await state_of_newest(client)
    assert (entry["state"], upstream.disconnected.is_set()) == ("done", False)


async def test_a_legacy_call_goes_on_without_its_connection(serve: Serve) -> None:
    """Spec 2025-11-25, Transports: disconnection SHOULD NOT be interpreted as the client cancelling its request."""
    async with flow2api.running() as upstream, serve(**env_of(upstream)) as easel, wire_client(easel.mcp_url) as client:
        await client.open()
        call = asyncio.create_task(client.legacy("tools/call", draw_silently()))
        await upstream.silent.wait()
        call.cancel()
        await asyncio.wait({call})
        upstream.go_on.set()
        entry = await state_of_newest(client)
    assert (entry["state"], upstream.disconnected.is_set()) == ("done", False)


async def test_a_legacy_call_is_cancelled_by_notification(serve: Serve) -> None:
    """Spec 2025-11-25, Cancellation: the work stops, and no response is sent for it."""
    async with flow2api.running() as upstream, serve(**env_of(upstream)) as easel, wire_client(easel.mcp_url) as client:
        await client.open()
        call = asyncio.create_task(client.legacy("tools/call", draw_silently(), id_="call-1"))
        await upstream.silent.wait()
        params = {"requestId": "call-1", "reason": "the person changed their mind"}
        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        assert (await client.post(notice, {"Mcp-Session-Id": client.session_id})).status == 202
        async with asyncio.timeout(60):
            await upstream.disconnected.wait()
            heard = await call
        entry = await state_of_newest(client)
    assert "result" not in heard.message
    assert "error" not in heard.message
    assert (entry["state"], entry["failure"]["kind"]) == ("failed", "cancelled")


async def test_two_hundred_generations_at_once_all_arrive(serve: Serve) -> None:
    """Ours: each call gets its own picture, and is paid for once."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(flow2api.running())
        easel = await stack.enter_async_context(serve(**env_of(upstream), EASEL_GENERATIONS_QUEUED="0/0"))
        client = await stack.enter_async_context(wire_client(easel.mcp_url))
        calls = [client.call("generate", {"prompt": f"picture {n}"}) for n in range(200)]
        made = await asyncio.gather(*calls)
        asked = await client.call("cache")
    assert {each["structuredContent"]["prompt"] for each in made} == {f"picture {n}" for n in range(200)}
    assert len({each["structuredContent"]["images"][0]["url"] for each in made}) == 200
    assert upstream.drawn == 200
    assert asked["structuredContent"]["done"] == 200


async def test_one_token_cannot_have_a_flood_of_pictures_charged(serve: Serve) -> None:
    """Attack: 600 calls at once were 600 pictures on the bill. What is refused costs nothing and leaves no row."""
    env = {"EASEL_GENERATIONS_AT_ONCE": "2", "EASEL_GENERATIONS_QUEUED": "3", "EASEL_TOKENS": "alice:a-token-of-alice"}
    async with flow2api.running() as upstream, serve(**env_of(upstream), **env) as easel:
        async with wire_client(easel.mcp_url, "a-token-of-alice") as client:
            flood = await asyncio.gather(*(client.call("generate", {"prompt": f"fox {n}"}) for n in range(60)))
        totals = await easel.context.store.totals("alice")
    refused = [each["content"][0]["text"] for each in flood if each.get("isError")]
    assert len(refused) >= 50
    assert len(upstream.requests) == totals.done == 60 - len(refused)
    assert (totals.working, totals.failed) == (0, 0)
    assert refused[0] == (
        "3 of your pictures wait their turn already (EASEL_GENERATIONS_QUEUED). Nothing was charged. "
        "Try again in 30 seconds."
    )


async def test_a_call_that_runs_when_the_service_stops_is_answered(serve: Serve) -> None:
    """Ours: a stop waits for what is being paid for."""
    async with flow2api.running() as upstream:
        stack = AsyncExitStack()
        easel = await stack.enter_async_context(serve(**env_of(upstream), EASEL_DRAIN_S="20"))
        async with wire_client(easel.mcp_url) as client:
            call = asyncio.create_task(client.modern("tools/call", draw_silently(), progressToken=1))
            await upstream.silent.wait()
            stopping = asyncio.create_task(stack.aclose())
            upstream.go_on.set()
            assert (await call).result["structuredContent"]["state"] == "done"
            await stopping


async def test_the_endpoint_is_there_with_a_slash_at_its_end_too(easel: Running) -> None:
    """Bug: clients that add a slash got a 404; a redirect would lose the body, or the token."""
    async with wire_client(f"{easel.mcp_url}/") as client:
        assert (await client.modern("server/discover")).status == 200
        await client.open()
        assert (await client.legacy("ping")).status == 200
        headers = {"Mcp-Session-Id": client.session_id}
        async with client.session.delete(client.url, headers=headers) as answer:
            assert answer.status == 204
        async with client.session.get(client.url, headers=headers | {"Accept": "text/event-stream"}) as answer:
            assert answer.status == 404
        async with client.session.put(client.url) as answer:
            assert answer.status == 405


async def links_of(easel: Running, host: str, token: str | None = None) -> list[str]:
    """The beginnings of the links to a picture, in three places, and to the page of uploads, for one `Host`."""
    async with wire_client(easel.mcp_url, token) as client:
        client.headers["Host"] = host
        made = await client.call("generate", {"prompt": "a red fox"})
        listed = await client.call("history")
        sent = await client.call("generate", {"prompt": "a cat", "use_upload": True})
        read = await client.modern("resources/read", {"uri": "easel://history/1"})
    texts = [each["content"][0]["text"] for each in (made, listed, sent)]
    return [re.findall(r"https?://[^/]+", text)[0] for text in (*texts, read.result["contents"][1]["text"])]


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "localhost"])
async def test_links_begin_with_the_loopback_address_by_which_the_call_came(serve: Serve, host: str) -> None:
    """Bug: a container that was published at port 9000 handed out links with the port on which it listens inside."""
    async with flow2api.running() as upstream, serve(**env_of(upstream)) as easel:
        assert set(await links_of(easel, host)) == {f"http://{host}"}


async def test_links_begin_with_the_public_url_whatever_the_host(serve: Serve) -> None:
    env = {"EASEL_PUBLIC_URL": "https://easel.example.com", "EASEL_TOKENS": TWO_TOKENS}
    async with flow2api.running() as upstream, serve(**env, **env_of(upstream)) as easel:
        for host in ("localhost:9000", "easel.example.com"):
            assert set(await links_of(easel, host, ANNA)) == {"https://easel.example.com"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost:9000", "http://localhost:9000"),
        ("LOCALHOST", "http://localhost"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("192.168.1.5:9000", ""),
        ("evil.example.com", ""),
        ("localhost.evil.example.com", ""),
        ("localhost:9000/evil", "http://localhost:9000"),
        ("user@localhost", "http://localhost"),
        ("localhost:port", ""),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_only_a_loopback_host_is_followed(host: str, url: str) -> None:
    """Attack: a `Host` of a foreign name, by DNS rebinding, must not get into links."""
    assert loopback_url_of("http", host) == url


async def test_a_batch_asks_for_no_more_pictures_than_its_limit(serve: Serve) -> None:
    """Attack: one body of 4 MB would ask for thousands of pictures."""
    draws = [
        request("tools/call", {"name": "generate", "arguments": {"prompt": f"fox {id_}"}}, id_) for id_ in range(1, 5)
    ]
    async with serve(EASEL_BATCH_GENERATIONS="2") as easel, wire_client(easel.mcp_url) as client:
        await client.open("2025-03-26")
        headers = {"Mcp-Session-Id": client.session_id, "Accept": "application/json"}
        batch = [*draws, request("tools/call", {"name": "history", "arguments": {}}, 5)]
        async with client.session.post(client.url, json=batch, headers=headers) as answer:
            by_id = {each["id"]: each for each in await answer.json()}
        assert len(await easel.context.store.jobs("local", 10)) == 2
    assert ["result" in by_id[id_] for id_ in range(1, 6)] == [True, True, False, False, True]
    assert by_id[3]["error"]["message"] == (
        "The batch asks for 2 pictures before this one (EASEL_BATCH_GENERATIONS). Nothing was charged. "
        "Try again in a second, in another batch."
    )
