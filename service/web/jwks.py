"""The public keys of the authorization server (JWKS, RFC 7517), by which access tokens are checked.

1. `jwks_uri` comes from the server's metadata (RFC 8414, OpenID Connect Discovery) unless a setting names it.
2. The set is fetched at the start, every few minutes, and when a token names a key that is not in it, but then at most
   every few seconds: anybody can send such a token. One request is under way at a time, and all who wait share it.
3. Keys are read one by one. One that cannot be used is passed over, and the others stay usable.
4. A failed fetch, or a set without a usable key, leaves the known keys in place.

A key that is gone from the set is gone from here after `REFRESH_S` at the latest.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK

from service.bounds.bodies import read_limited
from service.hosts import is_protected

logger = logging.getLogger(__name__)

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES: Final[Mapping[str, str]] = {
    "P-256": "ES256",
    "P-384": "ES384",
    "P-521": "ES512",
    "Ed25519": "EdDSA",
}
ALGORITHMS: Final = frozenset({*RSA, *CURVES.values()})
"""The signatures that are taken. All are asymmetric: a public key used as an HMAC secret would let anybody sign."""

RSA_BITS: Final = range(2048, 8192 + 1)
"""Shorter keys are weak (NIST SP 800-131A); checking a signature of a longer one takes over a millisecond."""

LARGEST_EXPONENT: Final = 2**32
"""65537 in practice. A check takes time in proportion to the bits of the exponent."""

REFRESH_S: Final = 300.0
PAUSE_S: Final = 5.0
"""Between two fetches that tokens with unknown keys ask for."""
FETCH_S: Final = 10.0
"""For metadata and keys together."""
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100


class KeysError(Exception):
    """Metadata or keys could not be fetched or used. The message says which and why."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """One public key: its `kid`, if it has one, and the signature algorithms that it may check."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


class IssuerKeys:
    """The keys of one issuer, fetched by `session` from `jwks_url`, or from where its metadata says they are."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        issuer: str,
        jwks_url: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without keys. `clock` counts seconds."""
        self._session = session
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._flight: asyncio.Task[None] | None = None
        self._rests_until = -float("inf")

    @property
    def known(self) -> int:
        """The number of keys; 0 until the first fetch that went well."""
        return len(self._keys)

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Return the key of a token header, asking the server again for an unknown one; None when it has none."""
        key = self._look_up(kid, algorithm)
        if key is None:
            await self.refresh()
            key = self._look_up(kid, algorithm)
        return key

    async def refresh(self) -> None:
        """Fetch the set, or wait for the fetch under way; do nothing for `PAUSE_S` after one. Never raises."""
        if self._flight is None:
            if self._clock() < self._rests_until:
                return
            self._flight = asyncio.create_task(self._fly())
        # A request that goes away must not end the fetch that others wait for.
        await asyncio.shield(self._flight)

    async def keep_fresh(self) -> None:
        """Fetch the set now and every `REFRESH_S`, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_S)

    async def close(self) -> None:
        """End the fetch under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait({self._flight})

    def _look_up(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Return the one key that fits. A token without `kid` (optional, RFC 7515, 4.1.4) fits a lone key only."""
        fitting = [each.key for each in self._keys if algorithm in each.algorithms and kid in (None, each.kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _fly(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                keys = await self._fetch()
        except (KeysError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            logger.warning(
                "The keys of the authorization server could not be fetched, %d are known: %s",
                self.known,
                str(problem) or type(problem).__name__,
            )
        else:
            self._keys = keys
        finally:
            self._flight = None
            self._rests_until = self._clock() + PAUSE_S

    async def _fetch(self) -> Sequence[SigningKey]:
        url = self._jwks_url or await self._discover()
        document = await self._get(url)
        # Up to a hundred keys take some milliseconds.
        keys = [] if document is None else await asyncio.to_thread(read_keys, document)
        if not keys:
            raise KeysError(f"{url} holds no key that can be used.")
        return keys

    async def _discover(self) -> str:
        """Return `jwks_uri` of the first metadata document that the server has."""
        for url in metadata_urls(self._issuer):
            metadata = await self._get(url)
            if metadata is None:
                continue
            if metadata.get("issuer") != self._issuer:
                # RFC 8414, 3.3: it MUST NOT be used.
                raise KeysError(f"{url} names the issuer {str(metadata.get('issuer'))[:200]!r}, not {self._issuer!r}.")
            jwks_url = metadata.get("jwks_uri")
            if not isinstance(jwks_url, str) or not is_protected(jwks_url):
                raise KeysError(f"{url} names no jwks_uri that begins with https://.")
            return jwks_url
        raise KeysError(f"{self._issuer} publishes no metadata (RFC 8414, OpenID Connect Discovery).")

    async def _get(self, url: str) -> dict[str, Any] | None:
        """Return a JSON object; None where there is no such document."""
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status in (400, 404, 405, 410):
                return None
            if answer.status != 200:
                raise KeysError(f"{url} was answered with {answer.status}.")
            body = await read_limited(answer.content, MAX_BYTES)
        if len(body) > MAX_BYTES:
            raise KeysError(f"{url} is larger than {MAX_BYTES} bytes.")
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise KeysError(f"{url} is no JSON object.")
        return document


def metadata_urls(issuer: str) -> Iterator[str]:
    """Return where an issuer's metadata may be, in the order of MCP (spec 2025-11-25, Authorization, Discovery)."""
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{root}/.well-known/oauth-authorization-server{path}"
    yield f"{root}/.well-known/openid-configuration{path}"
    if path:
        yield f"{root}{path}/.well-known/openid-configuration"


def read_keys(document: Mapping[str, Any]) -> list[SigningKey]:
    """Return the usable keys of a JWK set."""
    listed = document.get("keys")
    keys = []
    for jwk in listed[:MAX_KEYS] if isinstance(listed, list) else ():
        # Whatever is wrong with one key must not cost the others, and libraries raise of many kinds here.
        with contextlib.suppress(Exception):
            keys.append(_read_key(jwk))
    return keys


def _read_key(jwk: Mapping[str, Any]) -> SigningKey:
    """Return one key; raises an exception of any kind for one that cannot be used."""
    kid, algorithms = jwk.get("kid"), _algorithms(jwk)
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError("it is not for signatures")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("its kid is no text")
    key = PyJWK(dict(jwk), algorithm=algorithms[0]).key
    match key:
        case RSAPublicKey():
            if key.key_size not in RSA_BITS or key.public_numbers().e > LARGEST_EXPONENT:
                raise ValueError("its size is out of bounds")
        case EllipticCurvePublicKey() | Ed25519PublicKey():
            pass
        case _:
            raise ValueError("it is not public")
    return SigningKey(kid=kid, algorithms=frozenset(algorithms), key=key)


def _algorithms(jwk: Mapping[str, Any]) -> Sequence[str]:
    """Return the algorithms that a key may check: the one it names, else all of its kind; raises when there is none."""
    of_its_kind = RSA if jwk["kty"] == "RSA" else (CURVES[jwk["crv"]],)
    named = jwk.get("alg")
    if named is None:
        return of_its_kind
    named = {"Ed25519": "EdDSA"}.get(named, named)  # RFC 9864 has another name for it
    if named not in of_its_kind:
        raise ValueError("its algorithm is not taken")
    return (named,)
