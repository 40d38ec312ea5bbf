"""Host, Origin and token on every route of the running service."""

import asyncio
from urllib.parse import urlsplit

import pytest

from service.app import Running
from tests.conftest import Serve
from tests.wire import modern_headers, modern_params, request, wire_client

PICTURE = "/mcp-cache/" + "0" * 32 + ".png"
HELLO = request("server/discover", modern_params())


async def raw(easel: Running, path: str, *headers: str, method: str = "GET") -> tuple[int, str]:
    """Send a request as it stands, since HTTP clients mend Host headers; returns status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", easel.settings.port)
    lines = [f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode(errors="surrogateescape"))
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/upload/x", "/nowhere"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(["Host: evil.example.com"], 421, id="foreign host"),
        pytest.param(["Host: 127.0.0.1.evil.example.com"], 421, id="host that starts as ours"),
        pytest.param(["Host: localhost@evil.example.com"], 421, id="host with ours as user"),
        pytest.param(["Host: "], 421, id="empty host"),
        pytest.param(["Host: [::1"], 421, id="broken host"),
        pytest.param(["Host: localhost", "Origin: http://evil.example.com"], 403, id="foreign origin"),
        pytest.param(["Host: localhost", "Origin: null"], 403, id="origin of a sandbox or a file"),
        pytest.param(["Host: localhost", "Origin: http://localhost.evil.example.com"], 403, id="origin like ours"),
    ],
)
async def test_a_foreign_name_is_refused_on_every_route(
    easel: Running, path: str, headers: list[str], status: int
) -> None:
    """Spec 2026-07-28, Security & Endpoint; CVE-2025-66416: DNS rebinding against servers on loopback."""
    answered, body = await raw(easel, path, *headers)
    assert answered == status
    assert "EASEL_PUBLIC_URL" in body


async def test_a_picture_is_shown_on_pages_of_any_origin_and_under_no_foreign_host(easel: Running) -> None:
    """Ours: its name is the key, and a chat program shows it in a page or a sandboxed frame of its own."""
    for origin in ("http://evil.example.com", "null"):
        assert (await raw(easel, PICTURE, "Host: localhost", f"Origin: {origin}"))[0] == 404
    assert (await raw(easel, PICTURE, "Host: evil.example.com"))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8866", "[::1]:1", "LOCALHOST:99"])
@pytest.mark.parametrize("origin", [None, "http://localhost:6274", "http://127.0.0.1"])
async def test_loopback_is_always_let_in(easel: Running, host: str, origin: str | None) -> None:
    headers = [f"Host: {host}"] + ([f"Origin: {origin}"] if origin else [])
    assert (await raw(easel, "/healthz", *headers))[0] == 200


async def test_the_names_of_the_public_url_are_let_in(serve: Serve) -> None:
    async with serve(EASEL_PUBLIC_URL="https://Easel.example.com/pictures") as easel:
        for host in ("easel.example.com", "EASEL.example.com:443", "localhost"):
            headers = [f"Host: {host}", "Origin: https://easel.example.com"]
            assert (await raw(easel, "/healthz", *headers))[0] == 200
        assert (await raw(easel, "/healthz", "Host: other.example.com"))[0] == 421


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong", "Bearer ", "bearer", "Basic YW5uYTpzM2NyM3Q=", "s3cr3t-a", "Bearer s3cr3t-a s3cr3t-b"],
)
async def test_without_a_token_nobody_gets_in(serve: Serve, authorization: str | None) -> None:
    async with serve(EASEL_TOKENS="anna:s3cr3t-a,ben:s3cr3t-b") as easel, wire_client(easel.mcp_url) as client:
        headers = {"Authorization": authorization} if authorization else {}
        heard = await client.post(HELLO, modern_headers("server/discover") | headers)
        assert heard.status == 401
        assert heard.headers["WWW-Authenticate"].startswith("Bearer")
        assert "EASEL_TOKENS" in heard.message["error"]["message"]
        assert "s3cr3t" not in str(heard.message)


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        pytest.param(None, 'Bearer realm="easel"', id="no token"),
        pytest.param("Basic YW5uYTpzM2NyM3Q=", 'Bearer realm="easel"', id="another scheme"),
        pytest.param("Bearer", 'Bearer realm="easel"', id="empty token"),
        pytest.param("Bearer wrong", 'Bearer realm="easel", error="invalid_token"', id="wrong token"),
    ],
)
async def test_only_a_wrong_token_is_called_invalid(serve: Serve, authorization: str | None, challenge: str) -> None:
    """RFC 6750, 3.1: clients throw a token away at invalid_token; a request without one is told no error."""
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel, wire_client(easel.mcp_url) as client:
        headers = {"Authorization": authorization} if authorization else {}
        heard = await client.post(HELLO, modern_headers("server/discover") | headers)
    assert heard.headers["WWW-Authenticate"].startswith(challenge)
    assert ("error" in heard.headers["WWW-Authenticate"]) is ("error" in challenge)


async def test_a_token_that_is_no_text_is_a_wrong_one(serve: Serve) -> None:
    """Bug: bytes beyond UTF-8 ended in an internal server error."""
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel:
        status, body = await raw(easel, "/mcp", "Host: localhost", "Authorization: Bearer \udcff\udcfe", method="POST")
    assert (status, "EASEL_TOKENS" in body) == (401, True)


@pytest.mark.parametrize(
    "path", ["/health/../mcp", "/healthz/..%2fmcp", "/mcp-cache/../mcp", "//mcp", "/mcp//", "/MCP"]
)
async def test_no_other_way_of_writing_it_leads_to_the_endpoint(serve: Serve, path: str) -> None:
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel:
        assert (await raw(easel, path, "Host: localhost", method="POST"))[0] in (404, 405)


async def test_a_slash_at_the_end_needs_the_token_as_well(serve: Serve) -> None:
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel:
        assert (await raw(easel, "/mcp/", "Host: localhost", method="POST"))[0] == 401


async def test_health_and_pictures_need_no_token(serve: Serve) -> None:
    """Ours: an `<img>` cannot send one; a picture's name is a key of its own."""
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel:
        assert (await raw(easel, "/healthz", "Host: localhost"))[0] == 200
        assert (await raw(easel, PICTURE, "Host: localhost"))[0] == 404
        assert (await raw(easel, "/.well-known/oauth-protected-resource", "Host: localhost"))[0] == 404


async def test_each_token_has_its_own_history(serve: Serve) -> None:
    """Ours: every row has an owner, and every query takes one."""
    async with serve(EASEL_TOKENS="anna:s3cr3t-a,ben:s3cr3t-b") as easel:
        async with wire_client(easel.mcp_url, "s3cr3t-a") as anna, wire_client(easel.mcp_url, "s3cr3t-b") as ben:
            made = await anna.call("generate", {"prompt": "a secret garden"})
            id_ = made["structuredContent"]["history_id"]
            assert (await anna.call("history"))["structuredContent"]["entries"]
            assert (await ben.call("history"))["structuredContent"]["entries"] == []
            assert (await ben.call("cache"))["structuredContent"]["done"] == 0
            foreign = await ben.call("history", {"history_id": id_})
            assert foreign["isError"]
            assert "garden" not in str(foreign)
            own = await ben.call("generate", {"prompt": "a secret garden"})
            assert name_of(made) != name_of(own)


async def test_a_session_of_one_token_is_unknown_to_another(serve: Serve) -> None:
    async with serve(EASEL_TOKENS="anna:s3cr3t-a,ben:s3cr3t-b") as easel:
        async with wire_client(easel.mcp_url, "s3cr3t-a") as anna, wire_client(easel.mcp_url, "s3cr3t-b") as ben:
            await anna.open()
            ben.session_id = anna.session_id
            assert (await ben.legacy("ping")).status == 404
            assert (await anna.legacy("ping")).result == {}


async def test_the_scheme_is_read_in_any_case(serve: Serve) -> None:
    """RFC 9110, 11.1: authentication schemes are case-insensitive."""
    async with serve(EASEL_TOKENS="anna:s3cr3t") as easel, wire_client(easel.mcp_url) as client:
        headers = modern_headers("server/discover") | {"Authorization": "bEARER s3cr3t"}
        assert (await client.post(HELLO, headers)).status == 200


def name_of(made: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    return urlsplit(made["structuredContent"]["images"][0]["url"]).path
