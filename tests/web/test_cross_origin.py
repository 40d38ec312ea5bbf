"""Pages of other origins: who may call, and, in a real browser, what its page can do then."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.app import Running
from service.hosts import Origins
from service.web.cross_origin import CrossOrigin, line_to_allow
from tests.browser import OpenTab, browser
from tests.conftest import Serve
from tests.wire import ANNA, TWO_TOKENS, modern_headers, modern_params, request

INSPECTOR = "http://localhost:6274"


@pytest.mark.parametrize(
    ("origin", "authority", "admitted"),
    [
        pytest.param("http://localhost:8866", "localhost:8866", True, id="its own"),
        pytest.param("http://localhost:8866", "127.0.0.1:8866", True, id="its own, by the other name"),
        pytest.param("http://[::1]:8866", "localhost:8866", True, id="its own, IPv6"),
        pytest.param("http://localhost", "localhost:80", True, id="its own, at the usual port"),
        pytest.param("http://localhost:6274", "localhost:8866", False, id="another port of this machine"),
        pytest.param("http://127.0.0.1:6274", "127.0.0.1:8866", False, id="another port of the address it listens on"),
        pytest.param("http://localhost", "localhost:8866", False, id="the usual port of this machine"),
        pytest.param("https://easel.example.com", "easel.example.com", True, id="the public URL"),
        pytest.param("https://EASEL.example.com.:8443", "127.0.0.1:8866", True, id="the public URL, behind a proxy"),
        pytest.param("https://evil.example.com", "easel.example.com", False, id="foreign"),
        pytest.param("https://easel.example.com.evil.example", "easel.example.com", False, id="begins as ours"),
        pytest.param("ftp://easel.example.com", "easel.example.com", False, id="another scheme"),
        pytest.param("http://inspector.example.com:6274", "localhost:8866", True, id="allowed"),
        pytest.param("https://inspector.example.com:6274", "localhost:8866", False, id="allowed by http alone"),
        pytest.param("http://inspector.example.com", "localhost:8866", False, id="allowed at another port"),
        pytest.param("vscode-webview://1a2b3c", "localhost:8866", True, id="a scheme"),
        pytest.param("app://obsidian.md", "localhost:8866", True, id="one host of a scheme"),
        pytest.param("app://other.md", "localhost:8866", False, id="another host of it"),
        pytest.param("file://", "localhost:8866", True, id="files of a desktop host"),
        pytest.param("null", "localhost:8866", False, id="a sandboxed frame"),
        pytest.param("", "localhost:8866", False, id="empty"),
        pytest.param("http://user@localhost:8866", "localhost:8866", False, id="a user name"),
        pytest.param("http://localhost:8866/", "localhost:8866", False, id="a path"),
        pytest.param("http://localhost:8866, http://evil.example.com", "localhost:8866", False, id="two"),
    ],
)
def test_a_page_is_admitted_by_its_whole_origin(origin: str, authority: str, admitted: bool) -> None:
    """Spec 2026-07-28, Security & Endpoint: servers MUST validate Origin. Ours: a page at another port is foreign."""
    allowed = Origins.read(["http://inspector.example.com:6274/", "vscode-webview:", "app://obsidian.md", "file://"])
    assert CrossOrigin({"easel.example.com", "127.0.0.1"}, allowed).admits(origin, authority) is admitted


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (INSPECTOR, f"EASEL_ALLOWED_ORIGINS={INSPECTOR}"),
        ("vscode-webview://1a2b3c", "EASEL_ALLOWED_ORIGINS=vscode-webview:"),
        ("file://", "EASEL_ALLOWED_ORIGINS=file:"),
        ("null", ""),
        ("http://a b", ""),
    ],
)
def test_the_line_to_set_lets_the_page_in(origin: str, line: str) -> None:
    """Ours: a person copies the line from the refusal; nothing that a stranger sent stands in it but an origin."""
    assert line_to_allow(origin) == line
    if line:
        assert CrossOrigin((), Origins.read([line.partition("=")[2]])).admits(origin, "localhost:8866")


@asynccontextmanager
async def answered(
    easel: Running, method: str, path: str, headers: dict[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session:
        async with session.request(method, easel.origin + path, headers=headers) as answer:
            yield answer


ASK = {"Origin": INSPECTOR, "Access-Control-Request-Method": "POST"}
HEADERS = (
    "authorization, content-type, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, "
    "mcp-param-region, x-evil"
)


async def test_a_preflight_allows_what_mcp_needs_without_a_token(serve: Serve) -> None:
    """Fetch, 4.8: a browser sends no token with it. Spec 2026-07-28: Mcp-Param-* have names of the tools' own."""
    async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_ALLOWED_ORIGINS=INSPECTOR) as easel:
        async with answered(easel, "OPTIONS", "/mcp", {**ASK, "Access-Control-Request-Headers": HEADERS}) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == INSPECTOR
            assert answer.headers["Vary"] == "Origin"
            assert int(answer.headers["Access-Control-Max-Age"]) > 0
            assert {"GET", "POST", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
            allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert set(allowed) == set(HEADERS.split(", ")) - {"x-evil"}
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_preflight_of_a_foreign_page_is_refused(serve: Serve) -> None:
    async with serve(EASEL_ALLOWED_ORIGINS="http://localhost:1") as easel:
        async with answered(easel, "OPTIONS", "/mcp", ASK) as answer:
            assert answer.status == 403
            assert f"EASEL_ALLOWED_ORIGINS={INSPECTOR}" in await answer.text()
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_a_preflight_is_no_way_past_the_host(serve: Serve) -> None:
    async with serve(EASEL_ALLOWED_ORIGINS=INSPECTOR) as easel:
        async with answered(easel, "OPTIONS", "/mcp", {**ASK, "Host": "evil.example.com"}) as answer:
            assert answer.status == 421


@pytest.mark.parametrize(
    ("token", "accept", "status"),
    [
        pytest.param(ANNA, "application/json", 200, id="JSON"),
        pytest.param(ANNA, "application/xml", 406, id="a refusal"),
        pytest.param("wrong-0123456789", "application/json", 401, id="a wrong token"),
    ],
)
async def test_every_answer_to_an_allowed_page_can_be_read_by_it(
    serve: Serve, token: str, accept: str, status: int
) -> None:
    """Ours: a page that cannot read a 401 cannot find the way to sign in. Both writers of responses are tried."""
    async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_ALLOWED_ORIGINS=INSPECTOR) as easel:
        headers = {**modern_headers("tools/list"), "Accept": accept, "Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session:
            body = request("tools/list", modern_params())
            async with session.post(easel.mcp_url, json=body, headers={**headers, "Origin": INSPECTOR}) as answer:
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == INSPECTOR
                exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
                assert {"Mcp-Session-Id", "WWW-Authenticate"} <= set(exposed)
                assert answer.headers["Vary"] == "Origin"
            async with session.post(easel.mcp_url, json=body, headers=headers) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_picture_may_be_read_by_every_page(easel: Running) -> None:
    """Ours: its name is the key, and no cookie is read. Asked for by an <img> first, a script may read the copy."""
    path = "/mcp-cache/" + "0" * 32 + ".png"
    for headers in ({}, {"Origin": "https://anywhere.example.com"}, {"Origin": "null"}):
        async with answered(easel, "GET", path, headers) as answer:
            assert (answer.status, answer.headers.getall("Access-Control-Allow-Origin")) == (404, ["*"])
    asks = {**ASK, "Origin": "null", "Access-Control-Request-Method": "GET"}
    async with answered(easel, "OPTIONS", path, asks) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    async with answered(easel, "OPTIONS", "/upload/x", asks) as answer:
        assert answer.status == 403


async def test_a_page_reads_that_there_is_no_authorization_server(easel: Running) -> None:
    """Ours: a client in a browser that cannot read the 404 takes it for a network failure, and gives up."""
    headers = {"Origin": "https://anywhere.example.com"}
    async with answered(easel, "GET", "/.well-known/oauth-protected-resource/mcp", headers) as answer:
        assert (answer.status, answer.headers.getall("Access-Control-Allow-Origin")) == (404, ["*"])


# A page in a real browser.

CALL = """(async () => {{
    const send = (body, headers) => fetch({url}, {{
        method: 'POST', body: JSON.stringify(body),
        headers: {{'Content-Type': 'application/json', 'Accept': 'application/json, text/event-stream',
                   'Authorization': 'Bearer {token}', ...headers}}
    }});
    try {{
        const opened = await send({hello}, {{}});
        const session = opened.headers.get('Mcp-Session-Id');
        const listed = await send({listing}, {{'Mcp-Session-Id': session, 'Mcp-Protocol-Version': '2025-11-25'}});
        const tools = (await listed.text()).match(/"name":"generate"/g);
        const refused = await send({listing}, {{'Authorization': 'Bearer wrong-0123456789'}});
        return [opened.status, session !== null, tools !== null, refused.headers.get('WWW-Authenticate')];
    }} catch (error) {{ return [String(error)]; }}
}})()"""
HI = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}


@pytest.fixture
async def open_tab() -> AsyncIterator[OpenTab]:
    async with browser() as opener:
        yield opener


@asynccontextmanager
async def page() -> AsyncIterator[str]:
    """A web server of another program on this machine, with one page; gives its origin."""

    async def get(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>A page</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", get)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


async def called(open_tab: OpenTab, origin: str, url: str) -> list[object]:
    """Return the answers to a page of this origin that opens a session, lists the tools, and tries a wrong token."""
    script = CALL.format(
        url=json.dumps(url),
        token=ANNA,
        hello=json.dumps(request("initialize", HI)),
        listing=json.dumps(request("tools/list")),
    )
    async with open_tab() as tab:
        await tab.open(origin)
        found: list[object] = await tab.run(script)
    return found


async def test_in_a_browser_a_page_calls_when_it_is_allowed_and_cannot_when_not(
    serve: Serve, open_tab: OpenTab
) -> None:
    """Ours: the Inspector in a browser is such a page; so is any other that the person has open."""
    async with page() as origin:
        async with serve(EASEL_TOKENS=TWO_TOKENS, EASEL_ALLOWED_ORIGINS=origin) as easel:
            [status, session, tools, challenge] = await called(open_tab, origin, easel.mcp_url)
            assert (status, session, tools) == (200, True, True)
            assert "invalid_token" in str(challenge)
        async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
            assert await called(open_tab, origin, easel.mcp_url) == ["TypeError: Failed to fetch"]
