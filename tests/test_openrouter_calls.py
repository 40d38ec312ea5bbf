"""OpenRouter on its whole way: from a call of a client to the emulator, and back to picture and history."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Serve
from tests.emulators import openai_images, openrouter
from tests.emulators.openrouter import COST, OpenRouter
from tests.pictures.samples import encoded, photo
from tests.wire import WireClient, wire_client

MODEL = "openrouter/openai/gpt-image-2"
FLASH = "openrouter/google/gemini-3.1-flash-image"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A client, and OpenRouter behind Easel."""

    client: WireClient
    router: OpenRouter

    async def generate(self, **arguments: Any) -> dict[str, Any]:
        return await self.client.call("generate", {"prompt": "a fox", "model": MODEL} | arguments)


def inline(picture: Image.Image, kind: str = "PNG") -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded(picture, kind)).decode()}"


@pytest.fixture
async def drawing(serve: Serve) -> AsyncIterator[Drawing]:
    async with (
        openrouter.running() as router,
        serve(OPENROUTER_BASE_URL=router.url, OPENROUTER_API_KEY=router.key) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        yield Drawing(client=client, router=router)


async def test_two_services_draw_with_a_model_of_one_maker(serve: Serve) -> None:
    """Ours: an id that begins with `openrouter/` is one of OpenRouter; the maker's own API keeps its own."""
    async with openai_images.running() as openai, openrouter.running() as router:
        own = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
        async with (
            serve(**own, OPENROUTER_BASE_URL=router.url, OPENROUTER_API_KEY=router.key) as easel,
            wire_client(easel.mcp_url) as client,
        ):
            for model in ("gpt-image-2", MODEL):
                made = await client.call("generate", {"prompt": "a fox", "model": model})
                assert made["structuredContent"]["model"] == model
        assert (openai.charges.total(), router.charges.total()) == (1, 1)


async def test_references_and_a_marked_region_arrive_with_the_prompt(drawing: Drawing) -> None:
    """Ours: an AVIF is converted, since no maker reads it; a mask is shown on a copy of the first reference."""
    region = Image.new("L", (80, 40))
    region.paste(255, (0, 0, 40, 40))
    made = await drawing.generate(model=FLASH, image_url=inline(photo(80, 40), "AVIF"), mask=inline(region))
    assert "isError" not in made
    [request] = drawing.router.requests
    urls = [each["image_url"]["url"] for each in request.body["input_references"]]
    assert len(urls) == 2
    assert not any(url.startswith("data:image/avif") for url in urls)
    assert request.prompt.startswith("a fox\n\nThe last picture is a copy of the first one")


async def test_a_refusal_is_told_with_its_reasons_and_kept(drawing: Drawing) -> None:
    refused = await drawing.generate(prompt="a fox [moderation]")
    shown = await drawing.client.call("history", {"history_id": 1})
    for result in (refused, shown):
        assert "“Input was flagged; violence”" in result["content"][0]["text"]
    assert (len(drawing.router.requests), drawing.router.charges.total()) == (1, 0)


async def test_a_rate_that_passes_is_waited_for_and_paid_once(drawing: Drawing) -> None:
    """Spec openrouter.ai/docs, Errors: 429 costs nothing; `Retry-After` says how long."""
    made = await drawing.generate(prompt="a fox [rate-once]")
    assert "isError" not in made
    assert len(drawing.router.requests) == 2
    assert drawing.router.charges == {"a fox [rate-once]": 1}


@pytest.mark.parametrize("scenario", ["drop-mid-stream", "submit-dropped", "truncated"])
async def test_a_lost_answer_is_told_and_not_paid_again(drawing: Drawing, scenario: str) -> None:
    """Ours: the picture may be drawn, so that the person is asked first."""
    lost = await drawing.generate(prompt=f"a fox [{scenario}]")
    assert lost["isError"]
    assert "it may have been charged" in lost["content"][0]["text"]
    assert drawing.router.charges == {f"a fox [{scenario}]": 1}


async def test_the_cost_that_openrouter_tells_is_shown_and_kept(drawing: Drawing) -> None:
    """Spec openrouter.ai/docs, Usage Accounting: in USD; each of two requests tells its own."""
    made = await drawing.generate(count=2)
    shown = await drawing.client.call("history", {"history_id": 1})
    assert made["structuredContent"]["usage"]["cost"] == pytest.approx(2 * COST)
    assert made["structuredContent"]["usage"]["estimated"] is False
    assert shown["structuredContent"]["entries"][0]["usage"] == made["structuredContent"]["usage"]


async def test_no_credits_are_told_to_whoever_runs_it(drawing: Drawing) -> None:
    refused = await drawing.generate(prompt="a fox [credits]")
    assert "quota or balance of this server at OpenRouter is used up" in refused["content"][0]["text"]


async def test_no_word_of_the_service_gives_the_key_away(serve: Serve, tmp_path: Any) -> None:
    """Ours: neither the result nor the history; a model of the chat route says what it likes."""
    model = f"openrouter/{openrouter.CHAT_MODELS[0]}"
    models = {"models": [{"id": model, "upstream": "openrouter"}], "default_model": model}
    (tmp_path / "models.json").write_text(json.dumps(models))
    async with openrouter.running() as router:
        settings = {"OPENROUTER_BASE_URL": router.url, "OPENROUTER_API_KEY": router.key}
        async with (
            serve(**settings, EASEL_MODELS_FILE=str(tmp_path / "models.json")) as easel,
            wire_client(easel.mcp_url) as client,
        ):
            failed = await client.call("generate", {"prompt": "a fox [echo]"})
            shown = await client.call("history", {"history_id": 1})
        said = json.dumps([failed, shown])
        assert "I draw nothing" in said
        assert router.key not in said
