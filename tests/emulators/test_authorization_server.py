"""The emulated authorization server gives tokens for right proofs alone, as a real one does."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from tests.emulators.authorization_server import AuthorizationServer

BACK = "http://127.0.0.1:1/back"
RESOURCE = "https://easel.example.com/mcp"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def register(session: aiohttp.ClientSession, issuer: AuthorizationServer) -> str:
    async with session.post(f"{issuer.url}/register", json={"redirect_uris": [BACK]}) as answer:
        client_id: str = (await answer.json())["client_id"]
        return client_id


async def authorize(
    session: aiohttp.ClientSession, issuer: AuthorizationServer, client_id: str, **changed: str
) -> dict[str, str]:
    """Return the query that the browser brings back to the client."""
    asked = {
        "client_id": client_id, "redirect_uri": BACK, "response_type": "code", "state": "s", "scope": "draw look other",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": RESOURCE,
    } | changed  # fmt: skip
    async with session.get(f"{issuer.url}/authorize", params=asked, allow_redirects=False) as answer:
        assert answer.status in (302, 400)
        return {name: each[0] for name, each in parse_qs(urlsplit(answer.headers.get("Location", "")).query).items()}


async def exchange(session: aiohttp.ClientSession, issuer: AuthorizationServer, **form: str) -> dict[str, Any]:
    async with session.post(f"{issuer.url}/token", data=form) as answer:
        given: dict[str, Any] = await answer.json()
        return given


async def test_a_code_becomes_a_token_for_the_resource_and_the_granted_scopes_once(issuer: AuthorizationServer) -> None:
    async with aiohttp.ClientSession() as session:
        client_id = await register(session, issuer)
        back = await authorize(session, issuer, client_id)
        assert (back["state"], back["iss"]) == ("s", issuer.url)
        form = {"grant_type": "authorization_code", "code": back["code"], "client_id": client_id}
        given = await exchange(session, issuer, **form, code_verifier=VERIFIER, resource=RESOURCE)
        claims = jwt.decode(given["access_token"], options={"verify_signature": False})
        assert (claims["aud"], claims["scope"], claims["client_id"]) == (RESOURCE, "draw look", client_id)
        assert jwt.get_unverified_header(given["access_token"])["typ"] == "at+jwt"
        assert "error" in await exchange(session, issuer, **form, code_verifier=VERIFIER)
        refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": client_id}
        assert "access_token" in await exchange(session, issuer, **refresh)
        assert "error" in await exchange(session, issuer, **refresh)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"code_verifier": "w" * 50}, id="another verifier"),
        pytest.param({"client_id": "another"}, id="another client"),
        pytest.param({"resource": "https://other.example.com"}, id="another resource"),
        pytest.param({"code": "guessed"}, id="another code"),
    ],
)
async def test_a_wrong_proof_gets_no_token(issuer: AuthorizationServer, wrong: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as session:
        client_id = await register(session, issuer)
        code = (await authorize(session, issuer, client_id))["code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "code_verifier": VERIFIER}
        assert "access_token" not in await exchange(session, issuer, **form | wrong)


async def test_nobody_is_sent_to_a_place_that_was_not_registered(issuer: AuthorizationServer) -> None:
    async with aiohttp.ClientSession() as session:
        client_id = await register(session, issuer)
        assert await authorize(session, issuer, client_id, redirect_uri="http://127.0.0.1:1/elsewhere") == {}
        assert "code" not in await authorize(session, issuer, client_id, code_challenge_method="plain")
