"""Server-sent events, as image services send them: bytes cut anywhere in, the data of whole events out.

WHATWG HTML, Server-sent events, "Interpreting an event stream", read generously: `data:` with or without the space,
CRLF, several `data:` lines, comments (OpenRouter sends `: OPENROUTER PROCESSING`), any length of line. A line that is
no field at all is kept in `other`: a service that was asked to stream may answer with one JSON body, or a proxy with a
page of HTML.
"""

from collections.abc import Iterator
from typing import Final

FIELDS: Final = (b"id", b"retry")
"""Fields that no image service puts anything into."""


class SseReader:
    """Reads one stream. What is not yet a whole event at the end is dropped by `feed` and given by `rest`."""

    def __init__(self) -> None:
        self.other: list[bytes] = []
        self.name = b""
        """What the event given last calls itself, if anything."""
        self._named = b""
        self._line: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the data of each event that these bytes complete. To be read to its end."""
        first, *lines = data.split(b"\n")
        self._line.append(first)
        for line in lines:
            yield from self._end_of_line()
            self._line.append(line)

    def rest(self) -> Iterator[bytes]:
        """Yield the event that the end of the stream completes: many servers leave out the last blank line."""
        yield from self._end_of_line()
        yield from self._dispatch()

    def _end_of_line(self) -> Iterator[bytes]:
        line = b"".join(self._line).removesuffix(b"\r")
        self._line.clear()
        name, _, value = line.partition(b":")
        if not line:
            yield from self._dispatch()
        elif name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._named = value.removeprefix(b" ")
        elif name and name not in FIELDS:
            self.other.append(line)

    def _dispatch(self) -> Iterator[bytes]:
        self.name, self._named = self._named, b""
        data, self._data = self._data, []
        if data:
            yield b"\n".join(data)
