"""Legacy session ids. The server keeps nothing of a session: all there is to know is in its id, signed.

An id is `<payload>.<signature>`, both base64url: a JSON payload (revision, client, owner, time of birth, 128 random
bits) and its HMAC-SHA256. So it survives a restart, any process with the same key reads it, and none can be forged.
The clock and the randomness are arguments.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
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
    """What a session id says. `principal` is the owner of everything done in it; `expires` seconds since the epoch."""

    id: str
    version: str
    client: Client
    principal: str
    expires: float = 0.0


class Sessions:
    """Mints and reads session ids with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mint(self, version: str, client: Client, principal: str, *, now: float, nonce: bytes) -> Session:
        """A new session; `now` in seconds since the epoch, `nonce` 16 random bytes."""
        payload: dict[str, Any] = {
            "v": version,
            "n": client.name,
            "r": client.version,
            "c": sorted(client.capabilities),
            "p": principal,
            "t": int(now),
            "x": nonce.hex(),
        }
        head = _encode(orjson.dumps(payload))
        id_ = f"{head}.{self._sign(head)}"
        return Session(id=id_, version=version, client=client, principal=principal, expires=payload["t"] + LIFETIME_S)

    def read(self, session_id: str, principal: str, *, now: float) -> Session | None:
        """The session of an id that we signed for this principal and that has not expired, else None."""
        head, _, signature = session_id.partition(".")
        if len(session_id) > MAX_ID_LENGTH or not session_id.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(head)):
            return None
        payload = orjson.loads(_decode(head))
        expires = payload["t"] + LIFETIME_S
        if payload["p"] != principal or payload["v"] not in LEGACY_VERSIONS or now >= expires:
            return None
        client = Client(name=payload["n"], version=payload["r"], capabilities=frozenset(payload["c"]))
        return Session(id=session_id, version=payload["v"], client=client, principal=principal, expires=expires)

    def _sign(self, head: str) -> str:
        return _encode(hmac.digest(self._key, head.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
