"""What one value of `image_url` names: a picture of ours, bytes inside it, or something to download.

A URL of ours is recognised whatever stands before `/mcp-cache/`: the public URL, the address that we listen on,
loopback with any port, or nothing at all. Such a picture is read here and never fetched: behind a proxy the way out and
in again may not exist, and the fetch refuses loopback.
"""

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from service.settings import is_loopback

INLINE_BYTES: Final = 8_000_000
"""Largest picture in a data: URI. Over HTTP the whole message has 4 MiB at most, which is a picture of 3 MB."""

LONGEST_URL: Final = 8192
"""Signed ones have two thousand characters; servers and proxies take no more than this."""

OWN_PATH: Final = re.compile(r"(?:.*/)?mcp-cache/([^/]*)")
OWN_NAME: Final = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}")
WRITTEN_OTHERWISE: Final = str.maketrans("-_", "+/", " \t\r\n")
"""Models write base64 over several lines, in the alphabet for URLs, and without the signs at its end."""

DATA_URI: Final = re.compile(r"data:[^,;]{0,100}(?P<parameters>(?:;[^,;]{0,100}){0,8}),", re.IGNORECASE)


class PlaceError(Exception):
    """The value cannot be used; the message is the end of a sentence that begins with the argument."""


@dataclass(frozen=True, kw_only=True)
class OwnPicture:
    """A picture that we keep, by the last segment of its path; whether there is one is for the files to say."""

    name: str


@dataclass(frozen=True, kw_only=True)
class InlinePicture:
    """A picture within the value, as base64."""

    base64: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RemotePicture:
    """A picture to download."""

    url: str = field(repr=False)
    host: str


def read_place(text: str, hosts: Collection[str]) -> OwnPicture | InlinePicture | RemotePicture:
    """Read one value; `hosts` are our own names beside loopback. Raise `PlaceError` for what is none of the three."""
    text = text.strip()
    if text[:5].lower() == "data:":
        return InlinePicture(base64=_payload(text))
    if len(text) > LONGEST_URL:
        raise PlaceError(f"has {len(text)} characters; a URL has {LONGEST_URL} at most")
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise PlaceError("is not a URL that can be read") from error
    if parts.scheme.lower() in ("http", "https") and host:
        own = OWN_PATH.fullmatch(parts.path) if is_loopback(host) or host in hosts else None
        return OwnPicture(name=own[1]) if own else RemotePicture(url=text, host=host)
    if not parts.scheme and not host:
        own = OWN_PATH.fullmatch(parts.path)
        if own or OWN_NAME.fullmatch(parts.path):
            return OwnPicture(name=own[1] if own else parts.path)
    raise PlaceError(
        "is none of what it can be: an http or https URL, a link to a picture of this server, or a data: URI. A file "
        "on the person's device comes by `use_upload`"
    )


def decoded(picture: InlinePicture) -> bytes:
    """The bytes of a picture within the value; takes milliseconds for megabytes. Raise `PlaceError`."""
    if len(picture.base64) > INLINE_BYTES * 4 / 3 + 4:
        raise PlaceError(f"has more than {INLINE_BYTES // 1_000_000} MB in its data: URI")
    try:
        plain = picture.base64.translate(WRITTEN_OTHERWISE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PlaceError("is a data: URI whose base64 is broken or cut short") from error


def _payload(text: str) -> str:
    head = DATA_URI.match(text)
    if head is None or not head["parameters"].lower().endswith(";base64"):
        raise PlaceError("is a data: URI without base64: write data:image/png;base64, and the picture after it")
    return text[head.end() :]
