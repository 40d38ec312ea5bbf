"""Limits of open requests over HTTP: calls, their bytes, streams and subscriptions, of each owner and of all."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.bounds.limits import CALLS_AT_ONCE, REQUEST_MEGABYTES, STREAMS, SUBSCRIPTIONS, UNLIMITED, Allowances
from service.protocol.call import Call
from service.protocol.client import Era
from service.protocol.errors import LIMIT_EXCEEDED
from service.web import sessions
from tests.conformance.content import said
from tests.conformance.server import running, with_tool
from tests.limited import limited
from tests.session_stream import get
from tests.wire import Heard, WireClient, listening, modern_headers, modern_params, request, until, wire_client

ANNA, BEN = "a" * 32, "b" * 32
LARGE = "x" * 16_000_000
"""More than the buffers of both ends of a connection hold."""

HELD = {"name": "held", "arguments": {}}
ERAS = pytest.mark.parametrize("era", Era, ids=["legacy", "modern"])


class House:
    """A service within limits, with a tool whose calls wait to be let go."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.go_on = asyncio.Event()
        self.at_work = 0

    async def run(self, _: Call, __: Mapping[str, Any]) -> dict[str, Any]:
        self.at_work += 1
        try:
            await self.go_on.wait()
        finally:
            self.at_work -= 1
        return said("Done.")

    async def large(self, _: Call, __: Mapping[str, Any]) -> dict[str, Any]:
        return said(LARGE)


@asynccontextmanager
async def house(allowances: Allowances = UNLIMITED, tool: str = "run") -> AsyncIterator[House]:
    here = House("")
    fixture = with_tool("held", getattr(here, tool), allowances=allowances)
    async with running(fixture=fixture, tokens=f"anna:{ANNA}, ben:{BEN}") as here.url:
        try:
            async with asyncio.timeout(60):  # a request that should be refused, and is not, is not answered
                yield here
        finally:
            here.go_on.set()


async def sent(client: WireClient, era: Era, method: str, params: Mapping[str, Any]) -> Heard:
    if era is Era.MODERN:
        return await client.modern(method, params)
    if not client.session_id:
        await client.open()
    return await client.legacy(method, params)


@ERAS
async def test_one_call_too_many_is_refused_in_words_for_the_model_and_the_next_is_taken(era: Era) -> None:
    """Ours: the model reads the result of a tool; it costs nothing and leaves nothing."""
    async with house(limited(CALLS_AT_ONCE, 1)) as here, wire_client(here.url, ANNA) as anna:
        if era is Era.LEGACY:
            await anna.open()
        first = asyncio.create_task(sent(anna, era, "tools/call", HELD))
        await until(lambda: here.at_work == 1)
        refused = await sent(anna, era, "tools/call", HELD)
        assert (refused.status, refused.result["isError"], here.at_work) == (200, True, 1)
        assert refused.result["content"][0]["text"] == (
            "1 of your requests are being answered (EASEL_CALLS_AT_ONCE). Nothing was charged. Try again in 5 seconds."
        )
        here.go_on.set()
        assert not (await first).result.get("isError")
        assert not (await sent(anna, era, "tools/call", HELD)).result.get("isError")


@pytest.mark.parametrize(("era", "status"), [(Era.LEGACY, 200), (Era.MODERN, 429)], ids=["legacy", "modern"])
async def test_one_request_too_many_is_an_error_that_says_when_to_try_again(era: Era, status: int) -> None:
    """Ours: to HTTP 429 the official Python SDK of the legacy revisions ends its whole connection."""
    async with house(limited(CALLS_AT_ONCE, 1)) as here, wire_client(here.url, ANNA) as anna:
        if era is Era.LEGACY:
            await anna.open()
        first = asyncio.create_task(sent(anna, era, "tools/call", HELD))
        await until(lambda: here.at_work == 1)
        refused = await sent(anna, era, "prompts/list", {})
        assert (refused.status, refused.code, refused.message["id"]) == (status, LIMIT_EXCEEDED, 1)
        assert (refused.message["error"]["data"], refused.headers["Retry-After"]) == ({"retryAfter": 5}, "5")
        here.go_on.set()
        await first


async def test_the_calls_of_one_owner_take_nothing_from_another() -> None:
    async with house(limited(CALLS_AT_ONCE, 1, 2)) as here:
        async with wire_client(here.url, ANNA) as anna, wire_client(here.url, BEN) as ben:
            calls = [asyncio.create_task(each.modern("tools/call", HELD)) for each in (anna, ben)]
            await until(lambda: here.at_work == 2)
            here.go_on.set()
            for each in await asyncio.gather(*calls):
                assert not each.result.get("isError")


async def test_a_legacy_call_counts_until_it_has_ended_though_its_client_is_gone() -> None:
    async with house(limited(CALLS_AT_ONCE, 1)) as here, wire_client(here.url, ANNA) as anna:
        await anna.open()
        gone = asyncio.create_task(anna.legacy("tools/call", HELD))
        await until(lambda: here.at_work == 1)
        gone.cancel()
        await asyncio.wait({gone})
        assert (await anna.legacy("tools/call", HELD)).result["isError"]
        here.go_on.set()
        await until(lambda: here.at_work == 0)
        assert not (await anna.legacy("tools/call", HELD)).result.get("isError")


async def test_a_call_counts_until_its_result_was_taken() -> None:
    """Ours: results that nobody reads would pile up in memory."""
    async with house(limited(CALLS_AT_ONCE, 1), "large") as here, wire_client(here.url, ANNA) as anna:
        message = request("tools/call", modern_params(HELD))
        headers = modern_headers("tools/call", "held") | anna.headers
        async with anna.session.post(here.url, json=message, headers=headers) as unread:
            refused = await anna.modern("prompts/list")
            assert refused.code == LIMIT_EXCEEDED
            await unread.read()
        assert (await anna.modern("prompts/list")).result


async def test_each_call_of_a_batch_counts() -> None:
    async with house(limited(CALLS_AT_ONCE, 2)) as here, wire_client(here.url, ANNA) as anna:
        await anna.open("2025-03-26")
        batch = [request("prompts/list", {}, number) for number in range(4)]
        headers = {"Mcp-Session-Id": anna.session_id, "Accept": "application/json"} | anna.headers
        async with anna.session.post(here.url, json=batch, headers=headers) as answer:
            answers = json.loads(await answer.read())
        assert ["error" in each for each in answers] == [False, False, True, True]


@asynccontextmanager
async def arriving(client: WireClient, announced: int) -> AsyncIterator[asyncio.StreamReader]:
    """A body that is on its way, of which nothing has come yet."""
    host, port = client.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: {client.headers['Authorization']}\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
    )
    writer.write(head.encode())
    try:
        yield reader
    finally:
        writer.transport.abort()


async def test_a_body_that_would_be_one_too_many_is_refused_before_it_is_read() -> None:
    """Bug: 150 bodies of 4 MB that were being received held 600 MB."""
    async with house(limited(REQUEST_MEGABYTES, 1)) as here, wire_client(here.url, ANNA) as anna:
        async with arriving(anna, 700_000), arriving(anna, 700_000) as second, asyncio.timeout(60):
            head = await second.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 5\r\n" in head
        long = {"name": "test_simple_prompt", "arguments": {"x": "x" * 700_000}}

        async def again() -> int:
            return (await anna.modern("prompts/get", long)).status

        await until_taken(again)


async def until_taken(send: Callable[[], Awaitable[int]]) -> None:
    """Send a request until there is room for it: the service learns a moment later that a client has gone."""
    async with asyncio.timeout(60):
        while await send() != 200:
            pass


async def test_a_body_counts_while_its_call_runs() -> None:
    async with house(limited(REQUEST_MEGABYTES, 1)) as here, wire_client(here.url, ANNA) as anna:
        long = HELD | {"arguments": {"x": "x" * 990_000}}
        first = asyncio.create_task(anna.modern("tools/call", long))
        await until(lambda: here.at_work == 1)
        small = await anna.modern("prompts/get", {"name": "test_simple_prompt", "arguments": {"x": "x" * 20_000}})
        assert (small.status, small.code, small.message["id"]) == (429, LIMIT_EXCEEDED, 1)
        here.go_on.set()
        await first
        assert (await anna.modern("prompts/get", {"name": "test_simple_prompt"})).result


async def test_one_stream_of_notices_too_many_is_refused_and_told_when_to_come_again() -> None:
    """Ours: those of both eras are counted together."""
    async with house(limited(STREAMS, 2)) as here, wire_client(here.url, ANNA) as anna:
        await anna.open()
        async with listening(anna, {"toolsListChanged": True}), get(anna) as stream:
            assert stream.answer.status == 200
            refused = await anna.modern("subscriptions/listen", {"notifications": {}})
            assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, LIMIT_EXCEEDED, "5")
            async with get(anna) as another:
                assert (another.answer.status, another.answer.headers["Retry-After"]) == (429, "5")
                assert "EASEL_STREAMS" in await another.answer.text()

        async def again() -> int:
            async with get(anna) as stream:
                return stream.answer.status

        await until_taken(again)


async def test_a_stream_that_would_name_too_much_is_refused_whole() -> None:
    async with house(limited(SUBSCRIPTIONS, 3)) as here, wire_client(here.url, ANNA) as anna:
        two = {"resourceSubscriptions": ["test://1", "test://2"]}
        async with listening(anna, two):
            refused = await anna.modern("subscriptions/listen", {"notifications": two})
            assert (refused.status, refused.code) == (429, LIMIT_EXCEEDED)
            await anna.open()
            assert (await anna.legacy("resources/subscribe", {"uri": "test://3"})).result == {}
            refused = await anna.legacy("resources/subscribe", {"uri": "test://4"})
            assert (refused.status, refused.code, refused.headers["Retry-After"]) == (200, LIMIT_EXCEEDED, "5")


async def test_so_many_sessions_can_be_ended_and_the_others_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spec 2025-11-25, Session Management: a server may answer 405. Ours: each end is remembered for a month."""
    monkeypatch.setattr(sessions, "MAX_ENDED", 2)
    async with house() as here, wire_client(here.url, ANNA) as anna, wire_client(here.url, BEN) as ben:
        statuses = []
        for client in (anna, anna, anna, ben):
            await client.open()
            headers = {"Mcp-Session-Id": client.session_id} | client.headers
            async with client.session.delete(here.url, headers=headers) as answer:
                statuses.append(answer.status)
    assert statuses == [204, 204, 405, 204]
