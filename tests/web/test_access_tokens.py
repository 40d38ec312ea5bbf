"""Access tokens: which are taken, which are refused and why, and the owner and the scopes that they give."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from service.authorization import OAuth
from service.web.access_tokens import LEEWAY_S, MAX_TOKEN, AccessTokens, owner_of, scopes_of
from service.web.identity import TokenError
from service.web.jwks import IssuerKeys
from service.web.protected_resource import KeysUnavailableError
from tests.emulators.authorization_server import AuthorizationServer, Signer

RESOURCE: Final = "https://easel.example.com/mcp"
NOW: Final = int(time.time())
HOUR_S: Final = 3600


@pytest.fixture
async def keys(issuer: AuthorizationServer) -> AsyncIterator[IssuerKeys]:
    async with aiohttp.ClientSession() as session:
        keys = IssuerKeys(session, issuer.url)
        yield keys
        await keys.close()


@pytest.fixture
def tokens(keys: IssuerKeys, issuer: AuthorizationServer) -> AccessTokens:
    return AccessTokens(OAuth(issuer=issuer.url), RESOURCE, keys)


async def test_a_token_of_the_issuer_for_this_resource_is_taken(
    tokens: AccessTokens, issuer: AuthorizationServer
) -> None:
    identity = await tokens.identify(issuer.token(RESOURCE, "draw"))
    assert identity.owner == f"{issuer.url}#anna"
    assert identity.scopes == {"draw", "look"}


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA", "RS256", "PS512"])
async def test_every_asymmetric_algorithm_is_taken(
    tokens: AccessTokens, issuer: AuthorizationServer, algorithm: str
) -> None:
    issuer.rotate("a", algorithm)
    assert (await tokens.identify(issuer.token(RESOURCE))).owner.endswith("#anna")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"aud": ["https://other.example.com", RESOURCE]}, id="several audiences"),
        pytest.param({"exp": str(NOW + HOUR_S)}, id="expiry as text"),
        pytest.param({"exp": 10**400}, id="expiry beyond all clocks"),
        pytest.param({"client_id": None, "jti": None, "iat": None}, id="without what nothing is decided by"),
    ],
)
async def test_small_differences_are_no_reason_to_refuse(
    tokens: AccessTokens, issuer: AuthorizationServer, changed: dict[str, Any]
) -> None:
    assert await tokens.identify(issuer.token(RESOURCE, **changed))


async def test_clocks_may_differ_a_little(tokens: AccessTokens, issuer: AuthorizationServer) -> None:
    """RFC 9068, 4; RFC 7519, 4.1.4: some leeway, no more than a few minutes."""
    now = int(time.time())
    assert await tokens.identify(issuer.token(RESOURCE, exp=now - LEEWAY_S // 3, nbf=now + LEEWAY_S // 3))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"iss": "https://other.example.com"}, "another issuer", id="another issuer"),
        pytest.param({"iss": None}, "lacks", id="no issuer"),
        pytest.param({"aud": "https://easel.example.com"}, "another audience", id="audience that ours begins with"),
        pytest.param({"aud": f"{RESOURCE}/more"}, "another audience", id="audience that begins with ours"),
        pytest.param({"aud": ["https://other.example.com"]}, "another audience", id="list of other audiences"),
        pytest.param({"aud": None}, "lacks", id="no audience"),
        pytest.param({"aud": {"a": RESOURCE}}, "audience", id="audience that is an object"),
        pytest.param({"exp": NOW - HOUR_S}, "expired", id="expired"),
        pytest.param({"exp": None}, "lacks", id="never expires"),
        pytest.param({"exp": "tomorrow"}, "cannot be read", id="expiry that is a word"),
        pytest.param({"exp": float("inf")}, "cannot be read", id="expiry without end"),
        pytest.param({"nbf": NOW + HOUR_S}, "not valid yet", id="not valid yet"),
        pytest.param({"iat": NOW + HOUR_S}, "not valid yet", id="made in the future"),
        pytest.param({"sub": None}, "lacks", id="nobody"),
        pytest.param({"sub": 5}, "cannot be read", id="subject that is a number"),
        pytest.param({"sub": "x" * 256}, "subject", id="endless subject"),
        pytest.param({"sub": "\ud800"}, "subject", id="subject that is no text"),
    ],
)
async def test_a_claim_that_is_not_right_is_told(
    tokens: AccessTokens, issuer: AuthorizationServer, changed: dict[str, Any], reason: str
) -> None:
    """RFC 9068, 4; RFC 8707, 2."""
    with pytest.raises(TokenError, match=reason):
        await tokens.identify(issuer.token(RESOURCE, **changed))


async def test_a_token_without_a_subject_text_is_refused(tokens: AccessTokens, issuer: AuthorizationServer) -> None:
    with pytest.raises(TokenError, match="subject"):
        await tokens.identify(issuer.token(RESOURCE, sub=""))


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def put_together(issuer: AuthorizationServer, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token of a kind that the library does not make."""
    head = {"alg": algorithm, "typ": "at+jwt", "kid": "first"}
    content = ".".join(encoded(json.dumps(each).encode()) for each in (head, issuer.claims(RESOURCE)))
    return f"{content}.{encoded(sign(content.encode()))}"


def unsigned(issuer: AuthorizationServer) -> str:
    return put_together(issuer, "none", lambda _: b"")


def signed_with_the_public_key(issuer: AuthorizationServer) -> str:
    """HMAC, with the published key as the secret that it is for nobody."""
    public = issuer.signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return put_together(issuer, "HS256", lambda content: hmac.digest(public, content, "sha256"))


def signed_by_another(issuer: AuthorizationServer) -> str:
    forger = AuthorizationServer(url=issuer.url, signer=Signer(kid=issuer.signer.kid))
    return forger.token(RESOURCE)


def with_a_key_of_its_own(issuer: AuthorizationServer) -> str:
    forger = Signer(kid="own")
    headers = {"typ": "at+jwt", "jwk": forger.jwk, "jku": "https://evil.example.com/jwks", "kid": "own"}
    return jwt.encode(issuer.claims(RESOURCE), forger.key, "ES256", headers=headers)


def of_another_type(typ: object) -> Callable[[AuthorizationServer], str]:
    return lambda issuer: issuer.sign(issuer.claims(RESOURCE), typ=typ)


def with_header(**header: Any) -> Callable[[AuthorizationServer], str]:
    return lambda issuer: issuer.sign(issuer.claims(RESOURCE), typ="at+jwt", **header)


def with_another_payload(issuer: AuthorizationServer) -> str:
    head, _, signature = issuer.token(RESOURCE).split(".")
    payload = json.dumps(issuer.claims(RESOURCE, sub="ben")).encode()
    return ".".join([head, encoded(payload), signature])


def without_a_signature(issuer: AuthorizationServer) -> str:
    return issuer.token(RESOURCE).rpartition(".")[0] + "."


def by_hand(head: bytes) -> Callable[[AuthorizationServer], str]:
    return lambda _: f"{encoded(head)}.e30.AA"


def oversized(issuer: AuthorizationServer) -> str:
    return issuer.token(RESOURCE, groups="x" * MAX_TOKEN)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(unsigned, "algorithm", id="alg none"),
        pytest.param(signed_with_the_public_key, "algorithm", id="HS256 with the public key"),
        pytest.param(signed_by_another, "signature", id="signed by another"),
        pytest.param(with_a_key_of_its_own, "does not publish", id="brings its own key"),
        pytest.param(with_header(kid="made up"), "does not publish", id="unknown key"),
        pytest.param(with_header(crit=["exp"]), "not a signed JWT", id="critical header that nobody knows"),
        pytest.param(of_another_type("JWT"), "at\\+jwt", id="plain JWT, as an ID token is"),
        pytest.param(of_another_type("logout+jwt"), "at\\+jwt", id="logout token"),
        pytest.param(of_another_type(5), "at\\+jwt", id="type that is no text"),
        pytest.param(with_another_payload, "signature", id="another payload"),
        pytest.param(without_a_signature, "signature", id="no signature"),
        pytest.param(oversized, "longer than", id="oversized"),
        pytest.param(lambda _: "not.a.jwt", "not a signed JWT", id="no Base64"),
        pytest.param(lambda _: "word", "not a signed JWT", id="one word"),
        pytest.param(lambda _: "a.b.c.d.e", "not a signed JWT", id="encrypted JWT has five parts"),
        pytest.param(lambda _: "\udcff\udcfe", "not a signed JWT", id="no text"),
        pytest.param(by_hand(b"[]"), "not a signed JWT", id="header that is a list"),
        pytest.param(by_hand(b'{"alg": ["ES256"], "typ": "at+jwt"}'), "algorithm", id="several algorithms"),
        pytest.param(by_hand(b'{"alg": "ES256", "typ": "at+jwt", "kid": 5}'), "not a signed JWT", id="kid of a number"),
        pytest.param(by_hand(b"[" * 4000), "not a signed JWT", id="nested header"),
    ],
)
async def test_a_token_that_is_no_access_token_of_the_issuer_is_refused(
    tokens: AccessTokens, issuer: AuthorizationServer, make: Callable[[AuthorizationServer], str], reason: str
) -> None:
    """RFC 8725, 3.1, 3.2, 3.11; RFC 9068, 4."""
    with pytest.raises(TokenError, match=reason):
        await tokens.identify(make(issuer))


async def test_the_type_is_read_as_a_media_type(tokens: AccessTokens, issuer: AuthorizationServer) -> None:
    """RFC 9068, 2.1, and RFC 7515, 4.1.9: with or without `application/`, in any case."""
    for typ in ("at+jwt", "AT+JWT", "application/at+jwt"):
        assert await tokens.identify(issuer.token(RESOURCE, typ=typ))


async def test_plain_jwts_are_taken_where_the_setting_says_so_but_no_id_tokens(
    keys: IssuerKeys, issuer: AuthorizationServer
) -> None:
    """Ours: Keycloak gives its access tokens the type of its ID tokens, unless each client is set otherwise."""
    tokens = AccessTokens(OAuth(issuer=issuer.url, plain_jwt=True), RESOURCE, keys)
    for typ in ("JWT", "at+jwt"):
        assert await tokens.identify(issuer.token(RESOURCE, typ=typ))
    assert await tokens.identify(issuer.sign(issuer.claims(RESOURCE) | {"typ": "Bearer"}, typ="JWT"))
    for claims in ({"nonce": "n"}, {"at_hash": "h"}, {"typ": "ID"}, {"typ": "Refresh"}):
        with pytest.raises(TokenError, match="ID token"):
            await tokens.identify(issuer.sign(issuer.claims(RESOURCE) | claims, typ="JWT"))


async def test_another_audience_is_asked_for_where_it_is_set(keys: IssuerKeys, issuer: AuthorizationServer) -> None:
    """Ours: some servers know no `resource` parameter, and give every token for one name."""
    tokens = AccessTokens(OAuth(issuer=issuer.url, audience="easel"), "easel", keys)
    assert await tokens.identify(issuer.token("easel"))
    with pytest.raises(TokenError, match="audience"):
        await tokens.identify(issuer.token(RESOURCE))


async def test_while_no_key_is_known_no_token_is_called_wrong(
    tokens: AccessTokens, issuer: AuthorizationServer
) -> None:
    """Ours: a client throws a token away that is called invalid, and sends its person to sign in again."""
    issuer.broken = True
    with pytest.raises(KeysUnavailableError):
        await tokens.identify(issuer.token(RESOURCE))


async def test_after_a_rotation_the_old_tokens_are_refused_and_the_new_ones_taken(
    keys: IssuerKeys, issuer: AuthorizationServer
) -> None:
    issuer.rotate("second")
    tokens = AccessTokens(OAuth(issuer=issuer.url), RESOURCE, keys)
    assert await tokens.identify(issuer.token(RESOURCE))
    old = AuthorizationServer(url=issuer.url, signer=Signer(kid="first"))
    with pytest.raises(TokenError, match="does not publish"):
        await tokens.identify(old.token(RESOURCE))


def test_no_two_subjects_share_an_owner_and_none_has_the_name_of_a_token() -> None:
    """Ours: names of EASEL_TOKENS hold letters, digits, `_`, `.` and `-`."""
    pairs = [
        ("https://a.example", "anna"), ("https://a.example", "Anna"), ("https://a.example/b", "anna"),
        ("https://a.example", "b#anna"), ("https://a.example", "b%23anna"), ("https://a.example", "anna "),
        ("https://a.example", "änna"), ("https://a.example", "an\u0308na"),
    ]  # fmt: skip
    owners = [owner_of(*pair) for pair in pairs]
    assert len(set(owners)) == len(pairs)
    assert all("#" in owner and owner.isascii() and owner.isprintable() and " " not in owner for owner in owners)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "draw look"}, ["draw", "look"]),
        ({"scope": ["draw", 5]}, ["draw"]),
        ({"scp": "draw"}, ["draw"]),
        ({"scp": ["draw", "look"]}, ["draw", "look"]),
        ({"scope": "look", "scp": "admin"}, ["look"]),
        ({"scope": 5}, []),
        ({}, []),
    ],
)
def test_scopes_are_read_in_each_form_that_servers_have(claims: dict[str, Any], scopes: list[str]) -> None:
    assert scopes_of(claims) == scopes
