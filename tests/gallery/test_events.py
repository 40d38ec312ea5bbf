"""The events of the gallery's open pages."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from service.gallery.events import COMMENT, MOST_WAITING, STREAMS, Elsewhere, Events
from service.storage.notices import AnythingChanged, HistoryChanged, JobChanged, JobProgress, TaskMoved
from tests.conftest import Serve
from tests.gallery.visitor import visitor
from tests.seeded_history import seeded_history


async def test_an_event_goes_to_the_pages_of_its_owner_alone() -> None:
    events = Events()
    with events.stream("anna") as anna, events.stream("ben") as ben:
        events.tell("anna", "job", {"history_id": 4})
        assert await anna.waiting.get() == b'event: job\ndata: {"history_id":4}\n\n'
        assert ben.waiting.empty()
        assert set(events.owners) == {"anna", "ben"}
    assert not events.owners


async def test_a_job_is_forgotten_with_the_last_page_of_its_owner() -> None:
    """Bug: of a job that ended while nobody looked, the time of its last report was kept for ever."""
    events = Events()
    with events.stream("anna"):
        assert events.is_due("anna", 1)
        assert not events.is_due("anna", 1)
    assert events.is_due("anna", 1)


async def test_a_silent_stream_has_comments() -> None:
    """Ours: proxies close a connection on which nothing is said."""
    events = Events(beat_s=0.01)
    with events.stream("anna") as stream:
        heard = events.of(stream)
        assert [await anext(heard), await anext(heard)] == [COMMENT, COMMENT]
        events.tell("anna", "deleted", {"history_ids": [1]})
        assert (await anext(heard)).startswith(b"event: deleted\n")


async def test_a_page_that_falls_behind_is_ended_and_holds_no_memory() -> None:
    """Ours: it connects anew, and reads what it missed."""
    events = Events()
    with events.stream("anna") as stream:
        for number in range(2 * MOST_WAITING):
            events.tell("anna", "job", {"history_id": number})
        heard = [event async for event in events.of(stream)]
    assert len(heard) == MOST_WAITING + 1


async def test_a_stop_ends_all_streams_and_a_revocation_those_of_one() -> None:
    events = Events()
    with events.stream("anna") as anna, events.stream("ben") as ben:
        events.close("anna")
        assert [event async for event in events.of(anna)] == [COMMENT]
        assert ben.waiting.empty()
        events.close()
        assert [event async for event in events.of(ben)] == [COMMENT]


async def test_one_owner_has_so_many_pages_open() -> None:
    events = Events()
    with ExitStack() as stack:
        for _ in range(STREAMS):
            assert not events.is_full("anna")
            stack.enter_context(events.stream("anna"))
        assert events.is_full("anna")
        assert not events.is_full("ben")
    assert not events.is_full("anna")


async def test_reports_of_one_job_that_follow_each_other_are_told_once() -> None:
    events = Events()
    assert [events.is_due("anna", 1), events.is_due("anna", 1), events.is_due("anna", 2)] == [True, False, True]
    events.forget("anna", 1)
    assert events.is_due("anna", 1)
    await asyncio.sleep(0)


CHANGED = b"event: changed\ndata: {}\n\n"


async def test_a_page_hears_of_what_another_process_draws(serve: Serve, tmp_path: Path) -> None:
    """Bug: what a chat program's own service drew, on the same folder, was not there until the page was reloaded."""
    async with serve() as easel, visitor(easel) as anna, seeded_history(tmp_path / "data") as elsewhere:
        async with anna.http.get(f"{easel.origin}/gallery/api/events") as stream, asyncio.timeout(60):
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
