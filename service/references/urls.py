"""Values of `image_url`: a picture that is stored here, a picture as base64 in a data: URI, or a URL to download.

The URL of a stored picture is recognised by any of the hosts before `/mcp-cache/`: the public URL, the address that is
listened on, loopback with any port, or no host at all; and by the address of the CDN. Such a picture is read from the
files and never downloaded: behind a proxy the way out and in again may be closed, and the download refuses loopback.
"""

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from service.hosts import is_loopback

INLINE_BYTES: Final = 8_000_000
"""Largest picture in a data: URI. Over HTTP the whole message has 4 MiB at most, which is a picture of 3 MB."""

LONGEST_URL: Final = 8192
"""Signed ones have two thousand characters; servers and proxies take no more than this."""

OWN_PATH: Final = re.compile(r"(?:.*/)?mcp-cache/([^/]*)")
OWN_NAME: Final = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}")
WRITTEN_OTHERWISE: Final = str.maketrans("-_", "+/", " \t\r\n")
"""Models write base64 over several lines, in the alphabet for URLs, and without the signs at its end."""

DATA_URI: Final = re.compile(r"data:[^,;]{0,100}(?P<parameters>(?:;[^,;]{0,100}){0,8}),", re.IGNORECASE)


class ImageUrlError(Exception):
    """The value cannot be used; the message is the end of a sentence that begins with the argument."""


@dataclass(frozen=True, kw_only=True)
class OwnPicture:
    """A picture that may be stored here, by the last segment of its path."""

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


def parse_image_url(text: str, hosts: Collection[str], cdn_url: str = "") -> OwnPicture | InlinePicture | RemotePicture:
    """Read one value; `hosts` are our own names beside loopback, `cdn_url` stands before names in links to a CDN.

    Raises `ImageUrlError` for any other text.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        return InlinePicture(base64=_payload(text))
    if len(text) > LONGEST_URL:
        raise ImageUrlError(f"has {len(text)} characters; a URL has {LONGEST_URL} at most")
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise ImageUrlError("is not a URL that can be read") from error
    at_cdn = text.removeprefix(cdn_url) if cdn_url else ""
    if OWN_NAME.fullmatch(at_cdn):
        return OwnPicture(name=at_cdn)
    if parts.scheme.lower() in ("http", "https") and host:
        own = OWN_PATH.fullmatch(parts.path) if is_loopback(host) or host in hosts else None
        return OwnPicture(name=own[1]) if own else RemotePicture(url=text, host=host)
    if not parts.scheme and not host:
        own = OWN_PATH.fullmatch(parts.path)
        if own or OWN_NAME.fullmatch(parts.path):
            return OwnPicture(name=own[1] if own else parts.path)
    raise ImageUrlError(
        "is none of what it can be: an http or https URL, a link to a picture of this server, or a data: URI. A file "
        "on the person's device comes by `use_upload`"
    )


def decode(picture: InlinePicture) -> bytes:
    """Decode the base64 of a picture; takes milliseconds for megabytes. Raises `ImageUrlError`."""
    if len(picture.base64) > INLINE_BYTES * 4 / 3 + 4:
        raise ImageUrlError(f"has more than {INLINE_BYTES // 1_000_000} MB in its data: URI")
    try:
        plain = picture.base64.translate(WRITTEN_OTHERWISE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageUrlError("is a data: URI whose base64 is broken or cut short") from error


def _payload(text: str) -> str:
    head = DATA_URI.match(text)
    if head is None or not head["parameters"].lower().endswith(";base64"):
        raise ImageUrlError("is a data: URI without base64: write data:image/png;base64, and the picture after it")
    return text[head.end() :]
