"""A mask on its whole way: from a call of a client, by history and links, to an image service and what it costs."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image, ImageDraw

from service.app import Running
from tests.browser import browser
from tests.conftest import Serve
from tests.emulators import flow2api, flow2api_requests, openai_images
from tests.emulators.flow2api_requests import prompt
from tests.emulators.openai_images import OpenAiImages
from tests.pictures.samples import difference, encoded, exif_segment, jpeg_with, opened, photo, tiff
from tests.wire import CAPABILITIES_KEY, WireClient, wire_client

WIDE = photo(80, 40)
HELD = jpeg_with(WIDE.transpose(Image.Transpose.ROTATE_90), exif_segment(tiff(6)))
"""As a phone stores it."""

REGION = Image.new("L", (160, 80))
REGION.paste(255, (0, 0, 40, 40))
URLS: dict[str, Any] = {CAPABILITIES_KEY: {"elicitation": {"url": {}}}}


def inline(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def changes(mask: bytes) -> tuple[int, int, int, int] | None:
    """The box that a mask of the Images API lets change: what is transparent in it."""
    return opened(mask).getchannel("A").point(lambda alpha: 255 - alpha).getbbox()


@dataclass(frozen=True, kw_only=True)
class Edits:
    """A client, the service, and the Images API behind it."""

    client: WireClient
    easel: Running
    openai: OpenAiImages

    async def generate(self, **arguments: Any) -> dict[str, Any]:
        given = {"prompt": "a red sky", "model": "gpt-image-1.5"} | arguments
        return await self.client.call("generate", given)

    async def refused(self, **arguments: Any) -> str:
        """The words to a call that must cost nothing."""
        before = len(self.openai.requests)
        result = await self.generate(**arguments)
        assert result["isError"]
        assert len(self.openai.requests) == before
        text: str = result["content"][0]["text"]
        return text

    @property
    def sent(self) -> tuple[Image.Image, Image.Image]:
        """The first picture and the mask of the last request."""
        first, *_, mask = self.openai.requests[-1].files
        assert mask.name == "mask"
        return opened(first.data), opened(mask.data)


@pytest.fixture
async def edits(serve: Serve) -> AsyncIterator[Edits]:
    async with (
        openai_images.running() as openai,
        serve(OPENAI_BASE_URL=openai.url, OPENAI_API_KEY=openai.key) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        yield Edits(client=client, easel=easel, openai=openai)


def text_of(result: dict[str, Any]) -> str:
    assert "isError" not in result, result
    text: str = result["content"][0]["text"]
    return text


async def test_a_mask_reaches_the_images_api_and_stays_in_the_history(edits: Edits) -> None:
    """Spec OpenAI API reference, Create image edit; the emulator refuses a mask that is not as it says."""
    result = await edits.generate(image_url=inline(HELD), mask=inline(encoded(REGION)))
    said = "Mask: a data: URI (12 % of the picture changes, where it is white, fitted from 160×80)"
    assert said in text_of(result)
    picture, mask = edits.sent
    assert (picture.size, mask.size, mask.mode) == ((80, 40), (80, 40), "RGBA")
    assert changes(edits.openai.requests[-1].files[-1].data) == (0, 0, 20, 20)
    assert edits.openai.charges["a red sky"] == 1
    structured = result["structuredContent"]
    assert structured["parameters"]["mask"] == said.removeprefix("Mask: ")
    assert structured["references"] == ["a data: URI"]
    shown = await edits.client.call("history", {"history_id": structured["history_id"]})
    assert said in text_of(shown)


async def test_a_mask_makes_a_request_of_its_own(edits: Edits) -> None:
    """Ours: the same picture with another mask is another picture, and the same one with the same mask is not."""
    other = REGION.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for mask in ({}, {"mask": inline(encoded(REGION))}, {"mask": inline(encoded(other))}):
        text_of(await edits.generate(image_url=inline(encoded(WIDE)), **mask))
    assert edits.openai.charges["a red sky"] == 3
    assert changes(edits.openai.requests[-1].files[-1].data) == (60, 0, 80, 20)


async def test_an_earlier_picture_is_changed_by_one_of_the_history(edits: Edits) -> None:
    await edits.generate(prompt="first")
    mask = Image.new("L", (1024, 1024))
    mask.paste(255, (0, 0, 512, 1024))
    kept = await edits.generate(prompt="kept", image_url=inline(encoded(mask)))
    assert "isError" not in kept
    name = edits.openai.requests[-1].files[0].data
    assert name.startswith(b"\x89PNG")
    mask_url = f"/mcp-cache/{(await references(edits))[0]}"
    result = await edits.generate(prompt="third", history_id=1, mask=mask_url)
    assert "50 % of the picture changes" in text_of(result)
    assert result["structuredContent"]["parents"] == [{"history_id": 1, "picture": 1}]
    assert '`mask` is none of what it can be: "paint"' in await edits.refused(history_id=1, mask="the sky")


async def references(edits: Edits) -> list[str]:
    """Files that are no pictures of the history."""
    store = edits.easel.context.store
    drawn = {each.name for job in await store.jobs("local", 10) for each in job.pictures}
    return [name async for name in store.every_file() if name not in drawn]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"mask": "paint"}, "`mask` marks a part of a picture, and there is none", id="of nothing"),
        pytest.param(
            {"image_url": inline(encoded(WIDE)), "mask": inline(encoded(Image.new("L", (80, 40))))},
            "marks nothing: make white what is to change",
            id="empty",
        ),
        pytest.param(
            {"image_url": inline(encoded(WIDE)), "mask": inline(encoded(Image.new("L", (40, 80), 255)))},
            "has 40×80 pixels, and the picture has 80×40: a mask must have its shape",
            id="shape",
        ),
        pytest.param({"image_url": inline(encoded(WIDE)), "mask": 77}, "`mask` is 77, which is not in", id="foreign"),
    ],
)
async def test_a_mask_that_cannot_be_costs_nothing(edits: Edits, arguments: dict[str, Any], said: str) -> None:
    assert said in await edits.refused(**arguments)
    assert [name async for name in edits.easel.context.store.every_file()] == []


async def test_a_model_without_masks_names_those_that_have_them(serve: Serve) -> None:
    async with (
        openai_images.running() as openai,
        serve(OPENAI_BASE_URL=openai.url, OPENAI_API_KEY=openai.key, MODELSCOPE_API_KEY="x") as easel,
        wire_client(easel.mcp_url) as client,
    ):
        model = "black-forest-labs/FLUX.1-Kontext-dev"
        result = await client.call("generate", {"prompt": "p", "model": model, "history_id": 1, "mask": "paint"})
    assert result["isError"]
    text = result["content"][0]["text"]
    assert text.startswith(f"{model} takes no mask: leave `mask` out, or use gpt-image-")


async def paint(url: str, mask: Image.Image = REGION) -> None:
    """Send a mask by its link, as the page does."""
    async with aiohttp.ClientSession() as session, session.post(url, data=encoded(mask)) as answer:
        assert answer.status == 200, await answer.text()


async def test_the_person_paints_and_the_same_call_goes_on(edits: Edits) -> None:
    """Ours: one link, nothing is paid before, and a call that is repeated joins the one that was paid."""
    call = {"image_url": inline(HELD), "mask": "paint"}
    asked = await edits.generate(**call)
    url = asked["structuredContent"]["upload_url"]
    assert "paint over the part of the picture that is to change" in text_of(asked)
    assert "curl" not in text_of(asked)
    assert (await edits.generate(**call))["structuredContent"]["upload_url"] == url
    assert edits.openai.requests == []
    async with aiohttp.ClientSession() as session, session.get(f"{url}/picture") as answer:
        assert opened(await answer.read()).size == (80, 40)
    await paint(url)
    result = await edits.generate(**call)
    assert "Mask: painted by the person (12 % of the picture changes)" in text_of(result)
    assert changes(edits.openai.requests[-1].files[-1].data) == (0, 0, 20, 20)
    again = await edits.generate(**call)
    assert again["structuredContent"]["upload_url"] != url
    assert 'To use the mask that they painted last over this picture: mask "/mcp-cache/' in text_of(again)
    reused = text_of(again).rpartition('mask "')[2].partition('"')[0]
    assert "12 %" in text_of(await edits.generate(**call | {"mask": reused, "variation": 2}))


async def test_a_picture_from_their_device_is_painted_over_in_one_visit(edits: Edits) -> None:
    call = {"use_upload": True, "mask": "paint"}
    asked = await edits.generate(**call)
    url = asked["structuredContent"]["upload_url"]
    assert "send the picture by, and to paint over it" in text_of(asked)
    async with aiohttp.ClientSession() as session, session.post(url.partition("?")[0], data=HELD) as answer:
        next_url = f"{url.rpartition('/')[0]}/{(await answer.json())['paint']}"
    assert (await edits.generate(**call))["structuredContent"]["upload_url"] == next_url
    await paint(next_url)
    text_of(await edits.generate(**call))
    assert changes(edits.openai.requests[-1].files[-1].data) == (0, 0, 20, 20)


async def test_a_client_that_opens_pages_waits_for_the_mask(edits: Edits) -> None:
    """Spec 2026-07-28, MRTR and elicitation by URL: the call ends with the question, and goes on with the answer."""
    arguments = {"prompt": "a red sky", "model": "gpt-image-1.5", "image_url": inline(HELD), "mask": "paint"}
    params = {"name": "generate", "arguments": arguments}
    asked = (await edits.client.modern("tools/call", params, **URLS)).result
    question = asked["inputRequests"]["mask"]["params"]
    assert question["message"].startswith("Paint over the part of the picture that is to change, by a page of Easel")
    async with aiohttp.ClientSession() as session, session.get(f"{question['url']}/picture") as answer:
        assert answer.status == 200, "the page shows the picture though the call has ended"
    await paint(question["url"])
    answers = {"inputResponses": {"mask": {"action": "accept"}}}
    text_of((await edits.client.modern("tools/call", params | answers, **URLS)).result)
    assert edits.openai.charges["a red sky"] == 1


async def test_a_gemini_gets_the_region_marked_and_words(serve: Serve) -> None:
    async with (
        flow2api.running() as flow,
        serve(FLOW2API_BASE_URL=flow.url, FLOW2API_API_KEY=flow.key) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        call = {"prompt": "a red sky", "image_url": inline(encoded(WIDE)), "mask": inline(encoded(REGION))}
        text_of(await client.call("generate", call))
        asked = flow.requests[-1].json
    said = prompt(asked)
    assert said.startswith("a red sky")
    assert "on which a region is marked in" in said
    urls = [each["url"] for each in flow2api_requests.references(asked) if isinstance(each, dict)]
    pictures = [flow2api_requests.data_of(each) for each in urls]
    first, marked = [opened(each[1]).convert("RGB") for each in pictures if each is not None]
    assert first.tobytes() == WIDE.tobytes()
    assert difference(marked.crop((2, 2, 18, 18)), WIDE.crop((2, 2, 18, 18))) > 40
    assert difference(marked.crop((30, 0, 80, 40)), WIDE.crop((30, 0, 80, 40))) < 4


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    async with browser() as open_tab, open_tab() as tab:
        yield tab


async def test_what_is_painted_in_a_browser_is_what_the_service_may_change(edits: Edits, tmp_path: Path) -> None:
    """The whole way, once: the link of the answer, a real page, a stroke of the mouse, and the call that goes on."""
    board = Image.new("RGB", (600, 300), "teal")
    ImageDraw.Draw(board).ellipse((400, 100, 500, 200), fill="orange")
    call = {"image_url": inline(encoded(board)), "mask": "paint"}
    url = (await edits.generate(**call))["structuredContent"]["upload_url"]
    async with chromium() as tab:
        await tab.screen(1000, 700)
        await tab.open(url)
        await tab.until("document.querySelector('.painter-said')?.textContent")
        x, y, width, height = await tab.run(
            "(({x, y, width, height}) => [x, y, width, height])"
            "(document.querySelector('.painter-sheet').getBoundingClientRect())"
        )
        for step in range(21):
            at = {"x": x + width * (400 + 5 * step) / 600, "y": y + height / 2, "button": "left", "buttons": 1}
            kind = "mouseMoved" if step else "mousePressed"
            await tab.send("Input.dispatchMouseEvent", type=kind, clickCount=1, **at)
        await tab.send("Input.dispatchMouseEvent", type="mouseReleased", clickCount=1, **at | {"buttons": 0})
        await tab.until("!document.getElementById('send').disabled")
        await tab.screenshot(tmp_path / "painted.png")
        await tab.click("send")
        await tab.until("document.title === 'Sent'")
        assert tab.errors == []
    text_of(await edits.generate(**call))
    picture, mask = edits.sent
    assert picture.size == mask.size == (600, 300)
    brush = 44 / width * 600 / 2
    box = changes(edits.openai.requests[-1].files[-1].data)
    assert box == pytest.approx((400 - brush, 150 - brush, 500 + brush, 150 + brush), abs=3)
    alpha = mask.getchannel("A")
    assert [alpha.getpixel(each) for each in ((350, 150), (450, 150), (450, 90))] == [255, 0, 255]
