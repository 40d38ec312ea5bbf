"""ModelScope API-Inference: a task is submitted, polled until it has ended, and its pictures are downloaded.

1. Submit once. There is no key that makes it idempotent, so a submission is not repeated when its answer is lost.
2. Poll. A failed poll says nothing of the work, which goes on: only a refused token or an unknown task ends the wait.
3. Download at once, without the token: the pictures lie on a storage host for a time that is not documented.

Source of the wire format: https://www.modelscope.cn/docs/model-service/API-Inference/intro, and the service's own
client (https://github.com/modelscope/modelscope-mcp-server). No way to cancel a task is known.

Answers, as the service was seen to send them:

1. Submitted: `task_id`, a string, a number or a UUID. Models that draw within the call send `images` instead.
2. Polled: `task_status`; the documented words are PENDING, RUNNING, SUCCEED and FAILED, in fact PROCESSING comes too,
   and clients know more. An unknown word means work that goes on. There is no percentage.
3. A failed task is HTTP 200, its reason in `errors.message`, `message`, `error_message` or `error`.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from service.bounds.bodies import read_limited
from service.images import ImageRequest, Picture, Progress, Reference, WorkError
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.base import Offers, RemoteTask
from service.upstreams.base64_extractor import ExtractedBase64
from service.upstreams.error_body import sanitize
from service.upstreams.errors import LONGEST_WAIT_S, UpstreamError, read_start, request_to, retry_after, upstream_error
from service.upstreams.fetch import bearer
from service.upstreams.http import Body, HttpUpstream, ask_models, json_body
from service.upstreams.image_sources import Link
from service.upstreams.kinds import Kind
from service.upstreams.tasks import Polling, Waiting, is_task_id, poll

SUCCEEDED: Final = frozenset({"SUCCEED", "SUCCEEDED", "SUCCESS"})
FAILED: Final = frozenset({"FAILED", "FAIL", "TIMEOUT", "CANCELED", "CANCELLED"})

REMAINING: Final = ("modelscope-ratelimit-model-requests-remaining", "modelscope-ratelimit-requests-remaining")
"""Headers with the calls left today, of this model and of all. A 429 beside a 0 is the day's quota, not a burst."""

BY_DATA: Final = (
    "(The reference picture went along inside the request, which not every model there takes: "
    "another one may, or a public URL of it as `image_url`.)"
)
"""The documentation speaks of public URLs only, and other clients of both (modelscope/modelscope #1406)."""

LONGEST_WORD: Final = 40


@dataclass(frozen=True)
class Finished:
    """The work is done, and its pictures are at these URLs."""

    links: tuple[str, ...]


def read_submitted(answer: object) -> RemoteTask | Finished:
    """Read the answer to a submission that was accepted. Raise `UpstreamError`."""
    if status_of(answer) in FAILED:
        raise task_failure(answer)
    links = links_of(answer)
    if links:
        return Finished(links)
    match answer:
        case {"task_id": str() | int() as id_} if is_task_id(id_):
            return RemoteTask(str(id_))
        case {"errors": _} | {"error": _}:
            raise upstream_error(HTTPStatus.OK, answer)
        case _:
            raise UpstreamError(Kind.LOST, detail="(Its answer names neither a task nor a picture.)")


def read_polled(answer: object) -> Waiting | Finished:
    """Read how a task stands. Raise `UpstreamError` where it ended without a picture."""
    word, links = status_of(answer), links_of(answer)
    if word in FAILED:
        raise task_failure(answer)
    if links and (word in SUCCEEDED or not word):
        return Finished(links)
    if word in SUCCEEDED:
        raise UpstreamError(Kind.NO_IMAGE, detail="(The task succeeded, but there is no picture in it.)")
    return Waiting(sanitize(word, LONGEST_WORD) or "no status")


def refused(status: int, body: bytes, headers: Mapping[str, str], *, by_data: bool = False) -> UpstreamError:
    """Classify a refusal by its words and status, and a 429 by how many calls are left as well.

    `by_data`: a picture was in what was refused, which the service may not take.
    """
    error = upstream_error(status, body, headers)
    if error.kind == Kind.RATE and any(headers.get(name, "").strip() == "0" for name in REMAINING):
        return UpstreamError(Kind.QUOTA, detail="(No call is left for today; the day ends at midnight in China.)")
    if error.kind == Kind.BAD_REQUEST and by_data:
        return upstream_error(status, body, headers, detail=BY_DATA)
    return error


def status_of(answer: object) -> str:
    """Return the status word in capitals; empty where there is none."""
    match answer:
        case {"task_status": str(word)}:
            return word.strip().upper()
        case _:
            return ""


def links_of(answer: object) -> tuple[str, ...]:
    """Return the URLs of the pictures, each once, in their order."""
    match answer:
        case {"output_images": [_, *_] as items} | {"images": [_, *_] as items}:
            return tuple(dict.fromkeys(_urls(items)))
        case _:
            return ()


def task_failure(answer: object) -> UpstreamError:
    """Return the error of a task that ended without a picture. It was accepted, so it may be charged."""
    return upstream_error(HTTPStatus.INTERNAL_SERVER_ERROR, answer, accepted=True)


def _urls(items: list[object]) -> Iterator[str]:
    for item in items:
        match item:
            case str(url) | {"url": str(url)} if url:
                yield url


ANSWER_S: Final = 30.0
"""Seconds for the answer to a submission or a poll. Neither takes as long as a picture, but for direct answers."""

MAX_ANSWER: Final = 1024 * 1024
"""Bytes of a good answer, which holds an id or some URLs."""

STILL_THERE: Final = frozenset({408, 425, 429})
"""Statuses of a poll that, like all from 500 on, leave open how the task stands."""

NEEDS_PICTURE: Final = ("-Edit", "Kontext")
"""Parts of the names of models that change a picture; without one they answer "submit image generation task error"."""

DRAWS: Final = re.compile(r"(?i)image|flux|kontext|diffusion")
"""Words in the names of models that draw. Most that are listed are language models."""

SHAPES: Final[Mapping[str, str]] = {
    "1:1": "1024x1024",
    "16:9": "1024x576",
    "9:16": "576x1024",
    "4:3": "1024x768",
    "3:4": "768x1024",
    "3:2": "1008x672",
    "2:3": "672x1008",
}
"""Pixels for an aspect ratio where no size was given: 1024 is the longest side that every family of models takes."""

QWEN_SHAPES: Final[Mapping[str, str]] = {
    "1:1": "1328x1328",
    "16:9": "1664x928",
    "9:16": "928x1664",
    "4:3": "1472x1104",
    "3:4": "1104x1472",
    "3:2": "1584x1056",
    "2:3": "1056x1584",
}
"""The sizes that Qwen-Image was made for (https://github.com/QwenLM/Qwen-Image, README)."""


POLLING: Final = Polling(each_s=5.0, total_s=150.0)
"""A picture takes 7 to 30 seconds, in busy hours minutes. Users of ModelScope Image MCP know these numbers."""


NO_TASK: Final = RemoteTask("0")
"""A task that nobody has: 401 where the token is wrong, 404 where it is right."""


class ModelScopeUpstream(HttpUpstream):
    """API-Inference of ModelScope, or a service with the same API."""

    name: ClassVar[str] = "modelscope"
    title: ClassVar[str] = "ModelScope"
    called: ClassVar[str] = title

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        *,
        max_file_bytes: int,
        polling: Polling = POLLING,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        """Reach one server, as `HttpUpstream` does."""
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self.deadline_s = polling.total_s
        self._polling = polling

    async def offers(self) -> Offers:
        """Return the models whose names are those of image models.

        The list is public, so the token is tried on a task that nobody has: a wrong one is refused there.
        """
        with request_to(self.service, paid=False):
            async with self._ask_about(NO_TASK) as response:
                if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    raise upstream_error(response.status, await read_start(response), response.headers)
            listed = await ask_models(self._session, self._base / "models", self._key)
        images = tuple(id_ for id_ in listed if DRAWS.search(id_))
        return Offers(images=images, others=frozenset(listed) - set(images), complete=False)

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Submit the request. A few models draw within the call; all others give a task."""
        refuse_without_picture(request)
        await progress("Handing the work to ModelScope", 0)
        match await self._submit(request):
            case RemoteTask() as task:
                return task  # at once: a call that is cancelled before the id is written down has paid in vain
            case Finished(links):
                return await self._download(links, progress)

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:
        """Poll until the task has ended."""
        await progress(f"ModelScope took the work in: task {task.id}", 2)

        async def look() -> Waiting | Finished:
            with request_to(self.service, paid=False):
                return await self._look(task)

        found = await poll(look, self.title, self._polling, progress)
        return await self._download(found.links, progress)

    async def _submit(self, request: ImageRequest) -> RemoteTask | Finished:
        headers = {"X-ModelScope-Async-Mode": "true"}
        body = submission_body(request)
        async with self._post("images/generations", body, headers=headers, silence_s=ANSWER_S) as response:
            if response.status != HTTPStatus.OK:
                by_data = any(not each.url for each in request.references)
                raise refused(response.status, await read_start(response), response.headers, by_data=by_data)
            return read_submitted(await _json(response))

    async def _look(self, task: RemoteTask) -> Waiting | Finished:
        """Poll once. When the connection fails, the task is taken to go on."""
        try:
            return await self._poll(task)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return Waiting("no answer when asked")

    async def _poll(self, task: RemoteTask) -> Waiting | Finished:
        async with self._ask_about(task) as response:
            status = response.status
            if status == HTTPStatus.OK:
                return read_polled(await _json(response))
            if status in STILL_THERE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return Waiting(f"HTTP {status} when asked", min(retry_after(response.headers) or 0.0, LONGEST_WAIT_S))
            if status == HTTPStatus.NOT_FOUND:
                raise UpstreamError(Kind.LOST, detail=f"(ModelScope does not know the task {task.id} any more.)")
            raise upstream_error(status, await read_start(response), response.headers, accepted=True)

    def _ask_about(self, task: RemoteTask) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        url = URL(f"{self._base}/tasks/{quote(task.id, safe='')}", encoded=True)
        headers = {"X-ModelScope-Task-Type": "image_generation"} | bearer(self._key)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=self._timeouts.connect_s)
        return self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout)

    async def _download(self, links: tuple[str, ...], progress: Progress) -> list[Picture]:
        return await self._pictures.read([Link(link) for link in links], ExtractedBase64(), progress)


def refuse_without_picture(request: ImageRequest) -> None:
    """Raise `WorkError` for a model that only changes pictures and a request without one."""
    if needs_picture(request.model) and not request.references:
        raise WorkError(
            f"{request.model} changes a picture and was given none; nothing was sent. Pass one as a reference, such "
            "as its public URL in `image_url`, or choose a model that draws from words alone, such as Qwen/Qwen-Image.",
            kind=Kind.BAD_REQUEST,
        )


def submission_body(request: ImageRequest) -> Body:
    """Encode the submission: only parameters that were asked for."""
    fields: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "size": size_of(request),
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
        "loras": _loras(request.loras),
        "image_url": _pictures(request.references),
    }
    return json_body({name: value for name, value in fields.items() if value is not None})


def needs_picture(model: str) -> bool:
    """Tell whether a model only changes pictures, by its name."""
    return any(part in model for part in NEEDS_PICTURE)


def size_of(request: ImageRequest) -> str | None:
    """Return the size in pixels that was asked for, or one of the aspect ratio; None leaves it to the model."""
    if request.size is not None or request.aspect_ratio is None:
        return request.size
    shapes = QWEN_SHAPES if request.model.startswith("Qwen/Qwen-Image") else SHAPES
    return shapes.get(request.aspect_ratio)


def _loras(loras: Mapping[str, float] | None) -> str | dict[str, float] | None:
    """Encode one LoRA by its name alone, several with their weights, which have to add up to 1."""
    match loras and list(loras):
        case [str(only)]:
            return only
        case [_, *_] if loras:
            return dict(loras)
        case _:
            return None


def _pictures(references: tuple[Reference, ...]) -> str | Reference | list[str | Reference] | None:
    """Encode one picture by itself, which every edit model takes, and several as a list, which only later ones do.

    A picture goes by its URL where it has one; bytes become data URIs, which some models take.
    """
    pictures = [reference.url or reference for reference in references]
    return pictures[0] if len(pictures) == 1 else pictures or None


async def _json(response: aiohttp.ClientResponse) -> object:
    """Parse the body. Raise `ValueError` for one that is no JSON, or larger than a good answer ever is."""
    data = await read_limited(response.content, MAX_ANSWER)
    if len(data) > MAX_ANSWER:
        raise ValueError("the answer is too large")
    return orjson.loads(data.removeprefix(codecs.BOM_UTF8))
