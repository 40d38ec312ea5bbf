"""Tests of service/upstreams/flow2api.py: against the emulator, and against what a real server sent."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from PIL import Image
from yarl import URL

from service.images import ImageRequest, Picture, Progress, Reference, WorkError
from service.settings import Endpoint, Timeouts
from service.upstreams.chat import ChatAnswer
from service.upstreams.flow2api import (
    PREPARING,
    UPSCALE_NOTE,
    Flow2ApiUpstream,
    Narration,
    chat_body,
    is_openrouter,
    messages,
    openrouter_extras,
    parameters,
    stage_of,
)
from service.upstreams.flow2api_models import ModelChoice
from service.upstreams.http import api_base
from tests.emulators import pictures
from tests.emulators.flow2api import Flow2Api, running
from tests.emulators.flow2api_requests import data_of, references
from tests.paths import RECORDINGS
from tests.upstreams.made import drawn

FLOW2API = RECORDINGS / "flow2api"
RECORDED_HOST = b"127.0.0.1:18000"
MODEL = "gemini-3.1-flash-image-square"
LIMIT = 10_000_000
QUICK = Timeouts(appear_s=0.1)


class Reports:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, float | None]] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.messages.append((message, percent))

    @property
    def percents(self) -> list[float]:
        return [percent for _, percent in self.messages if percent is not None]


@pytest.fixture
async def flow2api() -> AsyncIterator[Flow2Api]:
    async with running() as emulator:
        yield emulator


async def generate(
    url: str, key: str, prompt: str, *, model: str = MODEL, reports: Progress | None = None
) -> list[Picture]:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=url, key=key)
        upstream = Flow2ApiUpstream(session, endpoint, max_file_bytes=LIMIT, timeouts=QUICK)
        return drawn(await upstream.generate(ImageRequest(model=model, prompt=prompt), reports or Reports()))


def size_and_colour(picture: Picture) -> tuple[tuple[int, int], tuple[int, int, int]]:
    image = Image.open(io.BytesIO(picture.data)).convert("RGB")
    red, green, blue = image.tobytes()[:3]
    return image.size, (red, green, blue)


@pytest.mark.parametrize(
    ("scenario", "downloads"),
    [
        ("ok-1k-google-url", 1),
        ("ok-1k-cache", 1),
        ("ok-bare-url", 1),
        ("json-for-stream", 1),
        ("never-done", 1),
        ("download-flaky", 2),
    ],
)
async def test_every_form_of_answer_gives_the_picture(flow2api: Flow2Api, scenario: str, downloads: int) -> None:
    """Ours: the picture that was made, made once, and no key at the picture host."""
    (picture,) = await generate(flow2api.url, flow2api.key, f"a lighthouse [{scenario}]")
    assert size_and_colour(picture) == ((1024, 1024), pictures.colour(1))
    assert (len(flow2api.requests), len(flow2api.downloads), flow2api.leaks) == (1, downloads, [])
    assert picture.note == ""


@pytest.mark.parametrize(("scenario", "downloads"), [("ok-2k-cache", 1), ("relative-url", 1), ("wrong-base-url", 1)])
async def test_a_stored_picture_is_found_whatever_host_is_named(
    flow2api: Flow2Api, scenario: str, downloads: int
) -> None:
    """Bug: flow2api #103 named `0.0.0.0` or another wrong host; the path on the API's own origin works."""
    (picture,) = await generate(flow2api.url, flow2api.key, f"a [{scenario}]", model=f"{MODEL}-2k")
    assert picture.data.startswith(b"\xff\xd8\xff")
    assert size_and_colour(picture)[0] == (2048, 2048)
    assert [each.headers["Authorization"] for each in flow2api.downloads] == [f"Bearer {flow2api.key}"] * downloads


async def test_megabytes_inline_are_the_picture_byte_for_byte(flow2api: Flow2Api) -> None:
    """Spec Flow2API, generation_handler.py, when storing fails: one SSE line of several MB."""
    (picture,) = await generate(flow2api.url, flow2api.key, "a [ok-inline-data-uri]", model=f"{MODEL}-2k")
    assert picture.data == pictures.large_jpeg()
    assert flow2api.downloads == []


async def test_a_failed_upscale_is_noted(flow2api: Flow2Api) -> None:
    """Spec Flow2API, generation_handler.py: the 1K picture comes as success, and the person asked for more."""
    reports = Reports()
    (picture,) = await generate(
        flow2api.url, flow2api.key, "a [upscale-fallback]", model=f"{MODEL}-2k", reports=reports
    )
    assert picture.note == UPSCALE_NOTE
    assert reports.percents == sorted(reports.percents)


async def test_progress_comes_as_it_is_made_and_never_goes_back(flow2api: Flow2Api) -> None:
    """Spec MCP, Progress: the value must increase; ours: before the picture is there."""
    reports: asyncio.Queue[tuple[str, float | None]] = asyncio.Queue()

    async def tell(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
        await reports.put((message, percent))

    generating = asyncio.create_task(generate(flow2api.url, flow2api.key, "a [slow]", reports=tell))
    percents = [0.0]
    while percents[-1] != 38:  # those of one piece of the answer are told as one
        percents.append((await reports.get())[1] or 0.0)
    assert percents == sorted(percents)
    flow2api.go_on.set()
    assert len(await generating) == 1


async def test_stages_that_come_at_once_are_told_as_the_last_of_them() -> None:
    """Ours: nobody reads a line that the next one replaces at once. The note of one among them is not lost."""
    reports = Reports()
    narration = Narration(reports)
    await narration.tell(["正在生成 [slow]", "放大失败，返回原图", "已启动", "something else"])
    assert reports.messages == [(PREPARING, 90)]
    assert narration.note == UPSCALE_NOTE
    await narration.tell(["something else"])
    assert len(reports.messages) == 1


async def test_exactly_one_message_is_sent_and_a_stream_is_asked_for(flow2api: Flow2Api) -> None:
    """Spec Flow2API, routes.py: more messages become references, and old servers draw only for a stream."""
    await generate(flow2api.url, flow2api.key, "a lighthouse")
    (request,) = flow2api.requests
    assert request.json == {
        "model": MODEL,
        "stream": True,
        "messages": [{"role": "user", "content": "a lighthouse"}],
    }
    assert request.headers["Authorization"] == f"Bearer {flow2api.key}"


@pytest.mark.parametrize(
    ("scenario", "kind", "retries"),
    [
        ("error-policy", "policy", 0),
        ("error-reference", "reference", 0),
        ("error-captcha", "captcha", 1),
        ("error-captcha-service", "captcha", 1),
        ("error-quota", "quota", 0),
        ("error-rate", "rate", 3),
        ("error-unclear", "transient", 0),
        ("error-no-token", "unavailable", 2),
        ("error-tier", "tier", 0),
        ("error-unknown-model", "model", 0),
        ("error-empty", "transient", 0),
        ("error-string", "transient", 0),
        ("error-html", "transient", 0),
        ("legacy-nonstream-text", "no_image", 0),
        ("tmp-expired", "download", 0),
        ("download-html", "download", 0),
        ("drop-mid-stream", "lost", 0),
    ],
)
async def test_every_failure_has_its_kind(flow2api: Flow2Api, scenario: str, kind: str, retries: int) -> None:
    """Ours: no progress text, query or key gets into the message."""
    with pytest.raises(WorkError) as raised:
        await generate(flow2api.url, flow2api.key, f"a [{scenario}]")
    assert (raised.value.kind, raised.value.retries) == (kind, retries)
    message = str(raised.value)
    assert not [word for word in ("初始化", "错误:", "Signature", flow2api.key) if word in message]
    assert len(flow2api.requests) == 1


async def test_a_wrong_key_is_the_operators_to_correct(flow2api: Flow2Api) -> None:
    """Spec Flow2API, auth.py: 401 with `detail`."""
    with pytest.raises(WorkError) as raised:
        await generate(flow2api.url, "wrong", "a")
    assert (raised.value.kind, flow2api.drawn) == ("auth", 0)


async def test_a_picture_over_the_cap_is_refused(flow2api: Flow2Api) -> None:
    """Ours: the cap of the settings holds for downloads and for inline pictures."""
    async with aiohttp.ClientSession() as session:
        upstream = Flow2ApiUpstream(
            session, Endpoint(url=flow2api.url, key=flow2api.key), max_file_bytes=100, timeouts=QUICK
        )
        for scenario in ("ok-1k-google-url", "ok-inline-data-uri"):
            with pytest.raises(WorkError, match="larger than 0.0001 MB"):
                await upstream.generate(ImageRequest(model=MODEL, prompt=f"a [{scenario}]"), Reports())


async def test_three_references_go_as_parts_in_their_order(flow2api: Flow2Api) -> None:
    """Spec Flow2API, routes.py: data URIs and URLs, one part each. Megabytes go in pieces, and their length is told."""
    large = Reference(data=pictures.large_jpeg(), media_type="image/jpeg")
    small = Reference(data=pictures.png(7, (8, 8)), media_type="image/png")
    by_url = Reference(url="https://pictures.example/1.png")
    reports = Reports()
    async with aiohttp.ClientSession() as session:
        upstream = Flow2ApiUpstream(
            session, Endpoint(url=flow2api.url, key=flow2api.key), max_file_bytes=LIMIT, timeouts=QUICK
        )
        await upstream.generate(ImageRequest(model=MODEL, prompt="a", references=(large, by_url, small)), reports)
    (request,) = flow2api.requests
    first, second, third = (part["url"] for part in references(request.json) if isinstance(part, dict))
    assert data_of(first) == ("image/jpeg", large.data)
    assert second == by_url.url
    assert data_of(third) == ("image/png", small.data)
    assert request.headers["Content-Length"] == str(len(request.body))
    assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        pytest.param(ModelChoice(model="m"), {}, id="nothing"),
        pytest.param(
            ModelChoice(model="m", aspect_ratio="1:1", image_size="2K"),
            {
                "aspect_ratio": "1:1",
                "image_size": "2K",
                "generationConfig": {"imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"}},
            },
            id="both",
        ),
        pytest.param(
            ModelChoice(model="m", image_size="4K"),
            {"image_size": "4K", "generationConfig": {"imageConfig": {"imageSize": "4K"}}},
            id="one",
        ),
    ],
)
def test_parameters_are_sent_in_both_forms(choice: ModelChoice, sent: dict[str, object]) -> None:
    """Spec Flow2API, model_resolver.py: `generationConfig` since 2026-03-14, the top level since 2026-03-31."""
    assert parameters(choice) == sent


def test_openrouter_gets_its_own_words_and_no_other_does() -> None:
    """Spec OpenRouter, Image generation; Flow2API reads other names."""
    request = ImageRequest(model="google/demo-image", prompt="a", resolution="2K")
    choice = ModelChoice(model=request.model, image_size="2K")
    sent = json.loads(b"".join(chat_body(request, choice, for_openrouter=True)))
    assert (sent["modalities"], sent["image_config"]) == (["image", "text"], {"image_size": "2K"})
    assert "generationConfig" not in sent
    assert b"modalities" not in b"".join(chat_body(request, choice))


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1//"])
async def test_the_base_url_may_be_written_either_way(flow2api: Flow2Api, tail: str) -> None:
    """Ours: whether the base ends in /v1 varies, accept both."""
    assert str(api_base(flow2api.url + tail)) == f"{flow2api.url}/v1"
    assert len(await generate(flow2api.url + tail, flow2api.key, "a")) == 1


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("✨ 图片生成任务已启动", 0),
        ("初始化生成环境...", 8),
        ("上传 2 张参考图片...", 28),
        ("已上传第 1/2 张图片", 33),
        ("已上传第 2/2 张图片", 38),
        ("参考图片上传完成，正在进行打码验证...", 38),
        ("正在进行打码验证并提交图片生成请求...", 38),
        ("正在生成图片...", 48),
        ("正在放大图片到 2K...", 82),
        ("⚠️ 放大遇到超时，正在重试 (2/3)...", 82),
        ("✅ 图片已放大到 4K", 88),
        ("缓存 2K 图片中...", 90),
        ("正在缓存 1K 图片文件...", 90),
        ("✅ 2K 图片缓存成功", 95),
        ("⚠️ 放大失败: x，返回原图...", 90),
        ("⚠️ 缓存失败: x，返回内联图片...", 95),
        ("缓存已关闭,正在返回官方图片链接...", 95),
        ("错误: 生成失败", None),
        ("❌ 生成失败", None),
        ("进度 40%", 40),
        ("Image Generation Progress: 100 %", 95),
        ("something new", None),
    ],
)
def test_percent_follows_stable_fragments(text: str, percent: float | None) -> None:
    """Spec Flow2API, generation_handler.py: its texts, of several versions."""
    stage = stage_of(text)
    assert (stage and stage.percent) == percent


@asynccontextmanager
async def replaying(name: str) -> AsyncIterator[tuple[str, list[str]]]:
    """A raw server that answers a POST with a recording, byte for byte but for its port, and a GET with a picture."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split("\r\n", 1)[0])
        if head.startswith("POST"):
            headers = (FLOW2API / f"{name}.headers").read_bytes()
            body = (FLOW2API / f"{name}.body").read_bytes().replace(RECORDED_HOST, here.encode())
        else:
            headers, body = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n", pictures.png(7)
        for byte in (headers, b"connection: close\r\n\r\n", body[:200], body[200:]):
            writer.write(byte)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    here = "{}:{}".format(*server.sockets[0].getsockname())
    async with server:
        yield f"http://{here}", asked


@pytest.mark.parametrize(
    ("name", "target", "percents"),
    [
        ("stream_ok", "/gcs/image/6121978680573221562.jpg?sv=1&sig=abc&Expires=9", [0, 8, 38, 95]),
        ("stream_2k", "/tmp/f33658e378ed0519dbac5705a6003a2b_2K.jpg", [0, 8, 38, 82, 88, 90, 95]),
        ("stream_i2i", "/gcs/image/927860737221575281.jpg?sv=1&sig=abc&Expires=9", [0, 8, 28, 38, 38, 95]),
        ("nonstream_ok", "/gcs/image/4176759744977610984.jpg?sv=1&sig=abc&Expires=9", []),
    ],
)
async def test_recorded_successes_give_their_picture(name: str, target: str, percents: list[float]) -> None:
    """Ours: what a real server sent in August 2026."""
    reports = Reports()
    async with replaying(name) as (url, asked):
        (picture,) = await generate(url, "k", "a", reports=reports)
    assert picture.data == pictures.png(7)
    assert asked == ["POST /v1/chat/completions HTTP/1.1", f"GET {target} HTTP/1.1"]
    assert reports.percents[-1:] == percents[-1:]
    of_recording = iter(percents)
    assert all(percent in of_recording for percent in reports.percents)


@pytest.mark.parametrize(
    ("name", "percents"),
    [
        ("stream_ok", [0, 8, 38, 95]),
        ("stream_2k", [0, 8, 38, 82, 88, 90, 95]),
        ("stream_i2i", [0, 8, 28, 38, 38, 95]),
        ("nonstream_ok", []),
    ],
)
async def test_recorded_thoughts_are_stages(name: str, percents: list[float]) -> None:
    """Ours: each as it comes, when they come one after the other."""
    reports, answer = Reports(), ChatAnswer()
    narration = Narration(reports)
    for thought in [*answer.feed((FLOW2API / f"{name}.body").read_bytes()), *answer.end()]:
        await narration.tell([thought])
    assert reports.percents == percents


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("stream_forbid", "policy", "PUBLIC_ERROR_UNSAFE_GENERATION prominent people filter"),
        ("nonstream_quota", "quota", "RESOURCE_EXHAUSTED quota"),
        ("noprompt", "bad_request", "Messages or contents cannot be empty"),
        ("badkey", "auth", "Invalid API key"),
    ],
)
async def test_recorded_failures_have_their_kind(name: str, kind: str, words: str) -> None:
    """Ours: what a real server sent in August 2026."""
    async with replaying(name) as (url, _):
        with pytest.raises(WorkError, match=words) as raised:
            await generate(url, "k", "a")
    assert raised.value.kind == kind


PNG = Reference(data=b"\x89PNG", media_type="image/png")
BY_URL = Reference(url="https://pictures.example/1.jpg")


def test_a_prompt_alone_is_one_message() -> None:
    """Bug: Flow2API takes a picture in an earlier message for a reference."""
    assert messages(ImageRequest(model="m", prompt="a")) == [{"role": "user", "content": "a"}]


def test_references_are_parts_in_the_object_form_in_order() -> None:
    """Bug: Flow2API answers 500 to a plain string as `image_url`. One with bytes becomes a data URI as it is sent."""
    (message,) = messages(ImageRequest(model="m", prompt="a", references=(PNG, BY_URL)))
    assert message["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/1.jpg"}},
    ]


@pytest.mark.parametrize(
    ("base", "answer"),
    [
        ("https://openrouter.ai/api/v1", True),
        ("https://eu.openrouter.ai/api/v1", True),
        ("https://notopenrouter.ai/v1", False),
        ("https://openrouter.ai.example/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_openrouter_is_known_by_its_host(base: str, answer: bool) -> None:
    assert is_openrouter(URL(base)) is answer


def test_openrouter_is_told_that_a_picture_is_wanted_and_how_large() -> None:
    """Spec OpenRouter, Image generation: without `modalities` many models answer in words."""
    asked = ImageRequest(model="google/demo-image", prompt="a", aspect_ratio="16:9", resolution="2K")
    assert openrouter_extras(asked) == {
        "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
    }
    assert openrouter_extras(ImageRequest(model="demo/flux", prompt="a")) == {"modalities": ["image"]}
