"""Legacy session ids. The server keeps nothing of a session: all there is to know is in its id, signed.

An id is `<payload>.<signature>`, both base64url: a JSON payload (revision, client, owner, time of birth, 128 random
bits) and its HMAC-SHA256. So it survives a restart, any process with the same key reads it, and none can be forged.
The clock and the randomness are arguments.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from service.protocol.client import Client
from service.protocol.versions import LEGACY_VERSIONS

LIFETIME_S: Final = 30 * 24 * 3600
"""A client left open over a holiday goes on; one that comes back later starts a new session by itself (404)."""

MAX_ID_LENGTH: Final = 4096
"""Well above the longest id we mint, and short enough to check for nothing."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a session id says. `owner` is the owner of everything done in it; `expires` seconds since the epoch."""

    id: str
    version: str
    client: Client
    owner: str
    expires: float = 0.0


MAX_READ: Final = 2000
"""Ids whose signature is not checked again; what they say is compared with the clock and the caller each time."""


class _ForgedError(Exception):
    """An id that we did not sign, or of a revision that we do not speak any more."""


class Sessions:
    """Mints and reads session ids with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._verified = lru_cache(maxsize=MAX_READ)(self._verify)

    def mint(self, version: str, client: Client, owner: str, *, now: float, nonce: bytes) -> Session:
        """A new session; `now` in seconds since the epoch, `nonce` 16 random bytes."""
        payload: dict[str, Any] = {
            "v": version,
            "n": client.name,
            "r": client.version,
            "c": sorted(client.capabilities),
            "p": owner,
            "t": int(now),
            "x": nonce.hex(),
        }
        head = _encode(orjson.dumps(payload))
        id_ = f"{head}.{self._sign(head)}"
        return Session(id=id_, version=version, client=client, owner=owner, expires=payload["t"] + LIFETIME_S)

    def read(self, session_id: str, owner: str, *, now: float) -> Session | None:
        """The session of an id that we signed for this owner and that has not expired, else None."""
        if len(session_id) > MAX_ID_LENGTH or not session_id.isascii():
            return None
        try:
            session = self._verified(session_id)
        except _ForgedError:
            return None
        return session if session.owner == owner and now < session.expires else None

    def _verify(self, session_id: str) -> Session:
        """What an id says that we signed, whoever brings it and whenever; raises for any other, which is not kept."""
        head, _, signature = session_id.partition(".")
        if not hmac.compare_digest(signature, self._sign(head)):
            raise _ForgedError
        payload = orjson.loads(_decode(head))
        if payload["v"] not in LEGACY_VERSIONS:
            raise _ForgedError
        client = Client(name=payload["n"], version=payload["r"], capabilities=frozenset(payload["c"]))
        expires = payload["t"] + LIFETIME_S
        return Session(id=session_id, version=payload["v"], client=client, owner=payload["p"], expires=expires)

    def _sign(self, head: str) -> str:
        return _encode(hmac.digest(self._key, head.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
