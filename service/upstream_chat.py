"""A chat-completions answer, read as its bytes arrive: thoughts out at once, text and pictures at the end.

Bytes go through a `Lifter` (long base64 out), an `SseReader` (events) and `orjson`, and every event, as well as a body
that is not a stream at all, through one `match`. What services send beside the standard is listed in upstreams.md 3.

Thoughts (`reasoning_content` and its kin) are handed to the caller and searched for nothing: a URL in them is not the
result, and what they say is no error.
"""

import re
from collections.abc import Iterator
from typing import Final

import orjson

from service.upstream_base64 import Lifted, Lifter
from service.upstream_chat_places import Source, in_field, in_text
from service.upstream_errors import Kind, UpstreamError, upstream_error
from service.upstream_sse import SseReader

MAX_ANSWER: Final = 100 * 1024 * 1024
"""Bytes of one answer: several pictures of the largest size, inline."""

MAX_TEXT: Final = 256 * 1024
"""Bytes of text in one answer, base64 not counted. It is searched in one go."""

DONE: Final = b"[DONE]"
THINKING: Final = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
REFUSED: Final = frozenset({"content_filter", "refusal"})
"""new-api says `content_filter` for any reason of Gemini's but STOP and MAX_TOKENS."""


class ChatAnswer:
    """One answer. `feed` it all bytes, `end` it (or `cut` it), then take `pictures` or say `without_picture`.

    `done` says that the service has said all, even if the connection stays open.
    """

    def __init__(self) -> None:
        self.lifted: Final = Lifted()
        self.done = False
        self._ended = True
        self._unreadable = False
        self._size = 0
        self._bytes = Lifter(self.lifted, json=True)
        self._events = SseReader()
        self._content = Lifter(self.lifted, json=False)
        self._text = bytearray()
        self._pictures: list[Source] = []
        self._refusal = ""
        self._finish = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """Take bytes, and yield each thought they complete. Raise `UpstreamError` for an error event."""
        self._size += len(data)
        if self._size > MAX_ANSWER:
            raise ValueError(f"the answer is larger than {MAX_ANSWER} bytes")
        for event in self._events.feed(self._bytes.lift(data)):
            yield from self._event(event)

    def end(self) -> Iterator[str]:
        """Read what the end of the answer completes: a last event, or a body that was no stream."""
        for event in self._events.feed(self._bytes.rest()):
            yield from self._event(event)
        for event in self._events.rest():
            yield from self._event(event)
        yield from self._body(b"\n".join(self._events.other))
        self._text += self._content.rest()

    def cut(self) -> None:
        """The connection broke: what came last may be half a picture, and only what is surely whole counts."""
        self._ended = False
        self._text += self._content.rest()

    def pictures(self) -> list[Source]:
        """The pictures, each once, in order."""
        return list(dict.fromkeys(self._pictures or in_text(self._words(), ended=self._ended)))

    def without_picture(self) -> UpstreamError:
        """Why there is no picture, as far as the answer says."""
        if self._unreadable and not self._words():
            return UpstreamError(Kind.LOST, detail="(Its answer could not be read.)")
        said = self._refusal or self._words() or (f"finish_reason {self._finish}" if self._finish else "nothing at all")
        refused = self._refusal or self._finish.lower() in REFUSED
        return UpstreamError(Kind.POLICY if refused else Kind.NO_IMAGE, said)

    def _words(self) -> str:
        return THINKING.sub("", self._text.decode(errors="replace")).strip()

    def _event(self, data: bytes) -> Iterator[str]:
        """Read the data of one event. Lines that only make sense one by one were sent without blank lines between."""
        if data.strip() == DONE:
            self.done = True
            return
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            lines = data.splitlines()
            self._unreadable |= len(lines) == 1
            for line in lines if len(lines) > 1 else ():
                yield from self._event(line)
        else:
            yield from self._read(event)

    def _body(self, body: bytes) -> Iterator[str]:
        """Read what came outside of all events: one JSON body, JSON by lines, or a page of a proxy."""
        if body.lstrip().startswith((b"{", b"[")):
            yield from self._event(body)
        elif body.lstrip().startswith(b"<"):
            raise UpstreamError(Kind.ADDRESS, body.decode(errors="replace"))
        else:
            self._say(body.decode(errors="replace"))

    def _read(self, event: object) -> Iterator[str]:
        match event:
            case {"error": error} | {"errors": error} | {"detail": error} if error:
                raise upstream_error(200, event)
            case {"choices": [*choices]}:
                for choice in choices:
                    yield from self._choice(choice)
            case {"data": [*items]}:
                self._pictures += in_field(items)
            case {"message": str()} | {"msg": str()}:
                raise upstream_error(200, event)
            case _:
                return  # usage alone, or `choices: null`

    def _choice(self, choice: object) -> Iterator[str]:
        match choice:
            case {"error": error} if error:
                raise upstream_error(200, choice)
            case {"delta": {**message}} | {"message": {**message}}:
                yield from self._message(message)
        match choice:
            case {"finish_reason": str(finish)}:
                self._finish = finish

    def _message(self, message: dict[object, object]) -> Iterator[str]:
        for name in ("reasoning_content", "reasoning", "thinking"):
            match message.get(name):
                case str(thought) if thought:
                    yield thought
        for name in ("images", "image"):
            self._pictures += in_field(message.get(name))
        match message.get("refusal"):
            case str(refusal):
                self._refusal += refusal
        match message.get("content"):
            case str(text):
                self._say(text)
            case [*parts]:
                for part in parts:
                    self._part(part)

    def _part(self, part: object) -> None:
        match part:
            case {"text": str(text)}:
                self._say(text)
            case {"image_url": _} | {"b64_json": _} | {"url": _}:
                self._pictures += in_field(part)

    def _say(self, text: str) -> None:
        self._text += self._content.lift(text.encode())
        if len(self._text) > MAX_TEXT:
            raise ValueError(f"the text of the answer is larger than {MAX_TEXT} bytes")
