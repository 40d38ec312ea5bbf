"""Tests of service/upstreams/modelscope.py: against the emulator, a row for each of its scenarios."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import orjson
import pytest
from PIL import Image

from service.images import ImageRequest, Picture, Progress, Reference, WorkError
from service.settings import Endpoint, Timeouts
from service.upstreams.base import RemoteTask
from service.upstreams.errors import UpstreamError
from service.upstreams.modelscope import (
    Finished,
    ModelScopeUpstream,
    read_polled,
    read_submitted,
    refused,
    size_of,
    submission_body,
)
from service.upstreams.tasks import Polling, Waiting
from tests.emulators import pictures
from tests.emulators.flow2api_requests import data_of
from tests.emulators.modelscope import MODELS, ModelScope, running
from tests.emulators.modelscope_scenarios import SCENARIOS

MODEL = "Qwen/Qwen-Image"
EDIT = "Qwen/Qwen-Image-Edit-2509"
LIMIT = 10_000_000
EACH_S = 5.0


class Reports:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, float | None]] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.messages.append((message, percent))


class Pauses:
    """Timeouts between polls that are written down and not waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def modelscope() -> AsyncIterator[ModelScope]:
    async with running() as emulator:
        yield emulator


@asynccontextmanager
async def upstream(
    emulator: ModelScope, *, key: str | None = None, pauses: Pauses | None = None, path: str = ""
) -> AsyncIterator[ModelScopeUpstream]:
    endpoint = Endpoint(url=emulator.url + path, key=emulator.key if key is None else key)
    polling = Polling(each_s=EACH_S, total_s=150, pause=pauses or Pauses())
    async with aiohttp.ClientSession() as session:
        yield ModelScopeUpstream(
            session, endpoint, max_file_bytes=LIMIT, polling=polling, timeouts=Timeouts(appear_s=0.1)
        )


async def generate(
    emulator: ModelScope,
    request: ImageRequest | str,
    *,
    key: str | None = None,
    pauses: Pauses | None = None,
    reports: Progress | None = None,
) -> list[Picture]:
    """Submit and follow, as the pipeline does."""
    asked = ImageRequest(model=MODEL, prompt=request) if isinstance(request, str) else request
    progress = reports or Reports()
    async with upstream(emulator, key=key, pauses=pauses) as service:
        made = await service.generate(asked, progress)
        return await service.follow(made, progress) if isinstance(made, RemoteTask) else made


SUCCESSES = {
    # scenario: polls, downloads
    "ok": (4, 1),
    "numeric-id": (4, 1),
    "uuid-id": (4, 1),
    "slash-id": (4, 1),
    "immediate": (0, 1),
    "immediate-succeed": (0, 1),
    "odd-status": (4, 1),
    "succeeded-word": (2, 1),
    "success-word": (2, 1),
    "poll-500": (3, 1),
    "poll-429": (4, 1),
    "poll-dropped": (4, 1),
    "poll-html": (3, 1),
    "download-flaky": (4, 2),
}


class Failed(NamedTuple):
    """The failure of a scenario, and the number of tasks that may be charged for it."""

    kind: str
    retries: int
    words: str
    drawn: int


FAILURES = {
    "failed": Failed("policy", 0, "content check did not pass", 1),
    "failed-text": Failed("policy", 0, "content check did not pass", 1),
    "failed-message": Failed("policy", 0, "content check did not pass", 1),
    "failed-error-message": Failed("policy", 0, "content check did not pass", 1),
    "failed-error": Failed("policy", 0, "content check did not pass", 1),
    "immediate-failed": Failed("policy", 0, "content check did not pass", 1),
    "failed-silent": Failed("transient", 0, "failed", 1),
    "failed-busy": Failed("unavailable", 0, "Server is busy", 1),
    "fail-word": Failed("transient", 0, "failed", 1),
    "timeout-word": Failed("transient", 0, "failed", 1),
    "canceled-word": Failed("transient", 0, "failed", 1),
    "succeed-empty": Failed("no_image", 0, "no picture in it", 1),
    "succeed-missing": Failed("no_image", 0, "no picture in it", 1),
    "error-quota": Failed("quota", 0, "try again tomorrow", 0),
    "error-used-up": Failed("quota", 0, "No call is left for today", 0),
    "error-quota-code": Failed("quota", 0, "used up", 0),
    "error-balance": Failed("quota", 0, "insufficient balance", 0),
    "error-burst": Failed("rate", 3, "fewer requests", 0),
    "error-burst-once": Failed("rate", 3, "fewer requests", 0),
    "error-busy": Failed("unavailable", 2, "Server is busy", 0),
    "error-500-once": Failed("transient", 0, "internal error", 0),
    "error-submit": Failed("bad_request", 0, "submit image generation task error", 0),
    "error-model": Failed("model", 0, "no provider supported", 0),
    "error-bind": Failed("account", 0, "bind your Alibaba Cloud account", 0),
    "error-real-name": Failed("account", 0, "real name verified", 0),
    "submit-dropped": Failed("lost", 0, "may have been charged", 1),
    "submit-dropped-once": Failed("lost", 0, "may have been charged", 1),
    "submit-html": Failed("lost", 0, "may have been charged", 1),
    "submit-nothing": Failed("lost", 0, "may have been charged", 1),
    "poll-401": Failed("auth", 0, "refused the key", 1),
    "poll-403": Failed("forbidden", 0, "no access", 1),
    "poll-404": Failed("lost", 0, "does not know the task 5075522 any more", 1),
    "poll-400": Failed("bad_request", 0, "bad task id", 1),
    "download-html": Failed("download", 0, "web page", 1),
    "download-gone": Failed("download", 0, "HTTP 404", 1),
}

ENDLESS = {"never", "slow", "submit-silent"}
ELSEWHERE = {"large", "refused-once"}
"""Of use to those who test what becomes of a picture, or of several."""


def test_every_scenario_of_the_emulator_has_its_row() -> None:
    """Ours: a scenario that nothing runs proves nothing."""
    assert set(SUCCESSES) | set(FAILURES) | ENDLESS | ELSEWHERE == set(SCENARIOS)


@pytest.mark.parametrize(("scenario", "polls", "downloads"), [(name, *row) for name, row in SUCCESSES.items()])
async def test_every_way_to_succeed_gives_the_picture(
    modelscope: ModelScope, scenario: str, polls: int, downloads: int
) -> None:
    """Ours: submitted once, whatever the polls say; the token does not leave the service."""
    (picture,) = await generate(modelscope, f"a lighthouse [{scenario}]")
    image = Image.open(io.BytesIO(picture.data)).convert("RGB")
    assert (image.size, image.getpixel((0, 0))) == ((1328, 1328), pictures.colour(1))
    assert (len(modelscope.submissions), len(modelscope.polls), len(modelscope.downloads)) == (1, polls, downloads)
    assert modelscope.leaks == []


@pytest.mark.parametrize(("scenario", "failed"), FAILURES.items())
async def test_every_failure_has_its_kind_and_its_words(modelscope: ModelScope, scenario: str, failed: Failed) -> None:
    """Ours: what may have been charged is never tried again, and neither token nor query is in the message."""
    with pytest.raises(WorkError) as raised:
        await generate(modelscope, f"a lighthouse [{scenario}]")
    message = str(raised.value)
    assert (raised.value.kind, raised.value.retries) == (failed.kind, failed.retries)
    assert failed.words in message
    assert modelscope.key not in message
    assert "token=abc" not in message
    assert (len(modelscope.submissions), modelscope.drawn) == (1, failed.drawn)
    assert raised.value.may_be_charged is (failed.drawn > 0)
    assert modelscope.charges.total() == failed.drawn
    assert failed.retries == 0 or failed.drawn == 0


async def test_a_burst_is_waited_out_as_long_as_the_service_asks(modelscope: ModelScope) -> None:
    """Spec RFC 9110, 10.2.3."""
    with pytest.raises(WorkError) as raised:
        await generate(modelscope, "a [error-burst]")
    assert raised.value.retry_after_s == 3


async def test_a_wrong_token_is_the_operators_to_correct(modelscope: ModelScope) -> None:
    with pytest.raises(WorkError, match="valid ModelScope token") as raised:
        await generate(modelscope, "a", key="ms-wrong")
    assert (raised.value.kind, modelscope.drawn) == ("auth", 0)


async def test_polls_come_at_their_interval_and_later_when_told(modelscope: ModelScope) -> None:
    """Ours: the first after half an interval, since a task may be done already; Retry-After: 7 once."""
    pauses = Pauses()
    await generate(modelscope, "a [poll-429]", pauses=pauses)
    assert pauses.seconds == [EACH_S / 2, EACH_S, 7.0, EACH_S]


async def test_progress_names_the_task_and_each_status(modelscope: ModelScope) -> None:
    """Ours: words of the service are shown without HTML."""
    reports = Reports()
    await generate(modelscope, "a [odd-status]", reports=reports)
    assert [message for message, _ in reports.messages] == [
        "Handing the work to ModelScope",
        "ModelScope took the work in: task 5075522",
        "ModelScope: PENDING (0 s)",
        "ModelScope: QUEUED (0 s)",
        "ModelScope: WARMING UP (0 s)",
        "The picture is drawn; downloading it",
    ]


async def test_headers_are_those_that_the_service_wants(modelscope: ModelScope) -> None:
    await generate(modelscope, "a lighthouse [slash-id]")
    (submission,), poll = modelscope.submissions, modelscope.polls[0]
    assert submission.headers["X-ModelScope-Async-Mode"] == "true"
    assert submission.headers["Content-Type"] == "application/json"
    assert poll.headers["X-ModelScope-Task-Type"] == "image_generation"
    assert poll.target == "/v1/tasks/a%2Fb%3F1"
    assert submission.headers["Authorization"] == poll.headers["Authorization"] == f"Bearer {modelscope.key}"


async def test_work_of_an_earlier_process_is_followed_by_its_id(modelscope: ModelScope) -> None:
    """Ours: whoever knows the id gets the picture; nothing is submitted again."""
    async with upstream(modelscope) as earlier:
        task = await earlier.generate(ImageRequest(model=MODEL, prompt="a lighthouse"), Reports())
    assert isinstance(task, RemoteTask)
    async with upstream(modelscope) as later:
        (picture,) = await later.follow(task, Reports())
    assert picture.data == pictures.png(1, (1328, 1328))
    assert len(modelscope.submissions) == 1


async def test_following_goes_on_until_it_is_cancelled(modelscope: ModelScope) -> None:
    """Ours: how long in all is for the pipeline to say."""
    following = asyncio.create_task(generate(modelscope, "a [never]"))
    await modelscope.polled.wait()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1/images/generations"])
async def test_the_base_url_may_be_written_in_any_way(modelscope: ModelScope, tail: str) -> None:
    async with upstream(modelscope, path=tail) as service:
        assert service.describe() == f"ModelScope at {modelscope.url}/v1"
        assert await service.generate(ImageRequest(model=MODEL, prompt="a"), Reports()) == RemoteTask("5075522")


async def test_what_is_listed_is_told_apart_by_its_name(modelscope: ModelScope) -> None:
    """Ours: the list holds language models above all, and no field that says what a model is for."""
    async with upstream(modelscope) as service:
        offers = await service.offers()
    assert offers.images == tuple(MODELS[1:])
    assert (offers.others, offers.complete) == (frozenset({MODELS[0]}), False)


async def test_a_wrong_token_does_not_get_the_list(modelscope: ModelScope) -> None:
    """Ours: the list itself is public, so that a wrong token would pass for a right one until the first picture."""
    async with upstream(modelscope, key="ms-wrong") as service:
        with pytest.raises(WorkError, match="MODELSCOPE_API_KEY") as raised:
            await service.offers()
    assert raised.value.kind == "auth"
    assert not modelscope.charges


async def test_an_edit_model_without_a_picture_is_refused_before_anything_is_sent(modelscope: ModelScope) -> None:
    """Ours: the service would say "submit image generation task error", which nobody can act on."""
    with pytest.raises(WorkError, match=r"changes a picture.*`image_url`") as raised:
        await generate(modelscope, ImageRequest(model=EDIT, prompt="a"))
    assert (raised.value.kind, modelscope.submissions) == ("bad_request", [])


async def test_three_references_go_as_a_list_in_their_order(modelscope: ModelScope) -> None:
    """Spec https://www.modelscope.cn/docs/model-service/API-Inference/intro: `image_url`, several for later models."""
    large = Reference(data=pictures.large_jpeg(), media_type="image/jpeg")
    small = Reference(data=pictures.png(7, (8, 8)), media_type="image/png")
    await generate(modelscope, ImageRequest(model=EDIT, prompt="a", references=(large, URL, small)))
    (submission,) = modelscope.submissions
    sent = submission.json["image_url"]
    assert isinstance(sent, list)
    first, second, third = sent
    assert data_of(first) == ("image/jpeg", large.data)
    assert second == URL.url
    assert data_of(third) == ("image/png", small.data)
    assert submission.headers["Content-Length"] == str(len(submission.body))


async def test_a_refused_picture_is_told_apart_from_a_refused_request(modelscope: ModelScope) -> None:
    """Bug: modelscope/modelscope #1406, pictures inside the request were not taken by every model."""
    for reference, reports in ((BYTES, True), (URL, False)):
        with pytest.raises(WorkError) as raised:
            await generate(modelscope, ImageRequest(model=EDIT, prompt="a [error-submit]", references=(reference,)))
        assert raised.value.kind == "bad_request"
        assert ("went along inside the request" in str(raised.value)) is reports


URL = Reference(url="https://pics.example/a.png")
BYTES = Reference(data=b"\x89PNG", media_type="image/png")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        pytest.param({}, {}, id="nothing more"),
        pytest.param(
            {"negative_prompt": "blurry", "size": "1024x1024", "seed": 42, "steps": 30, "guidance": 4.0},
            {"negative_prompt": "blurry", "size": "1024x1024", "seed": 42, "steps": 30, "guidance": 4.0},
            id="as documented",
        ),
        pytest.param({"aspect_ratio": "16:9"}, {"size": "1664x928"}, id="aspect"),
        pytest.param({"aspect_ratio": "16:9", "size": "640x360"}, {"size": "640x360"}, id="size before aspect"),
        pytest.param({"loras": {"a/b": 0.6, "c/d": 0.4}}, {"loras": {"a/b": 0.6, "c/d": 0.4}}, id="loras"),
        pytest.param({"loras": {"a/b": 1.0}}, {"loras": "a/b"}, id="one lora"),
        pytest.param({"loras": {}}, {}, id="no lora"),
        pytest.param({"references": (URL,)}, {"image_url": URL.url}, id="one URL"),
        pytest.param({"references": (URL, URL)}, {"image_url": [URL.url, URL.url]}, id="several"),
        pytest.param({"references": (BYTES,)}, {"image_url": "data:image/png;base64,iVBORw=="}, id="bytes"),
        pytest.param({"count": 2, "quality": "high", "resolution": "4K"}, {}, id="what it does not know"),
    ],
)
def test_what_was_asked_for_is_sent_and_nothing_else(asked: dict[str, object], sent: dict[str, object]) -> None:
    """Spec https://www.modelscope.cn/docs/model-service/API-Inference/intro: the parameters of image generation."""
    request = ImageRequest(model=MODEL, prompt="一只猫", **asked)  # type: ignore[arg-type]  # a row of any fields
    assert orjson.loads(b"".join(submission_body(request))) == {"model": MODEL, "prompt": "一只猫"} | sent


@pytest.mark.parametrize(("model", "size"), [(MODEL, "928x1664"), ("black-forest-labs/FLUX.1-Krea-dev", "576x1024")])
def test_an_aspect_ratio_becomes_a_size_that_the_model_takes(model: str, size: str) -> None:
    """Ours: FLUX draws at most 1024 pixels a side, Qwen-Image was made for other sizes."""
    assert size_of(ImageRequest(model=model, prompt="a", aspect_ratio="9:16")) == size
    assert size_of(ImageRequest(model=model, prompt="a", aspect_ratio="21:9")) is None


PICTURE_URL = "https://muse-ai.example/img/0.png"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        pytest.param({"task_id": "5075521", "request_id": "x"}, RemoteTask("5075521"), id="string"),
        pytest.param({"task_id": 5075521}, RemoteTask("5075521"), id="number"),
        pytest.param({"task_id": "1", "task_status": "PENDING"}, RemoteTask("1"), id="with its status"),
        pytest.param({"task_id": "1", "task_status": "SUCCEED"}, RemoteTask("1"), id="done, but no picture here"),
        pytest.param({"images": [{"url": PICTURE_URL}], "request_id": "x"}, Finished((PICTURE_URL,)), id="in one call"),
        pytest.param(
            {"task_id": "1", "output_images": [PICTURE_URL, PICTURE_URL]}, Finished((PICTURE_URL,)), id="the same twice"
        ),
    ],
)
def test_a_submission_is_a_task_or_its_pictures(answer: object, read: object) -> None:
    assert read_submitted(answer) == read


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param({"errors": {"message": "Server is busy"}}, "unavailable", id="an error inside 200"),
        pytest.param({}, "lost", id="nothing"),
        pytest.param([], "lost", id="a list"),
        pytest.param("x", "lost", id="a text"),
        pytest.param(None, "lost", id="null"),
        pytest.param({"task_id": True}, "lost", id="true is no number"),
        pytest.param({"task_id": ""}, "lost", id="empty"),
        pytest.param({"task_id": ".."}, "lost", id="a step up in the path"),
        pytest.param({"task_id": "a\nb"}, "lost", id="two lines"),
        pytest.param({"task_id": "1" * 501}, "lost", id="too long"),
        pytest.param({"images": [{"url": ""}, 5, None]}, "lost", id="pictures that are none"),
    ],
)
def test_any_other_answer_to_a_submission_is_an_error(answer: object, kind: str) -> None:
    """Attack: the id goes into a PICTURE_URL, so it is looked at."""
    with pytest.raises(UpstreamError) as raised:
        read_submitted(answer)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        *(({"task_status": word}, Waiting(word)) for word in ("PENDING", "RUNNING", "PROCESSING", "QUEUED", "NEW")),
        ({"task_status": "PROCESSING", "output_images": []}, Waiting("PROCESSING")),
        ({"task_status": "PROCESSING", "output_images": [PICTURE_URL]}, Waiting("PROCESSING")),
        ({"task_status": "so " * 20}, Waiting("SO " * 12 + "SO…")),
        ({}, Waiting("no status")),
        (None, Waiting("no status")),
        *(
            ({"task_status": word, "output_images": [PICTURE_URL]}, Finished((PICTURE_URL,)))
            for word in ("SUCCEED", "succeeded")
        ),
        ({"output_images": [PICTURE_URL]}, Finished((PICTURE_URL,))),
    ],
)
def test_a_poll_says_wait_or_done(answer: object, read: object) -> None:
    """Ours: a word that nobody knows is work that goes on."""
    assert read_polled(answer) == read


@pytest.mark.parametrize(
    ("status", "body", "remaining", "kind"),
    [
        (429, b"{}", "0", "quota"),
        (429, b"{}", "5", "rate"),
        (429, b"", None, "rate"),
        (429, b'{"error":{"code":"insufficient_quota"}}', "5", "quota"),
        (503, b"{}", "0", "unavailable"),
        (302, b"", None, "address"),
    ],
)
def test_a_429_is_the_days_quota_or_a_burst(status: int, body: bytes, remaining: str | None, kind: str) -> None:
    """Ours: tomorrow or in two seconds makes a difference to the person."""
    headers = {} if remaining is None else {"modelscope-ratelimit-requests-remaining": remaining}
    assert refused(status, body, headers).kind == kind
