"""Access tokens of the authorization server: JWTs by RFC 9068, checked here, without asking anybody.

A token is taken when all of this holds: its header names an asymmetric algorithm, a key of the server's set and the
type of an access token; the signature is right; `iss` is the issuer and `aud` this resource, exactly (RFC 8707); it is
not expired, and valid already; it has a subject. Everything else is a `TokenError`.

The owner is `<issuer>#<subject>`. No issuer holds `#` (RFC 8414, 2), so that two issuers never share an owner, and the
name of a token of EASEL_TOKENS holds none.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import jwt

from service.authorization import OAuth, granted
from service.web.identity import Identity, TokenError
from service.web.jwks import ALGORITHMS, IssuerKeys, PublicKey
from service.web.protected_resource import KeysUnavailableError, ProtectedResource

NEVER: Final = 2**40
"""Later than any expiry that is meant, in seconds since the epoch; a larger one is beyond clocks and timers."""

MAX_TOKEN: Final = 8000
"""Characters. Tokens that list many groups of a person have some thousands."""

LEEWAY_S: Final = 30
"""By which the clock of the server may differ from ours."""

ACCESS_TOKEN_TYPES: Final = ("at+jwt", "application/at+jwt")
"""`typ` of an access token (RFC 9068, 2.1), in lower case: media types are compared without regard to case."""

PLAIN_JWT: Final = "jwt"
"""`typ` of any JWT, an ID token too. Some servers know no other one."""

ID_TOKEN_CLAIMS: Final = ("nonce", "at_hash", "c_hash")
"""Claims that ID tokens have (OpenID Connect Core, 2 and 3.3.2.11) and access tokens have not."""

MAX_SUBJECT: Final = 255
"""Characters (OpenID Connect Core, 2)."""

REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (jwt.ExpiredSignatureError, "The token has expired."),
    (jwt.ImmatureSignatureError, "The token is not valid yet."),
    (jwt.InvalidAudienceError, "The token is for another audience."),
    (jwt.InvalidIssuerError, "The token is of another issuer."),
    (jwt.MissingRequiredClaimError, "The token lacks one of exp, iss, aud and sub."),
    (jwt.InvalidSignatureError, "The signature of the token is wrong."),
)
"""The reason that is told for an error of the library; the first that fits."""


@contextlib.asynccontextmanager
async def taken(oauth: OAuth, url: str, session: aiohttp.ClientSession) -> AsyncIterator[ProtectedResource]:
    """The endpoint at `url` as a resource that takes access tokens of `oauth`, with keys kept fresh meanwhile."""
    keys = IssuerKeys(session, oauth.issuer, oauth.jwks_url)
    fetching = asyncio.create_task(keys.keep_fresh())
    try:
        yield ProtectedResource(url, oauth.issuer, AccessTokens(oauth, oauth.audience or url, keys).identify)
    finally:
        fetching.cancel()
        await asyncio.wait({fetching})
        await keys.close()


class AccessTokens:
    """The check of access tokens for one resource."""

    def __init__(self, oauth: OAuth, audience: str, keys: IssuerKeys) -> None:
        """Take tokens of `oauth.issuer` for `audience`, signed by one of `keys`."""
        self._issuer = oauth.issuer
        self._audience = audience
        self._types = (*ACCESS_TOKEN_TYPES, PLAIN_JWT) if oauth.plain_jwt else ACCESS_TOKEN_TYPES
        self._keys = keys

    async def identify(self, token: str) -> Identity:
        """Return the identity that a token stands for; raises `TokenError`, or `KeysUnavailableError`."""
        algorithm, kid = self._read_header(token)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            if not self._keys.known:
                raise KeysUnavailableError
            raise TokenError("The token is signed with a key that its issuer does not publish.")
        claims = self._read_claims(token, key, algorithm)
        return Identity(
            owner=owner_of(self._issuer, claims["sub"]),
            scopes=granted(scopes_of(claims)),
            expires=min(int(claims["exp"]), NEVER) + LEEWAY_S,  # a text of digits is taken, too
        )

    def _read_header(self, token: str) -> tuple[str, str | None]:
        """Return `alg` and `kid`. The library checks neither the type nor, without a key, the algorithm."""
        if len(token) > MAX_TOKEN:
            raise TokenError(f"The token is longer than {MAX_TOKEN} characters.")
        try:
            header = jwt.get_unverified_header(token)
        except Exception as problem:  # the library raises of many kinds for what a stranger wrote
            raise TokenError("The token is not a signed JWT.") from problem
        algorithm, typ = header.get("alg"), header.get("typ")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise TokenError("The token is signed by an algorithm that is not taken here.")
        if not isinstance(typ, str) or typ.lower() not in self._types:
            raise TokenError("The token is not of the type at+jwt.")
        return algorithm, header.get("kid")

    def _read_claims(self, token: str, key: PublicKey, algorithm: str) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],  # one of the key's own, see `IssuerKeys.find`
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except Exception as problem:
            reason = next((text for kind, text in REASONS if isinstance(problem, kind)), "The token cannot be read.")
            # The library looks at the claims only after the signature: then the issuer made the token for somebody.
            raise TokenError(reason, is_guess=isinstance(problem, jwt.InvalidSignatureError)) from problem
        if _is_other_kind(claims):
            raise TokenError("The token is an ID token or a refresh token, not an access token.", is_guess=False)
        return claims


def _is_other_kind(claims: Mapping[str, Any]) -> bool:
    """Tell that a JWT is no access token by its claims; Keycloak has a claim `typ`: Bearer, ID, Refresh."""
    return any(name in claims for name in ID_TOKEN_CLAIMS) or str(claims.get("typ", "Bearer")).lower() != "bearer"


def owner_of(issuer: str, subject: str) -> str:
    """Return the owner that a subject of an issuer is: each has its own, and it is one word for a log."""
    if not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenError(f"The subject of the token does not have 1 to {MAX_SUBJECT} characters.")
    try:
        return f"{issuer}#{quote(subject, safe='@|:+')}"
    except UnicodeEncodeError as problem:
        raise TokenError("The subject of the token is no text.") from problem


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """Return the scopes of a token: `scope` (RFC 9068, 2.2.3), or `scp`, as some servers have it, text or list."""
    value = claims.get("scope", claims.get("scp", ""))
    words = value.split() if isinstance(value, str) else value
    return [each for each in words if isinstance(each, str)] if isinstance(words, list) else []
