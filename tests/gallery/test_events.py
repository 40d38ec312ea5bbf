"""The events of the gallery's open pages."""

import asyncio
from contextlib import ExitStack

from service.gallery.events import COMMENT, MOST_WAITING, STREAMS, Events


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
