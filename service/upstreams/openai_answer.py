"""An answer of an Images API: partial pictures while it arrives, the pictures at the end.

Streaming, `image_generation.partial_image` and `.completed` events, or `image_edit.…`; else one body with `data`.
Relays leave out the names of events or their `type`, give `url` in place of `b64_json`, add `[DONE]`, or answer with
one body though a stream was asked for. A partial picture is never the result.
"""

from collections.abc import Mapping
from typing import Final

from service.upstreams.answer import Event, ImageAnswer
from service.upstreams.error_body import reported_error
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.image_sources import Source, in_field, in_text
from service.upstreams.kinds import Kind

LISTS: Final = ("data", "images")
"""The fields that list the pictures: `data` of OpenAI, `images` of SiliconFlow and its kin."""


class ImagesAnswer(ImageAnswer[int]):
    """One answer with `expected` pictures. Its steps are the numbers of partial pictures, from 0."""

    def __init__(self, expected: int) -> None:
        """Begin an answer."""
        super().__init__()
        self._expected = expected
        self._completed = 0
        self._has_list = False
        self._partials = 0
        self._pictures: list[Source] = []

    def _find_pictures(self) -> list[Source]:
        """Return the pictures, each once, in order."""
        return list(dict.fromkeys(self._pictures))

    def _explain_nothing(self) -> UpstreamError:
        """Return the error: an empty list, or an answer that ended before its picture."""
        if self._has_list:
            return UpstreamError(Kind.NO_IMAGE, self.text or "an empty list")
        if self._completed:
            return UpstreamError(Kind.NO_IMAGE, detail="(It says that the picture is complete, and holds none.)")
        if self._partials or self.is_unreadable or not self.text:
            return UpstreamError(Kind.LOST, detail="(Its answer ended before the picture was complete.)")
        return UpstreamError(Kind.NO_IMAGE, self.text)

    def end(self) -> list[int]:
        """Read what the end of the answer completes, a body that is plain text among it."""
        steps = super().end()
        self._pictures += list(in_field(self.text)) or in_text(self.text)
        return steps

    def _read(self, event: Event) -> list[int]:
        match event.value:
            case {**fields}:
                return self._step(fields, _kind(event.name, fields))
            case [*items]:
                self._pictures += in_field(items)
        return []

    def _step(self, fields: Mapping[object, object], kind: str) -> list[int]:
        if kind == "partial_image":
            index = fields.get("partial_image_index")
            self._partials += 1
            return [index if isinstance(index, int) else self._partials - 1]
        found = list(in_field(fields))
        self._pictures += found
        lists = [items for name in LISTS if isinstance(items := fields.get(name), list)]
        self._has_list |= bool(lists)
        if kind == "completed" or (found and not lists):
            self._complete_one()
        elif not found and kind == "error":
            self._fail(upstream_error(200, {"error": fields}))
        elif not found and (error := _error_of_one(lists)) is not None:
            self._fail(upstream_error(200, error))
        elif not found:
            self._explain_later(fields)
        return []

    def _complete_one(self) -> None:
        """Count a complete picture. There may be more than were asked for, but none was promised."""
        self._completed += 1
        self.is_finished = True
        self.is_complete |= self._completed >= self._expected


def _error_of_one(lists: list[list[object]]) -> dict[str, object] | None:
    """Return the error that stands in the place of a picture: Volcengine Ark reports a failure for each of them."""
    errors = (reported_error(item) for items in lists for item in items if isinstance(item, dict))
    return next((error for error in errors if error is not None), None)


def _kind(name: str, fields: Mapping[object, object]) -> str:
    """Return the last part of an event's type; for an event without any, the one that its fields mean."""
    type_ = fields.get("type")
    kind = (type_ if isinstance(type_, str) else name).rpartition(".")[2]
    return "partial_image" if not kind and "partial_image_index" in fields else kind
