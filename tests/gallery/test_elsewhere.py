"""Pages hear of what another process of the data folder writes."""

import asyncio
from pathlib import Path

from service.gallery.elsewhere import Elsewhere
from service.gallery.events import Events
from service.images import ImageRequest
from tests.conftest import Serve
from tests.gallery.visitor import visitor
from tests.seeded_history import seeded_history
from tests.stores import Clock, open_sqlite

CHANGED = b"event: changed\ndata: {}\n\n"


async def test_a_page_hears_of_what_another_process_draws(serve: Serve, tmp_path: Path) -> None:
    """Bug: what a chat program's own service drew, on the same folder, was not there until the page was reloaded."""
    async with serve() as easel, visitor(easel) as anna, seeded_history(tmp_path / "data") as elsewhere:
        async with anna.http.get(f"{easel.origin}/gallery/api/events") as stream, asyncio.timeout(10):
            assert await anna.get("jobs") == (200, {"jobs": [], "next": None, "total": 0, "at_least": False})
            await elsewhere.add("a fox", "0" * 31 + "1.png")
            async for line in stream.content:
                if line == b"event: changed\n" and (await anna.get("jobs"))[1]["total"] == 1:
                    break


async def test_only_owners_whose_history_changed_are_told(tmp_path: Path, clock: Clock) -> None:
    here, there = await open_sqlite(tmp_path, clock), await open_sqlite(tmp_path, clock)
    events = Events()
    with events.stream("anna") as anna, events.stream("ben") as ben:
        watching = asyncio.create_task(Elsewhere(store=here, events=events, look_s=0.005).watch())
        async with asyncio.timeout(10):
            assert await anna.waiting.get() == await ben.waiting.get() == CHANGED, "what came before the page was open"
            begun = await there.begin("anna", ImageRequest(model="m", prompt="a fox"), "kiln", "")
            assert await anna.waiting.get() == CHANGED
            await there.finish(begun.job, [])
            assert await anna.waiting.get() == CHANGED
            await there.delete("anna", begun.job.history_id)
            assert await anna.waiting.get() == CHANGED
        assert ben.waiting.empty()
        watching.cancel()
    await here.close()
    await there.close()


async def test_nothing_is_asked_while_no_page_is_open(tmp_path: Path, clock: Clock) -> None:
    store, events = await open_sqlite(tmp_path, clock), Events()
    watching = asyncio.create_task(Elsewhere(store=store, events=events, look_s=0).watch())
    await store.close()  # a question would be a mistake of ours, which ends the watch
    for _ in range(20):
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()
