"""The events of the gallery: what happens to the jobs of an owner, sent to that owner's open pages.

A page that reads slowly is not waited for: beyond `MOST_WAITING` events its stream ends, and it connects anew and reads
the newest page of the history again. So events may be lost, and nothing depends on one.

What other processes do, as other replicas or a chat program's own service, is heard by their notices (`Elsewhere`).
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, KeysView
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from service.storage.notices import AnythingChanged, HistoryChanged, JobChanged, JobProgress, Notice

MOST_WAITING: Final = 200
"""Events that wait for one page."""

BEAT_S: Final = 15.0
"""Seconds of silence before a comment, by which proxies keep a connection and a lost reader is noticed."""

COMMENT: Final = b": .\n\n"
PROGRESS_PAUSE_S: Final = 0.25
"""Between two reports of one job: an image service may report each step of hundreds."""

STREAMS: Final = 8
"""Open streams of one owner: a browser has six connections to one host, and a person a second device."""


class Stream:
    """One open page: the events that wait for it, and whether it fell behind."""

    def __init__(self) -> None:
        """Begin with nothing waiting."""
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, event: bytes) -> None:
        """Add an event; of a page that fell behind, end the stream."""
        if self.waiting.qsize() < MOST_WAITING:
            self.waiting.put_nowait(event)
        else:
            self.end()

    def end(self) -> None:
        """End the stream once the events before this were taken."""
        self.waiting.put_nowait(None)


class Events:
    """The open pages of all owners."""

    def __init__(self, beat_s: float = BEAT_S) -> None:
        """Begin without a page."""
        self._streams: dict[str, set[Stream]] = defaultdict(set)
        self.opened = asyncio.Event()
        """Set while a page is open."""
        self._beat_s = beat_s
        self._told: dict[tuple[str, int], float] = {}

    @property
    def owners(self) -> KeysView[str]:
        """The owners who have a page open, at each moment."""
        return self._streams.keys()

    def is_full(self, owner: str) -> bool:
        """Tell whether this owner has as many pages open as may be."""
        return len(self._streams.get(owner, ())) >= STREAMS

    def tell(self, owner: str, name: str, data: Any) -> None:
        """Send an event to the open pages of an owner."""
        streams = self._streams.get(owner)
        if streams:
            event = b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
            for stream in tuple(streams):
                stream.put(event)

    def is_due(self, owner: str, history_id: int) -> bool:
        """Tell whether a report of this job may be sent now: not so soon after the one before."""
        now, key = asyncio.get_running_loop().time(), (owner, history_id)
        if now - self._told.get(key, -PROGRESS_PAUSE_S) < PROGRESS_PAUSE_S:
            return False
        self._told[key] = now
        return True

    def forget(self, owner: str, history_id: int) -> None:
        """Forget when a job was last told of: it has ended."""
        self._told.pop((owner, history_id), None)

    @contextmanager
    def stream(self, owner: str) -> Iterator[Stream]:
        """Hear the events of an owner until the block ends."""
        stream = Stream()
        self._streams[owner].add(stream)
        self.opened.set()
        try:
            yield stream
        finally:
            self._streams[owner].discard(stream)
            if not self._streams[owner]:
                del self._streams[owner]
                if not self._streams:
                    self.opened.clear()
                self._told = {job: told for job, told in self._told.items() if job[0] != owner}

    async def of(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        """The events of a stream as they come, with comments while it is silent."""
        yield COMMENT
        while True:
            try:
                async with asyncio.timeout(self._beat_s):
                    event = await stream.waiting.get()
            except TimeoutError:
                event = COMMENT
            if event is None:
                return
            yield event

    def close(self, owner: str | None = None) -> None:
        """End the streams of an owner, or of everybody."""
        for each in [owner] if owner is not None else list(self._streams):
            for stream in tuple(self._streams.get(each, ())):
                stream.end()


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Takes the notices of other processes. `heard` tells the open pages of an owner how a job stands."""

    events: Events
    heard: Callable[[str, int], None]

    def hear(self, notice: Notice) -> None:
        """Tell the open pages what a notice says."""
        match notice:
            case JobChanged(owner, history_id) | JobProgress(owner, history_id):
                if owner in self.events.owners:
                    self.heard(owner, history_id)
            case HistoryChanged(owner):
                self.events.tell(owner, "changed", {})
            case AnythingChanged():
                for owner in tuple(self.events.owners):
                    self.events.tell(owner, "changed", {})
