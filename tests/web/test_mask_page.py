"""The page of a mask as a person meets it: in a real browser, with mouse, fingers, pen and keys, on the real route."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import BaseTestServer
from PIL import Image

from service.references.uploads import mask_request, upload_request
from service.storage.upload_records import UploadRequest
from tests.browser import OpenTab, Tab, browser
from tests.pictures.samples import encoded, exif_segment, jpeg_with, photo, tiff
from tests.reference_fixture import ReferenceFixture, path_of, reference_fixture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = (390, 844)
SMALL_PHONE = (320, 568)
LYING_PHONE = (844, 390)
DESKTOP = (1280, 800)
WIDE = photo(800, 400)
HELD = jpeg_with(WIDE.transpose(Image.Transpose.ROTATE_90), exif_segment(tiff(6)))

NUMBERS = itertools.count()
"""One for each call that asks for a mask."""

Place = tuple[float, float]
"""A place on the picture, from 0 to 1 to the right and down."""

HORIZONTAL: Sequence[Place] = [(0.2 + 0.02 * step, 0.5) for step in range(11)]
"""A stroke from 0.2 to 0.4."""


@dataclass(kw_only=True)
class Painter:
    """Somebody with a browser and a link."""

    fixture: ReferenceFixture
    server: BaseTestServer
    tab: Tab
    request: UploadRequest = field(default_factory=lambda: mask_request(upload_request({}), ""))

    async def open(self, data: bytes = encoded(WIDE), prompt: str = "make the sky red") -> None:
        """Open the page of a picture, by a link that was not used yet."""
        taken = await self.fixture.importer.import_picture("anna", data)
        self.request = mask_request(upload_request({"prompt": prompt, "variation": next(NUMBERS)}), taken.name)
        path = path_of(await self.fixture.uploads.link("anna", self.request))
        await self.tab.open(str(self.server.make_url("/")).rstrip("/") + path)
        await self.tab.until("document.querySelector('.painter-said')?.textContent")

    async def on_screen(self, places: Sequence[Place]) -> list[Place]:
        x, y, width, height = await self.tab.run(
            "(({x, y, width, height}) => [x, y, width, height])"
            "(document.querySelector('.painter-sheet').getBoundingClientRect())"
        )
        return [(x + width * across, y + height * down) for across, down in places]

    async def drag(self, places: Sequence[Place], **more: Any) -> None:
        """Draw with the mouse, or with a pen by its pressure."""
        first, *others = await self.on_screen(places)
        await self.mouse("mousePressed", first, **more)
        for each in others:
            await self.mouse("mouseMoved", each, **more)
        await self.mouse("mouseReleased", [first, *others][-1], **more)

    async def mouse(self, kind: str, at: Place, **more: Any) -> None:
        held = {"buttons": 1} if kind != "mouseReleased" else {}
        at_ = {"x": at[0], "y": at[1], "button": "left", "clickCount": 1}
        await self.tab.send("Input.dispatchMouseEvent", type=kind, **at_, **held, **more)

    async def touch(self, kind: str, *places: Place) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(await self.on_screen(places))]
        await self.tab.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    async def press(self, *keys: str, modifiers: int = 0) -> None:
        """Press keys on the stage, one after the other."""
        await self.tab.run("document.querySelector('.painter-stage').focus()")
        for key in keys:
            text = {"text": key} if len(key) == 1 and not modifiers else {}
            for kind in ("keyDown", "keyUp"):
                sent = text if kind == "keyDown" else {}
                await self.tab.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers, **sent)

    async def act(self, name: str) -> None:
        """Press a button of the brush."""
        await self.tab.run(f"document.querySelector('[data-act={name}]').click()")

    async def settled(self) -> str:
        """The words about the painting, once it was measured."""
        await asyncio.sleep(0.2)  # longer than the pause before it is measured
        said: str = await self.tab.run("document.querySelector('.painter-said').textContent")
        return said

    async def send(self) -> Image.Image:
        """Send the mask; return it as it arrived, white where the picture is to change."""
        await self.tab.until("!document.getElementById('send').disabled")
        await self.tab.click("send")
        await self.tab.until("!document.getElementById('mark').hidden")
        upload = await self.fixture.uploads.ready("anna", self.request)
        assert upload is not None
        data = await self.fixture.files.read(upload.names[0])
        assert data is not None
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("L")


def is_painted(mask: Image.Image, *places: Place) -> list[bool]:
    return [mask.getpixel((int(x * mask.width), int(y * mask.height))) == 255 for x, y in places]


def part(mask: Image.Image) -> float:
    return mask.histogram()[255] / (mask.width * mask.height)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_tab() -> AsyncIterator[OpenTab]:
    """One browser for all; each test has a tab with a profile of its own."""
    async with browser() as opener:
        yield opener


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[ReferenceFixture, BaseTestServer]]:
    """One service for all, with its decoder."""
    async with reference_fixture(tmp_path_factory.mktemp("desk")) as opened, serving(opened.upload_handler) as server:
        yield opened, server


@pytest_asyncio.fixture(loop_scope="module")
async def painter(open_tab: OpenTab, desk: tuple[ReferenceFixture, BaseTestServer]) -> AsyncIterator[Painter]:
    async with open_tab() as tab:
        await tab.speak("en-GB")
        await tab.screen(*DESKTOP)
        yield Painter(fixture=desk[0], server=desk[1], tab=tab)
        assert not [each for each in tab.errors if "status of 4" not in each], "the page has a mistake"


async def test_the_mask_covers_what_was_painted_with_the_mouse(painter: Painter) -> None:
    await painter.open()
    assert await painter.tab.text("title") == "Paint over what is to change"
    assert await painter.tab.text("purpose") == "For: “make the sky red”"
    assert await painter.tab.run("document.getElementById('send').disabled")
    await painter.drag(HORIZONTAL)
    assert (await painter.settled()).endswith("% is painted.")
    mask = await painter.send()
    assert mask.size == WIDE.size
    assert is_painted(mask, (0.2, 0.5), (0.3, 0.5), (0.4, 0.5)) == [True] * 3
    assert is_painted(mask, (0.1, 0.5), (0.5, 0.5), (0.3, 0.3), (0.3, 0.7)) == [False] * 4
    # A brush of 44 points over a picture that is shown 960 points wide, and two half circles.
    brush = 44 / 960 * mask.width
    expected = 0.2 * mask.width * brush + 3.14 * brush * brush / 4
    assert part(mask) * mask.width * mask.height == pytest.approx(expected, rel=0.05)
    assert await painter.tab.text("title") == "Sent"


async def test_a_finger_paints_and_two_fingers_zoom_and_move(painter: Painter) -> None:
    """Ours: the first finger of two has touched the picture already, and must leave no mark."""
    await painter.tab.screen(*PHONE, phone=True)
    await painter.open(HELD)
    before = await painter.on_screen([(0, 0), (1, 1)])
    await painter.touch("touchStart", (0.45, 0.5))
    await painter.touch("touchStart", (0.45, 0.5), (0.55, 0.5))
    await painter.touch("touchMove", (0.35, 0.5), (0.65, 0.5))
    await painter.touch("touchEnd")
    after = await painter.on_screen([(0, 0), (1, 1)])
    assert after[1][0] - after[0][0] > 2 * (before[1][0] - before[0][0])
    assert await painter.settled() == "Nothing is painted yet."
    await painter.touch("touchStart", (0.45, 0.5))
    for step in range(5):
        await painter.touch("touchMove", (0.45 + 0.02 * step, 0.5))
    await painter.touch("touchEnd")
    mask = await painter.send()
    assert mask.size == WIDE.size, "the photo stood upright"
    assert is_painted(mask, (0.45, 0.5), (0.5, 0.5), (0.53, 0.5), (0.4, 0.5), (0.6, 0.5)) == [True] * 3 + [False] * 2


async def test_a_pen_paints_thinner_the_less_it_is_pressed_and_its_hand_paints_nothing(painter: Painter) -> None:
    await painter.tab.screen(*PHONE, phone=True)
    await painter.open()
    await painter.drag([(0.2, 0.3), (0.4, 0.3)], pointerType="pen", force=0.1)
    await painter.drag([(0.2, 0.7), (0.4, 0.7)], pointerType="pen", force=1.0)
    await painter.touch("touchStart", (0.8, 0.5))
    await painter.touch("touchMove", (0.8, 0.4))
    await painter.touch("touchEnd")
    mask = await painter.send()
    columns = [mask.crop((240, top, 241, top + 200)).histogram()[255] for top in (0, 200)]
    assert columns[0] * 2 < columns[1]
    assert not any(is_painted(mask, (0.8, 0.5), (0.8, 0.4)))


async def test_every_step_can_be_taken_back_and_made_again(painter: Painter) -> None:
    await painter.open()
    await painter.drag(HORIZONTAL)
    await painter.act("erase")
    await painter.drag([(0.3, 0.4), (0.3, 0.6)])
    await painter.act("invert")
    await painter.act("clear")
    assert await painter.settled() == "Nothing is painted yet."
    for name in ("undo", "undo", "undo"):
        await painter.act(name)
    await painter.act("redo")
    await painter.press("z", modifiers=2)
    await painter.press("y", modifiers=2)
    mask = await painter.send()
    assert is_painted(mask, (0.22, 0.5), (0.3, 0.5), (0.38, 0.5)) == [True, False, True]
    assert part(mask) < 0.05


async def test_all_that_is_not_painted_can_be_meant(painter: Painter) -> None:
    await painter.open()
    await painter.act("invert")
    assert await painter.settled() == "All of it is painted. Leave free what is to stay."
    assert await painter.tab.run("document.getElementById('send').disabled")
    await painter.act("undo")
    await painter.drag(HORIZONTAL)
    await painter.act("invert")
    mask = await painter.send()
    assert is_painted(mask, (0.3, 0.5), (0.1, 0.1), (0.9, 0.9)) == [False, True, True]


async def test_a_mask_can_be_painted_by_keys_alone(painter: Painter) -> None:
    """Ours: WCAG 2.2, 2.1.1; the brush begins in the middle."""
    await painter.open()
    await painter.press(" ", *["ArrowRight"] * 8, " ", *["ArrowDown"] * 12, "Enter")
    mask = await painter.send()
    x = 0.5 + 88 / 960
    assert is_painted(mask, (0.5, 0.5), (x, 0.5), (x, 0.5 + 132 / 480), (0.4, 0.5)) == [True, True, True, False]
    assert is_painted(mask, (x, 0.5 + 60 / 480)) == [False], "it was lifted on the way"


async def test_a_brush_paints_finer_the_nearer_the_picture_is(painter: Painter) -> None:
    await painter.open()
    for _ in range(3):
        await painter.act("zoom_in")
    await painter.drag([(0.5, 0.5)])
    mask = await painter.send()
    assert part(mask) * mask.width * mask.height == pytest.approx(3.14 * (44 / 960 * 800 / 1.5**3 / 2) ** 2, rel=0.15)
    assert is_painted(mask, (0.5, 0.5)) == [True]


async def test_a_large_picture_stays_quick_under_the_brush(painter: Painter) -> None:
    """Ours: a photo of 8 megapixels on a phone; a stroke touches the painting alone, which has four."""
    out = io.BytesIO()
    photo(3264, 2448).save(out, "JPEG", quality=80)
    await painter.tab.screen(*PHONE, phone=True)
    await painter.open(out.getvalue())
    ms = await painter.tab.run(
        """(() => {
            const stage = document.querySelector(".painter-stage");
            const { x, y, width, height } = stage.getBoundingClientRect();
            const tell = (type, step) => stage.dispatchEvent(new PointerEvent(type, {
                bubbles: true, pointerId: 1, pointerType: "mouse", button: 0, buttons: 1,
                clientX: x + width * (0.2 + 0.006 * step), clientY: y + height * (0.5 + 0.05 * Math.sin(step)) }));
            stage.setPointerCapture = () => {};
            const began = performance.now();
            tell("pointerdown", 0);
            for (let step = 1; step < 100; step++) tell("pointermove", step);
            tell("pointerup", 99);
            return (performance.now() - began) / 100;
        })()"""
    )
    assert ms < 8, "half the time of a frame"
    assert (await painter.settled()).endswith("% is painted.")


async def test_when_the_connection_breaks_the_painting_stays(painter: Painter) -> None:
    await painter.open()
    await painter.drag(HORIZONTAL)
    await painter.settled()
    nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await painter.tab.send("Network.enable")
    await painter.tab.send("Network.emulateNetworkConditions", offline=True, **nothing)
    await painter.tab.click("send")
    await painter.tab.until("!document.getElementById('problem').hidden")
    assert "Your painting is still here" in await painter.tab.text("problem")
    await painter.tab.send("Network.emulateNetworkConditions", offline=False, **nothing)
    assert is_painted(await painter.send(), (0.3, 0.5)) == [True]
    painter.tab.errors = [each for each in painter.tab.errors if "INTERNET_DISCONNECTED" not in each]


async def test_a_link_that_stopped_to_work_says_why(painter: Painter) -> None:
    """Ours: also when that is so only once the person has painted."""
    await painter.open(prompt="somebody is quicker")
    await painter.drag(HORIZONTAL)
    await painter.settled()
    await painter.fixture.sent("anna", encoded(Image.new("L", (8, 8))), request=painter.request)
    await painter.tab.click("send")
    await painter.tab.until("document.title === 'This link was used'")
    assert await painter.tab.run("document.getElementById('form').hidden")
    await painter.open(encoded(photo(64, 32)))
    painter.fixture.files.path(painter.request.picture).unlink()
    await painter.tab.open(await painter.tab.run("location.href + '?'"))
    await painter.tab.until("document.title === 'The picture is not kept here any more'")


async def fits(tab: Tab) -> bool:
    scrolls = "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"
    return not await tab.run(scrolls)


@pytest.mark.parametrize(
    ("size", "language", "dark"),
    [
        pytest.param(PHONE, "en", False, id="phone"),
        pytest.param(SMALL_PHONE, "zh-TW", True, id="small phone"),
        pytest.param(LYING_PHONE, "zh-CN", False, id="lying phone"),
    ],
)
async def test_on_a_phone_everything_fits_and_can_be_hit(
    painter: Painter, size: tuple[int, int], language: str, dark: bool, tmp_path: Path
) -> None:
    """Ours: no scrolling, no button smaller than a finger (44 points), and the picture has most of the screen."""
    await painter.tab.screen(*size, phone=True, dark=dark)
    await painter.tab.speak(language)
    await painter.open(prompt="a prompt that goes on and on, " * 6)
    assert await fits(painter.tab)
    sides, stage = await painter.tab.run(
        "[[...document.querySelectorAll('button')].map((each) => Math.min(each.offsetWidth, each.offsetHeight)),"
        "document.querySelector('.painter-stage').offsetHeight]"
    )
    assert min(sides) >= 44
    assert stage >= 0.4 * size[1]
    await painter.tab.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as shot:
        assert (shot.convert("L").tobytes()[0] < 64) is dark
    titles = {"en": "Paint over what is to change", "zh-TW": "塗抹要修改的部分", "zh-CN": "涂抹要修改的部分"}
    assert await painter.tab.text("title") == titles[language]


async def test_everything_has_a_name_and_every_language_says_everything(painter: Painter) -> None:
    """Ours: for screen readers, and for whoever reads no English."""
    await painter.open()
    tree = (await painter.tab.send("Accessibility.getFullAXTree"))["nodes"]
    named = [
        (each["role"]["value"], each.get("name", {}).get("value", ""))
        for each in tree
        if each.get("role", {}).get("value") in {"button", "slider", "application"}
    ]
    assert [name for _, name in named if not name] == []
    assert {"Paint", "Erase", "Move", "Undo", "Redo", "Invert", "Clear", "Zoom in", "Zoom out", "Show all"} <= {
        name for role, name in named if role == "button"
    }
    assert ("slider", "Brush size") in named
    for words in ("PAINTER_WORDS", "MASK_WORDS"):
        keys = await painter.tab.run(f"Object.values({words}).map((each) => Object.keys(each).sort().join())")
        assert (len(keys), len(set(keys))) == (3, 1)
