"""The upload page as a person meets it: in a real browser, on the real route."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import BaseTestServer
from PIL import Image

from service.references.uploads import upload_request
from service.storage.upload_records import OPEN_S, UploadRequest
from tests.browser import OpenTab, Tab, browser
from tests.emulators.pictures import jpeg, png
from tests.reference_fixture import MAX_BYTES, REQUEST, ReferenceFixture, path_of, reference_fixture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = (390, 844)
SMALL_PHONE = (320, 568)
DESKTOP = (1280, 800)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a browser, a link, and files on their device."""

    fixture: ReferenceFixture
    server: BaseTestServer
    tab: Tab
    folder: Path

    async def open(self, most: int = 1, request: UploadRequest = REQUEST) -> str:
        """Open a link with room for so many pictures."""
        path = path_of(await self.fixture.uploads.link("anna", request, most))
        url = str(self.server.make_url("/")).rstrip("/") + path
        await self.tab.open(url)
        return url

    def file(self, name: str, data: bytes) -> Path:
        """A file on their device."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    async def sent(self) -> int:
        """How many pictures arrived."""
        upload = await self.fixture.uploads.ready("anna", REQUEST)
        return 0 if upload is None else len(upload.names)

    async def send(self) -> None:
        """Press the button and wait for the end."""
        await self.tab.click("send")
        await self.tab.until("!document.getElementById('mark').hidden")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_tab() -> AsyncIterator[OpenTab]:
    """One browser for all; each test has a tab with a profile of its own."""
    async with browser() as opener:
        yield opener


@pytest_asyncio.fixture(loop_scope="module")
async def person(open_tab: OpenTab, tmp_path: Path) -> AsyncIterator[Person]:
    folder = tmp_path / "device"
    folder.mkdir()
    async with reference_fixture(tmp_path) as opened, serving(opened.upload_handler) as server, open_tab() as tab:
        await tab.speak("en-GB", "zh-CN")
        yield Person(fixture=opened, server=server, tab=tab, folder=folder)
        assert not [each for each in tab.errors if "status of 4" not in each], "the page has a mistake"


async def visible(tab: Tab, id_: str) -> bool:
    """True where an element can be seen."""
    seen: bool = await tab.run(f"document.getElementById({id_!r}).getClientRects().length > 0")
    return seen


async def entries(tab: Tab) -> list[str]:
    """The text of each chosen picture, an error after a "!"."""
    script = (
        "[...document.querySelectorAll('#pictures li')]"
        ".map((each) => (each.className === 'bad' ? '! ' : '') + each.querySelector('.about').innerText)"
    )
    found: list[str] = await tab.run(script)
    return found


async def fits(tab: Tab) -> bool:
    """True where nothing of the page lies beside the screen."""
    inside: bool = await tab.run(
        "document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('main *')]"
        ".every((each) => each.getBoundingClientRect().right <= innerWidth + 0.5)"
    )
    return inside


async def test_a_picture_is_chosen_seen_and_sent(person: Person) -> None:
    """Ours: the whole way, as most go it."""
    await person.open()
    assert await person.tab.text("title") == "Send a picture"
    assert not await visible(person.tab, "send"), "there is nothing to send yet"
    await person.tab.choose("files", person.file("cat.jpg", jpeg(1, (300, 200))))
    await person.tab.until("document.querySelector('#pictures img')?.naturalWidth === 300")
    assert await entries(person.tab) == ["cat.jpg\n2 kB"]
    await person.send()
    assert await person.tab.text("title") == "Sent"
    assert "Go back to the chat" in await person.tab.text("lead")
    assert not await visible(person.tab, "form")
    assert await person.sent() == 1


async def test_several_are_sent_at_once_and_one_can_be_taken_back(person: Person) -> None:
    await person.open(most=3)
    assert await person.tab.text("title") == "Send up to 3 pictures"
    await person.tab.choose("files", person.file("a.png", png(1, (8, 8))), person.file("b.png", png(2, (8, 8))))
    await person.tab.choose("files", person.file("c.png", png(3, (8, 8))), person.file("d.png", png(4, (8, 8))))
    assert [each.partition("\n")[0] for each in await entries(person.tab)] == ["a.png", "b.png", "c.png"]
    assert "At most 3" in await person.tab.text("problem")
    assert not await visible(person.tab, "choose"), "there is no room for another one"
    await person.tab.run("document.querySelector('[aria-label=\"Remove b.png\"]').click()")
    assert not await visible(person.tab, "problem")
    assert await person.tab.text("send") == "Send 2 pictures"
    await person.send()
    assert await person.sent() == 2


async def test_where_one_is_wanted_another_choice_takes_its_place(person: Person) -> None:
    await person.open()
    await person.tab.choose("files", person.file("a.png", png(1, (8, 8))))
    await person.tab.choose("files", person.file("b.png", png(2, (8, 8))))
    assert [each.partition("\n")[0] for each in await entries(person.tab)] == ["b.png"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("notes.txt", b"just words", "Not a picture that can be used", id="by its type"),
        pytest.param("huge.png", b"\x89PNG\r\n\x1a\n" + b"\0" * MAX_BYTES, "Larger than 1 MB", id="by its size"),
        pytest.param("empty.png", b"", "The file is empty", id="empty"),
    ],
)
async def test_what_cannot_be_used_is_said_before_it_is_sent(person: Person, name: str, data: bytes, said: str) -> None:
    """Ours: twenty megabytes over a phone's network take minutes, and a no after that is no help."""
    await person.open()
    await person.tab.choose("files", person.file(name, data))
    [entry] = await entries(person.tab)
    assert entry.startswith(f"! {name}\n{said}")
    assert await person.tab.run("document.getElementById('send').disabled")


async def test_what_only_the_server_finds_out_is_shown_at_the_picture(person: Person) -> None:
    """Ours: nothing was taken then, and what is right can be sent by the same link."""
    await person.open(most=3)
    files = [person.file("good.png", png(1, (8, 8))), person.file("words.png", b"just words")]
    await person.tab.choose("files", *files, person.file("cut.jpg", jpeg(1, (64, 64))[:-200]))
    await person.tab.click("send")
    await person.tab.until("!document.getElementById('problem').hidden")
    good, words, cut = await entries(person.tab)
    assert good.startswith("good.png")
    assert words.startswith("! words.png\nNot a picture")
    assert cut.startswith("! cut.jpg\nDamaged")
    assert "Nothing was sent yet" in await person.tab.text("problem")
    assert await person.sent() == 0
    await person.send()
    assert await person.sent() == 1


@pytest.mark.parametrize(
    ("state", "title"),
    [
        pytest.param("used", "This link was used", id="used"),
        pytest.param("expired", "This link has expired", id="expired"),
        pytest.param("unknown", "This link does not work", id="unknown"),
    ],
)
async def test_a_link_that_does_not_work_says_so(person: Person, state: str, title: str) -> None:
    url = await person.open()
    match state:
        case "used":
            await person.tab.choose("files", person.file("cat.png", png(1, (8, 8))))
            await person.send()
        case "expired":
            person.fixture.clock.now += OPEN_S
        case _:
            url = url.replace("/upload/", "/upload/x")
    await person.tab.open(url)
    await person.tab.until(f"document.title === {title!r}")
    assert "new link in the chat" in await person.tab.text("lead")
    assert not await visible(person.tab, "form")


async def test_a_page_that_lay_open_too_long_says_so_when_something_is_sent(person: Person) -> None:
    await person.open()
    person.fixture.clock.now += OPEN_S
    await person.tab.choose("files", person.file("cat.png", png(1, (8, 8))))
    await person.tab.click("send")
    await person.tab.until("document.title === 'This link has expired'")


async def test_when_the_connection_breaks_it_can_be_tried_again(person: Person) -> None:
    await person.open()
    await person.tab.choose("files", person.file("cat.png", png(1, (8, 8))))
    await person.tab.send("Network.enable")
    nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await person.tab.send("Network.emulateNetworkConditions", offline=True, **nothing)
    await person.tab.click("send")
    await person.tab.until("!document.getElementById('problem').hidden")
    assert "connection broke" in await person.tab.text("problem")
    await person.tab.send("Network.emulateNetworkConditions", offline=False, **nothing)
    await person.send()
    assert await person.sent() == 1
    person.tab.errors = [each for each in person.tab.errors if "INTERNET_DISCONNECTED" not in each]


async def test_a_picture_can_be_dropped_anywhere(person: Person) -> None:
    await person.open()
    await person.tab.screen(*DESKTOP)
    data = {"items": [], "files": [str(person.file("cat.png", png(1, (8, 8))))], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await person.tab.send("Input.dispatchDragEvent", type=kind, x=600, y=700, data=data)
    await person.tab.until("document.querySelectorAll('#pictures li').length === 1")
    await person.send()
    assert await person.sent() == 1


@pytest.mark.parametrize(
    ("languages", "title"),
    [
        pytest.param(["zh-CN", "en"], "发送一张图片", id="Chinese"),
        pytest.param(["fr-FR", "zh-TW", "en"], "傳送一張圖片", id="Traditional before English"),
        pytest.param(["zh-Hant-HK"], "傳送一張圖片", id="Hong Kong"),
        pytest.param(["fr-FR", "en", "zh-CN"], "Send a picture", id="English before Chinese"),
        pytest.param(["fr-FR"], "Send a picture", id="neither"),
    ],
)
async def test_the_page_speaks_the_language_of_the_browser(person: Person, languages: list[str], title: str) -> None:
    await person.tab.speak(*languages)
    await person.open()
    assert await person.tab.text("title") == title
    language = "en" if title.isascii() else "zh-TW" if title.startswith("傳") else "zh-CN"
    assert await person.tab.run("document.documentElement.lang") == language


async def test_all_languages_say_everything(person: Person) -> None:
    """Ours: a word that lacks in one would show as "undefined"."""
    await person.open()
    words = await person.tab.run("[ENGLISH, CHINESE, TRADITIONAL].map((each) => Object.keys(each).sort().join())")
    assert len(set(words)) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["phone", "small phone"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_on_a_phone_everything_fits_and_can_be_hit(
    person: Person, size: tuple[int, int], language: str, dark: bool, tmp_path: Path
) -> None:
    """Ours: no scrolling sideways, and nothing to press that is smaller than a finger (44 points)."""
    await person.tab.screen(*size, phone=True, dark=dark)
    await person.tab.speak(language)
    await person.open(most=3)
    assert await fits(person.tab)
    assert await visible(person.tab, "shoot"), "a phone has a camera"
    long_name = "a very long name of a picture that somebody saved from somewhere else.png"
    await person.tab.choose("files", person.file(long_name, png(1, (2000, 300))), person.file("words.txt", b"words"))
    await person.tab.until("document.querySelector('#pictures img')?.complete")
    assert await fits(person.tab)
    sizes = await person.tab.run(
        "[...document.querySelectorAll('.button, .remove')].filter((each) => each.getClientRects().length)"
        ".map((each) => Math.min(each.offsetWidth, each.offsetHeight))"
    )
    assert min(sizes) >= 44
    await person.tab.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as shot:
        assert shot.size == (2 * size[0], 2 * size[1])
        assert (shot.convert("L").tobytes()[0] < 64) is dark
    await person.tab.click("send")
    assert await visible(person.tab, "problem"), "the marked picture would be left out"
    assert await fits(person.tab)
    await person.send()
    assert await fits(person.tab)


async def test_a_single_picture_is_shown_large(person: Person) -> None:
    """Ours: a person sees before sending that it is the right one."""
    await person.tab.screen(*PHONE, phone=True)
    await person.open()
    out = io.BytesIO()
    Image.linear_gradient("L").resize((900, 1200)).save(out, "PNG")
    await person.tab.choose("files", person.file("portrait.png", out.getvalue()))
    await person.tab.until("document.querySelector('#pictures img')?.naturalWidth === 900")
    shown = await person.tab.run(
        "(({width, height}) => [width, height])(document.querySelector('img').getBoundingClientRect())"
    )
    assert shown[0] > 300
    assert 200 < shown[1] <= PHONE[1] / 2
    assert await fits(person.tab)


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        pytest.param("a house\n in  the snow", "a house in the snow", id="on one line"),
        pytest.param(
            '"><script>window.ran = true</script>&amp;', '"><script>window.ran = true</script>&amp;', id="HTML"
        ),
        pytest.param("画 一只猫 {state} {most}", "画 一只猫 {state} {most}", id="Chinese and braces"),
        pytest.param("a very long prompt " * 99, None, id="long"),
    ],
)
async def test_the_page_says_for_what_it_asks(person: Person, prompt: str, shown: str | None) -> None:
    """Bug: with two chats open nobody knew to which of them the picture would go."""
    await person.tab.screen(*SMALL_PHONE, phone=True)
    await person.open(request=upload_request({"prompt": prompt}))
    text = await person.tab.text("purpose")
    assert text == f"For: “{shown}”" if shown else text.endswith("…”")
    assert len(text) < 220
    assert await person.tab.run("window.ran === undefined")
    assert await fits(person.tab)


async def test_without_a_prompt_the_page_says_nothing_of_it(person: Person) -> None:
    await person.open()
    assert not await visible(person.tab, "purpose")


@pytest.mark.parametrize("name", ["photo.HEIC", "photo.heif"])
async def test_an_iphone_photo_is_refused_with_the_way_out(person: Person, name: str) -> None:
    """Ours: browsers name no type for it outside of Apple's systems."""
    await person.open()
    await person.tab.choose("files", person.file(name, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"))
    await person.tab.until("document.querySelector('#pictures li.bad') !== null")
    [entry] = await entries(person.tab)
    assert "HEIC, the format of iPhone photos, cannot be used, and this browser cannot convert it." in entry
    assert "choose it from Photos here" in entry


async def test_a_mac_is_asked_for_jpeg_first(person: Person) -> None:
    """Ours: Safari turns HEIC into the first type of the list: 3 MB as JPEG, 26 MB as PNG."""
    await person.open()
    accepted = await person.tab.run("document.getElementById('files').accept")
    assert accepted.split(",")[0] == "image/jpeg"


async def test_everything_is_reached_by_the_keyboard(person: Person) -> None:
    await person.open()
    await person.tab.choose("files", person.file("cat.png", png(1, (8, 8))))
    reached = set()
    for _ in range(6):
        for kind in ("keyDown", "keyUp"):
            await person.tab.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.add(await person.tab.run("document.activeElement.id || document.activeElement.className"))
    assert {"files", "send", "remove"} <= reached


async def test_no_other_script_runs_in_the_page(person: Person) -> None:
    """Ours: whatever got into the page, its policy is the second wall."""
    await person.open()
    await person.tab.run(
        "{ const script = document.createElement('script'); script.append('window.ran = true');"
        " try { document.body.append(script); } catch {} }"
    )
    assert await person.tab.run("window.ran === undefined")
    refused = await person.tab.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    assert any("Content Security Policy" in each for each in person.tab.errors)
    person.tab.errors.clear()


async def test_a_heic_picture_is_converted_where_the_browser_can_read_it(person: Person) -> None:
    """Ours: Safari reads HEIC. This browser reads the PNG that stands for one here."""
    await person.open()
    await person.tab.choose("files", person.file("photo.HEIC", png(1, (40, 30))))
    await person.tab.until("document.querySelector('#pictures .name')?.textContent === 'photo.jpg'")
    await person.send()
    [name] = (await person.fixture.uploads.ready("anna", REQUEST) or pytest.fail("nothing came")).names
    assert name.endswith(".jpg")


async def test_what_is_marked_is_left_out_only_after_a_warning(person: Person) -> None:
    """Ours: the link works once, and what was left out could not be sent after it."""
    await person.open(most=3)
    await person.tab.choose("files", person.file("a.png", png(1, (8, 8))), person.file("notes.txt", b"words"))
    await person.tab.click("send")
    assert "The marked picture is not sent, and the link works only once." in await person.tab.text("problem")
    assert await person.sent() == 0
    await person.send()
    assert await person.sent() == 1


async def test_the_page_says_who_asks_until_when_and_what_is_taken_out(person: Person) -> None:
    await person.open()
    assert await person.tab.text("lead") == "It goes to the chat of anna that gave you this link."
    rules = await person.tab.text("rules")
    assert "Place, time and camera are taken out of photos." in rules
    assert await person.tab.run("document.documentElement.dataset.until") == str(
        round((person.fixture.clock.now + OPEN_S) * 1000)
    )
    assert await person.tab.run("clock()") in rules


async def test_after_choosing_the_next_key_sends(person: Person) -> None:
    """Ours: with a keyboard or a screen reader, the way from the file dialog to Send is one key."""
    await person.open()
    await person.tab.choose("files", person.file("cat.png", png(1, (8, 8))))
    assert await person.tab.run("document.activeElement.id") == "send"


async def test_a_long_name_keeps_its_end(person: Person) -> None:
    """Ours: cameras and chat programs tell their pictures apart by the last characters."""
    await person.open(most=2)
    await person.tab.screen(*SMALL_PHONE, phone=True)
    await person.tab.choose("files", person.file("x" * 120 + "-2026-11-28.png", png(1, (8, 8))))
    ends = "document.querySelector('.name span:last-child')"
    assert await person.tab.run(f"{ends}.textContent") == "26-11-28.png"
    assert await person.tab.run(f"{ends}.getBoundingClientRect().right <= innerWidth")


async def test_a_picture_that_is_dragged_from_another_page_is_answered(person: Person) -> None:
    """Ours: such a drop has an address and no file, and nothing happened."""
    await person.open()
    await person.tab.run(
        "(() => { const data = new DataTransfer(); data.setData('text/uri-list', 'https://example.com/cat.png');"
        " document.dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true })); })()"
    )
    assert "Save it on your device" in await person.tab.text("problem")


async def test_a_proxy_that_takes_no_large_files_is_told_in_words(person: Person) -> None:
    """Ours: nginx answers 413 with a page of its own where `client_max_body_size` is small."""
    await person.open()
    await person.tab.run("ended(413, {}, [])")
    assert "takes no files of this size (413)" in await person.tab.text("problem")


async def test_a_picture_that_is_painted_over_leads_on_to_the_brush(person: Person) -> None:
    """Ours: one link and one visit, and what comes next is said before."""
    await person.open(request=replace(REQUEST, paints=True))
    assert "After that you paint over the part that is to change." in await person.tab.text("lead")
    await person.tab.choose("files", person.file("cat.png", png(1, (80, 40))))
    await person.tab.click("send")
    await person.tab.until("document.querySelector('.painter-said')?.textContent")
    assert await person.tab.text("title") == "Paint over what is to change"
