"""A handler and its answer over HTTP: first byte, delivery, cancellation, client."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.client import Era
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.replay import KEEP_ALIVE
from tests.conformance.content import said
from tests.conformance.server import running, with_tool
from tests.session_stream import calling, get, reset
from tests.wire import WireClient, modern_headers, modern_params, request, until, wire_client

LARGE = "x" * 16_000_000
"""More than the buffers of both ends of a connection hold."""

ERAS = pytest.mark.parametrize("era", Era, ids=["legacy", "modern"])


class Tool:
    """A tool whose call waits to be let go, and that writes down what becomes of it."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.text = "Drawn."
        self.streams = False
        self.opens = False
        self.refuses = False
        self.delivered = 0
        self.cancelled: list[str | None] = []
        self.hint = ""

    async def run(self, call: Call, _: Mapping[str, Any]) -> dict[str, Any]:
        call.on_delivered(self.deliver)
        self.hint = call.client_hint
        if self.opens:
            call.channel.open()
            call.channel.open()
        if self.streams:
            call.report("1", 1)
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.append(call.cancel_reason)
            raise
        if self.refuses:
            raise RpcError(INVALID_PARAMS, "No.")
        return said(self.text)

    def deliver(self) -> None:
        self.delivered += 1


@asynccontextmanager
async def serving(tool: Tool) -> AsyncIterator[WireClient]:
    async with running(fixture=with_tool("steps", tool.run)) as url, wire_client(url) as client:
        yield client


def called(era: Era, token: object = None, id_: object = 1) -> dict[str, Any]:
    meta = {} if token is None else {"progressToken": token}
    params: dict[str, Any] = {"name": "steps", "arguments": {}}
    return request("tools/call", modern_params(params, **meta) if era is Era.MODERN else params | {"_meta": meta}, id_)


async def headers_of(era: Era, client: WireClient) -> dict[str, str]:
    if era is Era.MODERN:
        return modern_headers("tools/call", "steps")
    await client.open()
    return {"Mcp-Session-Id": client.session_id}


@ERAS
@pytest.mark.parametrize("streams", [False, True], ids=["JSON", "stream"])
async def test_an_answer_that_went_out_whole_was_delivered_once(era: Era, streams: bool) -> None:
    tool = Tool()
    tool.streams = streams
    async with serving(tool) as client:
        headers = await headers_of(era, client)
        answered = asyncio.create_task(client.post(called(era, token="p"), headers))
        await tool.began.wait()
        assert tool.delivered == 0
        tool.go_on.set()
        heard = await answered
        await until(lambda: tool.delivered > 0)
    assert (bool(heard.notifications), heard.result["content"]) == (streams, said("Drawn.")["content"])
    assert tool.delivered == 1


@ERAS
@pytest.mark.parametrize("streams", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("reads", [False, True], ids=["and goes", "and reads on"])
async def test_an_answer_that_a_client_does_not_read_is_not_delivered(era: Era, streams: bool, reads: bool) -> None:
    """Ours: what waits in our memory is not the client's yet."""
    tool = Tool()
    tool.streams, tool.text = streams, LARGE
    tool.go_on.set()
    async with serving(tool) as client:
        headers = await headers_of(era, client)
        async with client.session.post(client.url, json=called(era, token="p"), headers=headers) as answer:
            assert tool.delivered == 0
            if reads:
                await answer.read()
                await until(lambda: tool.delivered == 1)
    assert tool.delivered == int(reads)


@ERAS
async def test_an_answer_whose_client_is_gone_is_not_delivered(era: Era) -> None:
    tool = Tool()
    async with serving(tool) as client:
        call = asyncio.create_task(client.post(called(era), await headers_of(era, client)))
        await tool.began.wait()
        call.cancel()
        await asyncio.wait({call})
        if era is Era.MODERN:
            await until(lambda: bool(tool.cancelled))
        tool.go_on.set()
    assert tool.delivered == 0
    assert tool.cancelled == ([None] if era is Era.MODERN else [])


async def test_an_error_delivers_nothing() -> None:
    tool = Tool()
    tool.refuses = True
    tool.go_on.set()
    async with serving(tool) as client:
        assert (await client.post(called(Era.MODERN), await headers_of(Era.MODERN, client))).code == INVALID_PARAMS
    assert tool.delivered == 0


async def broken_off(client: WireClient) -> str:
    """Call, and break the connection after the first event, whose id this is."""
    async with calling(client, "steps") as (events, writer):
        last = (await anext(events)).id
        reset(writer)
    return last


async def test_a_result_that_is_replayed_is_delivered_when_it_was_followed_to_its_end() -> None:
    """Spec 2025-11-25, Resumability: what a broken connection lost is handed over by a later one."""
    tool = Tool()
    tool.streams = True
    async with serving(tool) as client:
        await client.open()
        last = await broken_off(client)
        tool.go_on.set()
        async with get(client, Last_Event_Id=last) as stream:
            assert (await stream.next()).message["method"] == "notifications/progress"
            assert (await stream.next()).message["result"]
            assert await stream.ended()
        await until(lambda: tool.delivered > 0)
        async with get(client, Last_Event_Id=last) as again:
            await again.next()
    assert tool.delivered == 1


async def test_a_replay_that_is_not_read_delivers_nothing() -> None:
    tool = Tool()
    tool.streams, tool.text = True, LARGE
    async with serving(tool) as client:
        await client.open()
        last = await broken_off(client)
        tool.go_on.set()
        async with get(client, Last_Event_Id=last) as stream:
            assert (await stream.answer.content.readline()).startswith(b"\n")
    assert tool.delivered == 0


async def test_a_session_that_ends_takes_its_receipts_with_it() -> None:
    tool = Tool()
    tool.streams = True
    async with serving(tool) as client:
        await client.open()
        last = await broken_off(client)
        async with get(client, Last_Event_Id=last) as stream:
            assert (await stream.next()).message["method"] == "notifications/progress"
            async with client.session.delete(client.url, headers={"Mcp-Session-Id": client.session_id}) as ended:
                assert ended.status == 204
            assert await stream.ended()
        tool.go_on.set()
    assert tool.delivered == 0


async def test_the_calls_of_a_batch_are_delivered_together() -> None:
    """Spec 2025-03-26, Batching: one answer holds them all. A notification that is refused has none in it."""
    tool = Tool()
    async with serving(tool) as client:
        await client.open("2025-03-26")
        wrong = {"jsonrpc": "2.0", "method": "notifications/x", "params": []}
        batch = [called(Era.LEGACY, id_=1), called(Era.LEGACY, id_=2), wrong]
        answered = asyncio.create_task(
            client.session.post(client.url, json=batch, headers={"Mcp-Session-Id": client.session_id})
        )
        await tool.began.wait()
        tool.go_on.set()
        async with await answered as answer:
            assert [each["id"] for each in json.loads(await answer.read())] == [1, 2]
        await until(lambda: tool.delivered > 0)
    assert tool.delivered == 2


async def test_a_batch_whose_calls_were_all_cancelled_ends_its_stream() -> None:
    """Bug: a second answer, 202, was written into the stream that the calls had opened."""
    tool = Tool()
    tool.streams = True
    async with serving(tool) as client:
        await client.open("2025-03-26")
        headers = {"Mcp-Session-Id": client.session_id}
        async with client.session.post(client.url, json=[called(Era.LEGACY, token="p")], headers=headers) as answer:
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            assert (await client.post(cancelled, headers)).status == 202
            async with asyncio.timeout(60):
                body = await answer.read()
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    assert [json.loads(line[6:])["method"] for line in body.split(b"\n") if line.startswith(b"data: ")] == [
        "notifications/progress"
    ]


@ERAS
@pytest.mark.parametrize("refuses", [False, True], ids=["result", "error"])
async def test_a_stream_that_was_opened_says_something_at_once_and_ends_with_the_answer(
    era: Era, refuses: bool
) -> None:
    """Ours: a picture takes a minute, and clients and proxies give up on silence after less."""
    tool = Tool()
    tool.opens, tool.refuses = True, refuses
    async with serving(tool) as client:
        headers = await headers_of(era, client)
        async with client.session.post(client.url, json=called(era), headers=headers) as answer:
            first = await answer.content.readuntil(b"\n\n")
            assert not tool.go_on.is_set()
            tool.go_on.set()
            rest = await answer.read()
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    assert first.startswith(b"id: ") if era is Era.LEGACY else first == KEEP_ALIVE
    message = json.loads(rest.partition(b"data: ")[2])
    assert ("error" if refuses else "result") in message
    assert rest.count(b"data: ") == 1


@ERAS
async def test_a_client_that_takes_json_alone_waits_for_it(era: Era) -> None:
    tool = Tool()
    tool.opens = True
    tool.go_on.set()
    async with serving(tool) as client:
        headers = await headers_of(era, client) | {"Accept": "application/json"}
        heard = await client.post(called(era), headers)
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.result


@pytest.mark.parametrize(
    ("said_why", "read"),
    [
        pytest.param({"reason": "the person changed their mind"}, "the person changed their mind", id="a reason"),
        pytest.param({}, "", id="none"),
        pytest.param({"reason": 5}, "", id="none that can be read"),
    ],
)
async def test_a_cancelled_call_can_read_why(said_why: dict[str, Any], read: str) -> None:
    """Spec 2025-11-25, Cancellation: `reason` is optional, and may be logged or shown."""
    tool = Tool()
    async with serving(tool) as client:
        headers = await headers_of(Era.LEGACY, client)
        call = asyncio.create_task(client.post(called(Era.LEGACY), headers))
        await tool.began.wait()
        params = {"requestId": 1, **said_why}
        await client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}, headers)
        await call
    assert (tool.cancelled, tool.delivered) == ([read], 0)


@ERAS
@pytest.mark.parametrize(
    ("query", "hint"),
    [
        pytest.param("", "", id="none"),
        pytest.param("?client=cherry-studio", "cherry-studio", id="a name"),
        pytest.param("?x=1&client=Cherry%20Studio", "Cherry Studio", id="among others, encoded"),
        pytest.param("?client=" + "x" * 500, "x" * 64, id="endless"),
        pytest.param("?client", "", id="no value"),
        pytest.param("?client=%ff%00", "�\x00", id="no text"),
    ],
)
async def test_the_url_may_say_which_client_it_was_given_to(era: Era, query: str, hint: str) -> None:
    tool = Tool()
    tool.go_on.set()
    async with serving(tool) as client:
        headers = await headers_of(era, client)
        client.url += query
        assert (await client.post(called(era), headers)).status == 200
    assert tool.hint == hint
