"""Tests of service/upstreams/openai.py, against the emulator."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from service.images import SAID, ImageRequest, Picture, Progress, Reference, Usage, WorkError
from service.pictures.masks import alpha_mask, read_mask
from service.settings import Endpoint, Timeouts
from service.upstreams.errors import UpstreamError
from service.upstreams.image_sources import Inline, Link, Raw, Source
from service.upstreams.kinds import Kind
from service.upstreams.openai import ImagesAnswer, OpenAiUpstream
from service.upstreams.openai_request import draft, refuses_transparency, unknown_parameter
from tests.emulators import pictures
from tests.emulators.loopback import serving
from tests.emulators.openai_images import OpenAiImages, running
from tests.emulators.pictures import png
from tests.upstreams.made import drawn

MODEL = "gpt-image-1.5"
USED = Usage(input_tokens=14, output_tokens=1056)
PNG = Reference(data=pictures.png(7, (64, 64)), media_type="image/png")
LARGE = Reference(data=pictures.large_jpeg(), media_type="image/jpeg")
LIMIT = 10_000_000


class Reports:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, float | None]] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.messages.append((message, percent))


@pytest.fixture
async def openai() -> AsyncIterator[OpenAiImages]:
    async with running() as emulator:
        yield emulator


async def generate(
    emulator: OpenAiImages,
    request: ImageRequest,
    *,
    reports: Progress | None = None,
    key: str | None = None,
    timeouts: Timeouts | None = None,
    streams: bool = True,
) -> list[Picture]:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=emulator.url, key=emulator.key if key is None else key)
        waits = timeouts or Timeouts(appear_s=0.1)
        upstream = OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT, timeouts=waits, streams=streams)
        return drawn(await upstream.generate(request, reports or Reports()))


def asked(prompt: str = "a lighthouse", model: str = MODEL, **fields: object) -> ImageRequest:
    return ImageRequest(model=model, prompt=prompt, **fields)  # type: ignore[arg-type]  # a table's fields


def colour(picture: Picture) -> tuple[int, int, int]:
    red, green, blue = Image.open(io.BytesIO(picture.data)).convert("RGB").tobytes()[:3]
    return red, green, blue


@pytest.mark.parametrize(
    "scenario",
    [
        "", "final-first", "done-added", "no-event-line", "event-line-only", "json-for-stream", "url-in-completed",
        "url", "data-uri", "data-uri-b64", "empty-b64",
    ],
)  # fmt: skip
@pytest.mark.parametrize("references", [(), (PNG,)], ids=["new", "edit"])
async def test_every_form_of_answer_gives_the_picture(
    openai: OpenAiImages, scenario: str, references: tuple[Reference, ...]
) -> None:
    """Spec OpenAI API reference, Images streaming; relays leave out names and types, and add [DONE]."""
    (picture,) = await generate(openai, asked(f"a lighthouse [{scenario}]", references=references))
    assert (colour(picture), picture.note) == (pictures.colour(1), "")
    assert (openai.drawn, len(openai.requests)) == (1, 1)
    assert set(openai.downloads) <= {f"Bearer {openai.key}"}


async def test_partial_pictures_are_progress(openai: OpenAiImages) -> None:
    """Spec OpenAI API reference, Images streaming: the index counts from 0. Of those that come at once, the last."""
    reports = Reports()
    await generate(openai, asked(), reports=reports)
    percents = [percent for _, percent in reports.messages]
    assert percents[0] == 0  # "asked", before the answer begins
    assert percents[-1] == pytest.approx(200 / 3)
    assert len(percents) in {2, 3}


async def test_only_what_was_asked_for_is_sent(openai: OpenAiImages) -> None:
    """Bug: gpt-image answers 400 to `response_format` (vercel/ai #6102); relays answer so to more."""
    await generate(openai, asked())
    (request,) = openai.requests
    assert request.path == "/v1/images/generations"
    assert request.parameters == {"model": MODEL, "prompt": "a lighthouse", "stream": True, "partial_images": 2}


async def test_everything_asked_for_is_sent(openai: OpenAiImages) -> None:
    fields = {"size": "1536x1024", "quality": "low", "background": "opaque", "output_format": "jpeg"}
    request = asked(count=3, size="1536x1024", quality="low", background="opaque", output_format="jpeg")
    found = await generate(openai, request)
    assert openai.requests[0].parameters == {"model": MODEL, "prompt": "a lighthouse", "n": 3, **fields}
    assert len(found) == openai.drawn == 3
    assert {Image.open(io.BytesIO(each.data)).size for each in found} == {(1536, 1024)}


@pytest.mark.parametrize(("references", "name"), [((PNG,), "image"), ((PNG, LARGE, PNG), "image[]")])
async def test_references_go_as_named_files(openai: OpenAiImages, references: tuple[Reference, ...], name: str) -> None:
    """Spec OpenAI API reference, Create image edit; relays know `image` for one file and `image[]` for several."""
    await generate(openai, asked(references=references, size="1024x1024"))
    (request,) = openai.requests
    assert (request.path, request.form) == ("/v1/images/edits", True)
    assert [file.name for file in request.files] == [name] * len(references)
    assert [file.content_type for file in request.files] == [each.media_type for each in references]
    assert [file.data for file in request.files] == [each.data for each in references]
    names = ["reference-1.png", "reference-2.jpg", "reference-3.png"]
    assert [file.filename for file in request.files] == names[: len(references)]
    assert "Transfer-Encoding" not in request.headers
    assert request.parameters["stream"] == "true"


async def test_a_mask_goes_beside_its_picture(openai: OpenAiImages) -> None:
    """Spec OpenAI API reference, Create image edit: a PNG with alpha, of the size of the first picture."""
    region = read_mask(half_white((64, 64)), PNG.data)
    mask = Reference(data=alpha_mask(region.data, 64, 64, 4_000_000).data, media_type="image/png")
    await generate(openai, asked(references=(PNG, LARGE), mask=mask))
    (request,) = openai.requests
    sent = [(file.name, file.filename, file.content_type) for file in request.files]
    assert sent[2:] == [("mask", "mask.png", "image/png")]
    assert request.files[2].data == mask.data
    assert openai.charges["a lighthouse"] == 1


async def test_a_relay_that_knows_no_masks_is_not_asked_to_draw_without(openai: OpenAiImages) -> None:
    """Ours: without its mask the whole picture would change, and cost as much."""
    app = web.Application()

    async def edits(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Unknown parameter: 'mask'.", "param": "mask"}}, status=400)

    app.router.add_post("/v1/images/edits", edits)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        upstream = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        with pytest.raises(WorkError, match="mask"):
            await upstream.generate(asked(references=(PNG,), mask=PNG), Reports())


def half_white(size: tuple[int, int]) -> bytes:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


async def test_references_by_url_go_as_json(openai: OpenAiImages) -> None:
    """Spec OpenAI API reference, Create image edit, JSON body: the service reads them itself."""
    url = "https://pictures.example/1.png"
    await generate(openai, asked(references=(Reference(url=url),)))
    (request,) = openai.requests
    assert (request.form, request.parameters["images"]) == (False, [{"image_url": url}])


async def test_a_reference_on_a_private_address_is_not_read_for_the_service(openai: OpenAiImages) -> None:
    """Ours: whoever names the URL may not make us read our own network."""
    request = asked(model="dall-e-2", references=(Reference(url=f"{openai.url}/files/1.png"),))
    with pytest.raises(WorkError, match=r"private network.*nothing charged") as raised:
        await generate(openai, request)
    assert (raised.value.kind, raised.value.may_be_charged) == ("bad_request", False)
    assert (openai.requests, openai.downloads) == ([], [])


async def test_dall_e_is_asked_for_base64_and_does_not_stream(openai: OpenAiImages) -> None:
    """Spec OpenAI API reference: its URLs are valid for an hour only."""
    (picture,) = await generate(openai, asked(model="dall-e-3", aspect_ratio="16:9", quality="hd"))
    assert Image.open(io.BytesIO(picture.data)).size == (1792, 1024)
    assert openai.requests[0].parameters == {
        "model": "dall-e-3", "prompt": "a lighthouse", "size": "1792x1024", "quality": "hd",
        "response_format": "b64_json",
    }  # fmt: skip


async def test_what_the_model_cannot_do_is_never_sent(openai: OpenAiImages) -> None:
    """Ours: it is reports before anything is paid."""
    with pytest.raises(WorkError, match=r"size '512x512' does not suit gpt-image-1.5: use auto, 1024x1024") as raised:
        await generate(openai, asked(size="512x512"))
    assert (raised.value.kind, openai.requests) == ("bad_request", [])


async def test_a_relay_that_does_not_know_a_parameter_is_asked_once_without(openai: OpenAiImages) -> None:
    """Spec OpenAI API, `unknown_parameter`: nothing was drawn; the person hears what was left out."""
    (picture,) = await generate(openai, asked("a [no-quality]", quality="low"))
    assert "quality" in picture.note
    assert ["quality" in each.parameters for each in openai.requests] == [True, False]


async def test_a_transparent_background_that_is_refused_is_told_and_not_paid(openai: OpenAiImages) -> None:
    """Ours: a picture on white would be paid for, and is not what the person asked for."""
    with pytest.raises(UpstreamError, match="no transparent background with this model") as raised:
        await generate(openai, asked("a [no-transparency]", background="transparent"))
    assert (raised.value.kind, raised.value.may_be_charged, openai.charges.total()) == ("bad_request", False, 0)
    assert "nothing was charged: leave `background` out" in raised.value.fact


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"error": {"message": "no", "param": "background"}}, True),
        ({"error": {"message": "Unknown parameter: 'background'.", "code": "unknown_parameter"}}, True),
        ({"error": "Transparency is not supported"}, True),
        ({"error": {"message": "Billing hard limit has been reached."}}, False),
    ],
)
def test_a_refusal_of_transparency_is_told_from_others(body: object, refused: bool) -> None:
    wanted, opaque = (draft(asked("a", background=each)) for each in ("transparent", "opaque"))
    said = json.dumps(body).encode()
    assert refuses_transparency(wanted, said) is refused
    assert not refuses_transparency(opaque, said)
    assert unknown_parameter(wanted, said) is None


async def test_a_relay_that_does_not_stream_is_asked_once_without(openai: OpenAiImages) -> None:
    """Bug: LiteLLM #19569; nobody asked for a stream, so nobody is reports."""
    (picture,) = await generate(openai, asked("a [no-stream]"))
    assert (picture.note, len(openai.requests)) == ("", 2)
    assert "partial_images" not in openai.requests[1].parameters


async def test_one_picture_of_two_that_cannot_be_had_leaves_the_other(openai: OpenAiImages) -> None:
    """Ours: both were paid for."""
    picture, lost = await generate(openai, asked("a [one-lost]", count=2))
    assert lost == Picture(data=b"", source=f"{openai.url}/files/gone.png")
    assert "1 more could not be had" in picture.note
    assert "HTTP 404" in picture.note


@pytest.mark.parametrize(
    ("scenario", "kind", "retries", "wait_s"),
    [
        ("drop-after-partial", "lost", 0, 0),
        ("end-after-partial", "lost", 0, 0),
        ("error-mid-stream", "policy", 0, 0),
        ("error-key-mid-stream", "policy", 0, 0),
        ("relay-breaks", "lost", 0, 0),
        ("truncated", "lost", 0, 0),
        ("gateway-timeout", "lost", 0, 0),
        ("empty-data", "no_image", 0, 0),
        ("nothing-in-b64", "no_image", 0, 0),
        ("moderation", "policy", 0, 0),
        ("moderation-words", "policy", 0, 0),
        ("verification", "account", 0, 0),
        ("rate", "rate", 3, 7),
        ("quota", "quota", 0, 0),
        ("billing", "quota", 0, 0),
        ("server-error-once", "transient", 0, 0),
        ("message-only", "transient", 0, 0),
        ("html", "address", 0, 0),
    ],
)
async def test_every_failure_has_its_kind(
    openai: OpenAiImages, scenario: str, kind: str, retries: int, wait_s: float
) -> None:
    """Spec OpenAI API, error codes; ours: what may have been charged is not tried again."""
    with pytest.raises(WorkError) as raised:
        await generate(openai, asked(f"a [{scenario}]"))
    assert (raised.value.kind, raised.value.retries, raised.value.retry_after_s) == (kind, retries, wait_s)
    assert not [word for word in ("<", "b64_json", openai.key) if word in str(raised.value)]
    assert len(openai.requests) == 1


@pytest.mark.parametrize("scenario", ["empty-data", "nothing-in-b64"])
async def test_a_list_without_a_picture_is_no_word_of_the_service(openai: OpenAiImages, scenario: str) -> None:
    """Bug: it was quoted as having said "an empty list", where its list had an entry, too."""
    with pytest.raises(WorkError) as raised:
        await generate(openai, asked(f"a [{scenario}]"))
    assert "holds none.)" in str(raised.value)
    assert SAID not in str(raised.value)


async def test_a_wrong_key_is_the_operators_to_correct(openai: OpenAiImages) -> None:
    with pytest.raises(WorkError) as raised:
        await generate(openai, asked(), key="sk-wrong-0123456789")
    assert raised.value.kind == "auth"
    assert "sk-wrong" not in str(raised.value)


async def test_a_service_that_hangs_is_given_up(openai: OpenAiImages) -> None:
    """Ours: it may be charged, so it is not asked again."""
    with pytest.raises(WorkError) as raised:
        await generate(openai, asked("a [slow]"), timeouts=Timeouts(silence_s=0.05))
    assert (raised.value.kind, raised.value.retries) == ("lost", 0)


async def test_the_models_on_offer_are_those_for_images(openai: OpenAiImages) -> None:
    """Spec OpenAI API reference, List models: nothing but the id says what a model does."""
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=openai.url, key=openai.key)
        offers = await OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT).offers()
    assert MODEL in offers.images
    assert offers.others == {"gpt-9"}


@pytest.mark.parametrize("streams", [True, False])
async def test_the_tokens_of_an_answer_are_told_once(openai: OpenAiImages, streams: bool) -> None:
    """Spec OpenAI, Create image: `usage` of the body, or of the completed event."""
    count, used = (1, [USED]) if streams else (2, [USED, None])
    made = await generate(openai, asked(count=count), streams=streams)
    assert [each.usage for each in made] == used


async def test_a_stream_is_asked_for_only_where_it_is_known_to_work(openai: OpenAiImages) -> None:
    """Bug: LiteLLM draws, charges, and then fails to stream: paid twice, and no picture (LiteLLM #19569)."""
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=openai.url, key=openai.key)
        relay = OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT)
        assert len(drawn(await relay.generate(asked(), Reports()))) == 1
    assert "stream" not in openai.requests[0].parameters


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ("image", {"detail": [{"loc": ["body", "image"], "msg": "Field required", "type": "missing"}]}),
        ("image", {"error": {"message": "Missing required parameter: 'image'."}}),
        ("image", {"error": "image is required"}),
    ],
)
async def test_several_references_go_under_the_name_that_the_service_knows(wanted: str, refusal: object) -> None:
    """Bug: litellm PR #17046, chatgpt2api PR #18 refuse `image[]`, which costs nothing."""
    names: list[list[str]] = []

    async def edits(request: web.Request) -> web.Response:
        form = await request.post()
        names.append([name for name in form if name.startswith("image")])
        if wanted not in form:
            return web.json_response(refusal, status=422)
        return web.json_response({"data": [{"b64_json": base64.b64encode(pictures.png(1, (8, 8))).decode()}]})

    app = web.Application()
    app.router.add_post("/v1/images/edits", edits)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        upstream = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        reference = Reference(data=pictures.png(2, (8, 8)), media_type="image/png")
        assert len(drawn(await upstream.generate(asked(references=(reference, reference)), Reports()))) == 1
    assert names == [["image[]"], ["image"]]


@pytest.mark.parametrize(("status", "text"), [(404, ""), (404, "404 page not found"), (405, "")])
async def test_a_service_without_a_route_for_references_is_said_to_have_none(status: int, text: str) -> None:
    """Bug: CherryHQ/cherry-studio #18537: Ark has no `images/edits`, and "correct what it names" named nothing."""

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_post("/{path:.*}", nothing)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        upstream = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        reference = Reference(data=pictures.png(2, (8, 8)), media_type="image/png")
        with pytest.raises(WorkError, match="cannot start from pictures") as raised:
            await upstream.generate(asked(references=(reference,)), Reports())
    assert (raised.value.retries, raised.value.may_be_charged) == (0, False)


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_status_of_success_may_bring_the_picture(status: int) -> None:
    async def draw(_: web.Request) -> web.Response:
        digits = base64.b64encode(pictures.png(1, (8, 8))).decode()
        return web.json_response({"data": [{"b64_json": digits}]}, status=status)

    app = web.Application()
    app.router.add_post("/{path:.*}", draw)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        upstream = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        assert len(drawn(await upstream.generate(asked(), Reports()))) == 1


async def test_work_that_was_accepted_for_later_is_not_asked_for_again() -> None:
    """Spec RFC 9110, 15.3.3: 202 says that the request was accepted, and is not done yet."""

    async def accept(_: web.Request) -> web.Response:
        return web.json_response({"id": "img_1"}, status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", accept)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        upstream = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        with pytest.raises(WorkError, match="Do not call again") as raised:
            await upstream.generate(asked(), Reports())
    assert (raised.value.retries, raised.value.may_be_charged) == (0, True)


async def test_a_request_that_was_not_sent_to_its_end_cost_nothing(unused_tcp_port: int) -> None:
    """Ours: no service draws half a request."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", unused_tcp_port), aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=f"http://127.0.0.1:{unused_tcp_port}", key="k")
        upstream = OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT)
        huge = Reference(data=LARGE.data + bytes(40_000_000), media_type="image/jpeg")
        with pytest.raises(WorkError) as raised:
            await upstream.generate(asked(references=(huge,)), Reports())
    assert (raised.value.kind, raised.value.may_be_charged) == ("transient", False)


DIGITS = base64.b64encode(bytes(range(200))).decode()
OTHER = base64.b64encode(bytes(200)).decode()
URL = "https://img.example/1.png?sig=a%2Bb"


def event(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(value)}\n\n".encode()


def partial(index: int) -> bytes:
    value = {"type": "image_edit.partial_image", "b64_json": OTHER, "partial_image_index": index}
    return event(value, "image_edit.partial_image")


def read(stream: bytes, *, step: int = 65536, expected: int = 1) -> tuple[ImagesAnswer, list[int]]:
    answer = ImagesAnswer(expected)
    seen = [each for at in range(0, len(stream), step) for each in answer.feed(stream[at : at + step])]
    return answer, [*seen, *answer.end()]


COMPLETED = {"type": "image_generation.completed", "b64_json": DIGITS}


@pytest.mark.parametrize("step", [1, 7, 65536])
@pytest.mark.parametrize(
    ("stream", "partials", "pictures"),
    [
        pytest.param(
            partial(0) + partial(1) + event(COMPLETED, "image_generation.completed"),
            [0, 1],
            [Inline(DIGITS)],
            id="as-documented",
        ),
        pytest.param(event(COMPLETED), [], [Inline(DIGITS)], id="no-event-line"),
        pytest.param(
            event({"b64_json": OTHER, "partial_image_index": 0}) + event({"b64_json": DIGITS}),
            [0],
            [Inline(DIGITS)],
            id="neither-name-nor-type",
        ),
        pytest.param(
            event({"b64_json": OTHER}, "image_generation.partial_image")
            + event({"b64_json": DIGITS}, "image_generation.completed"),
            [0],
            [Inline(DIGITS)],
            id="name-only",
        ),
        pytest.param(event({"type": "image_generation.completed", "url": URL}), [], [Link(URL)], id="url"),
        pytest.param(
            event({"type": "image_generation.completed", "url": f"data:image/png;base64,{DIGITS}"}),
            [],
            [Inline(DIGITS)],
            id="data-uri-as-url",
        ),
        pytest.param(
            json.dumps({"data": [{"b64_json": DIGITS}, {"url": URL}]}).encode(),
            [],
            [Inline(DIGITS), Link(URL)],
            id="one-body",
        ),
        pytest.param(
            json.dumps({"data": [{"b64_json": DIGITS}]}, indent=1).encode(), [], [Inline(DIGITS)], id="pretty"
        ),
        pytest.param(json.dumps({"data": [{"b64_json": "", "url": URL}]}).encode(), [], [Link(URL)], id="empty-b64"),
        pytest.param(
            json.dumps({"data": [{"url": URL, "b64_json": DIGITS}]}).encode(), [], [Inline(DIGITS)], id="both"
        ),
    ],
)
def test_the_picture_is_found_and_a_partial_one_is_none(
    stream: bytes, step: int, partials: list[int], pictures: list[Source]
) -> None:
    """Spec OpenAI API reference, Image streaming, and what relays make of it; cut anywhere."""
    answer, seen = read(stream, step=step)
    assert (seen, answer.pictures()) == (partials, pictures)


def test_it_is_done_with_as_many_pictures_as_were_asked_for() -> None:
    """Ours: a relay may leave the connection open."""
    stream = event(COMPLETED)
    assert read(stream)[0].is_complete
    answer, _ = read(stream, expected=2)
    assert (answer.is_complete, answer.is_finished) == (False, True)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(
            event({"type": "error", "error": {"message": "x", "code": "moderation_blocked"}}, "error"), id="event"
        ),
        pytest.param(event({"error": {"message": "x", "code": "moderation_blocked"}}), id="key"),
        pytest.param(event({"type": "error", "message": "x", "code": "moderation_blocked"}), id="flat"),
        pytest.param(json.dumps({"code": "moderation_blocked", "msg": "x"}).encode(), id="msg"),
    ],
)
def test_an_error_within_the_answer_is_an_error(stream: bytes) -> None:
    """Bug: neuron-ai #541 read one in the middle of a stream as an empty result."""
    answer, _ = read(partial(0) + stream if stream.startswith((b"data", b"event")) else stream)
    assert answer.without_picture().kind == Kind.POLICY


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        pytest.param(partial(0), Kind.LOST, id="partial-alone"),
        pytest.param(b"", Kind.LOST, id="nothing"),
        pytest.param(b'{"data": [{"b64_json": "iVBORw', Kind.LOST, id="half-a-body"),
        pytest.param(b'{"data": []}', Kind.NO_IMAGE, id="empty-list"),
        pytest.param(event({"type": "image_generation.completed"}), Kind.NO_IMAGE, id="completed-without"),
        pytest.param(b"no model for you", Kind.NO_IMAGE, id="words"),
    ],
)
def test_an_answer_without_a_picture_says_why(stream: bytes, kind: Kind) -> None:
    """Spec OpenAI API reference: without `completed` there is no picture, though it may have been charged."""
    answer, _ = read(stream)
    assert answer.pictures() == []
    assert answer.without_picture().kind == kind


EMPTY = {"message": "", "type": "", "param": "", "code": None}


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"data": [{"url": URL}], "error": EMPTY}).encode(), id="empty-error"),
        pytest.param(json.dumps({"data": [{"url": URL}], "error": {"message": "late"}}).encode(), id="error-beside"),
        pytest.param(
            json.dumps({"data": [{"url": URL}], "errors": [{}], "detail": "null"}).encode(), id="other-errors"
        ),
        pytest.param(json.dumps({"images": [{"url": URL}], "timings": {"inference": 1.2}}).encode(), id="siliconflow"),
        pytest.param(json.dumps({"code": 0, "msg": "ok", "data": {"images": [URL]}}).encode(), id="nested-images"),
        pytest.param(json.dumps([{"url": URL}]).encode(), id="list"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps({"data": [{"url": URL}]}).encode(), id="byte-order-mark"),
        pytest.param(b"\xef\xbb\xbf" + event({"type": "image_generation.completed", "url": URL}), id="mark-and-stream"),
        pytest.param(URL.encode(), id="url-alone"),
        pytest.param(f"![picture]({URL})".encode(), id="markdown"),
    ],
)
def test_a_paid_picture_is_found_in_any_form(body: bytes, step: int) -> None:
    """Bug: BerriAI/litellm #18407 (empty errors), SiliconFlow (`images`): thrown away, and asked for again."""
    assert read(body, step=step)[0].pictures() == [Link(URL)]


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_picture_may_be_the_whole_answer(kind: str, step: int) -> None:
    """Bug: a BMP was read as text, and lost; it is paid for, and kept as PNG."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    picture = out.getvalue()
    assert read(picture, step=step)[0].pictures() == [Raw(picture)]


def test_half_of_a_picture_is_none() -> None:
    answer = ImagesAnswer(1)
    answer.feed(png(1, (8, 8))[:40])
    answer.cut()
    assert answer.pictures() == []


def test_a_task_in_place_of_a_picture_is_named() -> None:
    """Spec APIMart: it answers the ordinary request so. Calling again would pay again."""
    answer, _ = read(json.dumps({"code": 200, "data": [{"status": "submitted", "task_id": "t-7"}]}).encode())
    error = answer.without_picture()
    assert (error.kind, error.task, error.may_be_charged, error.retries) == (Kind.ACCEPTED, "t-7", True, 0)


def test_the_error_in_the_place_of_a_picture_is_told() -> None:
    """Spec Volcengine Ark: each picture of the list may have an `error` instead."""
    answer, _ = read(json.dumps({"data": [{"error": {"code": "X", "message": "sensitive content"}}]}).encode())
    assert answer.without_picture().kind == Kind.POLICY
