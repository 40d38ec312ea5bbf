"""The whole service, killed at the steps after its image service has answered: what is paid for is there at the end.

`make kills` counts the same over hundreds of kills at any moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import kills
from tests.emulators import slow_pictures
from tests.emulators.slow_pictures import SlowPictures
from tests.service_process import service_process
from tests.wire import WireClient, until

WHOLE_BYTES = 1_000_000
"""A file of this size holds pictures, not their URLs."""

Moment = Callable[[SlowPictures, Path], Awaitable[object]]


async def during_a_download(upstream: SlowPictures, _: Path) -> None:
    await upstream.downloading.wait()


async def before_pictures_are_examined(_: SlowPictures, data: Path) -> None:
    arrived = data / "arrived"
    await until(lambda: any(path.stat().st_size > WHOLE_BYTES for path in arrived.iterdir()), deadline_s=90)


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        pytest.param("links", during_a_download, id="while pictures are downloaded"),
        pytest.param("links", before_pictures_are_examined, id="when the last was downloaded"),
        pytest.param("inline", before_pictures_are_examined, id="when bytes came in the answer"),
    ],
)
async def test_a_kill_after_the_answer_loses_nothing(tmp_path: Path, kind: str, moment: Moment) -> None:
    """Bug: of 200 pictures that had been answered with, kills lost more than half."""
    data, prompt = tmp_path / "data", f"a fox [{kind}]"
    async with slow_pictures.running(draw_s=0.01, download_s=0.2) as upstream:
        async with service_process(data, **upstream.settings()) as (process, client):
            call = asyncio.create_task(lost_call(client, prompt, kills.KINDS[kind]))
            await moment(upstream, data)
            process.kill()
            await call
        async with service_process(data, **upstream.settings()) as (_, client):
            shown = await client.call("history", {"history_id": 1})
        [entry] = shown["structuredContent"]["entries"]
        assert (entry["state"], len(entry["images"])) == ("done", 2 if kind == "links" else 1)
        assert upstream.charges == {prompt: 1}
    assert list((data / "arrived").iterdir()) == []


async def lost_call(client: WireClient, prompt: str, model: str) -> dict[str, Any] | None:
    try:
        return await client.call("generate", {"prompt": prompt, "model": model})
    except (aiohttp.ClientError, AssertionError):
        return None


async def test_kills_at_any_moment_lose_no_answer_and_no_row_is_untrue(tmp_path: Path) -> None:
    """Ours: a row that says that nothing was charged is right, and so is one that says that it may have been."""
    tally = await kills.measure(tmp_path / "data", kills=3, seed=7)
    assert tally.charged.total() > 0
    assert (tally.answered_and_lost, tally.untrue, tally.pieces_missing) == ([], [], 0)
