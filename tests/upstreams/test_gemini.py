"""Tests of service/upstreams/gemini.py, against the emulator."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image
from yarl import URL

from service.images import ImageRequest, Picture, Progress, Reference, Usage, WorkError
from service.settings import Endpoint, Timeouts
from service.upstreams.fetch import Trusted
from service.upstreams.gemini import (
    DRAFT,
    MAYBE_DRAFT,
    GeminiAnswer,
    GeminiUpstream,
    gemini_base,
    read_page,
    request_body,
    resource_name,
    step_of,
)
from service.upstreams.image_sources import Inline, Link
from service.upstreams.kinds import Kind
from tests.emulators import pictures
from tests.emulators.gemini import Gemini, running
from tests.emulators.loopback import serving

MODEL = "gemini/gemini-3.1-flash-image"
PNG = Reference(data=pictures.png(7, (64, 64)), media_type="image/png")
JPEG = Reference(data=pictures.jpeg(8, (64, 64)), media_type="image/jpeg")
LARGE = Reference(data=pictures.large_jpeg(), media_type="image/jpeg")


class Steps:
    """A progress that remembers its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.messages.append(message)


def colour(picture: Picture) -> tuple[int, ...]:
    return Image.open(io.BytesIO(picture.data)).convert("RGB").getpixel((0, 0))  # type: ignore[return-value]  # of RGB


@pytest.fixture
async def gemini() -> AsyncIterator[Gemini]:
    async with running() as emulator:
        yield emulator


@pytest.fixture
async def upstream(gemini: Gemini) -> AsyncIterator[GeminiUpstream]:
    async with aiohttp.ClientSession() as session:
        yield at(session, gemini.url, gemini.key)


def at(session: aiohttp.ClientSession, url: str, key: str) -> GeminiUpstream:
    return GeminiUpstream(
        session, Endpoint(url=url, key=key), max_file_bytes=10_000_000, timeouts=Timeouts(appear_s=0.1)
    )


def asked(prompt: str = "a lighthouse", model: str = MODEL, **fields: object) -> ImageRequest:
    return ImageRequest(model=model, prompt=prompt, **fields)  # type: ignore[arg-type]  # a table's fields


async def draw(upstream: GeminiUpstream, request: ImageRequest, reports: Progress | None = None) -> list[Picture]:
    return await upstream.generate(request, reports or Steps())


async def refused(upstream: GeminiUpstream, request: ImageRequest) -> WorkError:
    with pytest.raises(WorkError) as raised:
        await draw(upstream, request)
    return raised.value


async def test_a_picture_is_drawn_and_its_tokens_are_kept(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Spec Gemini API, GenerateContentResponse: `usageMetadata` counts thoughts beside what the candidates hold."""
    [picture] = await draw(upstream, asked())
    assert (colour(picture), picture.note) == (pictures.colour(1), "")
    assert picture.usage == Usage(input_tokens=12, output_tokens=1120 + 240)
    assert dict(gemini.charges) == {"a lighthouse": 1}


async def test_only_what_was_asked_for_is_sent(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Ours: a size that nobody asked for may be dearer, or not there."""
    await draw(upstream, asked())
    [request] = gemini.requests
    assert (request.model, request.method, request.query) == (
        "gemini-3.1-flash-image",
        "streamGenerateContent",
        {"alt": "sse"},
    )
    assert request.body == {
        "contents": [{"role": "user", "parts": [{"text": "a lighthouse"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "thinkingConfig": {"includeThoughts": True}},
    }


@pytest.mark.parametrize(("ratio", "size"), [("8:1", "512"), ("21:9", "4K"), ("1:1", None), (None, "2K")])
async def test_shape_and_size_are_sent(
    gemini: Gemini, upstream: GeminiUpstream, ratio: str | None, size: str | None
) -> None:
    """Spec Gemini API, ImageConfig."""
    await draw(upstream, asked(aspect_ratio=ratio, resolution=size, seed=7))
    wanted = {"aspectRatio": ratio, "imageSize": size}
    assert gemini.requests[0].config["imageConfig"] == {name: value for name, value in wanted.items() if value}
    assert gemini.requests[0].config["seed"] == 7


async def test_fourteen_references_go_inline_in_their_order(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Spec Gemini API, "Image generation": up to 14 reference images."""
    references = (PNG, JPEG, LARGE, *[PNG] * 11)
    await draw(upstream, asked(references=references))
    [request] = gemini.requests
    assert request.pictures == [(each.media_type, each.data) for each in references]
    assert "Content-Length" in request.headers


async def test_a_request_that_is_too_large_is_not_sent(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Spec Gemini API: 100 MB with all that is inline."""
    error = await refused(upstream, asked(references=(Reference(data=bytes(40_000_000), media_type="image/png"),) * 2))
    assert error.kind == Kind.BAD_REQUEST
    assert "has 107 MB, and the Gemini API takes 105" in str(error)
    assert not gemini.requests


async def test_the_key_is_in_a_header_and_never_in_the_url(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Ours: URLs end up in logs."""
    await draw(upstream, asked("a file [file]"))
    await upstream.offers()
    assert {request.headers["x-goog-api-key"] for request in gemini.requests} == {gemini.key}
    assert not [request for request in gemini.requests if gemini.key in str(request.query)]
    assert "Authorization" not in gemini.requests[0].headers
    assert gemini.downloads == [gemini.key]


def test_the_key_goes_to_the_same_origin_alone() -> None:
    """Ours: a `fileUri` may lead anywhere."""
    trusted = Trusted(base=gemini_base("https://api.example"), key="k", authorize=GeminiUpstream.authorize)
    assert trusted.headers(URL("https://api.example/v1beta/files/1:download")) == {"x-goog-api-key": "k"}
    for elsewhere in ("https://api.example:8443/f", "http://api.example/f", "https://files.example/f"):
        assert trusted.headers(URL(elsewhere)) == {}


async def test_thoughts_are_progress_and_drafts_are_no_picture(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Spec Gemini API, "Image generation", thinking process: up to two drafts come before the picture."""
    reports = Steps()
    [picture] = await draw(upstream, asked(), reports)
    assert gemini.drawn == 1
    assert colour(picture) == pictures.colour(1)
    messages = reports.messages
    assert messages[0] == f"Asking {MODEL} for a picture"
    assert set(messages[1:]) <= {"The model is thinking: Weighing the light", DRAFT}
    assert DRAFT in messages


async def test_a_picture_among_the_thoughts_alone_is_taken_with_a_note(upstream: GeminiUpstream) -> None:
    """Bug: Gemini 3 is known to mark its only picture as a thought (Lixpi/lixpi #135), and it is paid for."""
    [picture] = await draw(upstream, asked("a lighthouse [thoughts-only]"))
    assert (colour(picture), picture.note) == (pictures.colour(1), MAYBE_DRAFT)


@pytest.mark.parametrize("scenario", ["image-safety", "words-after-draft"])
async def test_a_draft_is_not_taken_where_the_picture_was_held_back(upstream: GeminiUpstream, scenario: str) -> None:
    """Ours: neither after a refusal, nor after words that say why."""
    assert (await refused(upstream, asked(f"a lighthouse [{scenario}]"))).kind in {Kind.POLICY, Kind.NO_IMAGE}


@pytest.mark.parametrize(
    ("scenario", "kind", "words"),
    [
        ("words", Kind.NO_IMAGE, "“I cannot draw that person."),
        ("blocked", Kind.POLICY, "blockReason PROHIBITED_CONTENT"),
        ("blocked-other", Kind.POLICY, "blockReason OTHER"),
        ("image-safety", Kind.POLICY, "“Unable to show the generated image."),
        ("recitation", Kind.POLICY, "finishReason IMAGE_RECITATION"),
        ("no-image", Kind.NO_IMAGE, "“Unable to show the generated image. Please try rephrasing"),
        ("max-tokens", Kind.NO_IMAGE, "finishReason MAX_TOKENS"),
        ("quota", Kind.QUOTA, "is used up"),
        ("overloaded", Kind.UNAVAILABLE, "The model is overloaded"),
    ],
)
async def test_a_refusal_says_why_in_the_services_words(
    upstream: GeminiUpstream, scenario: str, kind: Kind, words: str
) -> None:
    """Spec Gemini API, FinishReason, BlockReason and error codes."""
    error = await refused(upstream, asked(f"a lighthouse [{scenario}]"))
    assert error.kind == kind
    assert words in str(error)


async def test_the_wait_that_google_asks_for_is_kept(upstream: GeminiUpstream) -> None:
    """Spec google.rpc.RetryInfo: `retryDelay`."""
    error = await refused(upstream, asked("a lighthouse [rate]"))
    assert (error.kind, error.retries > 0) == (Kind.RATE, True)
    assert error.retry_after_s == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize(("key", "setting"), [("AIzaWrong0123456789", "GEMINI_API_KEY"), ("", "GEMINI_API_KEY")])
async def test_a_wrong_key_names_its_setting(gemini: Gemini, key: str, setting: str) -> None:
    """Spec Gemini API: a wrong key is answered 400 with API_KEY_INVALID, and none 403."""
    async with aiohttp.ClientSession() as session:
        error = await refused(at(session, gemini.url, key), asked())
    assert (error.kind, error.setting) == (Kind.AUTH, setting)
    assert not key or key not in str(error)


async def test_a_model_that_is_not_there_is_named_so(upstream: GeminiUpstream) -> None:
    assert (await refused(upstream, asked(model="gemini/gemini-9-image"))).kind == Kind.MODEL


async def test_a_value_that_the_model_does_not_take_is_told(upstream: GeminiUpstream) -> None:
    error = await refused(upstream, asked(model="gemini/gemini-3.1-flash-lite-image", resolution="4K"))
    assert error.kind == Kind.BAD_REQUEST
    assert "image_size must be one of" in str(error)


async def test_a_model_that_does_not_think_is_asked_again_without_and_once(
    gemini: Gemini, upstream: GeminiUpstream
) -> None:
    """Bug: gemini-2.5-flash-image answers "Thinking is not enabled for this model" (iBUHub/AIStudioToAPI #213)."""
    model = "gemini/gemini-2.5-flash-image"
    await draw(upstream, asked("one", model))
    await draw(upstream, asked("two", model))
    assert ["thinkingConfig" in request.config for request in gemini.requests] == [True, False, False]
    assert dict(gemini.charges) == {"one": 1, "two": 1}


async def test_a_server_without_streams_is_asked_for_the_whole(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Ours: a refusal of the route costs nothing; the next request does without."""
    for _ in range(2):
        await draw(upstream, asked("a lighthouse [no-stream]"))
    methods = [request.method for request in gemini.requests]
    assert methods == ["streamGenerateContent", "generateContent", "generateContent"]
    assert gemini.requests[1].query == {}


async def test_a_call_that_ends_closes_the_connection(gemini: Gemini, upstream: GeminiUpstream) -> None:
    drawing = asyncio.create_task(draw(upstream, asked("a lighthouse [slow]")))
    await gemini.silent.wait()
    drawing.cancel()
    async with asyncio.timeout(60):
        await gemini.disconnected.wait()


async def test_a_redirect_is_not_followed_with_the_key(gemini: Gemini) -> None:
    """Ours: the key would go along, and the request is paid for."""

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{gemini.url}/v1beta/models/gemini-3.1-flash-image:generateContent")

    app = web.Application()
    app.router.add_post("/{path:.*}", elsewhere)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        await refused(at(session, url, "secret-key-0123456789"), asked())
    assert not gemini.requests


@pytest.mark.parametrize("end", ["", "/", "/v1beta", "/v1beta/", "/v1", "/v1beta/models", "/v1beta/openai"])
async def test_a_server_is_reached_by_whatever_people_copy(gemini: Gemini, end: str) -> None:
    async with aiohttp.ClientSession() as session:
        upstream = at(session, gemini.url + end, gemini.key)
        assert upstream.describe() == f"Gemini API at {gemini.url}/v1beta"
        assert len(await draw(upstream, asked())) == 1


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("https://relay.example/gemini", "https://relay.example/gemini/v1beta"),
        ("https://relay.example/v1/account/name/google-ai-studio", None),
        ("https://relay.example/v1/account/google-ai-studio/v1beta", ""),
        ("https://relay.example/v1alpha", ""),
        ("https://aiplatform.googleapis.com/v1/publishers/google", ""),
        ("https://relay.example/v1beta/models/gemini-3-pro-image:generateContent", "https://relay.example/v1beta"),
        ("https://me:word@relay.example", "https://relay.example/v1beta"),
    ],
)
def test_the_root_keeps_the_path_of_a_gateway(written: str, root: str | None) -> None:
    """Ours: a version to the left of the path is that of the gateway."""
    assert str(gemini_base(written)) == (f"{written}/v1beta" if root is None else root or written)


async def test_the_models_of_all_pages_are_listed(gemini: Gemini, upstream: GeminiUpstream) -> None:
    """Spec Gemini API, models.list: `nextPageToken`; `supportedGenerationMethods` tells Imagen and Veo from others."""
    gemini.page = 3
    offers = await upstream.offers()
    assert offers.images == (
        "gemini/gemini-3-pro-image",
        "gemini/gemini-3.1-flash-image",
        "gemini/gemini-3.1-flash-lite-image",
        "gemini/gemini-2.5-flash-image",
    )
    assert {"gemini/gemini-3.5-flash", "gemini-3-pro-image", "models/imagen-5-image"} <= offers.others
    assert not offers.complete  # of a server that is not Google's


async def test_a_list_without_end_ends() -> None:
    """Ours: a relay that answers every page alike."""
    asked_for: list[str] = []

    async def models(request: web.Request) -> web.Response:
        asked_for.append(request.query.get("pageToken", ""))
        return web.json_response({"models": [{"name": "models/an-image"}], "nextPageToken": "again"})

    app = web.Application()
    app.router.add_get("/v1beta/models", models)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        assert (await at(session, url, "k").offers()).images == ("gemini/an-image",)
    assert asked_for == ["", "again"]


@pytest.mark.parametrize(
    ("page", "read"),
    [
        ({"models": [{"name": "models/a-image"}, {"name": 1}, "x"]}, ({"a-image": True}, "")),
        ({"models": [{"name": "tunedModels/b", "supportedGenerationMethods": ["generateContent"]}]},
         ({"tunedModels/b": False}, "")),
        ({"nextPageToken": "2"}, ({}, "2")),
        ({"data": [{"id": "gemini-3-pro-image"}, {"id": "gpt-5"}]}, ({"gemini-3-pro-image": True, "gpt-5": False}, "")),
    ],
)  # fmt: skip
def test_pages_of_every_form_are_read(page: object, read: object) -> None:
    """Ours: relays list in OpenAI's form, too."""
    assert read_page(page) == read


def test_an_id_leads_to_its_resource() -> None:
    names = ("gemini/a", "a", "models/a", "gemini/models/a", "tunedModels/a")
    assert [resource_name(name) for name in names] == [*["models/a"] * 4, "tunedModels/a"]


def chunk(*parts: object, **fields: object) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **fields}]}


def read(text: str) -> GeminiAnswer:
    answer = GeminiAnswer()
    answer.feed(text.encode())
    answer.end()
    return answer


BLOB = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(bytes(60)).decode()}}


def test_a_picture_of_several_events_comes_with_the_last_count() -> None:
    """Spec Gemini API: each event counts the whole answer up to it."""
    counts = [{"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": count}} for count in (1, 9)]
    events = [chunk({"text": "Here"}) | counts[0], chunk(BLOB, finishReason="STOP") | counts[1]]
    answer = read("".join(f"data: {json.dumps(event)}\r\n\r\n" for event in events))
    assert answer.pictures() == [Inline(BLOB["inlineData"]["data"])]
    assert answer.usage == Usage(input_tokens=5, output_tokens=9)


@pytest.mark.parametrize("usage", [{}, {"promptTokenCount": "5"}, {"candidatesTokenCount": -1}, {"x": None}])
def test_tokens_that_are_no_numbers_count_as_none(usage: object) -> None:
    assert read(json.dumps(chunk(BLOB) | {"usageMetadata": usage})).usage == Usage()


@pytest.mark.parametrize("body", [[chunk({"text": "hm", "thought": True}), chunk(BLOB)], [[], None, chunk(BLOB)]])
def test_a_list_of_events_is_a_stream(body: object) -> None:
    """Spec Gemini API: without `alt=sse` a stream is one JSON list."""
    assert len(read(json.dumps(body)).pictures()) == 1


FLOW_URL = "https://flow.example/image/1?Signature=x"


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param(
            [chunk({"text": "图片生成任务已启动\n"}), chunk(BLOB, finishReason="STOP")],
            Inline(BLOB["inlineData"]["data"]),
            id="inline",
        ),
        pytest.param(
            [chunk({"fileData": {"mimeType": "image/jpeg", "fileUri": FLOW_URL}}, {"text": FLOW_URL})],
            Link(FLOW_URL),
            id="its-bytes-could-not-be-read",
        ),
    ],
)
def test_flow2apis_gemini_routes_are_read(events: list[object], found: object) -> None:
    """Spec Flow2API, `v1beta/models/…`: progress comes as text, a picture inline or, twice, as its URL."""
    assert read("".join(f"data: {json.dumps(each)}\n\n" for each in events)).pictures() == [found]


def test_an_error_within_a_list_is_told() -> None:
    problem = {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}
    assert read(json.dumps([problem])).without_picture().kind == Kind.RATE


def test_a_draft_is_forgotten_with_the_next_one() -> None:
    """Ours: two drafts and a picture in 4K are longer than an answer may be, and the picture is paid for."""
    answer = GeminiAnswer()
    for number in range(3):
        part = {"inlineData": {"mimeType": "image/png", "data": str(number) * 8000}, "thought": number < 2}
        answer.feed(f"data: {json.dumps(chunk(part))}\r\n\r\n".encode())
    answer.end()
    assert [answer.extracted.drop(f"\ue000{number}\ue001") for number in range(3)] == [0, 8000, 8000]


def test_the_signature_of_a_thought_is_no_picture() -> None:
    """Spec Gemini API, Part: `thoughtSignature` is opaque base64, as long as a picture."""
    signed = {"text": "I cannot.", "thoughtSignature": "A" * 8000}
    assert read(json.dumps(chunk(signed, finishReason="STOP"))).pictures() == []


@pytest.mark.parametrize(
    ("thought", "words"),
    [
        ("**Weighing the light**\n\nI look", "The model is thinking: Weighing the light"),
        ("## The plan\nfirst", "The model is thinking: The plan"),
        ("just words\nof two lines", "The model is thinking: just words of two lines"),
        ("x" * 500, "The model is thinking: [data]"),
        ("\n", "The model is thinking"),
    ],
)
def test_a_thought_is_told_in_a_few_words(thought: str, words: str) -> None:
    assert step_of(thought) == words


def test_a_reference_without_a_type_has_that_of_its_bytes() -> None:
    body = request_body(asked(references=(Reference(data=PNG.data),)), thinks=False)
    text = b"".join(body).decode()
    assert json.loads(text)["contents"][0]["parts"][1]["inlineData"]["mimeType"] == "image/png"
    assert body.headers["Content-Length"] == str(len(text))
