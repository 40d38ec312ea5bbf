"""Legacy session ids. A session has no state on the server: everything about it is in its id, signed.

An id is `<payload>.<signature>`, both base64url: a JSON payload (revision, client, owner, time of birth, 128 random
bits) and its HMAC-SHA256. So it survives a restart, any process with the same key reads it, and nobody can forge it.
The clock and the randomness are arguments.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from service.protocol import signing
from service.protocol.client import LEGACY_VERSIONS, Client

LIFETIME_S: Final = 30 * 24 * 3600
"""A client left open over a holiday goes on; one that comes back later starts a new session by itself (404)."""

MAX_ID_LENGTH: Final = 4096
"""Well above the longest id we mint, and short enough to check for nothing."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """The content of a session id. `owner` is the owner of everything done in it; `expires` seconds since the epoch."""

    id: str
    version: str
    client: Client
    owner: str
    expires: float = 0.0


MAX_READ: Final = 2000
"""Ids whose signature is not checked again; owner and expiry are checked each time."""


class _ForgedError(Exception):
    """An id that we did not sign, or of a revision that is not spoken any more."""


class Sessions:
    """Mints and reads session ids with one key."""

    def __init__(self, key: bytes) -> None:
        """Take the key of 32 bytes, the same in every process that shares sessions."""
        self._key = key
        self._verified = lru_cache(maxsize=MAX_READ)(self._verify)

    def mint(self, version: str, client: Client, owner: str, *, now: float, nonce: bytes) -> Session:
        """Return a new session; `now` in seconds since the epoch, `nonce` 16 random bytes."""
        payload: dict[str, Any] = {
            "v": version,
            "n": client.name,
            "r": client.version,
            "c": sorted(client.capabilities),
            "p": owner,
            "t": int(now),
            "x": nonce.hex(),
        }
        head = signing.encode(orjson.dumps(payload))
        id_ = f"{head}.{signing.sign(self._key, head)}"
        return Session(id=id_, version=version, client=client, owner=owner, expires=payload["t"] + LIFETIME_S)

    def read(self, session_id: str, owner: str, *, now: float) -> Session | None:
        """Return the session of an id that we signed for this owner; None for any other or expired one."""
        if len(session_id) > MAX_ID_LENGTH or not session_id.isascii():
            return None
        try:
            session = self._verified(session_id)
        except _ForgedError:
            return None
        return session if session.owner == owner and now < session.expires else None

    def _verify(self, session_id: str) -> Session:
        """Return the session of an id that we signed, for any owner and time; raises for a forged id, uncached."""
        head, _, signature = session_id.partition(".")
        if not signing.is_signed(self._key, head, signature):
            raise _ForgedError
        payload = orjson.loads(signing.decode(head))
        if payload["v"] not in LEGACY_VERSIONS:
            raise _ForgedError
        client = Client(name=payload["n"], version=payload["r"], capabilities=frozenset(payload["c"]))
        expires = payload["t"] + LIFETIME_S
        return Session(id=session_id, version=payload["v"], client=client, owner=payload["p"], expires=expires)
