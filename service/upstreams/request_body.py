"""The body of a request that may hold pictures: its length is known, and it is made in pieces while it is sent.

To encode a picture of ten megabytes as base64, and that as JSON, takes 30 ms at one go, in which nobody else runs; in a
thread neither, since both keep the interpreter to themselves. So the JSON is made with a place for each picture, and
the base64 in it when its turn comes. No whole body is ever in memory.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import orjson

from service.images import EXTENSIONS, Reference

PIECE: Final = 48 * 1024
"""Bytes taken at one go, 0.1 ms as base64: whole groups of three, so that the pieces join to one text."""

PLACE: Final = b"\0"
"""Stands in JSON where a picture goes. Nothing else there is this byte: in a text it is written as an escape."""


@dataclass(frozen=True)
class Base64:
    """Bytes that are sent as base64."""

    data: bytes

    def __len__(self) -> int:
        return (len(self.data) + 2) // 3 * 4


class Body:
    """What is sent, part after part. The length is told, since not every proxy takes a body without."""

    def __init__(self, content_type: str, parts: Sequence[bytes | Base64]) -> None:
        self.headers: Final = {"Content-Type": content_type, "Content-Length": str(sum(map(len, parts)))}
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            data = part.data if isinstance(part, Base64) else part
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                yield base64.b64encode(piece) if isinstance(part, Base64) else piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece
            await asyncio.sleep(0)  # a connection that takes all at once lets nobody else run


def json_body(value: object) -> Body:
    """The value as JSON, each `Reference` in it as a data URI."""
    pictures: list[Reference] = []

    def place(picture: object) -> orjson.Fragment:
        if not isinstance(picture, Reference):
            raise TypeError
        pictures.append(picture)
        return orjson.Fragment(PLACE)

    json = orjson.dumps(value, default=place, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    parts: list[bytes | Base64] = []
    for before, picture in zip_longest(json.split(PLACE), pictures):
        parts.append(before)
        if picture is not None:
            start = orjson.dumps(f"data:{picture.media_type or 'image/png'};base64,").removesuffix(b'"')
            parts += [start, Base64(picture.data), b'"']
    return Body("application/json", parts)


def form_body(fields: Mapping[str, str], name: str, pictures: Sequence[Reference]) -> Body:
    """RFC 7578: the fields, then the pictures as files, all under one name."""
    boundary = secrets.token_hex(16)
    parts: list[bytes | Base64] = [
        _part(boundary, f'name="{each}"') + fields[each].encode() + b"\r\n" for each in fields
    ]
    for number, picture in enumerate(pictures, start=1):
        filename = f"reference-{number}.{EXTENSIONS.get(picture.media_type, 'png')}"
        head = _part(boundary, f'name="{name}"; filename="{filename}"\r\nContent-Type: {picture.media_type}')
        parts += [head, picture.data, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return Body(f"multipart/form-data; boundary={boundary}", parts)


def _part(boundary: str, about: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\n\r\n".encode()
