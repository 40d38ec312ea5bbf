"""Pages hear of what other processes do."""

import asyncio
from pathlib import Path

from service.gallery.elsewhere import Elsewhere
from service.gallery.events import Events
from service.storage.notices import AnythingChanged, HistoryChanged, JobChanged, JobProgress, TaskMoved
from tests.conftest import Serve
from tests.gallery.visitor import visitor
from tests.seeded_history import seeded_history

CHANGED = b"event: changed\ndata: {}\n\n"


async def test_a_page_hears_of_what_another_process_draws(serve: Serve, tmp_path: Path) -> None:
    """Bug: what a chat program's own service drew, on the same folder, was not there until the page was reloaded."""
    async with serve() as easel, visitor(easel) as anna, seeded_history(tmp_path / "data") as elsewhere:
        async with anna.http.get(f"{easel.origin}/gallery/api/events") as stream, asyncio.timeout(20):
            assert await anna.get("jobs") == (200, {"jobs": [], "next": None, "total": 0, "at_least": False})
            await elsewhere.add("a fox", "0" * 31 + "1.png")
            async for line in stream.content:
                if line == b"event: changed\n" and (await anna.get("jobs"))[1]["total"] == 1:
                    break


async def test_pages_of_the_owner_are_told_and_no_others() -> None:
    events, heard = Events(), list[tuple[str, int]]()
    elsewhere = Elsewhere(events=events, heard=lambda owner, history_id: heard.append((owner, history_id)))
    with events.stream("anna") as anna, events.stream("ben") as ben:
        for notice in (
            JobChanged("anna", 7),
            JobProgress("anna", 7, "Mixing colours"),
            JobChanged("cat", 8, ended=True),
            TaskMoved("anna", "an-id"),
            HistoryChanged("anna"),
        ):
            elsewhere.hear(notice)
        assert heard == [("anna", 7), ("anna", 7)]
        assert (anna.waiting.get_nowait(), anna.waiting.empty(), ben.waiting.empty()) == (CHANGED, True, True)
        elsewhere.hear(AnythingChanged())
        assert anna.waiting.get_nowait() == ben.waiting.get_nowait() == CHANGED
