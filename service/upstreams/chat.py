"""A chat-completions answer: thoughts while it arrives, text and pictures at the end.

Every event, as well as a body that is not a stream at all, goes through one `match`: the chunks and messages of OpenAI
and the gateways, an Images answer from the chat route (grok2api before PR #200), Gemini's own `candidates` handed
through, a bare `url`.

Thoughts (`reasoning_content` and its kin) are steps for the caller and are not searched: a URL in them is not the
result, and an error in them is no failure.
"""

import re
from collections.abc import Mapping
from typing import Final

from service.upstreams.answer import Event, ImageAnswer
from service.upstreams.base64_extractor import Base64Extractor
from service.upstreams.error_body import ERRORS, reported_error
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.image_sources import Source, in_field, in_text, in_words
from service.upstreams.kinds import Kind

MAX_TEXT: Final = 256 * 1024
"""Bytes of text in one answer, base64 not counted. It is searched in one go."""

THINKING: Final = re.compile(r"<(think|thinking|thought)>.*?(?:</\1>|\Z)", re.DOTALL)
SENDS_PREVIEWS: Final = re.compile(r"(?i)grok")
"""Models whose picture replaces an earlier one of the same index."""

REFUSALS: Final = frozenset({
    "content_filter", "refusal", "safety", "prohibited_content", "blocklist", "spii", "recitation", "image_safety",
    "image_prohibited_content", "image_recitation", "model_armor", "jailbreak", "escalation",
})  # fmt: skip
"""Gemini API, FinishReason and BlockReason; new-api says `content_filter` for any of them."""

THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
"""The fields of a message that hold thoughts, by gateway."""

Key = tuple[int, int]
"""The position of a choice, and the index of a picture in it."""


class ChatAnswer(ImageAnswer[str]):
    """One chat answer. Its steps are thoughts."""

    def __init__(self, model: str = "") -> None:
        """Begin an answer of this model."""
        super().__init__()
        self._sends_previews = SENDS_PREVIEWS.search(model) is not None
        self._is_cut = False
        self._content = Base64Extractor(self.extracted, json=False)
        self._text = bytearray()
        self._pictures: list[tuple[Key | None, Source]] = []
        self._refusal = ""
        self._finish: dict[str, str] = {}
        self._finish_words = ""

    def end(self) -> list[str]:
        """Read what the end of the answer completes, a body that is plain text among it."""
        thoughts = super().end()
        if self.text:
            self._add_text(self.text)
        self._text += self._content.rest()
        return thoughts

    def cut(self) -> None:
        """Take note that the connection broke: only a picture that is surely whole counts."""
        super().cut()
        self._is_cut = True
        self._text += self._content.rest()

    def _find_pictures(self) -> list[Source]:
        """Return the pictures, each once, in order. Fields that are made for pictures come before text."""
        found = [source for _, source in self._pictures]
        if not found:
            words = self._words()
            found = in_words(words) if self._is_refused() else in_text(words, ended=not self._is_cut)
        return list(dict.fromkeys(found))

    def _explain_nothing(self) -> UpstreamError:
        """Return the error: a refusal, or words in place of a picture."""
        if self.is_unreadable and not self._words():
            return UpstreamError(Kind.LOST, detail="(Its answer could not be read.)")
        reasons = ", ".join(f"{name} {reason}" for name, reason in self._finish.items() if reason.lower() != "stop")
        words = self._refusal or self._words() or self._finish_words or ("" if reasons else "nothing at all")
        kind = Kind.POLICY if self._is_refused() else Kind.NO_IMAGE
        return UpstreamError(kind, words, detail=f"({reasons}.)" if reasons else "")

    def _is_refused(self) -> bool:
        return bool(self._refusal) or any(reason.lower() in REFUSALS for reason in self._finish.values())

    def _words(self) -> str:
        return THINKING.sub("", self._text.decode(errors="replace")).strip()

    def _read(self, event: Event) -> list[str]:
        match event.value:
            case {"choices": [*choices]}:
                return [thought for at, choice in enumerate(choices) for thought in self._choice(choice, at)]
            case {"message": {**message}}:  # Ollama's own API
                return self._message(message, 0)
            case {"content": [*parts]}:  # Anthropic's Messages API
                for part in parts:
                    self._part(part)
            case {**fields} if "candidates" in fields or "promptFeedback" in fields:
                return self._gemini(fields)
            case {**fields}:
                found = list(in_field(fields))
                self._pictures += [(None, source) for source in found]
                if not found:
                    self._explain_later(fields)
            case [*items]:
                self._pictures += [(None, source) for source in in_field(items)]
        return []  # of the rest, usage alone and `choices: null` hold nothing either

    def _choice(self, choice: object, position: int) -> list[str]:
        match choice:
            case {"delta": {**message}, **rest} if message or "message" not in rest:
                thoughts = self._message(message, position)
            case {"message": {**message}}:
                thoughts = self._message(message, position)
            case _:
                thoughts = []
        match choice:
            case {**fields} if not fields.keys().isdisjoint(ERRORS) and (error := reported_error(fields)):
                self._fail(upstream_error(200, error))
            case {"finish_reason": "error", **rest}:
                words = f"finish_reason error {rest.get('native_finish_reason') or ''}"
                self._fail(upstream_error(200, {"error": words}))
            case {**fields}:
                self._note_finish(fields, "finish_reason", "native_finish_reason")
        return thoughts

    def _message(self, message: dict[object, object], position: int) -> list[str]:
        for name in ("images", "image"):
            if message.get(name):
                self._show(message[name], position)
        match message.get("refusal"):
            case str(refusal):
                self._refusal += refusal
        match message.get("content"):
            case str(text) if text:
                self._add_text(text)
            case [*parts]:
                for part in parts:
                    self._part(part)
        thoughts = [message.get(name) for name in THOUGHTS]
        return [thought for thought in thoughts if isinstance(thought, str) and thought]

    def _part(self, part: object) -> None:
        match part:
            case {"text": str(text)}:
                self._add_text(text)
            case _:
                self._pictures += [(None, source) for source in in_field(part)]

    def _show(self, value: object, position: int) -> None:
        """Add the pictures of a field.

        Grok sends a preview first, and the picture under the same index. Elsewhere the same index says nothing:
        CLIProxyAPI counts within one event, so that each picture of a stream has 0. The later comes first then: a model
        that thinks streams its drafts before the picture.
        """
        shown: list[tuple[Key | None, Source]] = []
        for item in value if isinstance(value, list) else [value]:
            match item:
                case {"index": int(index)}:
                    key: Key | None = (position, index)
                case _:
                    key = None
            shown += [(key, source) for source in in_field(item)]
        keys = {key for key, _ in shown if key is not None}
        earlier = [each for each in self._pictures if each[0] in keys]
        others = [each for each in self._pictures if each[0] not in keys]
        self._pictures = others + shown + ([] if self._sends_previews else earlier)

    def _gemini(self, event: dict[object, object]) -> list[str]:
        """Read a GenerateContentResponse of the Gemini API. Pictures among the thoughts are drafts."""
        match event.get("promptFeedback"):
            case {**feedback}:
                self._note_finish(feedback, "blockReason", words="blockReasonMessage")
        match event.get("candidates"):
            case [*candidates]:
                return [thought for candidate in candidates for thought in self._candidate(candidate)]
        return []

    def _candidate(self, candidate: object) -> list[str]:
        thoughts = []
        match candidate:
            case {"content": {"parts": [*parts]}}:
                for part in parts:
                    match part:
                        case {"thought": True, "text": str(thought)} if thought:
                            thoughts.append(thought)
                        case {"thought": True, **draft}:
                            thoughts += self._draft(draft)
                        case _:
                            self._part(part)
        if isinstance(candidate, dict):
            self._note_finish(candidate, "finishReason", words="finishMessage")
        return thoughts

    def _draft(self, draft: Mapping[object, object]) -> list[str]:  # noqa: ARG002 - an answer that shows drafts reads it
        """Read a part of a thought that is no text, and return what it says of the progress."""
        return []

    def _note_finish(self, fields: Mapping[object, object], *names: str, words: str = "") -> None:
        """Take note of the reasons in some fields, and of the sentence in another one that goes with them."""
        match fields.get(words):
            case str(sentence) if sentence:
                self._finish_words = sentence
        for name in names:
            match fields.get(name):
                case str(reason) if reason:
                    self.is_finished = True
                    self._finish[name] = reason

    def _add_text(self, text: str) -> None:
        self._text += self._content.extract(text.encode())
        if len(self._text) > MAX_TEXT:
            raise ValueError(f"the text of the answer is larger than {MAX_TEXT} bytes")
