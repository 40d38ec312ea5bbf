"""An answer of an Images API: how far it is on the way, the pictures at the end.

Streaming, `image_generation.partial_image` and `.completed` events, or `image_edit.…`; else one body with `data`.
Relays leave out the names of events or their `type`, give `url` in place of `b64_json`, add `[DONE]`, or answer with
one body though a stream was asked for. A partial picture is never the result.
"""

from collections.abc import Iterator, Mapping

from service.upstreams.answer import AnswerReader, Event
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.image_sources import Source, in_field
from service.upstreams.kinds import Kind


class ImagesAnswer:
    """One answer. `feed` it all bytes, `end` it (or `cut` it), then take `pictures` or say `without_picture`.

    What it yields on the way is the number of each partial picture, from 0.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._answer = AnswerReader()
        self._completed = 0
        self._listed = False
        self._partials = 0
        self._pictures: list[Source] = []

    @property
    def lifted(self) -> ExtractedBase64:
        return self._answer.lifted

    @property
    def done(self) -> bool:
        return self._answer.done or self._completed >= self._expected

    @property
    def finished(self) -> bool:
        """There may be more pictures, but none was promised."""
        return self._completed > 0

    def feed(self, data: bytes) -> Iterator[int]:
        """Take bytes, and yield each partial picture they complete. Raise `UpstreamError` for an error event."""
        for event in self._answer.feed(data):
            yield from self._read(event)

    def end(self) -> Iterator[int]:
        for event in self._answer.end():
            yield from self._read(event)

    def cut(self) -> None:
        """The connection broke. Each event that was read is whole, so nothing is left to do."""

    def pictures(self) -> list[Source]:
        """The pictures, each once, in order."""
        return list(dict.fromkeys(self._pictures))

    def without_picture(self) -> UpstreamError:
        if self._listed:
            return UpstreamError(Kind.NO_IMAGE, self._answer.text or "an empty list")
        if self._completed:
            return UpstreamError(Kind.NO_IMAGE, detail="(It says that the picture is complete, and holds none.)")
        if self._partials or self._answer.unreadable or not self._answer.text:
            return UpstreamError(Kind.LOST, detail="(Its answer ended before the picture was complete.)")
        return UpstreamError(Kind.NO_IMAGE, self._answer.text)

    def _read(self, event: Event) -> Iterator[int]:
        match event.value:
            case {"error": error} | {"errors": error} | {"detail": error} if error:
                raise upstream_error(200, event.value)
            case {**fields}:
                yield from self._step(fields, _kind(event.name, fields))
            case _:
                return

    def _step(self, fields: Mapping[object, object], kind: str) -> Iterator[int]:
        match fields:
            case _ if kind == "partial_image":
                index = fields.get("partial_image_index")
                self._partials += 1
                yield index if isinstance(index, int) else self._partials - 1
            case _ if kind == "error":
                raise upstream_error(200, {"error": fields})
            case {"data": items} if items or ("message" not in fields and "msg" not in fields):
                self._listed = True
                self._pictures += in_field(items)
            case {"message": str()} | {"msg": str()}:
                raise upstream_error(200, fields)
            case {"b64_json": _} | {"url": _}:
                self._completed += 1
                self._pictures += in_field(fields)
            case _ if kind == "completed":
                self._completed += 1


def _kind(name: str, fields: Mapping[object, object]) -> str:
    """The last part of an event's type, or what it must be by what it holds."""
    type_ = fields.get("type")
    kind = (type_ if isinstance(type_, str) else name).rpartition(".")[2]
    return "partial_image" if not kind and "partial_image_index" in fields else kind
