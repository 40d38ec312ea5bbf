"""Events that are kept for a client that lost its connection: resumed in place, bounded, and nobody else's."""

import asyncio

import pytest

from service.bounds.limits import REPLAY_MEGABYTES
from service.protocol.call import DeliveryCallbacks
from service.protocol.jsonrpc import notification_message
from service.protocol.replay import KEEP_ALIVE, Stream, Streams, frame, priming
from tests.limited import limited

OWNER = "anna"
SESSION = "session"


def stream_of(streams: Streams, id_: str = "s", session: str = SESSION, messages: int = 0) -> Stream:
    stream = streams.open(id_, session, OWNER, primed=True)
    for number in range(messages):
        stream.append(str(number).encode())
    return stream


async def followed(stream: Stream, after: int) -> list[bytes]:
    """Everything that a client gets which comes again; the stream must have ended."""
    return [event async for event in stream.follow(after)]


def test_an_event_says_its_stream_and_its_place() -> None:
    """Spec 2025-11-25, Resumability: ids are unique over all streams of a session."""
    stream = stream_of(Streams())
    assert stream.append(b"{}") == b"id: s-1\nevent: message\ndata: {}\n\n"
    assert stream.append(b"[]") == b"id: s-2\nevent: message\ndata: []\n\n"


@pytest.mark.parametrize("after", range(4))
async def test_a_client_resumes_after_any_event(after: int) -> None:
    """Spec 2025-11-25, Resumability: the messages that would have been sent after the last event id. 0: primed only."""
    streams = Streams()
    stream = stream_of(streams, messages=3)
    stream.end()
    found = streams.find(f"s-{after}", SESSION)
    assert found == (stream, after)
    missed = [f"id: s-{n}\nevent: message\ndata: {n - 1}\n\n".encode() for n in range(after + 1, 4)]
    assert await followed(stream, after) == missed


async def test_who_follows_gets_what_comes_as_well() -> None:
    stream = stream_of(Streams(), messages=1)
    following = stream.follow(0)
    assert await anext(following) == b"id: s-1\nevent: message\ndata: 0\n\n"
    upcoming = asyncio.ensure_future(anext(following))
    await asyncio.wait({upcoming}, timeout=0)
    event = stream.append(b"late")
    assert await upcoming == event
    stream.end()
    assert [each async for each in following] == []


async def test_several_can_follow_one_stream() -> None:
    """Ours: a client that comes again before its old connection is known to be dead gets everything, too."""
    stream = stream_of(Streams())
    both = [asyncio.create_task(followed(stream, 0)) for _ in range(2)]
    await asyncio.wait(both, timeout=0)
    events = [stream.append(b"1"), stream.append(b"2")]
    stream.end()
    assert [await each for each in both] == [events, events]


def test_a_stream_is_over_for_who_has_its_newest_event_once_it_has_ended() -> None:
    stream = stream_of(Streams(), messages=2)
    assert not stream.is_over(2)
    stream.end()
    assert [stream.is_over(after) for after in (1, 2)] == [False, True]


@pytest.mark.parametrize(
    ("event_id", "session"),
    [
        pytest.param("s-1", "other", id="another session's stream"),
        pytest.param("t-1", SESSION, id="no such stream"),
        pytest.param("s-3", SESSION, id="an event that never was"),
        pytest.param("s-", SESSION, id="no number"),
        pytest.param("s", SESSION, id="no place"),
        pytest.param("s--1", SESSION, id="a negative number"),
        pytest.param("s-x", SESSION, id="no digits"),
        pytest.param("s-" + "9" * 5000, SESSION, id="endless digits"),
        pytest.param("", SESSION, id="empty"),
    ],
)
def test_nothing_is_found_of_an_event_that_was_not_the_sessions(event_id: str, session: str) -> None:
    """Ours: an event id is no key; it counts in its own session alone."""
    streams = Streams()
    stream_of(streams, messages=2)
    assert streams.find(event_id, session) is None


async def test_an_ended_session_can_come_for_nothing() -> None:
    streams = Streams()
    mine, others = stream_of(streams, "a", messages=1), stream_of(streams, "b", "other", messages=1)
    following = asyncio.create_task(followed(mine, 1))
    await asyncio.wait({following}, timeout=0)
    streams.forget_session(SESSION)
    assert await following == []
    assert streams.find("a-1", SESSION) is None
    assert streams.find("b-1", "other") == (others, 1)


def test_the_oldest_stream_goes_when_there_are_too_many() -> None:
    streams = Streams(max_streams=2)
    for id_ in ("a", "b", "c"):
        stream_of(streams, id_, messages=1)
    assert [streams.find(f"{id_}-1", SESSION) is not None for id_ in ("a", "b", "c")] == [False, True, True]


def test_memory_is_bounded_while_streams_grow() -> None:
    """Ours: the bound holds at every event, not only when the next stream opens."""
    streams = Streams(max_bytes=1000)
    old, busy = stream_of(streams, "old", messages=1), stream_of(streams, "busy")
    for _ in range(100):
        busy.append(b"x" * 100)
        assert streams.size <= 1000
    assert streams.find("old-1", SESSION) is None
    assert old.append(b"{}") == b"id: old-2\nevent: message\ndata: {}\n\n"


def test_a_stream_that_is_too_large_alone_goes_as_well() -> None:
    """Ours: its connection still gets every event; only coming again for them is no more."""
    streams = Streams(max_bytes=100)
    stream = stream_of(streams)
    events = [stream.append(b"x" * 60) for _ in range(3)]
    assert [event.partition(b"\n")[0] for event in events] == [b"id: s-1", b"id: s-2", b"id: s-3"]
    assert (streams.find("s-1", SESSION), streams.size) == (None, 0)


def test_beyond_the_bound_of_one_owner_their_own_oldest_goes() -> None:
    """Ours: an owner with large results takes nothing from the others."""
    streams = Streams(max_bytes_of={"anna": 1000, "ben": 1000}.__getitem__)
    bens = streams.open("b", SESSION, "ben", primed=True)
    bens.append(b"x" * 100)
    for number in range(4):
        streams.open(f"a{number}", SESSION, "anna", primed=True).append(b"x" * 400)
    assert [streams.find(f"{id_}-1", SESSION) is not None for id_ in ("b", "a0", "a1", "a2", "a3")] == [
        True, False, False, True, True,
    ]  # fmt: skip
    streams.forget_session(SESSION)
    assert streams.size == 0


def test_one_owner_cannot_have_all_streams() -> None:
    streams = Streams(max_streams=4, max_streams_of_one=2)
    for owner, id_ in (("ben", "b"), ("anna", "a0"), ("anna", "a1"), ("anna", "a2")):
        streams.open(id_, SESSION, owner, primed=True)
    assert [streams.find(f"{id_}-0", SESSION) is not None for id_ in ("b", "a0", "a1", "a2")] == [
        True,
        False,
        True,
        True,
    ]


def test_the_bounds_of_what_is_kept_are_those_of_the_settings() -> None:
    streams = Streams.within(limited(REPLAY_MEGABYTES, 2, 5))
    assert (streams.max_bytes_of("anna"), streams.max_bytes) == (2_000_000, 5_000_000)


async def test_when_all_are_followed_none_goes() -> None:
    """Ours: the bound gives way to readers, of whom there are as many as connections."""
    streams = Streams(max_bytes=100)
    stream = stream_of(streams, messages=1)
    following = stream.follow(0)
    await anext(following)
    stream.append(b"x" * 100)
    assert streams.find("s-2", SESSION) == (stream, 2)
    await following.aclose()


async def test_a_stream_that_is_followed_stays() -> None:
    """Ours: who is reading gets the end of it."""
    streams = Streams(max_streams=1)
    stream = stream_of(streams, "a", messages=2)
    following = stream.follow(0)
    await anext(following)
    stream_of(streams, "b")
    assert streams.find("a-1", SESSION) == (stream, 1)
    await following.aclose()
    stream_of(streams, "c")
    assert streams.find("a-1", SESSION) is None


def test_an_ended_stream_holds_the_receipts_of_its_result_while_it_is_kept() -> None:
    """Ours: who follows a stream to its end has the result; of a stream that went nobody will."""
    streams = Streams(max_streams=1)
    stream, receipts = stream_of(streams, "a", messages=1), DeliveryCallbacks()
    stream.end(receipts)
    assert stream.delivery is receipts
    stream_of(streams, "b")
    assert stream.delivery is None


def test_room_is_made_without_a_look_at_every_stream() -> None:
    """Bug: each event of a full house cost a look at all streams that are kept."""

    class Watched(Stream):
        looks = 0

        @property
        def readers(self) -> int:
            Watched.looks += 1
            return 0

        @readers.setter
        def readers(self, count: int) -> None:
            pass

    streams = Streams(max_streams=100)
    for number in range(100):
        stream_of(streams, str(number))
        for kept in (streams._all, streams._of_owners[OWNER]):
            kept.streams[str(number)] = Watched(str(number), SESSION, OWNER, primed=True, grow=streams._grow)
    streams.open("new", SESSION, OWNER, primed=True)
    assert (Watched.looks, streams.find("0-0", SESSION)) == (1, None)


def test_a_message_is_one_event() -> None:
    message = notification_message("n", {"text": "a\nb"})
    assert frame(message) == b"event: message\ndata: " + message + b"\n\n"


def test_the_keep_alive_is_a_comment() -> None:
    """WHATWG HTML, Server-sent events: a line that starts with a colon is ignored."""
    assert KEEP_ALIVE.startswith(b":")
    assert KEEP_ALIVE.endswith(b"\n\n")


def test_an_event_that_can_be_resumed_from_has_an_id() -> None:
    assert frame(b"{}", "s-1") == b"id: s-1\nevent: message\ndata: {}\n\n"


def test_the_first_event_of_a_stream_has_an_id_no_data_and_the_time_to_come_again() -> None:
    """Spec 2025-11-25, Transports (SEP-1699): an event without any data line is not dispatched, and its id is lost."""
    assert priming("s-0") == b"id: s-0\nretry: 500\ndata:\n\n"
