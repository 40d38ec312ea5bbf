"""The pictures that are asked for again and again, held in memory within a bound of bytes.

1. One is read into memory when it is asked for again before so many others were that memory could not hold them: one
   look through a whole history, or one after the other, leaves the memory as it is. The least recently used goes
   first, and one that is being sent stays, since its bytes are in memory anyway.
2. Each answer from memory looks for the file first, by two calls of the system that take microseconds (`Files.stamp`).
   So a picture that was removed is gone at once, whichever process removed it.
3. Where a storage cannot tell at once whether a file is there, it is asked, and its answer holds for a moment
   (`Files.look_holds_s`). A storage that is out of reach takes nothing away: it is told by no answer that a picture is
   gone.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from service.images import WorkError
from service.storage.files import Files
from service.web.picture_response import Served

HOT_BYTES: Final = 64_000_000
LARGEST_SHARE: Final = 8
"""One picture takes an eighth of the memory at most: it is sent from its file otherwise, as quickly."""

LOOK_S: Final = 1.0
"""Longest wait for a storage to say whether a picture is there."""

AWAY_S: Final = 2.0
"""Seconds for which a storage that said nothing is not asked again."""

MOST_ASKED: Final = 4096
"""Pictures, however small, of which it is remembered that they were asked for once."""


@dataclass
class _Held:
    """A picture in memory, the stamps of its files when it was read, and how many answers are being sent from it."""

    served: Served
    stamps: tuple[Hashable, ...]
    sending: int = 0
    seen: tuple[float, int] = (-math.inf, 0)
    """The time of the loop until which a look holds, and the number of removals at that look."""


class HotPictures:
    """Holds pictures and derivatives of `files` in memory, of `max_bytes` in all; 0 holds none."""

    def __init__(self, files: Files, max_bytes: int = HOT_BYTES) -> None:
        """Begin with none."""
        self._files = files
        self._max_bytes = max_bytes
        self._size = 0
        self._held: OrderedDict[tuple[str, bool], _Held] = OrderedDict()
        self._asked: OrderedDict[tuple[str, bool], int] = OrderedDict()
        self._asked_size = 0

    def find(self, source: str, *, varies: bool) -> Served | None:
        """Return what is held of a file that is there at this moment; None where that cannot be told at once."""
        if (held := self._held.get((source, varies))) is None:
            return None
        if held.stamps != (now := self._stamps(source)):
            self._forget(source, varies)
            return None
        if None in now:
            return None
        self._held.move_to_end((source, varies))
        return held.served

    async def confirm(self, source: str, *, varies: bool) -> Served | None:
        """Return what is held of a file, once the storage has said that it is there, or where it says nothing at all.

        None where nothing is held, or the file is gone.
        """
        held = self._held.get((source, varies))
        if held is None or None not in held.stamps:
            return None
        now = asyncio.get_running_loop().time()
        if held.seen[0] <= now or held.seen[1] != self._files.removals:
            removals, is_there = self._files.removals, await self._is_there(source)
            if is_there is False:
                if self._held.get((source, varies)) is held:
                    self._forget(source, varies)
                return None
            holds_s = self._files.look_holds_s if is_there else AWAY_S
            held.seen = (now + holds_s, removals)
        return held.served

    async def _is_there(self, source: str) -> bool | None:
        """Ask the storage for a picture, with which its derivatives go; None where it says nothing in time."""
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._files.find(source.partition("~")[0]) is not None
        except (TimeoutError, WorkError):
            return None

    async def warm(self, served: Served) -> Served:
        """Return a picture that was just found with its bytes, where they are held or are to be from now on."""
        key = (served.source, served.varies)
        if (held := self._held.get(key)) is not None:
            self._held.move_to_end(key)
            return held.served
        if served.held is not None or not self._is_wanted(key, served.stored.size):
            return served
        stamps = self._stamps(served.source)
        data = await self._files.read(served.source)
        if data is None or len(data) != served.stored.size:
            return served
        warm = replace(served, held=data)
        if key not in self._held:  # another request may have read it meanwhile
            self._held[key] = _Held(warm, stamps)
            self._size += len(data)
            self._make_room()
        return warm

    @contextmanager
    def sending(self, served: Served) -> Iterator[None]:
        """Count an answer that is being sent: its bytes are in memory until the block ends."""
        held = self._held.get((served.source, served.varies))
        if held is None or held.served is not served:
            yield
            return
        held.sending += 1
        try:
            yield
        finally:
            held.sending -= 1
            self._make_room()

    def _stamps(self, source: str) -> tuple[Hashable, ...]:
        """Return the stamps of a file, and of the picture that it is a derivative of."""
        picture = source.partition("~")[0]
        stamp = self._files.stamp(source)
        return (stamp,) if picture == source else (stamp, self._files.stamp(picture))

    def _is_wanted(self, key: tuple[str, bool], size: int) -> bool:
        """Tell that a picture is to be held: it is asked for again. One that is being read is asked for anew."""
        if size * LARGEST_SHARE > self._max_bytes:
            return False
        if (asked := self._asked.pop(key, None)) is not None:
            self._asked_size -= asked
            return True
        self._asked[key] = size
        self._asked_size += size
        while self._asked_size > self._max_bytes or len(self._asked) > MOST_ASKED:
            _, longest_ago = self._asked.popitem(last=False)
            self._asked_size -= longest_ago
        return False

    def _make_room(self) -> None:
        while self._size > self._max_bytes:
            oldest = next((key for key, held in self._held.items() if not held.sending), None)
            if oldest is None:
                return
            self._forget(*oldest)

    def _forget(self, source: str, varies: bool) -> None:
        held = self._held.pop((source, varies))
        self._size -= held.served.stored.size
