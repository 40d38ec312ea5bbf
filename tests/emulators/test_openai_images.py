"""Tests of tests/emulators/openai_images.py: it refuses what the Images API refuses, in its words."""

import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from PIL import Image

from tests.emulators import pictures
from tests.emulators.openai_images import OpenAiImages, running

GPT = "gpt-image-1.5"
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = pictures.png(1, (64, 32))


@pytest.fixture
async def openai() -> AsyncIterator[OpenAiImages]:
    async with running() as emulator:
        yield emulator


async def post(
    emulator: OpenAiImages, path: str, *, json: object = None, form: aiohttp.FormData | None = None, key: str = ""
) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {key or emulator.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{emulator.url}/v1/images/{path}", json=json, data=form) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        pytest.param({"model": GPT, "response_format": "b64_json"}, 400, "unknown_parameter", id="response-format"),
        pytest.param({"model": "dall-e-3", "background": "opaque"}, 400, "unknown_parameter", id="dall-e-background"),
        pytest.param({"model": GPT, "size": "512x512"}, 400, "invalid_value", id="size"),
        pytest.param({"model": "gpt-image-2", "size": "1000x1000"}, 400, "invalid_value", id="free-size"),
        pytest.param({"model": "gpt-image-2", "quality": "max"}, 400, "invalid_value", id="quality"),
        pytest.param({"model": "dall-e-3", "n": 2}, 400, "invalid_value", id="n"),
        pytest.param({"model": GPT, "partial_images": 2}, 400, "partial_images needs stream", id="partials-alone"),
        pytest.param({"model": "gpt-image-1"}, 404, "model_not_found", id="shut-down"),
        pytest.param({"model": GPT, "prompt": " "}, 400, "missing_required_parameter", id="no-prompt"),
        pytest.param({"model": "gpt-image-2", "size": "3840x2160"}, 200, "b64_json", id="large"),
        pytest.param({"model": "dall-e-2"}, 200, "/files/1.png", id="url"),
        pytest.param({"model": GPT, "stream": True}, 200, "event: image_generation.completed", id="stream"),
    ],
)
async def test_values_are_checked_per_model(
    openai: OpenAiImages, fields: dict[str, object], status: int, words: str
) -> None:
    """Spec OpenAI API reference, Create image."""
    got, text = await post(openai, "generations", json={"prompt": "a", **fields})
    assert got == status
    assert words in text


@pytest.mark.parametrize(
    ("names", "content_type", "status"),
    [
        (["image"], "image/png", 200),
        (["image[]", "image[]"], "image/jpeg", 200),
        (["image", "image"], "image/png", 400),
        (["image"], "text/plain", 400),
        ([], "image/png", 400),
    ],
)
async def test_files_of_an_edit_are_checked(
    openai: OpenAiImages, names: list[str], content_type: str, status: int
) -> None:
    """Spec OpenAI API reference, Create image edit."""
    form = aiohttp.FormData({"model": GPT, "prompt": "a"})
    form.add_field("size", "1024x1024", content_type="text/plain")
    for name in names:
        form.add_field(name, PNG, filename="x.png", content_type=content_type)
    assert (await post(openai, "edits", form=form))[0] == status


def picture(mode: str, size: tuple[int, int] = (64, 32), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mask", "content_type", "words"),
    [
        pytest.param(picture("RGBA"), "image/png", "b64_json", id="as it should be"),
        pytest.param(picture("LA"), "image/png", "b64_json", id="grey with alpha"),
        pytest.param(picture("RGB"), "image/png", "missing alpha channel", id="without alpha"),
        pytest.param(picture("RGBA", (32, 64)), "image/png", "must be the same size", id="another size"),
        pytest.param(picture("RGBA", kind="WEBP"), "image/webp", "a single PNG", id="another type"),
        pytest.param(picture("RGBA") + bytes(4_000_000), "image/png", "less than 4MB", id="too large"),
    ],
)
async def test_the_mask_of_an_edit_is_checked(openai: OpenAiImages, mask: bytes, content_type: str, words: str) -> None:
    """Spec OpenAI API reference, Create image edit: a PNG under 4 MB, of the size of the first image, with alpha."""
    form = aiohttp.FormData({"model": GPT, "prompt": "a"})
    form.add_field("image", PICTURE, filename="x.png", content_type="image/png")
    form.add_field("mask", io.BytesIO(mask), filename="mask.png", content_type=content_type)
    status, text = await post(openai, "edits", form=form)
    assert words in text
    assert status == (200 if words == "b64_json" else 400)


async def test_a_mask_has_the_format_of_its_picture(openai: OpenAiImages) -> None:
    """Spec OpenAI image generation guide, Mask requirements: the same format and size."""
    form = aiohttp.FormData({"model": GPT, "prompt": "a"})
    form.add_field("image", picture("RGB", kind="JPEG"), filename="x.jpg", content_type="image/jpeg")
    form.add_field("mask", picture("RGBA"), filename="mask.png", content_type="image/png")
    status, text = await post(openai, "edits", form=form)
    assert (status, "the same format" in text) == (400, True)


async def test_a_wrong_key_is_refused(openai: OpenAiImages) -> None:
    status, text = await post(openai, "generations", json={"model": GPT, "prompt": "a"}, key="sk-x")
    assert (status, "invalid_api_key" in text, openai.drawn) == (401, True, 0)
