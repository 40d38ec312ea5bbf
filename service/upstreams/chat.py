"""A chat-completions answer: thoughts out at once, text and pictures at the end.

Every event, as well as a body that is not a stream at all, goes through one `match`: the chunks and messages of OpenAI
and the gateways, an Images answer from the chat route (grok2api before PR #200), Gemini's own `candidates` handed
through, a bare `url`.

Thoughts (`reasoning_content` and its kin) are handed to the caller and searched for nothing: a URL in them is not the
result, and what they say is no error.
"""

import re
from collections.abc import Iterator
from typing import Final

from service.upstreams.answer import AnswerReader
from service.upstreams.base64_extractor import Base64Extractor, ExtractedBase64
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.image_sources import Source, in_field, in_text, in_words
from service.upstreams.kinds import Kind

MAX_TEXT: Final = 256 * 1024
"""Bytes of text in one answer, base64 not counted. It is searched in one go."""

THINKING: Final = re.compile(r"<(think|thinking|thought)>.*?(?:</\1>|\Z)", re.DOTALL)
REFUSALS: Final = frozenset({
    "content_filter", "refusal", "safety", "prohibited_content", "blocklist", "spii", "recitation", "image_safety",
    "image_prohibited_content", "image_recitation",
})  # fmt: skip
"""Gemini API, FinishReason and BlockReason; new-api says `content_filter` for any of them."""

TOP_FIELDS: Final = ("data", "images", "image", "image_url", "url")
"""Where an answer without `choices` may hold its pictures."""

Key = tuple[int, int]


class ChatAnswer:
    """One answer. `feed` it all bytes, `end` it (or `cut` it), then take `pictures` or say `without_picture`."""

    def __init__(self) -> None:
        self.finished = False
        self._answer = AnswerReader()
        self._ended = True
        self._content = Base64Extractor(self.lifted, json=False)
        self._text = bytearray()
        self._pictures: list[tuple[Key | None, Source]] = []
        self._refusal = ""
        self._finish: dict[str, str] = {}

    @property
    def lifted(self) -> ExtractedBase64:
        return self._answer.lifted

    @property
    def done(self) -> bool:
        """The service has said all, even if the connection stays open."""
        return self._answer.done

    def feed(self, data: bytes) -> Iterator[str]:
        """Take bytes, and yield each thought they complete. Raise `UpstreamError` for an error event."""
        for event in self._answer.feed(data):
            yield from self._read(event.value)

    def end(self) -> Iterator[str]:
        """Read what the end of the answer completes: a last event, or a body that was no stream."""
        for event in self._answer.end():
            yield from self._read(event.value)
        self._say(self._answer.text)
        self._text += self._content.rest()

    def cut(self) -> None:
        """The connection broke: what came last may be half a picture, and only what is surely whole counts."""
        self._ended = False
        self._text += self._content.rest()

    def pictures(self) -> list[Source]:
        """The pictures, each once, in order. Fields that hold nothing else come before text."""
        found = [source for _, source in self._pictures]
        if not found:
            found = in_words(self._words()) if self._is_refused() else in_text(self._words(), ended=self._ended)
        return list(dict.fromkeys(found))

    def without_picture(self) -> UpstreamError:
        """Why there is no picture, as far as the answer says."""
        if self._answer.unreadable and not self._words():
            return UpstreamError(Kind.LOST, detail="(Its answer could not be read.)")
        reasons = ", ".join(f"{name} {reason}" for name, reason in self._finish.items() if reason.lower() != "stop")
        said = self._refusal or self._words() or ("" if reasons else "nothing at all")
        kind = Kind.POLICY if self._is_refused() else Kind.NO_IMAGE
        return UpstreamError(kind, said, detail=f"({reasons}.)" if reasons else "")

    def _is_refused(self) -> bool:
        return bool(self._refusal) or any(reason.lower() in REFUSALS for reason in self._finish.values())

    def _words(self) -> str:
        return THINKING.sub("", self._text.decode(errors="replace")).strip()

    def _read(self, event: object) -> Iterator[str]:
        match event:
            case {"error": error} | {"errors": error} | {"detail": error} if error:
                raise upstream_error(200, event)
            case {"choices": [*choices]}:
                for position, choice in enumerate(choices):
                    yield from self._choice(choice, position)
            case {**fields} if "candidates" in fields or "promptFeedback" in fields:
                yield from self._gemini(fields)
            case {**fields}:
                found = [source for name in TOP_FIELDS for source in in_field(fields.get(name))]
                self._pictures += [(None, source) for source in found]
                if not found and ("message" in fields or "msg" in fields):
                    raise upstream_error(200, fields)
            case _:
                return  # no object at all; of those, usage alone and `choices: null` hold nothing either

    def _choice(self, choice: object, position: int) -> Iterator[str]:
        match choice:
            case {"error": error} if error:
                raise upstream_error(200, choice)
            case {"finish_reason": "error", **rest}:
                raise upstream_error(200, {"error": f"finish_reason error {rest.get('native_finish_reason') or ''}"})
            case {"delta": {**message}, **rest} if message or "message" not in rest:
                yield from self._message(message, position)
            case {"message": {**message}}:
                yield from self._message(message, position)
        match choice:
            case {**fields}:
                self._finishes(fields, "finish_reason", "native_finish_reason")

    def _message(self, message: dict[object, object], position: int) -> Iterator[str]:
        for name in ("reasoning_content", "reasoning", "thinking"):
            match message.get(name):
                case str(thought) if thought:
                    yield thought
        for name in ("images", "image"):
            self._show(message.get(name), position)
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
            case _:
                self._pictures += [(None, source) for source in in_field(part)]

    def _show(self, value: object, position: int) -> None:
        """Take the pictures of a field. One with the index of an earlier event's is the final version of it (grok)."""
        shown: list[tuple[Key | None, Source]] = []
        for item in value if isinstance(value, list) else [value]:
            match item:
                case {"index": int(index)}:
                    key: Key | None = (position, index)
                case _:
                    key = None
            shown += [(key, source) for source in in_field(item)]
        replaced = {key for key, _ in shown if key is not None}
        self._pictures = [each for each in self._pictures if each[0] not in replaced] + shown

    def _gemini(self, event: dict[object, object]) -> Iterator[str]:
        """Gemini API, GenerateContentResponse. Pictures among the thoughts are drafts."""
        match event.get("promptFeedback"):
            case {**feedback}:
                self._finishes(feedback, "blockReason")
        match event.get("candidates"):
            case [*candidates]:
                for candidate in candidates:
                    yield from self._candidate(candidate)

    def _candidate(self, candidate: object) -> Iterator[str]:
        match candidate:
            case {"content": {"parts": [*parts]}}:
                for part in parts:
                    match part:
                        case {"thought": True, "text": str(thought)}:
                            yield thought
                        case {"thought": True}:
                            continue
                        case _:
                            self._part(part)
        match candidate:
            case {**fields}:
                self._finishes(fields, "finishReason", "finishMessage")

    def _finishes(self, fields: dict[object, object], *names: str) -> None:
        for name in names:
            match fields.get(name):
                case str(reason) if reason:
                    self.finished = True
                    self._finish[name] = reason

    def _say(self, text: str) -> None:
        self._text += self._content.lift(text.encode())
        if len(self._text) > MAX_TEXT:
            raise ValueError(f"the text of the answer is larger than {MAX_TEXT} bytes")
