"""The gallery as a person meets it: in a real browser, on the whole service."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.app import Running, running
from service.gallery.access import COOKIE
from service.images import Parent, Reference
from service.settings import Settings
from tests.axe import faults_of
from tests.browser import OpenTab, Tab, browser
from tests.emulators import flow2api, openai_images
from tests.emulators.flow2api import Flow2Api
from tests.emulators.openai_images import OpenAiImages
from tests.gallery.visitor import visitor
from tests.seeded_history import SeededHistory, seeded_history

pytestmark = pytest.mark.asyncio(loop_scope="module")

HTML = '<img src=x onerror="window.pwned=1"><b>bold</b>" onmouseover="window.pwned=1'
TILES = "[...document.querySelectorAll('.tile')]"
FOCUSED = "document.activeElement.closest('.tile')?.dataset.key"
CHOOSE = """((select, value) => { select.value = value; select.dispatchEvent(new Event("change")); })(
    document.getElementById(%r), %r)"""
SETTLED = "new Promise((done) => setTimeout(done, 150))"
"""Axe and the counts of elements ask for a page that has been drawn; nothing announces that."""

LOADED = "[...document.querySelectorAll('.tile img')].filter((each) => each.complete && each.naturalWidth).length"


@dataclass(frozen=True, kw_only=True)
class World:
    """One service for all tests, two image services behind it, one browser; each person has a history of their own."""

    easel: Running
    flow2api: Flow2Api
    openai: OpenAiImages
    history: SeededHistory
    open_tab: OpenTab


PEOPLE = 40


def token_of(number: int) -> str:
    return f"person-{number}-0123456789abcdef"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    data = tmp_path_factory.mktemp("gallery") / "data"
    async with flow2api.running() as flow, openai_images.running() as openai, browser() as opener:
        env = {
            "EASEL_PORT": "0",
            "EASEL_DATA_DIR": str(data),
            "EASEL_LOG": "error",
            "EASEL_DRAIN_S": "0",
            "FLOW2API_BASE_URL": flow.url,
            "FLOW2API_API_KEY": flow.key,
            "OPENAI_BASE_URL": openai.url,
            "OPENAI_API_KEY": openai.key,
            "EASEL_TOKENS": ",".join(f"person{number}:{token_of(number)}" for number in range(PEOPLE)),
        }
        async with running(Settings.from_env(env)) as easel, seeded_history(data) as history:
            yield World(easel=easel, flow2api=flow, openai=openai, history=history, open_tab=opener)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody at the gallery, with a browser and a history of their own."""

    world: World
    tab: Tab
    owner: str
    token: str

    async def add(self, prompt: str, *names: str, **more: Any) -> int:
        """Add a generation to the history."""
        return await self.world.history.add(prompt, *names, owner=self.owner, **more)

    def name(self, number: int) -> str:
        """The name of a file of theirs."""
        return f"{self.owner.removeprefix('person'):0>16}{number:016x}.png"

    async def add_family(self, parent: str, child: str, *, model: str = "m") -> None:
        """Add a picture, and two that were made from it together."""
        first = await self.add(parent, self.name(1))
        origin = Reference(name=self.name(1), origin=HTML, parent=Parent(history_id=first))
        await self.add(child, self.name(2), self.name(3), model=model, references=(origin,))

    async def several(self, count: int, prompt: str = "fox number {}") -> None:
        """Add so many pictures to the history."""
        for number in range(1, count + 1):
            await self.add(prompt.format(number), self.name(number))

    async def drawn(self) -> int:
        """The number of their generations that are done."""
        return (await self.world.easel.context.store.totals(self.owner)).done

    async def take_cookie(self) -> str:
        """Sign in elsewhere, and bring the cookie here."""
        async with visitor(self.world.easel, self.token) as elsewhere:
            value = next(iter(elsewhere.http.cookie_jar)).value
        cookie = {"name": COOKIE, "value": value, "url": self.world.easel.origin, "httpOnly": True}
        await self.tab.send("Network.setCookie", **cookie)
        return value

    async def open(self, place: str = "", *, tiles: int = 0) -> None:
        """Open the gallery at a place, and wait for so many pictures."""
        await self.tab.open("about:blank#")  # else a change of the place alone would load nothing
        await self.tab.send("Page.navigate", url=f"{self.world.easel.origin}/gallery{place}")
        await self.tab.until("!!document.querySelector('#app > *') && !document.querySelector('.skeleton')")
        if tiles:
            await self.tab.until(f"{LOADED} >= {tiles}")

    async def go(self, place: str) -> None:
        """Go to a place of the page that is open."""
        await self.tab.run(f"location.hash = {place!r}")

    async def said(self, selector: str) -> str:
        """The text of an element, once it is there."""
        await self.tab.until(f"!!document.querySelector({selector!r})?.innerText")
        text: str = await self.tab.run(f"document.querySelector({selector!r}).innerText")
        return text

    async def push(self, text: str) -> None:
        """Press the button or link that says this."""
        found = f"[...document.querySelectorAll('button, a')].find((each) => each.innerText.trim() === {text!r})"
        await self.tab.until(f"!!{found} && !{found}.disabled && !{found}.closest('[inert]')")
        await self.tab.run(f"{found}.click()")

    async def agree(self) -> None:
        """Say yes to the question."""
        await self.tab.until("!!document.querySelector('.question[open] #yes')")
        await self.tab.click("yes")

    async def write(self, text: str) -> None:
        """Write into the box."""
        await self.tab.click("prompt")
        await self.tab.type(text)


Meet = Callable[..., AbstractAsyncContextManager[Person]]
NUMBERS = itertools.count()


@pytest.fixture
def meet(world: World) -> Meet:
    """`async with meet() as anna`: a person, signed in, whose page has no mistake but the `expected` one."""

    @asynccontextmanager
    async def somebody(*, expected: str = "", signed_in: bool = True) -> AsyncIterator[Person]:
        number = next(NUMBERS)
        async with world.open_tab() as tab:
            await tab.speak("en-GB")
            await tab.screen(1280, 800)
            person = Person(world=world, tab=tab, owner=f"person{number}", token=token_of(number))
            if signed_in:
                await person.take_cookie()
            yield person
            wrong = [each for each in tab.errors if not expected or expected not in each]
            assert not wrong, "the page has a mistake"

    return somebody


async def test_a_picture_is_drawn_and_takes_its_place_without_a_reload(meet: Meet, world: World) -> None:
    async with meet() as anna:
        await anna.open()
        assert "No pictures yet" in await anna.said(".blank h2")
        await anna.tab.run("window.sameVisit = true")
        await anna.write("a red fox [slow]")
        await anna.tab.press("Enter", control=True)
        await anna.tab.until("!!document.querySelector('.tile.working .message')")
        async with asyncio.timeout(60):
            await world.flow2api.silent.wait()
        assert "a red fox" in await anna.said(".tile.working")
        world.flow2api.go_on.set()
        await anna.tab.until(f"{LOADED} === 1 && !document.querySelector('.tile.working')")
        assert await anna.tab.run("window.sameVisit && document.getElementById('prompt').value === ''")
        await anna.write("a fox [error-policy]")
        await anna.tab.click("draw")
        said = await anna.said(".tile.failed .words")
        assert "refuse" in said.lower()
        await anna.go("#/p/2/1")
        assert said.split("\n")[0] in await anna.said(".picture-page h2")


async def test_several_of_one_order_stand_beside_each_other(meet: Meet) -> None:
    async with meet() as anna:
        await anna.open()
        await anna.tab.click("prompt")
        await anna.tab.until("!!document.getElementById('draw-count')")
        await anna.tab.run(CHOOSE % ("draw-count", "3"))
        await anna.tab.type("three boats")
        await anna.tab.click("draw")
        await anna.tab.until(f"{TILES}.length === 3 && {LOADED} === 3")
        await anna.go("#/p/1/3")
        await anna.tab.until("document.querySelectorAll('.siblings img').length === 3")


async def test_a_prompt_made_of_html_stays_text_everywhere(meet: Meet) -> None:
    """Ours: prompts are written by models, which anybody may have talked into something."""
    async with meet() as anna:
        await anna.add_family(HTML, HTML, model=HTML)
        await anna.open(tiles=3)
        for place in ("#/p/2/1", "#/p/1/1", "#/compare/1.1/2.1", f"#/?query={HTML}", "#/?model=%3Cb%3E"):
            await anna.go(place)
            await anna.tab.until("!document.querySelector('.skeleton')")
            await anna.tab.run(SETTLED)
            assert await anna.tab.run(
                "document.querySelectorAll('b, [onmouseover], [onerror]').length === 0 && window.pwned === undefined"
            ), place
        await anna.go("#/p/2/1")
        assert await anna.said(".prompt .words") == HTML
        assert HTML[:40] in await anna.said(".family .leaf")
        assert await anna.tab.run("document.title.startsWith('<img src=x')")
        assert await anna.tab.run("document.querySelector('.whole').alt") == HTML
        assert (await anna.tab.run("document.querySelector('a[download]').download")).startswith("img-src-x-onerror")


async def test_a_search_and_filters_stand_in_the_address(meet: Meet) -> None:
    async with meet(expected="status of 400") as anna:
        await anna.several(2)
        await anna.add_family("a lamp", "a boat at night", model="other")
        await anna.open(tiles=5)
        await anna.tab.click("search")
        await anna.tab.type("boat")
        await anna.tab.until(f"{TILES}.length === 2")
        assert await anna.tab.run("location.hash") == "#/?query=boat"
        assert await anna.said(".count") == "1 entry found"
        await anna.tab.run("history.back()")
        await anna.tab.until(f"{TILES}.length === 5")
        await anna.go("#/?parents=yes&model=other")
        await anna.tab.until(f"{TILES}.length === 2")
        assert await anna.tab.run("document.getElementById('filter-parents').value") == "yes"
        await anna.push("Clear filters")
        await anna.tab.until(f"{TILES}.length === 5")
        await anna.go("#/?query=zebra")
        await anna.tab.until("document.querySelector('.blank h2')?.innerText === 'Nothing found'")
        await anna.go("#/?state=xyz&from=nonsense")
        await anna.tab.until("document.querySelector('.blank p')?.innerText.includes('can be working, done, failed')")
        assert await anna.tab.run("!!document.getElementById('prompt')"), "the page is there all the same"
        await anna.push("Show all pictures")
        await anna.tab.until(f"{LOADED} === 5")


async def test_only_what_is_near_the_screen_is_in_the_page_and_asked_for(meet: Meet) -> None:
    """Ours: and a smaller copy of what was scrolled past is not made any more, which the ones in sight waited for."""
    async with meet() as anna:
        await anna.several(40)
        await anna.tab.screen(700, 300)
        await anna.tab.send("Fetch.enable", patterns=[{"urlPattern": "*/mcp-cache/*"}])  # none of them is answered
        await anna.open()
        await anna.tab.until(f"{TILES}.length > 5 && document.querySelector('.tile').dataset.key === '40.1'")
        await anna.tab.run("window.first = [...document.querySelectorAll('.tile img')].slice(0, 4)")
        await anna.tab.until("scrollTo(0, 1e6), !!document.querySelector('[data-key=\"1.1\"]')")
        assert await anna.tab.run(f"{TILES}.length < 30 && !document.querySelector('[data-key=\"40.1\"]')")
        assert await anna.tab.run("first.every((each) => !each.getAttribute('src') && !each.srcset)")
        await anna.tab.until("scrollTo(0, 0), !!document.querySelector('[data-key=\"40.1\"]')")
        assert await anna.tab.run("window.scrollY === 0 && !document.querySelector('[data-key=\"1.1\"]')")


async def test_the_page_of_a_picture_shows_and_copies_everything(meet: Meet, world: World) -> None:
    async with meet() as anna:
        await anna.add_family("the first fox", "the fox by night")
        await anna.open(tiles=3)
        await anna.tab.run("document.querySelectorAll('.tile a')[1].click()")
        await anna.tab.until("document.querySelector('.whole')?.naturalWidth === 640")
        assert await anna.tab.run("location.hash") == "#/p/2/2"
        assert await anna.tab.run("document.querySelectorAll('.siblings a').length") == 2
        assert "the first fox" in await anna.said(".family .leaf")
        assert "history_id 2" in await anna.said(".facts")
        await anna.tab.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        await anna.push("Copy markdown")
        copied = await anna.tab.run("window.copied")
        assert copied == f"![the fox by night]({world.easel.origin}/mcp-cache/{anna.name(3)})"
        await anna.push("Copy prompt and settings")
        assert (await anna.tab.run("window.copied")).startswith("the fox by night\n\nmodel: m")
        await anna.tab.press("+")
        await anna.tab.press("ArrowRight")
        await anna.tab.until("document.querySelector('.shifted').style.transform === 'translate(-15%, 0%) scale(1.4)'")
        await anna.tab.press("0")
        await anna.tab.until("document.querySelector('.zoom-buttons output').innerText === '100 %'")
        await anna.tab.press("ArrowRight")
        await anna.tab.until("location.hash === '#/p/1/1'")
        await anna.tab.press("Escape")
        await anna.tab.until(f"location.hash === '#/' && {FOCUSED} === '1.1'")


async def test_several_are_selected_compared_saved_and_deleted(meet: Meet, tmp_path: Path) -> None:
    async with meet(expected="status of 404") as anna:  # a smaller picture may be asked for until it is deleted
        await anna.several(4)
        await anna.open(tiles=4)
        await anna.tab.run("[0, 1].forEach((each) => document.querySelectorAll('.mark')[each].click())")
        await anna.tab.until("document.querySelector('.selection-bar strong')?.innerText === '2 selected'")
        await anna.tab.save_into(tmp_path / "saved")
        await anna.tab.click("zip")
        async with asyncio.timeout(60):
            while not (tmp_path / "saved/easel.zip").exists():  # noqa: ASYNC110 - another session hears of it
                await asyncio.sleep(0.05)
        await anna.tab.click("compare")
        await anna.tab.until("document.querySelectorAll('.whole').length === 2")
        await anna.tab.press("+")
        both = "[...document.querySelectorAll('.shifted')].map((each) => each.style.transform)"
        await anna.tab.until(f"{both}.every((each) => each.includes('scale(1.4)'))")
        await anna.push("Slider")
        await anna.tab.until("document.querySelector('[type=range]')?.value === '50'")
        await anna.tab.press("Escape")
        await anna.push("Delete")
        await anna.tab.until("document.activeElement.innerText === 'Cancel'")
        await anna.tab.press("Escape")
        await anna.tab.until("!document.querySelector('.question')")
        assert await anna.drawn() == 4
        await anna.push("Delete")
        await anna.agree()
        await anna.tab.until(f"{TILES}.length === 2 && !document.querySelector('.selection-bar')")
        await anna.tab.until(f"!!{FOCUSED}")
        assert await anna.drawn() == 2


async def test_everything_can_be_done_by_keyboard_alone(meet: Meet) -> None:
    """Ours: a picture that is deleted while it loads is not found, which the browser writes down."""
    async with meet(expected="status of 404") as anna:
        await anna.several(5)
        await anna.open(tiles=5)
        await anna.tab.press("/")
        await anna.tab.until("document.activeElement.id === 'search'")
        for _ in range(9):
            if await anna.tab.run("!!document.activeElement.closest('.tile')"):
                break
            await anna.tab.press("Tab")
        assert await anna.tab.run(FOCUSED) == "5.1", "the grid is one stop of Tab"
        await anna.tab.press("ArrowRight")
        await anna.tab.until(f"{FOCUSED} === '4.1'")
        await anna.tab.press(" ")
        await anna.tab.press("ArrowRight", shift=True)
        await anna.tab.until(f"{FOCUSED} === '3.1'")
        assert await anna.said(".selection-bar strong") == "2 selected"
        await anna.tab.press("Escape")
        await anna.tab.until("!document.querySelector('.selection-bar')")
        await anna.tab.press("Home")
        await anna.tab.until(f"{FOCUSED} === '5.1'")
        await anna.tab.press("Enter")
        await anna.tab.until("location.hash === '#/p/5/1' && !!document.querySelector('.facts')")
        await anna.tab.press("Delete")
        await anna.tab.until("document.activeElement.innerText === 'Cancel'")
        await anna.tab.press("Tab")
        await anna.tab.press("Enter")
        await anna.tab.until("location.hash === '#/p/4/1'")
        await anna.tab.press("Escape")
        await anna.tab.until(f"{TILES}.length === 4 && {FOCUSED} === '4.1'")


AT_ONCE = """(async () => {
    for (const key of ["ArrowRight", "ArrowRight", "Escape"]) {
        const page = document.querySelector(".picture-page");
        page.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await null;
    }
})()"""


async def test_keys_count_however_fast_they_follow_each_other(meet: Meet) -> None:
    """Bug: a key before the browser told of the new address was one for the picture that had been left."""
    async with meet() as anna:
        await anna.several(4)
        await anna.open("#/p/4/1", tiles=4)
        await anna.tab.until("!!document.querySelector('.facts') && !!document.querySelector('.turn.later')")
        await anna.tab.run(AT_ONCE)
        await anna.tab.until(f"location.hash === '#/' && {FOCUSED} === '2.1'")


async def test_a_person_signs_in_and_out(meet: Meet) -> None:
    """Ours: and a cookie that was stolen is of no use from then on."""
    async with meet(expected="status of 401", signed_in=False) as anna:
        await anna.open()
        await anna.push("Sign in")
        await anna.tab.until("document.activeElement?.id === 'token'")
        await anna.tab.type("wrong-0123456789abcdef")
        await anna.tab.press("Enter")
        assert "does not know this token" in await anna.said("#problem")
        await anna.tab.click("token")
        await anna.tab.type(anna.token)
        await anna.tab.press("Enter")
        assert "No pictures yet" in await anna.said(".blank h2")
        assert await anna.tab.run("document.cookie") == "", "no script can read the session"
        cookies = (await anna.tab.send("Network.getCookies"))["cookies"]
        await anna.tab.click("menu")
        await anna.push(f"Sign out {anna.owner}")
        await anna.tab.until("!!document.getElementById('token')")
        [stolen] = [each for each in cookies if each["name"] == COOKIE]
        again = {"name": COOKIE, "value": stolen["value"], "url": anna.world.easel.origin}
        await anna.tab.send("Network.setCookie", **again)
        await anna.open()
        assert await anna.said(".blank h2") == "You are not signed in"


async def test_a_page_that_loses_the_server_says_so_and_goes_on(meet: Meet) -> None:
    async with meet(expected="ERR_INTERNET_DISCONNECTED") as anna:
        await anna.several(1)
        await anna.open(tiles=1)
        network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await anna.tab.send("Network.enable")
        await anna.tab.send("Network.emulateNetworkConditions", offline=True, **network)
        assert "You are offline" in await anna.said(".offline")
        await anna.write("a boat")
        await anna.tab.click("draw")
        assert "could not be reached" in await anna.said("#prompt-problem")
        assert await anna.tab.run("document.getElementById('prompt').value") == "a boat", "nothing is lost"
        await anna.add("drawn meanwhile", anna.name(2))
        await anna.tab.send("Network.emulateNetworkConditions", offline=False, **network)
        await anna.tab.until(f"!document.querySelector('.offline') && {TILES}.length === 2")


async def test_language_and_look_are_chosen_and_kept(meet: Meet) -> None:
    async with meet() as anna:
        await anna.several(1)
        await anna.tab.speak("zh-TW")
        await anna.open(tiles=1)
        assert await anna.tab.run("document.documentElement.lang") == "zh-Hant"
        await anna.tab.click("menu")
        await anna.push("简体中文")
        await anna.push("深色")
        await anna.tab.until("document.querySelector('.count').innerText.includes('共 1 条')")
        await anna.open(tiles=1)
        assert "共 1 条" in await anna.said(".count")
        assert await anna.tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(23, 22, 20)"


async def test_on_a_chinese_page_no_sentence_of_ours_is_english(meet: Meet) -> None:
    """Ours: the server says why in English; the page has words of its own, and quotes those of the service."""
    async with meet(expected="status of 40") as anna:
        await anna.tab.speak("zh-CN")
        await anna.open()
        await anna.write("a fox [error-policy]")
        await anna.tab.click("draw")
        assert "图像服务按其内容规则拒绝" in await anna.said(".tile.failed .words")
        await anna.go("#/p/1/1")
        assert "请修改描述后再试" in await anna.said(".picture-page .blank p")
        assert "图像服务的原话" in await anna.said(".picture-page .blank p")
        await anna.go("#/?state=xyz")
        assert await anna.said(".blank p") == "“状态”的值无法识别，请换一个。"
        await anna.go("#/")
        await anna.write("a fox")
        await anna.tab.run(CHOOSE % ("draw-model", "gpt-image-1.5"))
        assert await anna.said("#draw-model-hint") == "较旧，有三种尺寸"
        await anna.tab.run("document.querySelector('summary').click()")
        await anna.tab.click("draw-size")
        await anna.tab.type("7x7")
        await anna.tab.click("draw")
        assert "“像素尺寸”不能这样填" in await anna.said("#draw-size-problem")
        await anna.tab.run(CHOOSE % ("draw-model", "gpt-image-2.6-flare"))
        assert await anna.said("label[for=draw-complexity]") == "复杂度"


async def test_a_picture_that_is_gone_says_so_and_can_be_asked_for(meet: Meet, world: World) -> None:
    async with meet(expected="status of 4") as anna:
        await anna.several(1)
        (world.history.files / anna.name(1)[:2] / anna.name(1)).unlink()
        await world.easel.context.store.forget_files([anna.name(1)])
        await anna.open()
        assert "no longer kept here" in await anna.said(".tile .words")
        await anna.go("#/p/1/1")
        assert await anna.said(".picture-page h2") == "This picture is not kept here any more"
        await anna.push("Fetch it again")
        await anna.tab.until("document.querySelector('.picture-page .blank p').innerText.includes('does not have it')")
        await anna.go("#/p/77/1")
        await anna.tab.until("document.querySelector('.picture-page h2')?.innerText === 'There is no such picture'")


PASTE = """(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    canvas.getContext("2d").fillRect(0, 0, 64, 48);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const data = new DataTransfer();
    data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
    document.getElementById("prompt").dispatchEvent(
        new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
})()"""


async def test_a_picture_is_changed_with_another_one_and_a_marked_part(meet: Meet, world: World) -> None:
    async with meet(expected="status of 400") as anna:
        await anna.several(1)
        await anna.open("#/p/1/1")
        await anna.push("Change this…")
        await anna.tab.until("document.activeElement.id === 'prompt'")
        await anna.tab.run(CHOOSE % ("draw-model", "gpt-image-1.5"))
        await anna.tab.run(PASTE)
        await anna.tab.until("document.querySelectorAll('.references li.ready').length === 2")
        await anna.tab.run("document.querySelector('.mark-part').click()")
        await anna.tab.until("!!document.querySelector('.painter-stage')")
        await anna.tab.run("document.querySelector('.painter-stage').focus()")
        await anna.tab.press("Enter")
        await anna.tab.until("!document.getElementById('mask-done').disabled")
        await anna.tab.click("mask-done")
        await anna.tab.until("document.querySelector('.mark-part')?.innerText === 'Part marked'")
        await anna.tab.click("draw")
        assert await anna.said("#prompt-problem") == "Describe the picture first."
        await anna.tab.until("document.activeElement.id === 'prompt'")
        await anna.tab.type("make it blue")
        await anna.tab.run("document.querySelector('summary').click()")
        await anna.tab.click("draw-size")
        await anna.tab.type("7x7")
        await anna.tab.click("draw")
        assert "7x7" in await anna.said("#draw-size-problem")
        await anna.tab.until("document.activeElement.id === 'draw-size'")
        assert not world.openai.requests, "nothing is paid for what is refused"
        await anna.tab.run("document.getElementById('draw-size').select()")
        await anna.tab.type("1024x1024")
        await anna.tab.click("draw")
        await anna.tab.until(f"{TILES}.length === 2 && {LOADED} === 2")
        asked = world.openai.requests[-1]
        assert (asked.prompt, asked.parameters["size"]) == ("make it blue", "1024x1024")
        assert [file.name for file in asked.files] == ["image[]", "image[]", "mask"]
        await anna.go("#/p/2/1")
        assert "fox number 1" in await anna.said(".family .leaf")


STATES: Mapping[str, str] = {
    "the grid": "",
    "the box": "document.getElementById('prompt').click()",
    "the filters": "document.getElementById('filter').click()",
    "a selection": "document.querySelectorAll('.mark')[0].click()",
    "a question": "document.getElementById('delete-selected').click()",
}
PLACES = ("#/p/2/1", "#/compare/2.1/1.1", "#/?query=zebra", "#/?state=xyz", "#/p/77/1")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_no_fault(meet: Meet, dark: bool) -> None:
    """Ours: names, roles, contrasts and order, in each state that people meet."""
    async with meet(expected="status of 40") as anna:
        await anna.add_family("a fox", "a fox by night")
        await anna.tab.screen(1280, 800, dark=dark)
        await anna.open(tiles=3)
        found: dict[str, Any] = {}
        for state, act in STATES.items():
            await anna.tab.run(act or "1")
            await anna.tab.run(SETTLED)
            found[state] = await faults_of(anna.tab)
        await anna.tab.press("Escape")
        await anna.tab.press("Escape")
        for place in PLACES:
            await anna.go(place)
            await anna.tab.run(SETTLED)
            found[place] = await faults_of(anna.tab)
    assert {state: faults for state, faults in found.items() if faults} == {}, json.dumps(found, indent=1)


async def test_on_a_small_phone_nothing_lies_beside_the_screen(meet: Meet) -> None:
    async with meet() as anna:
        await anna.several(2, prompt="Unbreakable" * 30 + "{}")
        await anna.tab.screen(360, 640, phone=True)
        await anna.open(tiles=2)
        await anna.tab.run("document.getElementById('prompt').click()")
        for place in ("#/", "#/p/2/1", "#/compare/2.1/1.1", "#/?state=failed"):
            await anna.go(place)
            await anna.tab.run(SETTLED)
            assert await anna.tab.run("document.documentElement.scrollWidth <= innerWidth"), place
