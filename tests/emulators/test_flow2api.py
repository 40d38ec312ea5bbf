"""Tests of tests/emulators/flow2api.py: it says what the real server was recorded to say."""

import json
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from tests.emulators.flow2api import Flow2Api, running
from tests.emulators.flow2api_models import FULL_IDS, resolved
from tests.paths import RECORDINGS

FLOW2API = RECORDINGS / "flow2api"
MODEL = "gemini-3.1-flash-image-landscape"
MESSAGES = [{"role": "user", "content": "a lighthouse"}]


@pytest.fixture
async def flow2api() -> AsyncIterator[Flow2Api]:
    async with running() as emulator:
        yield emulator


async def ask(
    emulator: Flow2Api, body: object = None, *, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, str, str]:
    """Status, content type and body of one answer."""
    method = "GET" if body is None else "POST"
    sent = headers or {"Authorization": f"Bearer {emulator.key}"}
    async with (
        aiohttp.ClientSession(headers=sent) as session,
        session.request(method, emulator.url + path, json=body) as response,
    ):
        return response.status, response.headers["Content-Type"], await response.text()


def shape(stream: str) -> list[str]:
    """A stream without what is new in each: ids, times and pictures."""
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line]
    shapes = []
    for event in events[:-1]:
        chunk = json.loads(event)
        assert json.dumps(chunk, ensure_ascii=False) == event
        assert chunk["id"] == f"chatcmpl-{chunk['created']}"
        delta = chunk["choices"][0]["delta"]
        delta["content"] = delta.get("content", "").split("(")[0]
        shapes.append(json.dumps(chunk | {"id": "", "created": 0}))
    return [*shapes, events[-1]]


@pytest.mark.parametrize(
    ("recording", "model"), [("stream_ok", MODEL), ("stream_2k", "gemini-3.1-flash-image-square-2k")]
)
async def test_a_stream_is_shaped_as_recorded(flow2api: Flow2Api, recording: str, model: str) -> None:
    """Ours: an emulator that is kinder than the server proves nothing."""
    status, content_type, body = await ask(flow2api, {"model": model, "stream": True, "messages": MESSAGES})
    recorded = (FLOW2API / f"{recording}.body").read_text()
    assert (status, content_type) == (200, "text/event-stream; charset=utf-8")
    assert shape(body) == shape(recorded)


async def test_an_answer_in_one_piece_is_shaped_as_recorded(flow2api: Flow2Api) -> None:
    """Spec Flow2API, generation_handler.py: one body."""
    _, content_type, body = await ask(flow2api, {"model": MODEL, "messages": MESSAGES})
    recorded = json.loads((FLOW2API / "nonstream_ok.body").read_text())
    assert content_type == "application/json"
    assert json.loads(body).keys() == recorded.keys()
    assert json.loads(body)["choices"][0].keys() == recorded["choices"][0].keys()


async def test_references_have_texts_of_their_own(flow2api: Flow2Api) -> None:
    """Spec Flow2API, generation_handler.py: each reference is uploaded, and says so."""
    reference = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "stormy"}, reference]}]
    asked = {"model": "gemini-3.0-pro-image-portrait", "stream": True, "messages": messages}
    _, _, body = await ask(flow2api, asked)
    assert shape(body) == shape((FLOW2API / "stream_i2i.body").read_text())


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        pytest.param({"model": MODEL, "messages": []}, 400, "noprompt", id="no-messages"),
        pytest.param({"model": MODEL, "messages": [{"content": " "}]}, 400, "Prompt cannot be empty", id="no-prompt"),
        pytest.param({"messages": MESSAGES}, 422, '"loc":["body","model"]', id="no-model"),
        pytest.param({"model": MODEL, "messages": [{"content": None}]}, 422, '"type":"missing"', id="null-content"),
        pytest.param({"model": "nope", "messages": MESSAGES}, 400, "不支持的模型: nope", id="unknown-model"),
        pytest.param(
            {"model": MODEL, "messages": [{"content": [{"type": "image_url", "image_url": "http://h/x"}]}]},
            500, "object has no attribute 'get'", id="reference-as-text",
        ),
    ],
)  # fmt: skip
async def test_bad_requests_are_refused_as_recorded(flow2api: Flow2Api, body: object, status: int, answer: str) -> None:
    """Spec Flow2API, routes.py, and FastAPI for what is no request at all."""
    recording = FLOW2API / f"{answer}.body"
    expected = recording.read_text() if "/" not in answer and recording.exists() else answer
    got, _, text = await ask(flow2api, body)
    assert got == status
    assert expected in text
    assert flow2api.drawn == 0


async def test_an_unknown_model_in_a_stream_is_the_only_event(flow2api: Flow2Api) -> None:
    """Spec Flow2API, generation_handler.py: HTTP 200, even for an unknown model."""
    status, _, body = await ask(flow2api, {"model": "nope", "stream": True, "messages": MESSAGES})
    assert status == 200
    assert body.startswith('data: {"error": {"message": "不支持的模型: nope"')


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Authorization": "Bearer {key}"}, "", 200),
        ({"x-goog-api-key": "{key}"}, "", 200),
        ({"x-nothing": ""}, "?key={key}", 200),
        ({"x-nothing": ""}, "", 401),
        ({"Authorization": "Bearer wrong", "x-goog-api-key": "{key}"}, "", 401),
    ],
)
async def test_the_key_may_come_three_ways(
    flow2api: Flow2Api, headers: Mapping[str, str], query: str, status: int
) -> None:
    """Spec Flow2API, auth.py: the first present wins."""
    sent = {name: value.format(key=flow2api.key) for name, value in headers.items()}
    got, _, body = await ask(flow2api, path="/v1/models" + query.format(key=flow2api.key), **sent)
    assert got == status
    assert status == 200 or body == (FLOW2API / "badkey.body").read_text()


@pytest.mark.parametrize(("path", "recording"), [("/v1/models", "models"), ("/v1/models/aliases", "aliases")])
async def test_the_image_models_are_listed_as_recorded(flow2api: Flow2Api, path: str, recording: str) -> None:
    """Spec Flow2API, routes.py; one video model stands for the others."""
    _, _, body = await ask(flow2api, path=path)
    images = [
        [each for each in json.loads(text)["data"] if each["description"].startswith("Image generation")]
        for text in (body, (FLOW2API / f"{recording}.body").read_text())
    ]
    assert sorted(images[0], key=lambda each: str(each["id"])) == sorted(images[1], key=lambda each: str(each["id"]))


async def test_unknown_paths_answer_as_the_framework_does(flow2api: Flow2Api) -> None:
    """Spec Flow2API, routes.py: no Images route, and `/tmp` needs no key."""
    for path in ("/v1/images/generations", "/tmp/gone.jpg"):
        assert await ask(flow2api, path=path, nobody="") == (404, "application/json", '{"detail":"Not Found"}')


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ({"aspect_ratio": "1:1", "image_size": "2K"}, "square-2k"),
        ({"generationConfig": {"imageConfig": {"aspectRatio": "9:16", "imageSize": "4K"}}}, "portrait-4k"),
        ({"generationConfig": {"aspectRatio": "4:3"}, "aspect_ratio": "1:1"}, "four-three"),
        ({"extra_body": {"generationConfig": {"imageConfig": {"aspectRatio": "3/4"}}}}, "three-four"),
        ({"size": "1024x1024", "aspect_ratio": "16:9"}, "square"),
        ({"size": "1536x1024"}, "four-three"),
        ({"size": "1792x1024", "quality": "hd"}, "landscape-4k"),
        ({"aspect_ratio": "21:9"}, "landscape"),
        ({"quality": "low"}, "landscape"),
        ({"resolution": "4k"}, "landscape"),
        ({}, "landscape"),
    ],
)
def test_a_generic_name_becomes_a_full_id(asked: Mapping[str, object], model: str) -> None:
    """Spec Flow2API, model_resolver.py: the order in which places are looked up."""
    assert resolved("gemini-3.1-flash-image", asked) == f"gemini-3.1-flash-image-{model}"


def test_a_full_id_ignores_parameters() -> None:
    """Spec Flow2API, model_resolver.py."""
    assert len(FULL_IDS) == 32
    assert resolved(MODEL, {"size": "1024x1024"}) == MODEL
