"""The endpoint as a protected resource: its metadata for anybody, and the challenges of the running service."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.app import Running
from service.web.protected_resource import ProtectedResource
from tests.conftest import Serve
from tests.emulators.authorization_server import AuthorizationServer
from tests.paths import ROOT
from tests.wire import Heard, WireClient, request, wire_client

WELL_KNOWN = "/.well-known/oauth-protected-resource"
PREFIXED = {"EASEL_PUBLIC_URL": "https://easel.example.com/art"}


async def nobody(token: str) -> Any:
    raise NotImplementedError


def members_of(challenge: str) -> dict[str, str]:
    """The members of a Bearer challenge."""
    assert challenge.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


def test_the_well_known_path_goes_between_host_and_path() -> None:
    """RFC 9728, 3.1."""
    plain = ProtectedResource("https://easel.example.com/mcp", "https://auth.example.com", nobody)
    prefixed = ProtectedResource("https://easel.example.com/art/mcp", "https://auth.example.com", nobody)
    assert plain.metadata_url == f"https://easel.example.com{WELL_KNOWN}/mcp"
    assert prefixed.metadata_url == f"https://easel.example.com{WELL_KNOWN}/art/mcp"


def test_a_challenge_holds_nothing_that_ends_its_quotes() -> None:
    """RFC 6750, 3: of the characters of `error_description` and `scope`, quotes and backslashes are left out."""
    resource = ProtectedResource("https://easel.example.com/mcp", "https://auth.example.com", nobody)
    challenge = resource.challenge("The token has expired.")
    assert members_of(challenge) == {
        "error": "invalid_token",
        "error_description": "The token has expired.",
        "scope": "draw look delete",
        "resource_metadata": f"https://easel.example.com{WELL_KNOWN}/mcp",
    }
    assert challenge.isascii()
    assert "\\" not in challenge


async def get(easel: Running, path: str, method: str = "GET", **headers: str) -> Any:
    async with wire_client(easel.mcp_url) as client:
        async with client.session.request(method, easel.origin + path, headers=headers) as answer:
            body = await answer.json() if answer.content_type == "application/json" else None
            return answer.status, answer.headers, body


@pytest.mark.parametrize("end", ["", "/mcp", "/mcp/"])
async def test_the_metadata_is_read_without_a_token_from_any_page(
    serve: Serve, issuer: AuthorizationServer, end: str
) -> None:
    """RFC 9728, 2 and 3; spec 2026-07-28, Authorization Server Discovery: also at the root."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        status, headers, body = await get(easel, WELL_KNOWN + end, Origin="https://inspector.example.com")
        assert status == 200
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert body == {
            "resource": easel.mcp_url,
            "authorization_servers": [issuer.url],
            "scopes_supported": ["draw", "look", "delete"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Easel",
        }


async def test_a_page_may_ask_before_it_reads_the_metadata(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: the TypeScript SDK sends a header with discovery that browsers ask about first."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "mcp-protocol-version"}
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        status, headers, _ = await get(
            easel, f"{WELL_KNOWN}/mcp", "OPTIONS", Origin="https://inspector.example.com", **asked
        )
    assert status in (200, 204)
    assert headers["Access-Control-Allow-Origin"] in ("*", "https://inspector.example.com")
    allowed = headers["Access-Control-Allow-Headers"].lower()
    assert allowed == "*" or "mcp-protocol-version" in allowed


@pytest.mark.parametrize("end", ["", "/mcp", "/art/mcp"])
async def test_behind_a_prefix_the_metadata_is_found_whatever_the_proxy_passes_on(
    serve: Serve, issuer: AuthorizationServer, end: str
) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url, **PREFIXED) as easel:
        _, _, body = await get(easel, WELL_KNOWN + end)
        assert body["resource"] == "https://easel.example.com/art/mcp"


async def test_without_an_authorization_server_there_is_no_metadata(easel: Running) -> None:
    """Ours: a client that finds none does not begin to sign in."""
    for end in ("", "/mcp"):
        assert (await get(easel, WELL_KNOWN + end))[0] == 404


async def post(client: WireClient, authorization: str | None) -> Heard:
    headers = {"Authorization": authorization} if authorization else {}
    return await client.post(request("initialize", {"protocolVersion": "2025-11-25"}), headers)


async def test_without_a_token_the_challenge_leads_to_the_metadata(serve: Serve, issuer: AuthorizationServer) -> None:
    """RFC 9728, 5.1; RFC 6750, 3.1: no error code where no token was sent. Spec 2026-07-28, Scope Selection."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url, **PREFIXED) as easel, wire_client(easel.mcp_url) as client:
        for authorization in (None, "Bearer ", "Basic YW5uYTpzM2NyM3Q="):
            heard = await post(client, authorization)
            assert heard.status == 401
            assert members_of(heard.headers["WWW-Authenticate"]) == {
                "resource_metadata": f"https://easel.example.com{WELL_KNOWN}/art/mcp",
                "scope": "draw look delete",
            }


async def test_a_wrong_token_is_called_invalid_and_told_why(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, wire_client(easel.mcp_url) as client:
        for token, reason in ((issuer.token(easel.mcp_url, exp=1), "expired"), ("a.b.c", "not a signed JWT")):
            heard = await post(client, f"Bearer {token}")
            members = members_of(heard.headers["WWW-Authenticate"])
            assert (heard.status, members["error"]) == (401, "invalid_token")
            assert reason in members["error_description"]
            assert reason in heard.message["error"]["message"]


async def test_a_header_that_is_too_long_gets_in_nowhere(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, wire_client(easel.mcp_url) as client:
        for groups in (7_000, 20_000):
            heard = await post(client, f"Bearer {issuer.token(easel.mcp_url, groups='x' * groups)}")
            assert heard.status in (400, 401, 431)


async def test_while_the_server_gives_no_keys_the_client_is_told_to_come_again(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    """Ours: 401 would send its person to sign in again, which cannot help."""
    issuer.broken = True
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, wire_client(easel.mcp_url) as client:
        heard = await post(client, f"Bearer {issuer.token(easel.mcp_url)}")
    assert (heard.status, heard.headers["Retry-After"]) == (503, "5")


async def test_static_tokens_go_on_beside_access_tokens(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url, EASEL_TOKENS="anna:s3cr3t-of-anna-s3cr3t") as easel:
        async with wire_client(easel.mcp_url) as client:
            assert (await post(client, "Bearer s3cr3t-of-anna-s3cr3t")).status == 200
            assert (await post(client, f"Bearer {issuer.token(easel.mcp_url)}")).status == 200
            assert (await post(client, "Bearer s3cr3t-of-ben-s3cr3t")).status == 401


async def test_the_service_starts_while_the_server_is_away(serve: Serve) -> None:
    """Ours: static tokens and pictures do not wait for it."""
    async with serve(EASEL_OAUTH_ISSUER="http://127.0.0.1:9") as easel:
        assert (await get(easel, "/healthz"))[0] == 200


def test_missing_libraries_stop_the_start_with_the_line_that_mends_it(tmp_path: Path) -> None:
    """Ours: they are an extra, since they are larger than all the others."""
    start = "import sys; sys.modules['jwt'] = None; from service.commands.main import run; sys.exit(run([]))"
    env = {"EASEL_OAUTH_ISSUER": "http://127.0.0.1:9", "EASEL_PORT": "0", "EASEL_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", start],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "EASEL_OAUTH_ISSUER: needs jwt: pip install -r requirements-oauth.txt" in ended.stderr
