"""The shell of the gallery: its files under names of their own, its policy, its forms, its words in each language."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import BaseTestServer, TestServer
from yarl import URL

from service.gallery.page import FOLDER, MODULES, VENDOR, GalleryPages, bundle, read_words
from service.old_data.takeover import GIVEN_NOTE, NO_FILE
from service.pictures.library import AWAY_NOTE
from service.pictures.sniffing import CONVERTIBLE
from service.upstreams.flow2api import UPSCALE_NOTE
from service.upstreams.kinds import Kind
from service.upstreams.sketch import NOTE

PAGES = GalleryPages.read()
ASKED = re.compile(r"\b(?:word|counted)\((?:filtered \? )?\"(\w+)\"(?: : \"(\w+)\")?")
CHOSEN = re.compile(r"word\(\w+(?:\.\w+)* \? \"(\w+)\" : \"(\w+)\"\)")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[BaseTestServer]:
    async def gallery(request: web.Request) -> web.Response:
        return PAGES.gallery(request)

    async def sign_in(request: web.Request) -> web.Response:
        problem = request.query.get("problem", "")
        return PAGES.sign_in(request, problem, 401 if problem else 200)

    async def open_link(request: web.Request) -> web.Response:
        return PAGES.open_link(request, works="over" not in request.query)

    app = web.Application()
    PAGES.add_routes(app)
    app.router.add_get("/gallery", gallery)
    app.router.add_get("/gallery/sign-in", sign_in)
    app.router.add_get("/gallery/open/{secret}", open_link)
    async with TestServer(app) as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(auto_decompress=False) as session:
        yield session


@pytest.mark.parametrize("path", ["/gallery", "/gallery/sign-in", "/gallery/open/secret"])
async def test_a_page_leads_to_its_files_by_relative_addresses(
    server: BaseTestServer, http: ClientSession, path: str
) -> None:
    """Ours: behind a path prefix too, and under names that change with the files, so that they are kept for good."""
    async with http.get(server.make_url(path)) as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "require-trusted-types-for 'script'" in policy
    assert "default-src 'none'; script-src 'self'" in policy
    assert "<script>" not in page
    assert "style=" not in page
    assert not re.search(r"\{\w+\}", page), "a place was not filled in"
    linked = re.findall(r'(?:src|href)="([^"]*easel-[^"]*)"', page)
    assert len(linked) == (3 if path == "/gallery" else 2)
    for address in linked:
        assert not address.startswith(("/", "http"))
        async with http.get(server.make_url(path).join(URL(address))) as file:
            data = await file.read()
        assert file.status == 200
        assert "immutable" in file.headers["Cache-Control"]
        packed = file.headers.get("Content-Encoding") == "gzip"
        text = gzip.decompress(data) if packed else data
        assert hashlib.sha256(text).hexdigest()[:16] in address


async def test_a_file_of_another_version_is_not_there(server: BaseTestServer, http: ClientSession) -> None:
    async with http.get(server.make_url("/gallery/assets/easel-0123456789abcdef.js")) as answer:
        assert answer.status == 404


async def test_a_file_is_packed_for_browsers_that_take_it_so(server: BaseTestServer, http: ClientSession) -> None:
    url = server.make_url(f"/gallery/assets/{PAGES.script.name}")
    async with http.get(url, headers={"Accept-Encoding": "identity"}) as plain:
        assert "Content-Encoding" not in plain.headers
        text = await plain.read()
    async with http.get(url, headers={"Accept-Encoding": "gzip, br"}) as packed:
        data = await packed.read()
        assert packed.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert gzip.decompress(data) == text
    assert len(data) < len(text) / 2


@pytest.mark.parametrize(
    ("accepted", "lang", "button"),
    [("zh-TW,zh", "zh-Hant", "登入"), ("zh-CN", "zh-Hans", "登录"), ("de,en", "en", "Sign in"), ("", "en", "Sign in")],
)
async def test_a_form_speaks_the_language_of_the_browser(
    server: BaseTestServer, http: ClientSession, accepted: str, lang: str, button: str
) -> None:
    async with http.get(server.make_url("/gallery/sign-in"), headers={"Accept-Language": accepted}) as answer:
        page = await answer.text()
    assert answer.headers["Vary"] == "Accept-Language"
    assert f'<html lang="{lang}">' in page
    assert f">{button}</button>" in page
    assert 'name="token"' in page


async def test_the_form_says_what_was_wrong_with_a_token(server: BaseTestServer, http: ClientSession) -> None:
    async with http.get(server.make_url("/gallery/sign-in?problem=token_unknown")) as answer:
        assert answer.status == 401
        assert 'role="alert">Easel does not know this token' in await answer.text()


async def test_a_link_that_was_used_has_no_button(server: BaseTestServer, http: ClientSession) -> None:
    """Ours: the one that works has one, since chat programs open links before people do."""
    async with http.get(server.make_url("/gallery/open/secret")) as answer:
        assert answer.status == 200
        assert 'method="post"' in (page := await answer.text())
        assert "<button" in page
    async with http.get(server.make_url("/gallery/open/secret?over")) as answer:
        assert answer.status == 410
        assert "<button" not in await answer.text()


def test_every_language_has_every_word() -> None:
    words = read_words()
    assert set(words) == {"en", "zh-Hans", "zh-Hant"}
    for language, own in words.items():
        assert set(own) == set(words["en"]), language
        for key, text in own.items():
            assert text.strip(), (language, key)
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", words["en"][key])), (language, key)


def test_the_modules_ask_for_no_word_that_is_not_there() -> None:
    """Ours: a missing one would end the page there and then."""
    words = read_words()["en"]
    modules = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js"))
    asked = {name for found in ASKED.findall(modules) + CHOSEN.findall(modules) for name in found if name}
    assert len(asked) > 100
    assert {name for name in asked if name not in words and f"{name}_other" not in words} == set()


def test_every_module_is_in_the_bundle_after_those_that_it_imports() -> None:
    """Ours: in the bundle they share one scope, where a constant is there from its line on."""
    for index, name in enumerate(MODULES):
        imported = re.findall(r'from "\./(\w+)\.js"', (FOLDER / f"{name}.js").read_text(encoding="utf-8"))
        assert set(imported) <= set(MODULES[:index]), name
    script = bundle(MODULES, {"en": {"name": "</script><!--"}})
    assert not re.search(r"^(?:import|export)\b", script, re.MULTILINE)
    assert "</script" not in script
    assert "innerHTML=" not in script.replace(" ", "").partition('"usestrict";\nconstWORDS')[2]


def test_a_bundle_is_a_script(tmp_path: Path) -> None:
    """Ours: two modules with one name would be a mistake that only the bundle has."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not there; the tests in the browser run the bundle, too")
    path = tmp_path / "bundle.js"
    path.write_text(bundle(MODULES, read_words()), encoding="utf-8")
    done = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_the_view_library_is_what_its_page_says() -> None:
    """Ours: it is kept as it was published, and whoever changes it says so."""
    digest = hashlib.sha256((FOLDER / VENDOR).read_bytes()).hexdigest()
    assert digest in (FOLDER / "vendor/README.md").read_text(encoding="utf-8")
    assert json.loads((FOLDER / "words.json").read_text(encoding="utf-8")).keys() == PAGES.words.keys()


def test_what_the_server_says_has_words_in_each_language_that_it_does_not_speak() -> None:
    """Ours: on a Chinese page no sentence of ours is English."""
    texts = json.loads((FOLDER / "server_texts.json").read_text(encoding="utf-8"))
    assert texts.keys() == read_words().keys() - {"en"}
    service = FOLDER.parents[1]
    everywhere, here = (
        "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
        for folder in (service, service / "gallery")
    )
    not_shown = {"session", "link", "form", "working", "stopping", "failed"}
    kinds = {*Kind, *re.findall(r'kind="(\w+)"', everywhere)} - not_shown
    refused = set(re.findall(r'RefusedError\(\s*\d+, "(\w+)"', here))
    assert len(kinds) > 25
    assert len(refused) > 8
    for language, own in texts.items():
        assert kinds - own["failures"].keys() == set(), language
        assert refused - own["refusals"].keys() == set(), language
        assert own["failures"].keys() == texts["zh-Hans"]["failures"].keys()
        assert own["refusals"].keys() == texts["zh-Hans"]["refusals"].keys()
        models = json.loads((service / "models.json").read_text(encoding="utf-8"))["models"]
        assert {each["about"] for each in models if each.get("about")} == own["abouts"].keys(), language
        assert {NOTE, UPSCALE_NOTE, AWAY_NOTE, GIVEN_NOTE, NO_FILE} <= own["notes"].keys(), language
        assert {f"It came as {each}, and was converted to PNG." for each in CONVERTIBLE.values()} <= own["notes"].keys()
        assert [*own["steps"]] == [*texts["zh-Hans"]["steps"]]
        assert [*own["steps"]][-1] == "", "what is not known has words, too"
