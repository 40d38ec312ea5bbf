"""The keys of an authorization server: found, fetched seldom, rotated, not lost to one odd key or a failed fetch."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from service.web.jwks import PAUSE_S, IssuerKeys, metadata_urls, read_keys
from tests.emulators.authorization_server import AuthorizationServer, Signer, new_key
from tests.emulators.loopback import serving
from tests.stores import Clock

GOOD = Signer(kid="good").jwk


def modulus(bits: int) -> str:
    """An odd number of so many bits, as a key has it; nobody has the factors."""
    return base64.urlsafe_b64encode((2 ** (bits - 1) + 1).to_bytes(bits // 8, "big")).decode().rstrip("=")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def keys(session: aiohttp.ClientSession, issuer: AuthorizationServer, clock: Clock) -> AsyncIterator[IssuerKeys]:
    keys = IssuerKeys(session, issuer.url, clock=clock)
    yield keys
    await keys.close()


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        pytest.param(
            "https://auth.example.com",
            [
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
            ],
            id="without a path",
        ),
        pytest.param(
            "https://auth.example.com/",
            [
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
            ],
            id="with a slash, as Auth0 has it",
        ),
        pytest.param(
            "https://auth.example.com/realms/easel",
            [
                "https://auth.example.com/.well-known/oauth-authorization-server/realms/easel",
                "https://auth.example.com/.well-known/openid-configuration/realms/easel",
                "https://auth.example.com/realms/easel/.well-known/openid-configuration",
            ],
            id="with a path, as Keycloak has it",
        ),
    ],
)
def test_metadata_is_looked_for_in_the_order_of_the_specification(issuer: str, urls: list[str]) -> None:
    """Spec 2025-11-25, Authorization Server Metadata Discovery."""
    assert list(metadata_urls(issuer)) == urls


async def test_the_keys_are_found_by_the_metadata(keys: IssuerKeys, issuer: AuthorizationServer) -> None:
    assert await keys.find("first", "ES256") is not None
    assert issuer.requests == {"/.well-known/oauth-authorization-server": 1, "/jwks": 1}


async def test_a_set_url_is_asked_without_the_metadata(
    session: aiohttp.ClientSession, issuer: AuthorizationServer
) -> None:
    keys = IssuerKeys(session, issuer.url, f"{issuer.url}/jwks")
    assert await keys.find("first", "ES256") is not None
    assert issuer.requests == {"/jwks": 1}


async def test_a_key_is_for_its_own_algorithm_alone(keys: IssuerKeys) -> None:
    assert await keys.find("first", "ES384") is None
    assert await keys.find("first", "RS256") is None


async def test_a_new_key_is_fetched_when_a_token_names_it(
    keys: IssuerKeys, issuer: AuthorizationServer, clock: Clock
) -> None:
    """Ours: PyJWT's own client of key sets waits half a minute before it asks again, and blocks the loop meanwhile."""
    await keys.refresh()
    issuer.rotate("second")
    clock.now += PAUSE_S
    assert await keys.find("second", "ES256") is not None
    assert await keys.find("first", "ES256") is None


async def test_unknown_keys_ask_the_server_at_most_every_few_seconds(
    keys: IssuerKeys, issuer: AuthorizationServer, clock: Clock
) -> None:
    """Ours: anybody can send tokens with made-up keys."""
    for number in range(50):
        assert await keys.find(f"made up {number}", "ES256") is None
    assert issuer.requests["/jwks"] == 1
    clock.now += PAUSE_S
    assert await keys.find("made up", "ES256") is None
    assert issuer.requests["/jwks"] == 2


async def test_all_that_wait_share_one_fetch(keys: IssuerKeys, issuer: AuthorizationServer) -> None:
    found = await asyncio.gather(*(keys.find("first", "ES256") for _ in range(20)))
    assert None not in found
    assert issuer.requests["/jwks"] == 1


async def test_a_request_that_goes_away_does_not_end_the_fetch_of_others(
    keys: IssuerKeys, issuer: AuthorizationServer
) -> None:
    leaving, staying = (asyncio.create_task(keys.find("first", "ES256")) for _ in range(2))
    await asyncio.sleep(0)  # both have begun to wait
    leaving.cancel()
    assert await staying is not None


async def test_known_keys_stay_when_a_fetch_fails(
    keys: IssuerKeys, issuer: AuthorizationServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await keys.refresh()
    issuer.broken = True
    clock.now += PAUSE_S
    with caplog.at_level(logging.WARNING):
        await keys.refresh()
    assert await keys.find("first", "ES256") is not None
    assert "1 are known" in caplog.text


async def test_known_keys_stay_when_the_set_is_empty(
    keys: IssuerKeys, issuer: AuthorizationServer, clock: Clock
) -> None:
    await keys.refresh()
    issuer.published = [{"kty": "nothing"}]
    clock.now += PAUSE_S
    await keys.refresh()
    assert keys.known == 1


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({"issuer": "https://other.example.com"}, "names the issuer 'https://other", id="another issuer"),
        pytest.param({"jwks_uri": None}, "names no jwks_uri", id="without a key set"),
        pytest.param({"jwks_uri": "http://192.0.2.1/jwks"}, "names no jwks_uri", id="keys by http"),
        pytest.param({"jwks_uri": "ftp://127.0.0.1/jwks"}, "names no jwks_uri", id="keys by another scheme"),
        pytest.param({"jwks_uri": 5}, "names no jwks_uri", id="no text"),
        pytest.param([], "is no JSON object", id="no object"),
        pytest.param({"filler": "x" * 300_000}, "is larger than", id="too large"),
    ],
)
async def test_metadata_that_cannot_be_right_gives_no_keys(
    session: aiohttp.ClientSession, metadata: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 8414, 3.3: metadata with another issuer MUST NOT be used."""

    async def describe(request: web.Request) -> web.Response:
        url = str(request.url.origin())
        right = {"issuer": url, "jwks_uri": f"{url}/jwks"}
        return web.json_response(right | metadata if isinstance(metadata, dict) else metadata)

    async def list_keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [GOOD]})

    app = web.Application()
    app.router.add_get("/jwks", list_keys)
    app.router.add_get("/.well-known/{name}", describe)
    async with serving(app) as url:
        keys = IssuerKeys(session, url)
        await keys.refresh()
        assert keys.known == 0
        assert reason in caplog.text


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({}, id="nothing"),
        pytest.param(5, id="no object"),
        pytest.param({"kty": "new"}, id="unknown kind"),
        pytest.param({**GOOD, "crv": "P-999"}, id="unknown curve"),
        pytest.param({**GOOD, "crv": "secp256k1", "alg": "ES256K"}, id="curve that is not taken"),
        pytest.param({**GOOD, "x": "!"}, id="broken number"),
        pytest.param({**GOOD, "y": GOOD["x"]}, id="point beside the curve"),
        pytest.param({**GOOD, "use": "enc"}, id="for encryption"),
        pytest.param({**GOOD, "key_ops": ["encrypt"]}, id="for another operation"),
        pytest.param({**GOOD, "key_ops": 5}, id="operations that are no list"),
        pytest.param({**GOOD, "alg": "HS256"}, id="algorithm of another kind"),
        pytest.param({**GOOD, "alg": ["ES256"]}, id="algorithm that is no text"),
        pytest.param({**GOOD, "kid": 5}, id="kid that is no text"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "odd", "alg": "HS256"}, id="shared secret"),
        pytest.param({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "odd"}, id="tiny modulus"),
        pytest.param({"kty": "RSA", "n": modulus(1024), "e": "AQAB", "kid": "odd"}, id="weak modulus"),
        pytest.param({"kty": "RSA", "n": modulus(16384), "e": "AQAB", "kid": "odd"}, id="slow modulus"),
        pytest.param({"kty": "RSA", "n": modulus(2048), "e": modulus(1024), "kid": "odd"}, id="slow exponent"),
    ],
)
def test_one_odd_key_costs_no_other(odd: Any) -> None:
    """Ours: servers publish keys for other purposes, and of kinds that libraries do not know yet."""
    [key] = read_keys({"keys": [odd, GOOD, odd]})
    assert key.kid == "good"


def test_a_private_key_is_no_key_to_check_by() -> None:
    """Ours: a server that publishes one has lost it to everybody."""
    leaked = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1())))
    assert "d" in leaked
    assert read_keys({"keys": [leaked]}) == []


def test_a_key_that_names_no_algorithm_is_for_all_of_its_kind() -> None:
    """Ours: Microsoft's keys name none, and PyJWT would take RS256 for the only one."""
    jwk = Signer(kid="r", algorithm="RS256", key=new_key("RS256")).jwk
    del jwk["alg"]
    [key] = read_keys({"keys": [jwk]})
    assert key.algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": None}, {"keys": []}])
def test_a_set_without_a_list_has_no_keys(document: dict[str, Any]) -> None:
    assert read_keys(document) == []


async def test_a_token_without_kid_fits_a_lone_key_only(
    keys: IssuerKeys, issuer: AuthorizationServer, clock: Clock
) -> None:
    """RFC 7515, 4.1.4: `kid` is optional. Of two keys we do not try each."""
    assert await keys.find(None, "ES256") is not None
    issuer.published = [issuer.signer.jwk, GOOD]
    clock.now += PAUSE_S
    await keys.refresh()
    assert await keys.find(None, "ES256") is None
