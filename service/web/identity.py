"""The identity of a request: its owner, and the scopes within which it may act.

The guard finds it before a handler runs and leaves it under `IDENTITY`. A request that needs no token has none, so a
handler of such a route that asked for it would fail instead of acting for somebody.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.images import LOCAL_OWNER


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The owner of all that a request makes or may see, and the scopes of its token."""

    owner: str
    scopes: frozenset[str] = SCOPES


LOCAL: Final = Identity(owner=LOCAL_OWNER)
"""The identity of every request while nobody needs a token."""

IDENTITY: Final = web.RequestKey("identity", Identity)


class StaticTokens:
    """The tokens of the settings, held as SHA-256 digests. Each gives the name before it, with all scopes."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """Hold the digests of these tokens, by name."""
        self._identities = {_digest(token): Identity(owner=name) for name, token in tokens.items()}

    def __bool__(self) -> bool:
        """Tell that there are tokens, so that requests need one."""
        return bool(self._identities)

    def find(self, token: str) -> Identity | None:
        """Return the identity of a token. All are compared, in constant time, so that timing reveals none."""
        sent, found = _digest(token), None
        for digest, identity in self._identities.items():
            if hmac.compare_digest(sent, digest):
                found = identity
        return found


def bearer_token(request: web.Request) -> str | None:
    """Return the token of the header `Authorization: Bearer` (RFC 6750, 2.1); "" for an empty one, None without one."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None  # RFC 9110, 11.1: schemes are case-insensitive


def _digest(token: str) -> bytes:
    # Bytes of a header that are not UTF-8 arrive as surrogates (PEP 383), which no encoding takes.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
