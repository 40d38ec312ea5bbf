"""Tests of service/upstreams/openrouter.py, against the emulator."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from service.images import ImageRequest, Picture, Reference, Usage
from service.settings import Endpoint, Timeouts
from service.upstreams.errors import UpstreamError
from service.upstreams.openrouter import OpenRouterUpstream, own_id
from tests.emulators import pictures
from tests.emulators.openrouter import CHAT_MODELS, COST, IMAGE_MODELS, OpenRouter, running
from tests.upstreams.made import drawn

LIMIT = 10_000_000
MODEL = f"openrouter/{IMAGE_MODELS[0]}"
STREAMS = f"openrouter/{IMAGE_MODELS[1]}"
BY_CHAT = f"openrouter/{CHAT_MODELS[0]}"
TOLD = Usage(cost=COST, input_tokens=11, output_tokens=1290)


async def silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None: ...


@pytest.fixture
async def openrouter() -> AsyncIterator[OpenRouter]:
    async with running() as emulator:
        yield emulator


@asynccontextmanager
async def upstream(emulator: OpenRouter, key: str | None = None) -> AsyncIterator[OpenRouterUpstream]:
    endpoint = Endpoint(url=emulator.url, key=emulator.key if key is None else key)
    async with aiohttp.ClientSession() as session:
        yield OpenRouterUpstream(session, endpoint, max_file_bytes=LIMIT, timeouts=Timeouts(linger_s=0.05))


async def generate(emulator: OpenRouter, prompt: str = "a boat", model: str = MODEL, **fields: object) -> list[Picture]:
    request = ImageRequest(model=model, prompt=prompt, **fields)  # type: ignore[arg-type]  # a table's fields
    async with upstream(emulator) as opened:
        return drawn(await opened.generate(request, silent))


@pytest.mark.parametrize("scenario", ["", "not-streaming"])
@pytest.mark.parametrize("model", [MODEL, STREAMS, BY_CHAT], ids=["images", "streamed", "chat"])
async def test_a_picture_comes_with_its_cost(openrouter: OpenRouter, model: str, scenario: str) -> None:
    """Spec openrouter.ai/docs, Usage Accounting: `usage.cost`, in USD."""
    (picture,) = await generate(openrouter, f"a boat [{scenario}]", model)
    assert (picture.data, picture.usage) == (pictures.png(1, (64, 64)), TOLD)


@pytest.mark.parametrize("scenario", ["no-usage", "nonsense-usage"])
async def test_a_cost_that_cannot_be_is_none(openrouter: OpenRouter, scenario: str) -> None:
    (picture,) = await generate(openrouter, f"a boat [{scenario}]")
    assert picture.usage is None


async def test_the_image_api_gets_its_own_words(openrouter: OpenRouter) -> None:
    """Spec @openrouter/sdk, ImageGenerationRequest. References keep their order, as data URIs or URLs."""
    kept = Reference(data=pictures.png(3, (8, 8)), media_type="image/png")
    far = Reference(url="https://pics.example/1.png")
    await generate(openrouter, aspect_ratio="16:9", resolution="2K", seed=5, references=(kept, far))
    (asked,) = openrouter.requests
    references = asked.body.pop("input_references")
    assert asked.path == "/api/v1/images"
    assert asked.body == {
        "model": IMAGE_MODELS[0],
        "prompt": "a boat",
        "stream": True,
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "seed": 5,
    }
    assert references[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert references[1] == {"type": "image_url", "image_url": {"url": "https://pics.example/1.png"}}


async def test_several_pictures_are_asked_for_at_once(openrouter: OpenRouter) -> None:
    assert [each.usage for each in await generate(openrouter, model=STREAMS, count=3)] == [TOLD, None, None]
    assert len(await generate(openrouter, "a boat [fewer]", STREAMS, count=3)) == 2
    assert (openrouter.requests[0].body["n"], "stream" in openrouter.requests[0].body) == (3, False)


async def test_a_model_of_the_chat_route_is_asked_there_at_once_from_then_on(openrouter: OpenRouter) -> None:
    """Ours: the refusal of the Image API costs nothing, and is not asked for twice."""
    async with upstream(openrouter) as opened:
        for _ in range(2):
            drawn(await opened.generate(ImageRequest(model=BY_CHAT, prompt="a boat", aspect_ratio="1:1"), silent))
    assert [each.path.rpartition("v1/")[2] for each in openrouter.requests] == ["images", *["chat/completions"] * 2]
    assert openrouter.requests[1].body["image_config"] == {"aspect_ratio": "1:1"}
    assert openrouter.charges == {"a boat": 2}


@pytest.mark.parametrize("model", [STREAMS, BY_CHAT], ids=["images", "chat"])
@pytest.mark.parametrize(
    ("scenario", "kind", "charged"),
    [
        ("moderation", "policy", False),
        ("maker-error", "policy", False),
        ("credits", "quota", False),
        ("rate", "rate", False),
        ("no-provider", "unavailable", False),
        ("overloaded", "unavailable", False),
        ("timeout", "lost", True),
        ("error-in-200", "transient", False),
        ("error-mid-stream", "transient", False),
        ("drop-mid-stream", "lost", True),
        ("truncated", "lost", True),
        ("words", "no_image", True),
        ("submit-dropped", "lost", True),
    ],
)
async def test_failures_have_their_kind(
    openrouter: OpenRouter, model: str, scenario: str, kind: str, charged: bool
) -> None:
    """Spec openrouter.ai/docs, Errors: a number as code, reasons in `metadata`, also inside HTTP 200."""
    with pytest.raises(UpstreamError) as caught:
        await generate(openrouter, f"a boat [{scenario}]", model)
    assert (caught.value.kind, caught.value.may_be_charged) == (kind, charged)
    if scenario == "rate":
        assert caught.value.retry_after_s == 7


async def test_a_partial_picture_is_never_the_result(openrouter: OpenRouter) -> None:
    with pytest.raises(UpstreamError, match="ended before the picture was complete"):
        await generate(openrouter, "a boat [end-mid-stream]", STREAMS)


@pytest.mark.parametrize(
    ("scenario", "words"), [("moderation", "Input was flagged; violence"), ("maker-error", "rejected by the safety")]
)
async def test_the_reasons_of_a_maker_are_quoted(openrouter: OpenRouter, scenario: str, words: str) -> None:
    """Bug: all that was told is "Provider returned error"."""
    with pytest.raises(UpstreamError, match=words):
        await generate(openrouter, f"a boat [{scenario}]")


async def test_a_request_that_hangs_is_given_up_and_may_be_charged(openrouter: OpenRouter) -> None:
    request = ImageRequest(model=STREAMS, prompt="a boat [slow]")
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=openrouter.url, key=openrouter.key)
        opened = OpenRouterUpstream(session, endpoint, max_file_bytes=LIMIT, timeouts=Timeouts(silence_s=0.1))
        with pytest.raises(UpstreamError) as caught:
            await opened.generate(request, silent)
    assert (caught.value.kind, caught.value.may_be_charged, caught.value.retries) == ("lost", True, 0)


async def test_words_in_place_of_a_picture_are_quoted(openrouter: OpenRouter) -> None:
    with pytest.raises(UpstreamError, match="Here it is"):
        await generate(openrouter, "a boat [words]", BY_CHAT)


async def test_a_model_that_is_nowhere_is_said_to_be(openrouter: OpenRouter) -> None:
    with pytest.raises(UpstreamError) as caught:
        await generate(openrouter, model="openrouter/acme/nothing")
    assert (caught.value.kind, openrouter.charges.total()) == ("model", 0)


async def test_the_offers_are_the_models_that_draw_by_their_ids_here(openrouter: OpenRouter) -> None:
    async with upstream(openrouter) as opened:
        offers = await opened.offers()
    assert offers.images == tuple(f"openrouter/{each}" for each in (*IMAGE_MODELS, *CHAT_MODELS))


async def test_a_wrong_key_is_found_though_the_list_is_public(openrouter: OpenRouter) -> None:
    """Ours: `doctor` would find all well otherwise."""
    async with upstream(openrouter, key="wrong") as opened:
        with pytest.raises(UpstreamError) as caught:
            await opened.offers()
    assert caught.value.kind == "auth"


@pytest.mark.parametrize(
    ("written", "own"),
    [("openrouter/google/x", "google/x"), ("openrouter/auto", "openrouter/auto"), ("google/x", "google/x")],
)
def test_the_prefix_is_ours_alone(written: str, own: str) -> None:
    assert own_id(written) == own
