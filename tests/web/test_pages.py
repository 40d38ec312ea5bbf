"""The page at `/`: the way into each chat program, in the person's language, and the way there from the endpoint."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from service.web.pages import NAMES, HtmlPage, language_of, snippets_of
from tests.browser import browser
from tests.conftest import Serve
from tests.paths import SERVICE
from tests.wire import TWO_TOKENS

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
WORDS = json.loads((SERVICE / "web/home_page.json").read_text(encoding="utf-8"))


@pytest_asyncio.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_the_page_names_the_address_and_every_client(serve: Serve, http: ClientSession) -> None:
    async with serve() as easel, http.get(f"{easel.origin}/", headers=BROWSER) as answer:
        page = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert "Easel is running" in page
    assert f">{easel.mcp_url}</pre>" in page
    for name in NAMES.values():
        assert f"<h2>{name}</h2>" in page
    assert "&lt;token&gt;" not in page
    assert "{" not in page.partition("<body>")[2].partition("<script>")[0].replace("{\n", "").replace("{&quot;", "")


async def test_the_page_needs_no_token_and_shows_none(serve: Serve, http: ClientSession) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, http.get(f"{easel.origin}/") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "Authorization: Bearer &lt;token&gt;" in page
    assert not [each for each in TWO_TOKENS.split(",") if each.partition(":")[2] in page]


async def test_behind_a_proxy_the_address_is_that_of_the_public_url(serve: Serve, http: ClientSession) -> None:
    """Ours: the page is served at / of the service, and people see it below the path of the proxy."""
    public = "https://pics.example/easel"
    async with serve(EASEL_PUBLIC_URL=public, EASEL_TOKENS=TWO_TOKENS) as easel, http.get(f"{easel.origin}/") as answer:
        assert f">{public}/mcp</pre>" in await answer.text()


@pytest.mark.parametrize(
    ("path", "location"), [pytest.param("/mcp", "./", id="one step"), pytest.param("/a/mcp", "../", id="two steps")]
)
@pytest.mark.parametrize("tokens", ["", TWO_TOKENS])
async def test_a_browser_at_the_endpoint_is_sent_to_the_page(
    serve: Serve, http: ClientSession, path: str, location: str, tokens: str
) -> None:
    """Ours: with a token set as well; people open the address before they have a client."""
    async with serve(EASEL_PATH=path, EASEL_TOKENS=tokens) as easel:
        async with http.get(easel.mcp_url, headers=BROWSER, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, location)
        async with http.get(easel.mcp_url, headers=BROWSER) as answer:
            assert (answer.status, str(answer.url)) == (200, f"{easel.origin}/")
        async with http.post(easel.mcp_url, headers=BROWSER, json={}, allow_redirects=False) as answer:
            assert answer.status in {400, 401, 406}
        async with http.get(easel.mcp_url, headers={"Accept": "text/event-stream"}, allow_redirects=False) as answer:
            assert answer.status in {400, 401, 405}


async def test_other_paths_stay_as_they_are(serve: Serve, http: ClientSession) -> None:
    """Ours: the page is no beginning of other paths, which need a token."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        for path, status in (("/nothing", 404), ("/mcp", 401), ("/metrics", 401)):
            async with http.get(easel.origin + path) as answer:
                assert answer.status == status


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-TW,zh;q=0.9", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("fr,zh-CN;q=0.5", "zh-Hans"),
        ("en-US,zh-CN", "en"),
        (";;,,q=,", "en"),
    ],
)
def test_the_language_is_the_first_of_the_browser_that_there_is(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


async def test_the_language_can_be_switched(serve: Serve, http: ClientSession) -> None:
    async with serve() as easel:
        for language, words in WORDS.items():
            async with http.get(f"{easel.origin}/?lang={language}") as answer:
                page = await answer.text()
            assert f'<html lang="{language}">' in page
            assert words["title"] in page
            assert page.count('aria-current="page"') == 1


def test_every_language_has_the_same_words() -> None:
    assert len({tuple(sorted(words)) for words in WORDS.values()}) == 1
    assert set(NAMES) < set(WORDS["en"])


def test_a_snippet_is_what_its_client_reads() -> None:
    with_token = snippets_of("http://localhost:1/mcp", needs_token=True)
    cherry = json.loads(with_token["cherry-studio"])["mcpServers"]["easel"]
    assert cherry["type"] == "streamableHttp"
    assert cherry["headers"] == {"Authorization": "Bearer <token>"}
    assert json.loads(with_token["vscode"])["servers"]["easel"]["type"] == "http"
    assert 'headers:\n      Authorization: "Bearer <token>"' in with_token["librechat"]
    without = snippets_of("http://localhost:1/mcp", needs_token=False)
    assert not [each for each in without.values() if "token" in each]


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    page = HtmlPage.read("home_page.html")
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in page.policy
    assert not re.search(r"src=|https?://(?!\$)", page.html)


async def test_the_button_copies_what_stands_above_it(serve: Serve) -> None:
    """Ours: in a real browser, under the page's own policy, as wide as a phone."""
    async with serve() as easel, browser() as open_tab, open_tab() as tab:
        await tab.screen(390, 844, phone=True)
        await tab.speak("zh-CN")
        await tab.open(f"{easel.origin}/")
        assert await tab.run("document.querySelector('h1').textContent") == "Easel 正在运行"
        await tab.run("document.querySelector('.copy button').id = 'first'")
        await tab.click("first")
        await tab.until("document.getElementById('first').textContent === '已复制'")
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert not tab.errors
