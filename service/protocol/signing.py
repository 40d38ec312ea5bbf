"""Signed text: base64url without padding, and HMAC-SHA256 over text as it came.

A signature is compared in constant time, and over the text itself: a lenient Base64 decoder would overlook what was
appended to it.
"""

import base64
import hmac


def encode(data: bytes) -> str:
    """Return `data` as base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes that `encode` wrote as `text`; raises ValueError for any other spelling."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("not base64url") from error
    if encode(data) != text:  # bits after the last character would let several texts mean the same bytes
        raise ValueError("not canonical base64url")
    return data


def sign(key: bytes, text: str) -> str:
    """Return the HMAC-SHA256 of `text`, as base64url."""
    return encode(hmac.digest(key, text.encode(), "sha256"))


def is_signed(key: bytes, text: str, signature: str) -> bool:
    """Return whether `signature` is that of `text`. Both must be ASCII."""
    return hmac.compare_digest(signature, sign(key, text))
