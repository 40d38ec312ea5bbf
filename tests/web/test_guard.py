"""Host, Origin and token on every route of the running service."""

import asyncio
import hashlib
import logging
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.app import Running
from service.settings_reader import SettingsError
from tests.conftest import Serve
from tests.gallery.visitor import visitor
from tests.wire import (
    ANNA,
    BEN,
    TWO_TOKENS,
    WireClient,
    listening,
    modern_headers,
    modern_params,
    request,
    wire_client,
)

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


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        pytest.param("http://evil.example.com/healthz", "localhost", 421, id="a foreign target"),
        pytest.param("http://localhost@evil.example.com/healthz", "localhost", 421, id="ours as user"),
        pytest.param("http://localhost/healthz", "evil.example.com", 200, id="a target of ours"),
        pytest.param("http://[::1]:8866/healthz", "evil.example.com", 200, id="a target of ours, IPv6"),
    ],
)
async def test_an_absolute_target_is_the_host(easel: Running, target: str, host: str, status: int) -> None:
    """RFC 9112, 3.2.2: the server MUST ignore Host then. Bug: only Host was looked at."""
    assert (await raw(easel, target, f"Host: {host}"))[0] == status


async def test_a_picture_is_shown_on_pages_of_any_origin_and_under_no_foreign_host(easel: Running) -> None:
    """Ours: its name is the key, and a chat program shows it in a page or a sandboxed frame of its own."""
    for origin in ("http://evil.example.com", "null"):
        assert (await raw(easel, PICTURE, "Host: localhost", f"Origin: {origin}"))[0] == 404
    assert (await raw(easel, PICTURE, "Host: evil.example.com"))[0] == 421


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1:8866", "[::1]:1", "LOCALHOST:99", "localhost.", "localhost.:80", "[0:0:0:0:0:0:0:1]",
     "[::ffff:127.0.0.1]:8866"],
)  # fmt: skip
async def test_loopback_is_always_let_in(easel: Running, host: str) -> None:
    port = host.rpartition(":")[2].strip("]") if "]:" in host or host.count(":") == 1 else "80"
    assert (await raw(easel, "/healthz", f"Host: {host}"))[0] == 200
    assert (await raw(easel, "/healthz", f"Host: {host}", f"Origin: http://localhost:{port}"))[0] == 200


async def test_a_page_of_another_port_of_this_machine_is_foreign_and_told_the_line_to_set(easel: Running) -> None:
    """Ours: every program of this machine that shows a page could spend the money otherwise."""
    status, body = await raw(easel, "/mcp", "Host: localhost:8866", "Origin: http://localhost:6274", method="POST")
    assert status == 403
    assert "set EASEL_ALLOWED_ORIGINS=http://localhost:6274 " in body


async def test_a_refused_name_is_in_the_log_once_a_minute(easel: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: a browser shows the person nothing but "failed to fetch"."""
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await raw(easel, "/mcp", "Host: easel.lan")
            await raw(easel, "/mcp", "Host: localhost", "Origin: vscode-webview://1a2b")
    host, origin = caplog.messages
    assert host.startswith("127.0.0.1: ")
    assert "EASEL_ALLOWED_HOSTS=easel.lan" in host
    assert "EASEL_ALLOWED_ORIGINS=vscode-webview:" in origin


async def test_the_names_of_the_public_url_are_let_in(serve: Serve) -> None:
    async with serve(EASEL_PUBLIC_URL="https://Easel.example.com/pictures") as easel:
        for host in ("easel.example.com", "EASEL.example.com:443", "localhost"):
            headers = [f"Host: {host}", "Origin: https://easel.example.com"]
            assert (await raw(easel, "/healthz", *headers))[0] == 200
        assert (await raw(easel, "/healthz", "Host: other.example.com"))[0] == 421


async def test_allowed_hosts_are_let_in_in_any_form(serve: Serve) -> None:
    """Ours: a name with a dot at its end is the same name, and a browser sends an international one in ASCII."""
    async with serve(EASEL_ALLOWED_HOSTS="easel.lan, 192.168.1.5 [fd00::5] bücher.example") as easel:
        for host in ("easel.lan", "EASEL.lan.:8866", "192.168.1.5:8866", "[FD00:0::5]:1", "xn--bcher-kva.example"):
            assert (await raw(easel, "/healthz", f"Host: {host}"))[0] == 200
        for host in ("other.lan", "easel.lan.evil.example", "192.168.1.50", "[fd00::50]", "fd00::5"):
            assert (await raw(easel, "/healthz", f"Host: {host}"))[0] == 421


@pytest.mark.parametrize(
    "header",
    ["Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-FORWARDED-PROTO: https", "x-forwarded-client-cert: x",
     "X-Real-IP: 1.2.3.4", "Via: 1.1 proxy", "CF-Connecting-IP: 1.2.3.4", "True-Client-IP: 1.2.3.4"],
)  # fmt: skip
async def test_without_tokens_what_came_through_a_proxy_is_refused(easel: Running, header: str) -> None:
    """Ours: a tunnel or a reverse proxy on this machine makes a service for this machine one for everybody."""
    status, body = await raw(easel, "/mcp", "Host: localhost", header, method="POST")
    assert status == 403
    assert "EASEL_TOKENS=auto" in body
    assert (await raw(easel, "/healthz", "Host: localhost", header))[0] == 200
    assert (await raw(easel, PICTURE, "Host: localhost", header))[0] == 404


@pytest.mark.parametrize(("url", "status"), [("https://easel.example.com", 403), ("http://localhost:9000", 415)])
async def test_without_tokens_and_with_a_public_url_calls_are_refused(serve: Serve, url: str, status: int) -> None:
    """Ours: not every proxy adds a header; the public URL says that there is one. That of this machine is none."""
    async with serve(EASEL_PUBLIC_URL=url) as easel:
        answered, body = await raw(easel, "/mcp", "Host: localhost", method="POST")
    assert answered == status
    assert ("EASEL_TOKENS=auto" in body) is (status == 403)


async def test_with_tokens_a_proxy_is_welcome(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_PUBLIC_URL="https://easel.example.com") as easel:
        async with wire_client(easel.mcp_url, ANNA) as client:
            client.headers |= {"X-Forwarded-For": "1.2.3.4", "Host": "easel.example.com"}
            assert (await client.modern("tools/list")).status == 200


@pytest.mark.parametrize(
    ("env", "query", "status"),
    [
        pytest.param({}, f"?key={ANNA}", 401, id="off"),
        pytest.param({"EASEL_KEY_IN_URL": "on"}, f"?key={ANNA}", 200, id="on"),
        pytest.param({"EASEL_KEY_IN_URL": "on"}, "?key=wrong-0123456789", 401, id="a wrong one"),
    ],
)
async def test_a_token_in_the_url_counts_only_where_that_is_switched_on(
    serve: Serve, env: dict[str, str], query: str, status: int
) -> None:
    """RFC 6750, 2.3: addresses are kept in many places, so it SHOULD NOT be used where a header can be sent."""
    async with serve(EASEL_TOKENS=TWO_TOKENS, **env) as easel, wire_client(easel.mcp_url + query) as client:
        heard = await client.post(HELLO, modern_headers("server/discover"))
    assert heard.status == status
    assert ("EASEL_KEY_IN_URL=on" in str(heard.message)) is (not env)


def write(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


async def is_let_in(client: WireClient, token: str) -> bool:
    headers = modern_headers("server/discover") | {"Authorization": f"Bearer {token}"}
    return (await client.post(HELLO, headers)).status == 200


async def until_let_in(client: WireClient, token: str, expected: bool) -> None:
    async with asyncio.timeout(60):
        while await is_let_in(client, token) is not expected:  # noqa: ASYNC110 - the file is looked at, unannounced
            await asyncio.sleep(0.05)


async def test_tokens_of_a_file_come_and_go_without_a_restart(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a new token works before the old one goes, a removed one is revoked, and a slip does neither."""
    path, old, new = tmp_path / "tokens.txt", "anna-old-0123456789", "anna-new-0123456789"
    write(path, f"anna {old}")
    async with (
        serve(EASEL_TOKENS=f"ben:{BEN}", EASEL_TOKENS_FILE=str(path)) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        assert [await is_let_in(client, token) for token in (old, new, BEN)] == [True, False, True]
        write(path, f"anna {old}\nanna sha256:{hashlib.sha256(new.encode()).hexdigest()}")
        await until_let_in(client, new, expected=True)
        assert await is_let_in(client, old)
        write(path, f"# {old}\nanna {new}\n")
        await until_let_in(client, old, expected=False)
        write(path, f"anna {new}\nben top-secret")
        async with asyncio.timeout(60):
            while "tokens.txt cannot be used" not in caplog.text:  # noqa: ASYNC110 - the log announces nothing
                await asyncio.sleep(0.05)
        assert await is_let_in(client, new)
        assert "line 2 has a token of fewer than 16 characters" in caplog.text
        write(path, "")
        await until_let_in(client, new, expected=False)
        assert await is_let_in(client, BEN)
    for secret in (old, new, BEN, "top-secret"):
        assert secret not in caplog.text


async def test_a_revoked_owner_hears_nothing_more(serve: Serve, tmp_path: Path) -> None:
    """Ours: a stream that was opened with the token, or a page of the gallery, would tell of new pictures for days."""
    path = tmp_path / "tokens.txt"
    write(path, f"anna {ANNA}\nben {BEN}")
    async with (
        serve(EASEL_TOKENS_FILE=str(path)) as easel,
        wire_client(easel.mcp_url, ANNA) as anna,
        visitor(easel, ANNA) as page,
        page.http.get(f"{easel.origin}/gallery/api/events") as events,
    ):
        async with listening(anna, {"resourcesListChanged": True}) as stream:
            write(path, f"ben {BEN}")
            async with asyncio.timeout(60):
                with pytest.raises(StopAsyncIteration):
                    while True:
                        await stream.next()
                assert events.status == 200
                await events.content.read()
        assert (await page.get("jobs"))[0] == 401


async def test_an_expired_token_is_refused_as_such(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    write(path, f"anna {ANNA} 2020-01-01\nben {BEN} 2999-01-01")
    async with serve(EASEL_TOKENS_FILE=str(path)) as easel, wire_client(easel.mcp_url) as client:
        heard = await client.post(HELLO, modern_headers("server/discover") | {"Authorization": f"Bearer {ANNA}"})
        assert await is_let_in(client, BEN)
    assert heard.status == 401
    assert 'error="invalid_token", error_description="The token has expired."' in heard.headers["WWW-Authenticate"]


async def test_a_token_of_a_file_is_hidden_as_one_of_the_settings_is(serve: Serve, tmp_path: Path) -> None:
    """Ours: no prompt takes a token to an image service, wherever it was set."""
    write(tmp_path / "tokens.txt", f"anna {ANNA}")
    async with serve(EASEL_TOKENS_FILE=str(tmp_path / "tokens.txt")) as easel, wire_client(easel.mcp_url, ANNA) as anna:
        refused = await anna.call("generate", {"prompt": f"a poster with {ANNA}"})
    assert refused["isError"]
    assert "token of this server" in str(refused)
    assert ANNA not in str(refused)


async def test_a_file_without_tokens_lets_nobody_in(serve: Serve, tmp_path: Path) -> None:
    """Ours: whoever revokes the last token does not mean to let everybody in."""
    (tmp_path / "tokens.txt").write_text("# nobody\n")
    async with serve(EASEL_TOKENS_FILE=str(tmp_path / "tokens.txt")) as easel, wire_client(easel.mcp_url) as client:
        assert (await client.post(HELLO, modern_headers("server/discover"))).status == 401


@pytest.mark.parametrize("text", [None, "anna top-secret"])
async def test_a_tokens_file_that_cannot_be_used_stops_the_start(
    serve: Serve, tmp_path: Path, text: str | None
) -> None:
    if text:
        (tmp_path / "tokens.txt").write_text(text)
    with pytest.raises(SettingsError, match="EASEL_TOKENS_FILE: ") as stopped:
        async with serve(EASEL_TOKENS_FILE=str(tmp_path / "tokens.txt")):
            pass
    assert "top-secret" not in str(stopped.value)


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong", "Bearer ", "bearer", "Basic YW5uYTpzM2NyM3Q=", ANNA, f"Bearer {ANNA} {BEN}"],
)
async def test_without_a_token_nobody_gets_in(serve: Serve, authorization: str | None) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, wire_client(easel.mcp_url) as client:
        headers = {"Authorization": authorization} if authorization else {}
        heard = await client.post(HELLO, modern_headers("server/discover") | headers)
        assert heard.status == 401
        assert heard.headers["WWW-Authenticate"].startswith("Bearer")
        assert "EASEL_TOKENS" in heard.message["error"]["message"]
        assert "0123456789abcdef" not in str(heard.message)


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
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, wire_client(easel.mcp_url) as client:
        headers = {"Authorization": authorization} if authorization else {}
        heard = await client.post(HELLO, modern_headers("server/discover") | headers)
    assert heard.headers["WWW-Authenticate"].startswith(challenge)
    assert ("error" in heard.headers["WWW-Authenticate"]) is ("error" in challenge)


async def test_a_token_that_is_no_text_is_a_wrong_one(serve: Serve) -> None:
    """Bug: bytes beyond UTF-8 ended in an internal server error."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        status, body = await raw(easel, "/mcp", "Host: localhost", "Authorization: Bearer \udcff\udcfe", method="POST")
    assert (status, "EASEL_TOKENS" in body) == (401, True)


@pytest.mark.parametrize(
    "path", ["/health/../mcp", "/healthz/..%2fmcp", "/mcp-cache/../mcp", "//mcp", "/mcp//", "/MCP"]
)
async def test_no_other_way_of_writing_it_leads_to_the_endpoint(serve: Serve, path: str) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        assert (await raw(easel, path, "Host: localhost", method="POST"))[0] in (404, 405)


async def test_a_slash_at_the_end_needs_the_token_as_well(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        assert (await raw(easel, "/mcp/", "Host: localhost", method="POST"))[0] == 401


async def test_health_and_pictures_need_no_token(serve: Serve) -> None:
    """Ours: an `<img>` cannot send one; a picture's name is a key of its own."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        assert (await raw(easel, "/healthz", "Host: localhost"))[0] == 200
        assert (await raw(easel, PICTURE, "Host: localhost"))[0] == 404
        assert (await raw(easel, "/.well-known/oauth-protected-resource", "Host: localhost"))[0] == 404


async def test_each_token_has_its_own_history(serve: Serve) -> None:
    """Ours: every row has an owner, and every query takes one."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
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
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as anna, wire_client(easel.mcp_url, BEN) as ben:
            await anna.open()
            ben.session_id = anna.session_id
            assert (await ben.legacy("ping")).status == 404
            assert (await anna.legacy("ping")).result == {}


async def test_the_scheme_is_read_in_any_case(serve: Serve) -> None:
    """RFC 9110, 11.1: authentication schemes are case-insensitive."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, wire_client(easel.mcp_url) as client:
        headers = modern_headers("server/discover") | {"Authorization": f"bEARER {ANNA}"}
        assert (await client.post(HELLO, headers)).status == 200


def name_of(made: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    return urlsplit(made["structuredContent"]["images"][0]["url"]).path
