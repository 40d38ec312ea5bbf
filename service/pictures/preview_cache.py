"""The previews that were made last, so that a picture is not decoded again for every look at it."""

from collections import OrderedDict
from typing import Final

MAX_BYTES: Final = 8_000_000
"""About a hundred previews of usual size; the pictures of the chats that go on now."""


class PreviewMemory:
    """Previews by the name of their picture, the least recently used forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._previews: OrderedDict[str, bytes] = OrderedDict()

    def remember(self, name: str, preview: bytes) -> None:
        """Keep one; the bytes under a name never change, and so neither does its preview."""
        if name not in self._previews:
            self._size += len(preview)
        self._previews[name] = preview
        self._previews.move_to_end(name)
        while self._size > self._max_bytes:
            _, oldest = self._previews.popitem(last=False)
            self._size -= len(oldest)

    def find(self, name: str) -> bytes | None:
        """The preview, if it is still here."""
        if name in self._previews:
            self._previews.move_to_end(name)
        return self._previews.get(name)
