"""Shapes, resolutions and references on a Flow2API server, of whatever version: what is asked for is what comes."""

import base64
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import aiohttp
import pytest
from PIL import Image

from service.images import ImageRequest, Reference, WorkError
from service.settings import Endpoint, Timeouts
from service.upstreams.flow2api import Flow2ApiUpstream
from tests.emulators import pictures
from tests.emulators.flow2api import Flow2Api, running
from tests.emulators.flow2api_models import BEFORE_ALIASES
from tests.upstreams import made

MODEL = "gemini-3.1-flash-image-square"
LIMIT = 10_000_000
QUICK = Timeouts(appear_s=0.1)


async def untold(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """A progress that nobody hears."""


@pytest.fixture
async def flow2api() -> AsyncIterator[Flow2Api]:
    async with running() as emulator:
        yield emulator


async def drawn_as(emulator: Flow2Api, request: ImageRequest) -> tuple[int, int]:
    """Generate, and return the pixels of what came."""
    async with aiohttp.ClientSession() as session:
        upstream = Flow2ApiUpstream(
            session, Endpoint(url=emulator.url, key=emulator.key), max_file_bytes=LIMIT, timeouts=QUICK
        )
        (picture,) = made.drawn(await upstream.generate(request, untold))
    return Image.open(io.BytesIO(picture.data)).size


def shaped(ratio: str | None, resolution: str | None = None, model: str = "gemini-3.1-flash-image") -> ImageRequest:
    return ImageRequest(model=model, prompt="a", aspect_ratio=ratio, resolution=resolution)


@pytest.mark.parametrize("lists", [True, False], ids=["full id", "parameters"])
@pytest.mark.parametrize(
    ("ratio", "resolution", "pixels"),
    [(None, None, (1376, 768)), ("1:1", None, (1024, 1024)), ("3:4", "2K", (1792, 2400)), ("9:16", "1K", (768, 1376))],
)
async def test_the_picture_has_the_shape_that_was_asked_for_whatever_the_server_tells_of_itself(
    flow2api: Flow2Api, lists: bool, ratio: str | None, resolution: str | None, pixels: tuple[int, int]
) -> None:
    """Spec Flow2API, model_resolver.py; ours: a list that fails does not stop a generation."""
    flow2api.lists = lists
    assert await drawn_as(flow2api, shaped(ratio, resolution)) == pixels
    assert len(flow2api.requests) == 1
    named = str(flow2api.requests[0].json["model"]) != "gemini-3.1-flash-image"
    assert named == (lists and ratio is not None)


@pytest.mark.parametrize("lists", [True, False], ids=["listed", "guessed"])
async def test_an_older_server_is_asked_by_full_ids(flow2api: Flow2Api, lists: bool) -> None:
    """Spec Flow2API, model_resolver.py: no generic names before 2026-03-14; what is unknown is not charged."""
    flow2api.catalog, flow2api.lists = BEFORE_ALIASES, lists
    assert await drawn_as(flow2api, shaped("9:16", "2K")) == (1536, 2752)
    assert await drawn_as(flow2api, shaped(None)) == (1376, 768)
    assert flow2api.drawn == 2
    assert len(flow2api.requests) == (2 if lists else 4)


async def test_a_list_that_has_become_wrong_is_asked_for_again(flow2api: Flow2Api) -> None:
    """Ours: a server is updated while we run, and the person notices nothing."""
    async with aiohttp.ClientSession() as session:
        upstream = Flow2ApiUpstream(
            session, Endpoint(url=flow2api.url, key=flow2api.key), max_file_bytes=LIMIT, timeouts=QUICK
        )
        await upstream.generate(shaped(None), untold)
        flow2api.catalog = BEFORE_ALIASES
        await upstream.generate(shaped(None), untold)
    assert [request.json["model"] for request in flow2api.requests] == [
        "gemini-3.1-flash-image",
        "gemini-3.1-flash-image",
        "gemini-3.1-flash-image-landscape",
    ]
    assert flow2api.listed == 2


async def test_a_list_that_hangs_does_not_hold_up_a_full_id(flow2api: Flow2Api) -> None:
    flow2api.lists = None
    assert await drawn_as(flow2api, shaped(None, model=MODEL)) == (1024, 1024)
    assert flow2api.listed == 0
    flow2api.go_on.set()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(shaped("16:9", model=MODEL), id="conflict with a full id"),
        pytest.param(shaped("1:1", model="imagen-4.0-generate-preview"), id="imagen draws no square"),
        pytest.param(shaped(None, "2K", model="imagen-4.0-generate-preview"), id="imagen has no sizes"),
    ],
)
async def test_what_would_be_ignored_is_refused_before_anything_is_sent(
    flow2api: Flow2Api, request_: ImageRequest
) -> None:
    """Spec Flow2API, model_resolver.py: it would draw a landscape, and it would be paid for."""
    with pytest.raises(WorkError):
        await drawn_as(flow2api, request_)
    assert flow2api.requests == []


async def test_references_are_parts_in_the_object_form(flow2api: Flow2Api) -> None:
    """Spec Flow2API, routes.py: bytes as data URI, an address as it is; a plain string would answer 500."""
    data = pictures.large_jpeg()
    references = (Reference(data=data, media_type="image/jpeg"), Reference(url="https://pics.example/second.jpg"))
    await drawn_as(flow2api, replace(shaped("1:1"), references=references))
    (request,) = flow2api.requests
    digits = base64.b64encode(data).decode()
    assert request.json["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{digits}"}},
                {"type": "image_url", "image_url": {"url": "https://pics.example/second.jpg"}},
            ],
        }
    ]


async def test_it_offers_its_image_models_and_generic_names(flow2api: Flow2Api) -> None:
    async with aiohttp.ClientSession() as session:
        upstream = Flow2ApiUpstream(
            session, Endpoint(url=flow2api.url, key=flow2api.key), max_file_bytes=LIMIT, timeouts=QUICK
        )
        offers = await upstream.offers()
    assert (len(offers.images), len(offers.others), offers.complete) == (35, 1, True)
