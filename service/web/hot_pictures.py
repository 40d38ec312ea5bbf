"""The pictures that are asked for again and again, held in memory within a bound of bytes.

1. One is read into memory when it is asked for the second time: a look through a whole history leaves the memory as it
   is. The least recently used goes first, and one that is being sent stays, since its bytes are in memory anyway.
2. Each answer from memory looks for the file first, by two calls of the system that take microseconds (`Files.stamp`).
   So a picture that was removed is gone at once, whichever process removed it.
3. Where a storage cannot tell at once whether a file is there, its answer is waited for; the bytes alone are spared.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from service.storage.files import Files
from service.web.picture_response import Served

HOT_BYTES: Final = 64_000_000
LARGEST_SHARE: Final = 8
"""One picture takes an eighth of the memory at most: it is sent from its file otherwise, as quickly."""

MOST_ASKED: Final = 4096
"""Pictures of which it is remembered that they were asked for once."""


@dataclass
class _Held:
    """A picture in memory, the stamps of its files when it was read, and how many answers are being sent from it."""

    served: Served
    stamps: tuple[Hashable, ...]
    sending: int = 0


class HotPictures:
    """Holds pictures and derivatives of `files` in memory, of `max_bytes` in all; 0 holds none."""

    def __init__(self, files: Files, max_bytes: int = HOT_BYTES) -> None:
        """Begin with none."""
        self._files = files
        self._max_bytes = max_bytes
        self._size = 0
        self._held: OrderedDict[tuple[str, bool], _Held] = OrderedDict()
        self._asked: OrderedDict[tuple[str, bool], None] = OrderedDict()

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
        if key in self._asked:
            del self._asked[key]
            return True
        self._asked[key] = None
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
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
