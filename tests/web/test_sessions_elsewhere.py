"""A broken stream of a session that is resumed at another process: the call's answer comes, and a word on the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.app import Running, running
from service.protocol.origins import Origin
from service.settings import Settings
from service.web import sessions
from tests.emulators import slow_pictures
from tests.session_stream import Event, calling, get, reset
from tests.wire import ANNA, BEN, TWO_TOKENS, WireClient, wire_client


@asynccontextmanager
async def service(data: Path, **env: str) -> AsyncIterator[Running]:
    base = {"EASEL_PORT": "0", "EASEL_DATA_DIR": str(data), "EASEL_LOG": "error", "EASEL_DRAIN_S": "0"}
    async with running(Settings.from_env(base | env)) as one:
        yield one


@asynccontextmanager
async def two(data: Path, **env: str) -> AsyncIterator[tuple[WireClient, WireClient]]:
    """The same person at two processes of one storage, in one session."""
    async with service(data, **env) as one, service(data, **env) as other:
        async with wire_client(one.mcp_url, ANNA) as here, wire_client(other.mcp_url, ANNA) as there:
            await here.open()
            there.session_id = here.session_id
            yield here, there


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOOK_S", 0.05)


async def heard_at(client: WireClient, last: str) -> list[Event]:
    async with get(client, Last_Event_Id=last) as stream, asyncio.timeout(60):
        assert stream.answer.status == 200
        return [event async for event in stream.events]


def text_of(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


async def test_a_call_whose_picture_is_being_drawn_elsewhere_is_answered(tmp_path: Path) -> None:
    """Ours: the load balancer sends the client that comes again to another replica."""
    async with (
        slow_pictures.running(0.5, 0.0) as upstream,
        two(tmp_path / "data", EASEL_TOKENS=TWO_TOKENS, **upstream.settings()) as (here, there),
    ):
        arguments = {"prompt": "a fox [inline]", "model": "gpt-image-1.5"}
        async with calling(here, "generate", "seven", arguments=arguments) as (events, writer):
            last = (await anext(events)).id
            while "~" not in last:
                last = (await anext(events)).id
            reset(writer)
        heard = await heard_at(there, last)
        assert [event.message.get("method") for event in heard] == ["notifications/message", None]
        assert "not sent again" in heard[0].message["params"]["data"]
        assert heard[1].message["id"] == "seven"
        assert "![" in text_of(heard[1].message["result"])
        assert len(upstream.charges) == 1
        again = await heard_at(there, last)
        assert again[1].message == heard[1].message


async def test_an_id_without_an_origin_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with two(tmp_path / "data", EASEL_TOKENS=TWO_TOKENS) as (_, there):
        for tool in ("", "history", "no tool"):
            last = f"0a1b{Origin(tool, 1, '1').written() if tool else ''}-0"
            async with get(there, Last_Event_Id=last) as stream:
                assert stream.answer.status == 400
                assert "Send the request again" in (await stream.answer.json())["error"]["message"]


@pytest.mark.parametrize("work", ["1", "9", "0", "x", "9" * 40])
async def test_a_made_up_origin_shows_nothing_of_others(tmp_path: Path, work: str) -> None:
    """Attack: another owner names the picture of somebody, which has the same number as one of their own might."""
    async with two(tmp_path / "data", EASEL_TOKENS=TWO_TOKENS) as (here, there):
        await here.call("generate", {"prompt": "a fox"})
        async with wire_client(there.url, BEN) as ben:
            await ben.open()
            heard = await heard_at(ben, f"0a1b{Origin('generate', 1, work).written()}-0")
        assert heard[-1].message["result"]["isError"]
        assert "fox" not in str(heard)
