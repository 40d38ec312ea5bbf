"""Tests of tests/emulators/gemini.py: it refuses what the Gemini API refuses, in its words."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.emulators import pictures
from tests.emulators.gemini import Gemini, running

FLASH = "gemini-3.1-flash-image"
PICTURE = base64.b64encode(pictures.png(1, (64, 32))).decode()


@pytest.fixture
async def gemini() -> AsyncIterator[Gemini]:
    async with running() as emulator:
        yield emulator


def asked(*parts: object, **config: object) -> dict[str, object]:
    return {"contents": [{"parts": [{"text": "a"}, *parts]}], "generationConfig": config}


def blob(mime: str = "image/png", data: str = PICTURE) -> dict[str, object]:
    return {"inlineData": {"mimeType": mime, "data": data}}


async def post(
    emulator: Gemini, body: object, *, model: str = FLASH, method: str = "generateContent", key: str | None = None
) -> tuple[int, str]:
    headers = {"x-goog-api-key": emulator.key if key is None else key}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{emulator.url}/v1beta/models/{model}:{method}", json=body) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({}, "contents is not specified", id="nothing"),
        pytest.param({"contents": [{"parts": []}]}, "contents.parts must not be empty", id="no-parts"),
        pytest.param(asked(size="1K"), "Unknown name \\\"size\\\" at 'generation_config'", id="unknown-name"),
        pytest.param(asked(imageConfig={"count": 2}), "at 'generation_config.image_config'", id="unknown-within"),
        pytest.param(asked(imageConfig={"aspectRatio": "7:3"}), "aspect_ratio must be one of", id="shape"),
        pytest.param(asked(imageConfig={"imageSize": "512px"}), "image_size must be one of", id="size"),
        pytest.param(asked(responseModalities=["AUDIO"]), "response_modalities", id="modality"),
        pytest.param(asked(candidateCount=2), "Multiple candidates", id="candidates"),
        pytest.param(asked(blob("image/gif")), "Unsupported MIME type: image/gif", id="type"),
        pytest.param(asked(blob(data="###")), "Base64 decoding failed", id="base64"),
        pytest.param(asked(blob(data="AAAA")), "Unable to process input image", id="no-picture"),
        pytest.param(asked(*[blob()] * 15), "up to 14", id="too-many"),
    ],
)
async def test_a_wrong_value_is_refused(gemini: Gemini, body: object, words: str) -> None:
    """Spec Gemini API reference, generateContent."""
    status, text = await post(gemini, body)
    assert (status, json.loads(text)["error"]["status"], gemini.drawn) == (400, "INVALID_ARGUMENT", 0)
    assert words in text


@pytest.mark.parametrize(
    ("key", "status", "words"), [("wrong", 400, "API_KEY_INVALID"), ("", 403, "unregistered callers")]
)
async def test_a_wrong_key_is_refused(gemini: Gemini, key: str, status: int, words: str) -> None:
    got, text = await post(gemini, asked(), key=key)
    assert (got, words in text, gemini.requests) == (status, True, [])


async def test_a_model_that_does_not_draw_is_refused(gemini: Gemini) -> None:
    status, text = await post(gemini, asked(), model="gemini-3.5-flash")
    assert (status, json.loads(text)["error"]["status"]) == (404, "NOT_FOUND")


async def test_names_of_protocol_buffers_are_taken(gemini: Gemini) -> None:
    """Spec ProtoJSON: both spellings of a name."""
    part = {"inline_data": {"mime_type": "image/png", "data": PICTURE}}
    config = {"image_config": {"aspect_ratio": "16:9", "image_size": "512"}}
    status, _ = await post(gemini, {"contents": [{"parts": [{"text": "a"}, part]}], "generation_config": config})
    assert (status, gemini.requests[0].shape, len(gemini.requests[0].pictures)) == (200, ("16:9", "512"), 1)


@pytest.mark.parametrize("thinks", [False, True])
async def test_thoughts_come_where_they_are_asked_for(gemini: Gemini, thinks: bool) -> None:
    """Spec Gemini API, ThinkingConfig."""
    status, text = await post(gemini, asked(thinkingConfig={"includeThoughts": thinks}))
    parts: list[dict[str, Any]] = json.loads(text)["candidates"][0]["content"]["parts"]
    assert status == 200
    assert [bool(part.get("thought")) for part in parts] == ([True, True, False] if thinks else [False])


async def test_a_stream_without_sse_is_a_list(gemini: Gemini) -> None:
    status, text = await post(gemini, asked(), method="streamGenerateContent")
    assert (status, json.loads(text)[-1]["candidates"][0]["finishReason"]) == (200, "STOP")
