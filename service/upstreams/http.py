"""An image service that is reached over HTTP: its address, the bodies sent to it, and one way to post and to read.

A body that holds pictures is made in pieces while it is sent, and its length is known before. To encode a picture of
ten megabytes as base64, and that as JSON, takes 30 ms at one go, in which nobody else runs; a thread would not help,
since both keep the interpreter to themselves. So the JSON is made with a place for each picture, and the base64 for it
when its turn comes. No whole body is ever in memory.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import zip_longest
from typing import Any, ClassVar, Final

import aiohttp
import orjson
import pybase64
from yarl import URL

from service.bounds.bodies import read_limited
from service.bounds.byte_budget import HELD_BACK_BYTES, deadline
from service.images import EXTENSIONS, ImageRequest, Picture, Progress, Reference, WorkError
from service.pictures.sniffing import sniff
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.telemetry import trace_headers
from service.upstreams.answer import ImageAnswer
from service.upstreams.base import RemoteTask, Upstream
from service.upstreams.error_body import parse_body
from service.upstreams.errors import (
    ANY_SERVICE,
    FAILURES,
    Service,
    UpstreamError,
    read_error,
    request_failure,
    request_to,
    upstream_error,
)
from service.upstreams.fetch import FetchError, Trusted, bearer, fetch
from service.upstreams.gateway_tasks import EACH_S, GatewayTasks
from service.upstreams.kinds import Kind
from service.upstreams.pictures import PictureReader
from service.upstreams.tasks import BETWEEN, Polling

ENDPOINTS: Final = re.compile(
    r"(?:/(?:chat/completions|images/(?:(?:generations|edits)(?:/async)?|tasks)|models)|(?<=/v1)/images)/*\Z"
)
VERSION: Final = re.compile(r"/v[0-9]+(?:alpha|beta)?[0-9]*(?:/|\Z)")

SUCCESSES: Final = range(200, 300)
"""HTTP statuses of good answers: 201 and 202 are in use for pictures and tasks, too."""

PIECE: Final = 48 * 1024
"""Bytes sent at one go, 0.1 ms as base64: whole groups of three, so that the pieces join to one text."""

PLACE: Final = b"\0"
"""Stands in JSON where a picture goes. No other byte there is this one: in a text it is written as an escape."""


def api_base(text: str) -> URL:
    """Return the root of an API from the URL that a person configured.

    People write the server's root, the root with `/v1`, or copy a whole endpoint from a manual; Google and others count
    their versions elsewhere in the path (`/v1beta/openai`, `/api/paas/v4`). The result has no endpoint, no slash at its
    end, no user name and no query, and ends in `/v1` unless it names a version.
    """
    url = URL(text.strip())
    root = ENDPOINTS.sub("", url.path).rstrip("/")
    return url.with_user(None).with_path(root if VERSION.search(root) else f"{root}/v1")


UNKNOWN_TYPE: Final = "application/octet-stream"
"""The media type of a reference of which nothing says another."""


@dataclass(frozen=True)
class Base64:
    """Bytes that are sent as base64."""

    data: bytes

    def __len__(self) -> int:
        """Return the length as base64."""
        return (len(self.data) + 2) // 3 * 4


class Body:
    """A request body, sent part after part. It has a `Content-Length`, since some proxies refuse a body without.

    `is_sent`: its last part was handed to the connection.
    """

    def __init__(self, content_type: str, parts: Sequence[bytes | Base64]) -> None:
        """Join `parts` to one body, without copying them."""
        self.headers: Final = {"Content-Type": content_type, "Content-Length": str(sum(map(len, parts)))}
        self.is_sent = False
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in pieces."""
        for part in self._parts:
            data = part.data if isinstance(part, Base64) else part
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                yield pybase64.b64encode(piece) if isinstance(part, Base64) else piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces, and let others run in between."""
        for piece in self:
            yield piece
            await asyncio.sleep(0)  # a connection that takes all at once lets nobody else run
        self.is_sent = True


def json_body(value: object) -> Body:
    """Encode a value as JSON, each `Reference` in it as a data URI, each `Base64` as a text of base64 alone."""
    pictures: list[Reference | Base64] = []

    def place(picture: object) -> orjson.Fragment:
        if not isinstance(picture, Reference | Base64):
            raise TypeError
        pictures.append(picture)
        return orjson.Fragment(PLACE)

    json = orjson.dumps(value, default=place, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    parts: list[bytes | Base64] = []
    for before, picture in zip_longest(json.split(PLACE), pictures):
        parts.append(before)
        if isinstance(picture, Base64):
            parts += [b'"', picture, b'"']
        elif picture is not None:
            start = orjson.dumps(f"data:{picture.media_type or 'image/png'};base64,").removesuffix(b'"')
            parts += [start, Base64(picture.data), b'"']
    return Body("application/json", parts)


def form_body(
    fields: Mapping[str, str], name: str, pictures: Sequence[Reference], mask: Reference | None = None
) -> Body:
    """Encode a form (RFC 7578): the fields, then the pictures as files, all under one name, and the mask."""
    boundary = secrets.token_hex(16)
    parts: list[bytes | Base64] = [
        _form_part(boundary, f'name="{each}"') + fields[each].encode() + b"\r\n" for each in fields
    ]
    for number, picture in enumerate(pictures, start=1):
        filename = f"reference-{number}.{EXTENSIONS.get(picture.media_type, 'png')}"
        parts += _form_file(boundary, name, filename, picture)
    if mask is not None:
        parts += _form_file(boundary, "mask", "mask.png", mask)
    parts.append(f"--{boundary}--\r\n".encode())
    return Body(f"multipart/form-data; boundary={boundary}", parts)


def _form_file(boundary: str, name: str, filename: str, picture: Reference) -> list[bytes | Base64]:
    head = _form_part(boundary, f'name="{name}"; filename="{filename}"\r\nContent-Type: {picture.media_type}')
    return [head, picture.data, b"\r\n"]


def _form_part(boundary: str, disposition: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


class HttpUpstream(Upstream):
    """One server. Its pictures may lie on its own host, private or not, and on any public one."""

    title: ClassVar[str]
    """The name that people know it by."""

    called: ClassVar[str] = ANY_SERVICE.name
    """Its name within a sentence; the general one where any service may be behind the address."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        """Reach the server at `endpoint` through `session`, and take pictures of at most `max_file_bytes`."""
        self.deadline_s = timeouts.total_s + timeouts.download_s
        self.service = Service(self.called, self.name.upper(), endpoint.key)
        self._session = session
        self._base = self.root(endpoint.url)
        self._key = endpoint.key
        self._authorization = self.authorize(endpoint.key)
        self._timeouts = timeouts
        polling = Polling(each_s=EACH_S, total_s=self.deadline_s)
        self.tasks = GatewayTasks(
            session=session, base=self._base, service=self.service, polling=polling, connect_s=timeouts.connect_s
        )
        self._pictures = PictureReader(
            session=session,
            trusted=Trusted(base=self._base, key=endpoint.key, authorize=self.authorize),
            max_file_bytes=max_file_bytes,
            timeouts=timeouts,
        )

    @staticmethod
    def root(url: str) -> URL:
        """Return the root of the API from the URL that a person configured."""
        return api_base(url)

    @staticmethod
    def authorize(key: str) -> dict[str, str]:
        """Return the header that carries the key, or none for an empty key."""
        return bearer(key)

    def describe(self) -> str:
        """Return the service's name and the root of its API."""
        return f"{self.title} at {self._base}"

    async def fetch_again(self, source: str) -> bytes:
        """Download a picture once more from the URL at which the service gave it."""
        with request_to(self.service, paid=False):
            return await self._pictures.again(source)

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Wait for a task that the service gave in place of a picture, or several; one that fails loses no other."""
        found: list[Picture] = []
        failures: list[UpstreamError] = []
        for id_ in task.id.split(BETWEEN):
            try:
                answer = await self.tasks.follow(RemoteTask(id_), progress)
                found += await self._pictures_of(answer, progress, "")
            except UpstreamError as error:
                failures.append(error)
        if failures and not found:
            raise failures[0]
        links = [Picture(data=b"", source=link) for error in failures for link in error.links]
        note = f"Another one could not be had: {failures[0].fact}" if failures else ""
        return [replace(each, note=" ".join(filter(None, (each.note, note)))) for each in found] + links

    @asynccontextmanager
    async def _post(
        self,
        path: str,
        body: Body,
        *,
        silence_s: float,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request that may be charged. Its answer may pause for `silence_s` seconds.

        Raise `UpstreamError` for a connection that fails, and for an answer that is read inside the block and is bad.
        Leaving the block closes the connection unless the answer was read to its end; a cancellation does so, too.
        """
        timeouts = self._timeouts
        request = self._session.post(
            (self._base / path).with_query(query),
            data=body,
            headers={**body.headers, **(headers or {}), **self._authorization, **trace_headers()},
            allow_redirects=False,  # the key would go along
            read_bufsize=HELD_BACK_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s, sock_read=silence_s),
        )
        began = time.monotonic()
        try:
            async with deadline(timeouts.total_s), request as response:
                yield response
        except FAILURES as error:
            # A request that was not sent to its end cost nothing: no service draws half of one.
            elapsed_s = time.monotonic() - began if body.is_sent else 0
            raise request_failure(error, self.service, elapsed_s, paid=body.is_sent) from error

    async def _with_bytes(self, request: ImageRequest) -> ImageRequest:
        """Return the request with the bytes of each reference. Raise `WorkError` for one that cannot be read."""
        return replace(request, references=tuple([await self._read_reference(each) for each in request.references]))

    async def _read_reference(self, reference: Reference) -> Reference:
        if reference.data:
            return reference
        try:
            data = await fetch(self._session, reference.url, max_bytes=self._pictures.max_file_bytes)
        except FetchError as error:
            words = f"{error} It was to be a reference. Nothing was sent, and nothing charged."
            raise WorkError(words, kind=Kind.BAD_REQUEST) from error
        return replace(reference, data=data, media_type=sniff(data) or UNKNOWN_TYPE)

    async def _pictures_of(self, answer: ImageAnswer[Any], progress: Progress, note: str) -> list[Picture]:
        """Return the pictures of an answer, at least one. Raise `UpstreamError`."""
        try:
            pictures = await self._pictures.read(answer.pictures(), answer.extracted, progress, note)
            if not pictures:
                raise answer.without_picture()
        except UpstreamError as error:
            # The answer took its time, so that no failure in it came before any work.
            raise error.of_request(self.service, self._timeouts.total_s) from error
        return [replace(pictures[0], usage=answer.usage), *pictures[1:]]


def task_of(error: UpstreamError) -> RemoteTask:
    """Return the task that an answer named in place of a picture; raise the error where it named none."""
    if error.kind != Kind.ACCEPTED or not error.task:
        raise error
    return RemoteTask(error.task)


LIST_S: Final = 10.0
"""A list takes a moment or is not worth the wait."""

LARGEST_LIST: Final = 4 * 1024 * 1024
"""Relays list thousands of models, of a hundred bytes each."""

IMAGE_WORDS: Final = re.compile(
    r"(?i)image|flux|flus|dall-e|diffusion|sdxl|kolors|seedream|cogview|recraft|ideogram|banana"
)


async def ask_models(session: aiohttp.ClientSession, url: URL, key: str) -> dict[str, str]:
    """Ask for a list of ids and their descriptions. Raise as `ask_list` does."""
    return read_model_list(await ask_list(session, url, bearer(key)))


async def ask_list(session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]) -> object:
    """Ask for a list. Raise `UpstreamError` for a bad answer, and what aiohttp raises for none: see `request_to`."""
    async with session.get(
        url,
        headers=headers,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=LIST_S),
    ) as response:
        if response.status != HTTPStatus.OK:
            raise await read_error(response)
        body = await read_limited(response.content, LARGEST_LIST)
    if len(body) > LARGEST_LIST:
        raise ValueError(f"the list of models is larger than {LARGEST_LIST} bytes")
    return await asyncio.to_thread(parse_body, body)


def looks_like_images(id_: str) -> bool:
    """Tell whether an id looks like that of an image model, for lists without a field that says so."""
    return IMAGE_WORDS.search(id_) is not None


def read_model_list(answer: object) -> dict[str, str]:
    """Read ids and their descriptions, in order; a description is empty where there is none."""
    match answer:
        case {"data": [*entries]}:
            return dict(read for entry in entries if (read := _entry(entry)) is not None)
        case _:
            raise upstream_error(200, answer)


def _entry(entry: object) -> tuple[str, str] | None:
    match entry:
        case {"id": str(id_), "description": str(description)} if id_:
            return id_, description
        case {"id": str(id_)} if id_:
            return id_, ""
        case _:
            return None
