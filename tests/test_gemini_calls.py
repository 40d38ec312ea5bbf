"""Google's Gemini API on its whole way: from a call of a client to the emulator, and back to picture and history."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Serve
from tests.emulators import flow2api, gemini
from tests.emulators.gemini import Gemini
from tests.pictures.samples import encoded, opened, photo
from tests.wire import WireClient, wire_client

FLASH = "gemini/gemini-3.1-flash-image"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A client, and the Gemini API behind Easel."""

    client: WireClient
    gemini: Gemini

    async def generate(self, **arguments: Any) -> dict[str, Any]:
        return await self.client.call("generate", {"prompt": "a fox", "model": FLASH} | arguments)

    async def refused(self, **arguments: Any) -> str:
        """The words to a call that must not reach the service."""
        result = await self.generate(**arguments)
        assert result["isError"]
        assert not self.gemini.requests
        text: str = result["content"][0]["text"]
        return text


@pytest.fixture
async def drawing(serve: Serve) -> AsyncIterator[Drawing]:
    async with (
        gemini.running() as api,
        serve(GEMINI_BASE_URL=api.url, GEMINI_API_KEY=api.key) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        yield Drawing(client=client, gemini=api)


def inline(picture: Image.Image, kind: str = "PNG") -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded(picture, kind)).decode()}"


async def picture_of(drawing: Drawing, made: dict[str, Any]) -> Image.Image:
    [image] = made["structuredContent"]["images"]
    async with drawing.client.session.get(image["url"]) as answer:
        return opened(await answer.read())


async def test_two_services_draw_with_models_of_one_name(serve: Serve) -> None:
    """Ours: an id that begins with `gemini/` is one of the Gemini API; Flow2API keeps its own."""
    async with flow2api.running() as flow, gemini.running() as api:
        own = {"FLOW2API_BASE_URL": flow.url, "FLOW2API_API_KEY": flow.key}
        async with (
            serve(**own, GEMINI_BASE_URL=api.url, GEMINI_API_KEY=api.key) as easel,
            wire_client(easel.mcp_url) as client,
        ):
            for model in ("gemini-3.1-flash-image", FLASH):
                made = await client.call("generate", {"prompt": "a fox", "model": model})
                assert made["structuredContent"]["model"] == model
        assert (sum(flow.charges.values()), sum(api.charges.values())) == (1, 1)


async def test_a_shape_that_only_this_service_has_is_drawn(drawing: Drawing) -> None:
    made = await drawing.generate(aspect_ratio="8:1", resolution="512")
    picture = await picture_of(drawing, made)
    assert 7 < picture.width / picture.height < 9
    assert drawing.gemini.requests[0].config["imageConfig"] == {"aspectRatio": "8:1", "imageSize": "512"}
    assert made["structuredContent"]["parameters"] == {"aspect_ratio": "8:1", "resolution": "512"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "gemini/gemini-3.1-flash-lite-image", "resolution": "4K"},
        {"model": "gemini/gemini-3-pro-image", "aspect_ratio": "8:1"},
        {"model": "gemini/gemini-3-pro-image", "resolution": "512"},
        {"image_url": [f"https://pictures.example/{number}.png" for number in range(15)]},
    ],
)
async def test_what_a_model_does_not_take_is_refused_before_it_is_asked(
    drawing: Drawing, arguments: dict[str, Any]
) -> None:
    """Ours: the table of models says it; the service would refuse as well."""
    [wrong] = arguments.keys() - {"model"}
    assert wrong in await drawing.refused(**arguments)


async def test_references_arrive_in_types_that_gemini_reads(drawing: Drawing) -> None:
    """Spec Gemini API: PNG, JPEG, WebP, HEIC and HEIF; an AVIF and a GIF are converted."""
    wide = photo(80, 40)
    urls = [inline(wide, kind) for kind in ("AVIF", "GIF", "WEBP", "PNG")]
    made = await drawing.generate(image_url=urls)
    assert "isError" not in made
    [request] = drawing.gemini.requests
    kinds = [kind for kind, _ in request.pictures]
    assert kinds[2:] == ["image/webp", "image/png"]
    assert not {"image/avif", "image/gif"} & set(kinds)
    assert {opened(data).size for _, data in request.pictures} == {(80, 40)}


async def test_an_earlier_picture_is_gone_on_from_with_a_marked_region(drawing: Drawing) -> None:
    """Ours: the API takes no mask, so that the last picture is a marked copy of the first, and the prompt says so."""
    await drawing.generate()
    region = Image.new("L", (64, 64))
    region.paste(255, (0, 0, 32, 64))
    made = await drawing.generate(prompt="a hat", history_id=1, mask=inline(region))
    assert made["structuredContent"]["parents"] == [{"history_id": 1, "picture": 1}]
    request = drawing.gemini.requests[-1]
    assert len(request.pictures) == 2
    assert request.prompt.startswith("a hat\n\nThe last picture is a copy of the first one")


async def test_thoughts_are_heard_as_progress(drawing: Drawing) -> None:
    heard = await drawing.client.modern(
        "tools/call", {"name": "generate", "arguments": {"prompt": "a fox", "model": FLASH}}, progressToken="p"
    )
    steps = [each["params"] for each in heard.notifications if each["method"] == "notifications/progress"]
    told = " ".join(step["message"] for step in steps)
    assert "The model is thinking: Weighing the light" in told or "The model has drawn a draft" in told
    assert [step["progress"] for step in steps] == sorted(step["progress"] for step in steps)


async def test_a_refusal_is_told_with_googles_words_and_kept(drawing: Drawing) -> None:
    refused = await drawing.generate(prompt="a fox [image-safety]")
    shown = await drawing.client.call("history", {"history_id": 1})
    assert refused["isError"]
    for result in (refused, shown):
        text = result["content"][0]["text"]
        assert "refused this prompt or its result under its content policy. (finishReason IMAGE_SAFETY.)" in text
        assert "“Unable to show the generated image." in text
    assert len(drawing.gemini.requests) == 1


async def test_a_rate_that_passes_is_waited_for_and_paid_once(drawing: Drawing) -> None:
    """Spec Gemini API, error codes: 429 RESOURCE_EXHAUSTED of a minute costs nothing; `retryDelay` says how long."""
    made = await drawing.generate(prompt="a fox [rate-once]")
    assert "isError" not in made
    assert len(drawing.gemini.requests) == 2
    assert dict(drawing.gemini.charges) == {"a fox [rate-once]": 1}


async def test_no_word_of_the_service_gives_the_key_away(drawing: Drawing) -> None:
    """Ours: neither the result, nor its progress, nor the history."""
    heard = await drawing.client.modern(
        "tools/call",
        {"name": "generate", "arguments": {"prompt": "a fox [echo]", "model": FLASH}},
        progressToken="p",
    )
    shown = await drawing.client.call("history", {"history_id": 1})
    said = json.dumps([heard.result, heard.notifications, shown])
    assert "I draw nothing" in said
    assert drawing.gemini.key not in said


async def test_a_lost_answer_is_told_and_not_paid_again(drawing: Drawing) -> None:
    """Ours: the picture may be drawn, so that the person is asked first."""
    lost = await drawing.generate(prompt="a fox [drop-mid-stream]")
    assert lost["isError"]
    assert "it may have been charged" in lost["content"][0]["text"]
    assert dict(drawing.gemini.charges) == {"a fox [drop-mid-stream]": 1}
