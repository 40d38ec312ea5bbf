"""An answer of an image service, read as its bytes arrive: server-sent events, or one body, become parsed JSON.

1. Bytes that begin as a picture are one: some services answer with nothing else. Of all others, a `Base64Extractor`
   takes long base64 out, so that no parser sees megabytes.
2. An `SseReader` cuts them into events. A service that was asked to stream may answer with one JSON body, one that was
   not may stream, and some leave out the blank lines between events: all of it comes out as `Event`s.
3. A subclass of `ImageAnswer` reads the events of its API, and finds the pictures.
4. An error that an event reports, or a task that it names, counts only where there is no picture, which is paid for.
5. `usage` of an event tells tokens and, at OpenRouter and its kin, the cost. The last one counts: gateways repeat the
   sum so far with each event.

`listen` is the one loop that waits for the bytes.
"""

import asyncio
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Generic, NamedTuple, TypeVar

import aiohttp
import orjson
from yarl import URL

from service.bounds.bodies import PIECE
from service.bounds.byte_budget import UNKNOWN_BYTES, room_for
from service.images import Usage
from service.pictures.sniffing import convertible, sniff
from service.upstreams.base64_extractor import Base64Extractor, ExtractedBase64
from service.upstreams.connector import read_on
from service.upstreams.error_body import ERRORS, reported_error, sanitize
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.image_sources import Raw, Source
from service.upstreams.kinds import Kind
from service.upstreams.tasks import find_task, is_task_id

MAX_ANSWER: Final = 100 * 1024 * 1024
"""Bytes of one answer: several pictures of the largest size, inline."""

MAX_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event or body without its long base64: the most that is parsed in one go. Services send far less."""

SPARE: Final = 8
"""A buffer that grows takes up to an eighth more than it holds."""

FIRST_PIECE: Final = 8 * 1024
"""Bytes taken at one go before there are any of a picture: what waits for its turn then has nearly nothing in memory,
since the rest of what came first keeps its connection from being read."""

MOST_TOKENS: Final = 100_000_000
MOST_COST: Final = 10_000.0
"""More than any one answer uses; numbers beyond are a relay's mistake."""

NO_NUMBERS: Final = re.compile(
    rb"(?<=[:\[,\s])-?(?:NaN|Infinity|[0-9][0-9.]*[eE]\+?[0-9]{3,}|[0-9]{300,})(?=\s*[,\]}])"
)
"""Numbers that JSON does not have or that are infinite: Python writes them, and relays count costs in them."""

DONE: Final = b"[DONE]"
BOM: Final = b"\xef\xbb\xbf"
HEAD_BYTES: Final = 16
"""Bytes by which a picture is told from text."""

IGNORED_FIELDS: Final = (b"id", b"retry")
"""SSE fields into which image services put nothing."""

ADDRESS_HEADERS: Final = ("Operation-Location", "Location")
"""Headers that name the address to ask at beside HTTP 202; the first one is Azure's."""

WITHOUT_REASON: Final = frozenset({Kind.LOST, Kind.NO_IMAGE})
"""Kinds of failure of an answer that holds no picture and does not say why."""

Step = TypeVar("Step")
"""A sign of progress that an answer holds before its picture: a thought, the number of a partial picture."""


class Event(NamedTuple):
    """One JSON value of an answer, and the name of its SSE event; empty where it has none."""

    name: str
    value: object


class SseReader:
    """Cuts one stream of server-sent events into the data of each event.

    WHATWG HTML, Server-sent events, "Interpreting an event stream", read generously: a byte order mark, `data:` with or
    without the space, CRLF, several `data:` lines, comments (OpenRouter sends `: OPENROUTER PROCESSING`), any length of
    line. `other` collects the lines that are no field: the body of a service that does not stream, a page of HTML.
    """

    def __init__(self) -> None:
        """Begin a stream."""
        self.other: list[bytes] = []
        self._name = b""
        self._is_first_line = True
        self._line: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the name and the data of each event that these bytes complete."""
        events: list[tuple[bytes, bytes]] = []
        first, *lines = data.split(b"\n")
        self._line.append(first)
        for line in lines:
            self._end_line(events)
            self._line.append(line)
        return events

    def rest(self) -> list[tuple[bytes, bytes]]:
        """Return the event that the end of the stream completes: many servers leave out the last blank line."""
        events: list[tuple[bytes, bytes]] = []
        self._end_line(events)
        self._end_event(events)
        return events

    def _end_line(self, events: list[tuple[bytes, bytes]]) -> None:
        line = b"".join(self._line).removesuffix(b"\r")
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(BOM), False
        self._line.clear()
        name, _, value = line.partition(b":")
        if not line:
            self._end_event(events)
        elif name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")
        elif name and name not in IGNORED_FIELDS:
            self.other.append(line)

    def _end_event(self, events: list[tuple[bytes, bytes]]) -> None:
        if self._data:
            events.append((self._name, b"\n".join(self._data)))
            self._data = []
        self._name = b""


class ImageAnswer(ABC, Generic[Step]):
    """One answer: `feed` it all bytes, `end` it (or `cut` it), then take `pictures` or raise `without_picture`.

    `is_finished`: the picture is there, or said to be; more may come, such as statistics, and may just as well not.
    `is_complete`: nothing more comes, though the connection may stay open. `is_unreadable`: some event was no JSON.
    `text` came outside of all events and is no JSON either. `extracted` holds the base64 that was taken out.
    `usage` is what the answer says of its use; None where it says nothing.
    """

    def __init__(self) -> None:
        """Begin an answer."""
        self._sse = SseReader()
        self.extracted: Final = ExtractedBase64()
        self.is_finished = False
        self.is_complete = False
        self.is_unreadable = False
        self.text = ""
        self.usage: Usage | None = None
        self._failure: UpstreamError | None = None
        self._unread: list[object] = []
        self._size = 0
        self._head: bytes | None = b""
        self._raw = io.BytesIO()
        self._sources: list[Source] | None = None
        self._base64 = Base64Extractor(self.extracted, json=True)

    @property
    def picture_bytes(self) -> int:
        """The bytes of pictures that have come so far."""
        return self.extracted.size + self._raw.tell()

    def pictures(self) -> list[Source]:
        """Return the sources of the pictures, each once, in order. The answer was read to its end, or cut."""
        if self._sources is None:
            self._sources = [Raw(self._raw.getvalue())] if self._raw.tell() else self._find_pictures()
        return self._sources

    def without_picture(self) -> UpstreamError:
        """Return the error for an answer that holds no picture, with the reason as far as the answer gives one."""
        task = next(filter(None, map(find_task, self._unread)), "")
        if task:  # its id is kept as it came: one that looks like data is asked for by these very bytes
            return UpstreamError(Kind.ACCEPTED, detail=f"Its task there is {sanitize(task)}.").keeping(task=task)
        return self._failure or self._explain_nothing()

    def feed(self, data: bytes) -> list[Step]:
        """Read bytes, cut anywhere, and return the steps that they complete. Raise `UpstreamError`."""
        self._size += len(data)
        if self._size > MAX_ANSWER:
            raise UpstreamError(Kind.LOST, detail=f"(Its answer is larger than {MAX_ANSWER // 2**20} MB.)")
        if self._raw.tell():
            self._raw.write(data)
            return []
        if self._head is not None:
            self._head += data
            return [] if len(self._head) < HEAD_BYTES else self._begin()
        return self._parse_all(self._sse.feed(self._base64.extract(data)))

    def end(self) -> list[Step]:
        """Read what the end of the answer completes: a last event, or a body that was no stream."""
        steps = self._begin() if self._head is not None else []
        events = self._sse.feed(self._base64.rest())
        steps += self._parse_all(events + self._sse.rest())
        return steps + self._parse_all([(b"", self._body_of(b"\n".join(self._sse.other)))])

    def cut(self) -> None:
        """Take note that the connection broke: the last event may be half a picture, and bytes of a picture are."""
        self._raw = io.BytesIO()

    @abstractmethod
    def _find_pictures(self) -> list[Source]:
        """Return the sources of the pictures that were read, each once, in order."""

    @abstractmethod
    def _explain_nothing(self) -> UpstreamError:
        """Return the error for an answer without a picture, an error or a task."""

    @abstractmethod
    def _read(self, event: Event) -> list[Step]:
        """Read one event of this API."""

    def _fail(self, error: UpstreamError) -> None:
        """Take note of an error that the answer reports; the first one counts. Nothing is expected after it."""
        self._failure = self._failure or error
        self.is_finished = True

    def _explain_later(self, fields: Mapping[object, object]) -> None:
        """Take note of an event that holds no picture: it may name a task, or say why in `message` or `msg`."""
        if self._failure is None:
            self._unread.append(fields)
            if "message" in fields or "msg" in fields:
                self._fail(upstream_error(200, fields))

    def _begin(self) -> list[Step]:
        """Read the first bytes, which tell whether the answer is a picture."""
        head, self._head = self._head or b"", None
        if sniff(head) or convertible(head):
            self._raw.write(head)
            return []
        return self._parse_all(self._sse.feed(self._base64.extract(head)))

    def _parse_all(self, parts: list[tuple[bytes, bytes]]) -> list[Step]:
        """Read the names and data of events."""
        return self._take([event for name, data in parts if data for event in self._parse(name, data)])

    def _take(self, events: Sequence[Event]) -> list[Step]:
        """Read events, each with the error that it may report and the usage."""
        steps: list[Step] = []
        for event in events:
            value = event.value
            if isinstance(value, dict):
                if not value.keys().isdisjoint(ERRORS) and (error := reported_error(value)):
                    self._fail(upstream_error(200, error))
                if usage := value.get("usage"):
                    self.usage = read_usage(usage) or self.usage
            steps += self._read(event)
        return steps

    def _parse(self, name: bytes, data: bytes) -> list[Event]:
        """Parse the data of one event. Lines that are JSON only one by one were sent without blank lines between."""
        if data.strip() == DONE:
            self.is_complete = True
            return []
        if len(data) > MAX_EVENT:
            raise UpstreamError(Kind.LOST, detail=f"(One part of its answer is larger than {MAX_EVENT // 2**20} MB.)")
        try:
            value = orjson.loads(data.removeprefix(BOM).removeprefix(b"data:"))  # relays write the field twice
        except orjson.JSONDecodeError:
            if (mended := NO_NUMBERS.sub(b"null", data)) != data:
                return self._parse(name, mended)
            lines = data.splitlines()
            self.is_unreadable |= len(lines) == 1
            return [event for line in lines for event in self._parse(name, line)] if len(lines) > 1 else []
        return [Event(name.decode(errors="replace"), value)]

    def _body_of(self, body: bytes) -> bytes:
        """Return what came outside of all events where it is JSON, or JSON by lines. Keep a text, raise for a page."""
        if body.lstrip().startswith((b"{", b"[")):
            return body
        if body.lstrip().startswith(b"<"):
            raise upstream_error(HTTPStatus.OK, body)
        self.text = body.decode(errors="replace")
        return b""


def read_usage(usage: object) -> Usage | None:
    """Read the `usage` of an answer; None where it says nothing that can be.

    The Images API counts `input_tokens` and `output_tokens`, chat completions `prompt_tokens` and `completion_tokens`;
    OpenRouter adds `cost` in USD (openrouter.ai/docs, Usage Accounting). Relays write null, texts and worse.
    """
    if not isinstance(usage, dict):
        return None
    read = Usage(
        cost=_number(usage, MOST_COST, "cost"),
        input_tokens=int(_number(usage, MOST_TOKENS, "input_tokens", "prompt_tokens") or 0),
        output_tokens=int(_number(usage, MOST_TOKENS, "output_tokens", "completion_tokens") or 0),
        image_tokens=_image_tokens(usage.get("input_tokens_details")),
    )
    return read if read != Usage() else None


def _image_tokens(details: object) -> int:
    """Return how many of the input tokens are those of reference pictures, as the Images API tells it."""
    return int(_number(details, MOST_TOKENS, "image_tokens") or 0) if isinstance(details, dict) else 0


def _number(usage: Mapping[object, object], most: float, *names: str) -> float | None:
    values = (usage.get(name) for name in names)
    numbers = (value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    return next((float(number) for number in numbers if 0 <= number <= most), None)


async def listen(
    response: aiohttp.ClientResponse,
    answer: ImageAnswer[Step],
    report: Callable[[Sequence[Step]], Awaitable[None]],
    linger_s: float,
) -> None:
    """Read the answer to its end and report its steps. Raise `UpstreamError` for an answer without a picture.

    Steps that came at once are reported together.

    A connection that breaks after the picture arrived has lost nothing. One that stays open, or breaks, after the
    answer was finished has ended; it is waited for `linger_s` seconds.
    """
    while not answer.is_complete:
        try:
            async with asyncio.timeout(linger_s if answer.is_finished else None):
                piece = await read_piece(response, answer)
        except (aiohttp.ClientError, TimeoutError):
            if answer.is_finished:
                break
            answer.cut()
            if not answer.pictures():
                raise
            return
        if not piece:
            break
        if steps := answer.feed(piece):
            await report(steps)
        if len(piece) >= FIRST_PIECE:
            await asyncio.sleep(0)  # reading what is buffered already lets nobody else run
    if steps := answer.end():
        await report(steps)
    if not answer.pictures():
        raise _explained(answer, response)


async def read_piece(response: aiohttp.ClientResponse, answer: ImageAnswer[Any]) -> bytes:
    """Return the next bytes of an answer, none at its end; of a picture that has begun, once there is room for it."""
    came, length = answer.picture_bytes, response.content_length
    if not came:
        return await response.content.read(FIRST_PIECE)
    await room_for(max(came + came // SPARE, UNKNOWN_BYTES if length is None else length))
    read_on(response)
    return await response.content.read(PIECE)


def _explained(answer: ImageAnswer[Step], response: aiohttp.ClientResponse) -> UpstreamError:
    """Return the error for an answer without a picture. HTTP 202 says by itself that the work goes on elsewhere."""
    error = answer.without_picture()
    if response.status != HTTPStatus.ACCEPTED:
        return error
    address = _address_to_ask_at(response)
    is_same = error.kind == Kind.ACCEPTED and error.task in address
    if address and (is_same or error.kind in WITHOUT_REASON):
        return UpstreamError(Kind.ACCEPTED, detail=f"Its task there is {sanitize(address)}.").keeping(task=address)
    return UpstreamError(Kind.ACCEPTED) if error.kind in WITHOUT_REASON else error


def _address_to_ask_at(response: aiohttp.ClientResponse) -> str:
    """Return path and query of the address that the headers name, empty where they name none (RFC 9110, 15.3.3).

    The host is left out, as `find_task` leaves it out.
    """
    for named in filter(None, (response.headers.get(name) for name in ADDRESS_HEADERS)):
        with suppress(ValueError):
            address = response.url.join(URL(named)).raw_path_qs
            if address != "/" and is_task_id(address):
                return address
    return ""
