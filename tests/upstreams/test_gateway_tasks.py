"""Tests of service/upstreams/gateway_tasks.py, against the emulator of a gateway."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from service.images import ImageRequest, Picture, Reference, Usage
from service.settings import Endpoint, Timeouts
from service.upstreams.base import RemoteTask
from service.upstreams.errors import UpstreamError
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.gateway_tasks import KNOWN_S
from service.upstreams.http import HttpUpstream
from service.upstreams.openai import OpenAiUpstream
from tests.emulators import pictures
from tests.emulators.gateway import FORMS, Gateway, running
from tests.emulators.loopback import serving
from tests.upstreams.made import drawn

MODEL = "gpt-image-1.5"
LIMIT = 10_000_000


class Pauses:
    """Does not pause, and remembers for how long it would have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Reports:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, float | None]] = []

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.messages.append((message, percent))


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as emulator:
        yield emulator


@asynccontextmanager
async def upstream(
    gateway: Gateway, pauses: Pauses | None = None, task_routes: str = ""
) -> AsyncIterator[OpenAiUpstream]:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=gateway.url, key=gateway.key)
        opened = OpenAiUpstream(
            session, endpoint, max_file_bytes=LIMIT, timeouts=Timeouts(appear_s=0.1), task_routes=task_routes
        )
        yield hurried(opened, pauses)


U = TypeVar("U", bound=HttpUpstream)


def hurried(opened: U, pauses: Pauses | None = None, known_s: float = KNOWN_S) -> U:
    """The same without pauses between questions."""
    polling = replace(opened.tasks.polling, pause=pauses or Pauses())
    opened.tasks = replace(opened.tasks, polling=polling, known_s=known_s)
    return opened


def asked(prompt: str, **fields: object) -> ImageRequest:
    return ImageRequest(model=MODEL, prompt=prompt, **fields)  # type: ignore[arg-type]  # a table's fields


async def submitted(opened: OpenAiUpstream, request: ImageRequest) -> RemoteTask:
    task = await opened.generate(request, Reports())
    assert isinstance(task, RemoteTask)
    return task


async def follow(gateway: Gateway, prompt: str, pauses: Pauses | None = None, **fields: object) -> list[Picture]:
    async with upstream(gateway, pauses) as opened:
        return await opened.follow(await submitted(opened, asked(prompt, **fields)), Reports())


@pytest.mark.parametrize("form", FORMS)
async def test_a_task_in_place_of_a_picture_is_given_and_nothing_is_asked_yet(gateway: Gateway, form: str) -> None:
    """Ours: its id is written down before the first question, so that a crash does not lose what is paid for."""
    async with upstream(gateway) as opened:
        assert await submitted(opened, asked(f"a boat [{form}]")) == RemoteTask("task_1")
    assert (gateway.asked_at, gateway.charges.total()) == ([], 1)


@pytest.mark.parametrize(
    "scenario", ["", "image-urls", "url-list", "result-data", "by-base64", "unknown-at-first", "odd-status"]
)
async def test_a_task_is_asked_about_until_its_picture_is_there(gateway: Gateway, scenario: str) -> None:
    """Bug: the picture was lost and asked for again. Forms of APIMart, apib, sub2api and new-api."""
    (picture,) = await follow(gateway, f"a boat [{scenario}]")
    assert picture.data == pictures.png(gateway.drawn)
    assert gateway.charges.total() == 1
    assert set(gateway.asked_at) <= {"/v1/tasks/task_1", "/v1/images/tasks/task_1"}


@pytest.mark.parametrize("scenario", ["task-header", "task-at"])
async def test_the_address_in_a_header_is_asked_at_the_configured_origin(gateway: Gateway, scenario: str) -> None:
    """Spec RFC 9110, 15.3.3 and 10.2.2: 202 points to a monitor; `Location` may be relative. Bug: it was not read."""
    async with upstream(gateway) as opened:
        task = await submitted(opened, asked(f"a boat [{scenario}]"))
        (picture,) = await opened.follow(task, Reports())
    assert task == RemoteTask("/v1/operations/task_1?of=a%20boat")
    assert (set(gateway.asked_at), gateway.charges.total()) == ({"/v1/operations/task_1"}, 1)
    assert picture.data == pictures.png(gateway.drawn)


@pytest.mark.parametrize("location", ["/", "", "http://[", "/" + "a" * 501])
async def test_a_header_that_names_no_address_leaves_the_task_to_the_person(location: str) -> None:
    async def submit(_: web.Request) -> web.Response:
        return web.Response(status=202, headers={"Location": location})

    app = web.Application()
    app.router.add_post("/v1/images/generations", submit)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        opened = OpenAiUpstream(session, Endpoint(url=url, key="sk-1"), max_file_bytes=LIMIT)
        with pytest.raises(UpstreamError) as caught:
            await opened.generate(asked("a boat"), Reports())
    assert (caught.value.kind, caught.value.may_be_charged, caught.value.task) == ("accepted", True, "")


async def test_all_pictures_of_a_task_come(gateway: Gateway) -> None:
    assert len(await follow(gateway, "two boats", count=2)) == 2


async def test_a_task_for_each_picture_is_followed(gateway: Gateway) -> None:
    """Ours: one request was paid for all of them, so that all are asked about, under one job."""
    made = await follow(gateway, "two boats [task-each]", count=2)
    assert [each.data for each in made] == [pictures.png(1), pictures.png(2)]
    assert (gateway.charges.total(), set(gateway.tasks)) == (1, {"task_1", "task_2"})


async def test_a_task_that_fails_loses_no_other(gateway: Gateway) -> None:
    (picture,) = await follow(gateway, "two boats [task-each] [second-fails]", count=2)
    assert picture.note.startswith("Another one could not be had: The image service refused this prompt")


async def test_the_use_that_a_task_tells_is_kept(gateway: Gateway) -> None:
    (picture,) = await follow(gateway, "a boat [result-data]")
    assert picture.usage == Usage(input_tokens=7, output_tokens=1056)


async def test_the_route_that_knows_the_task_is_asked_alone_from_then_on(gateway: Gateway) -> None:
    await follow(gateway, "a boat")
    assert gateway.asked_at == ["/v1/tasks/task_1"] * 3


async def test_retry_after_is_waited_for(gateway: Gateway) -> None:
    """Spec RFC 9110, 10.2.3."""
    pauses = Pauses()
    await follow(gateway, "a boat [busy-once]", pauses)
    assert pauses.seconds[:2] == [1.5, 7]


async def test_progress_tells_the_status_and_the_percent(gateway: Gateway) -> None:
    reports = Reports()
    async with upstream(gateway) as opened:
        await opened.follow(await submitted(opened, asked("a boat")), reports)
    assert ("The image service: processing (0 s)", 20.0) in reports.messages


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [("fails", "policy"), ("fails-like-new-api", "policy"), ("empty", "no_image"), ("key-gone", "auth")],
)
async def test_a_task_that_ends_without_a_picture_says_why(gateway: Gateway, scenario: str, kind: str) -> None:
    """Ours: it was taken in, so that it may be charged, and is not asked for again."""
    with pytest.raises(UpstreamError) as caught:
        await follow(gateway, f"a boat [{scenario}]")
    assert (caught.value.kind, caught.value.may_be_charged, caught.value.retries) == (kind, True, 0)


@pytest.mark.parametrize(("task_routes", "path"), [("async", "generations/async"), ("tasks", "tasks")])
async def test_a_gateway_with_routes_for_tasks_is_asked_by_them(gateway: Gateway, task_routes: str, path: str) -> None:
    """Spec Wei-Shaw/sub2api, docs/ASYNC_IMAGE_TASKS.md: no proxy ends the wait. It refuses streams."""
    async with upstream(gateway, task_routes=task_routes) as opened:
        task = await submitted(opened, asked("a boat"))
        (picture,) = await opened.follow(task, Reports())
    assert (task.id, gateway.requests[0].path) == ("/v1/images/tasks/task_1", f"/v1/images/{path}")
    assert picture.data
    assert set(gateway.asked_at) == {"/v1/images/tasks/task_1"}


async def test_edits_go_by_the_route_for_tasks_too(gateway: Gateway) -> None:
    reference = Reference(data=pictures.png(3, (64, 64)), media_type="image/png")
    async with upstream(gateway, task_routes="async") as opened:
        await submitted(opened, asked("a boat", references=(reference,)))
    assert gateway.requests[0].path == "/v1/images/edits/async"


async def test_a_gateway_without_these_routes_is_asked_for_the_picture_itself(gateway: Gateway) -> None:
    """Ours: a wrong setting costs no picture; the refusal cost nothing."""
    gateway.without = {"generations/async"}
    async with upstream(gateway, task_routes="async") as opened:
        await submitted(opened, asked("a boat"))
    assert [each.path for each in gateway.requests] == ["/v1/images/generations/async", "/v1/images/generations"]
    assert gateway.charges.total() == 1


def paths(gateway: Gateway) -> list[str]:
    return [each.path.removeprefix("/v1/images/") for each in gateway.requests]


async def test_a_route_that_was_not_there_is_left_out_for_a_while(gateway: Gateway) -> None:
    """Bug: each picture was asked for twice. A gateway may get the route later, so it is tried again."""
    gateway.without = {"generations/async", "edits/async"}
    async with upstream(gateway, task_routes="async") as opened:
        for _ in range(2):
            await submitted(opened, asked("a boat"))
        assert paths(gateway) == ["generations/async", "generations", "generations"]
        gateway.requests.clear()
        opened.without_route_s = 0
        reference = Reference(data=pictures.png(3, (64, 64)), media_type="image/png")
        for _ in range(2):
            await submitted(opened, asked("a boat", references=(reference,)))
        assert paths(gateway) == ["edits/async", "edits"] * 2


async def test_a_model_that_is_not_there_does_not_speak_against_the_route(gateway: Gateway) -> None:
    """Ours: both answer with 404, and a proxy would go on ending long requests."""
    async with upstream(gateway, task_routes="async") as opened:
        gateway.without = {"generations", "generations/async"}
        with pytest.raises(UpstreamError):
            await opened.generate(asked("a boat"), Reports())
        gateway.without.clear()
        gateway.requests.clear()
        await submitted(opened, asked("a boat"))
    assert paths(gateway) == ["generations/async"]


async def test_a_task_is_asked_about_at_the_configured_origin_alone(gateway: Gateway) -> None:
    """Ours: the key goes along. A gateway behind a proxy may name a host that only it knows, or anybody's."""

    async def submit(_: web.Request) -> web.Response:
        told = {"task_id": "t-1", "status": "queued", "poll_url": "http://203.0.113.7:1/v1/images/tasks/t-1?a=b"}
        return web.json_response(told, status=202)

    async def look(request: web.Request) -> web.Response:
        asked_with.append((request.path_qs, request.headers["Authorization"]))
        url = f"{gateway.url}/files/1.png"
        return web.json_response({"status": "completed", "result": {"images": [{"url": url}]}})

    asked_with: list[tuple[str, str]] = []
    app = web.Application()
    app.router.add_post("/v1/images/generations", submit)
    app.router.add_get("/v1/images/tasks/t-1", look)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=url, key="k")
        opened = hurried(OpenAiUpstream(session, endpoint, max_file_bytes=LIMIT))
        assert len(await opened.follow(await submitted(opened, asked("a boat")), Reports())) == 1
    assert asked_with == [("/v1/images/tasks/t-1?a=b", "Bearer k")]


@pytest.mark.parametrize(
    "id_",
    ["ab" * 32, "sk-0123456789abcdef", "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2ln", "a b/c?d#e%2F", "任务-1", 5075522],
)
async def test_a_task_is_asked_about_by_the_very_id_that_was_given(id_: object) -> None:
    """Bug: an id that looks like data or a key was asked about as "[data]", and what is paid for was lost."""

    async def submit(_: web.Request) -> web.Response:
        return web.json_response({"code": 200, "data": [{"status": "submitted", "task_id": id_}]})

    async def look(request: web.Request) -> web.Response:
        asked_for.append(request.match_info["id"])
        return web.json_response({"status": "completed", "url": URI})

    asked_for: list[str] = []
    app = web.Application()
    app.router.add_post("/v1/images/generations", submit)
    app.router.add_get("/v1/tasks/{id}", look)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        opened = hurried(OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT))
        assert len(await opened.follow(await submitted(opened, asked("a boat")), Reports())) == 1
    assert asked_for == [str(id_)]


async def test_a_chat_route_that_answers_with_a_task_is_followed_too() -> None:
    """Ours: relays put any model behind the chat route."""

    async def complete(_: web.Request) -> web.Response:
        return web.json_response({"code": 200, "data": [{"status": "submitted", "task_id": "t-1"}]})

    async def look(_: web.Request) -> web.Response:
        return web.json_response({"status": "completed", "image": data_uri})

    data_uri = f"data:image/png;base64,{base64.b64encode(pictures.png(1, (8, 8))).decode()}"
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/tasks/t-1", look)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        opened = hurried(Flow2ApiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT))
        request = ImageRequest(model="gemini-3.1-flash-image-square", prompt="a boat")
        task = await opened.generate(request, Reports())
        assert task == RemoteTask("t-1")
        assert [each.data for each in await opened.follow(RemoteTask("t-1"), Reports())] == [pictures.png(1, (8, 8))]


async def test_an_ordinary_answer_is_no_task(gateway: Gateway) -> None:
    async def draw(_: web.Request) -> web.Response:
        return web.json_response({"id": "img-1", "data": [{"url": f"{gateway.url}/files/1.png"}]})

    app = web.Application()
    app.router.add_post("/v1/images/generations", draw)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        opened = OpenAiUpstream(session, Endpoint(url=url, key="k"), max_file_bytes=LIMIT)
        assert len(drawn(await opened.generate(asked("a boat"), Reports()))) == 1


Answers = Mapping[str, Sequence[web.Response]]


async def followed(answers: Answers, task: str = "t-1", prefix: str = "", known_s: float = KNOWN_S) -> list[Picture]:
    """Follow a task at a gateway that gives these answers by path, the last one again and again, and 404 elsewhere."""

    async def look(request: web.Request) -> web.Response:
        asked_at.append(request.path)
        left = queues.get(request.path, [web.Response(status=404)])
        found = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    asked_at: list[str] = []
    queues = {path: list(each) for path, each in answers.items()}
    app = web.Application()
    app.router.add_get("/{path:.*}", look)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        opened = OpenAiUpstream(session, Endpoint(url=f"{url}{prefix}", key="k"), max_file_bytes=LIMIT)
        return await hurried(opened, known_s=known_s).follow(RemoteTask(task), Reports())


def told(**fields: object) -> web.Response:
    return web.json_response(fields)


URI = f"data:image/png;base64,{base64.b64encode(pictures.png(1, (8, 8))).decode()}"
DRAWN = told(status="completed", output={"image_urls": [URI]})
PAGE = web.Response(text="<!DOCTYPE html><title>Console</title>", content_type="text/html")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"/v1/tasks/t-1": [PAGE], "/v1/images/tasks/t-1": [DRAWN]}, id="a page at an address of no use"),
        pytest.param(
            {"/v1/tasks/t-1": [web.Response(status=401)], "/v1/images/tasks/t-1": [DRAWN]}, id="refused elsewhere"
        ),
        pytest.param(
            {"/v1/tasks/t-1": [web.Response(status=502)], "/v1/images/tasks/t-1": [DRAWN]}, id="broken elsewhere"
        ),
        pytest.param(
            {"/v1/tasks/t-1": [told(status="success", data={"status": "processing"}), DRAWN]}, id="a good envelope"
        ),
        pytest.param(
            {"/v1/tasks/t-1": [told(status="processing", data=[{"status": "completed", "url": URI}]), DRAWN]},
            id="one of several is there",
        ),
        pytest.param({"/v1/tasks/t-1": [told(code=404, message="task does not exist"), DRAWN]}, id="404 inside 200"),
        pytest.param({"/v1/tasks/t-1": [told(error={"message": "Task not found"}), DRAWN]}, id="an error inside 200"),
        pytest.param({"/v1/tasks/t-1": [told(code=200, data={}), DRAWN]}, id="no status at first"),
        pytest.param({"/v1/tasks/t-1": [web.Response(text="oops"), DRAWN]}, id="no JSON at first"),
        pytest.param(
            {"/v1/tasks/t-1": [told(code="success", data={"status": "SUCCESS", "data": {"url": URI}})]},
            id="new-api",
        ),
        pytest.param(
            {"/v1/tasks/t-1": [told(code=200, data={"status": "completed", "result": {"images": [{"url": [URI]}]}})]},
            id="APIMart",
        ),
        pytest.param(
            {"/v1/tasks/t-1": [told(status="completed", data=[{"status": "failed"}, {"url": URI}])]},
            id="one of several failed",
        ),
    ],
)  # fmt: skip
async def test_the_picture_of_a_task_comes_however_the_gateway_tells_of_it(answers: Answers) -> None:
    """Ours: it is paid for, so that an odd answer on the way does not end the wait."""
    assert [each.data for each in await followed(answers)] == [pictures.png(1, (8, 8))]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told(status="success", data={"status": "FAILURE", "fail_reason": "out of stock"}), "transient"),
        (told(code=200, data={"status": "failed", "error": {"code": "moderation_blocked"}}), "policy"),
        (told(status="success", data={"status": "completed"}), "no_image"),
        (web.Response(status=403, text='{"error":{"message":"Key limit exceeded"}}'), "quota"),
    ],
)
async def test_a_task_that_failed_ends_the_wait(answer: web.Response, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await followed({"/v1/tasks/t-1": [answer]})
    assert (caught.value.kind, caught.value.may_be_charged) == (kind, True)


async def test_a_task_that_no_address_knew_is_left_to_the_person() -> None:
    """Ours: it goes on somewhere, and may be charged; its id is kept for whoever looks for it at the service."""
    with pytest.raises(UpstreamError) as caught:
        await followed({}, known_s=0)
    assert (caught.value.kind, caught.value.task, caught.value.retries) == ("accepted", "t-1", 0)


async def test_a_task_that_is_not_known_any_more_is_lost() -> None:
    answers = {"/v1/tasks/t-1": [told(status="processing"), web.Response(status=404)]}
    with pytest.raises(UpstreamError, match="does not know its task t-1 any more") as caught:
        await followed(answers, known_s=0)
    assert caught.value.kind == "lost"


@pytest.mark.parametrize("path", ["/gateway/v1/jobs/t-1", "/v1/jobs/t-1", "/gateway/v1/tasks/t-1"])
async def test_a_named_address_may_lack_the_path_of_a_proxy(path: str) -> None:
    """Ours: a gateway below `/gateway` does not know of that path; where the address is none, its routes are asked."""
    assert len(await followed({path: [DRAWN]}, task="/v1/jobs/t-1", prefix="/gateway/v1")) == 1


@pytest.mark.parametrize("place", ["data", "result", "top"])
async def test_the_use_is_read_beside_the_status_and_beside_the_pictures(place: str) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}
    fields: dict[str, dict[str, Any]] = {
        "data": {"data": {"status": "completed", "url": URI, "usage": usage}},
        "result": {"status": "completed", "result": {"data": [{"url": URI}], "usage": usage}},
        "top": {"status": "completed", "url": URI, "usage": usage},
    }
    (picture,) = await followed({"/v1/tasks/t-1": [told(**fields[place])]})
    assert picture.usage == Usage(input_tokens=3, output_tokens=4)
