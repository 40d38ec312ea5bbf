"""Answers of ModelScope API-Inference: a submitted task, the status of a task, a refusal.

Shapes (https://www.modelscope.cn/docs/model-service/API-Inference/intro, and what the service was seen to send):

1. Submitted: `task_id`, a string, a number or a UUID. Models that draw within the call send `images` instead.
2. Polled: `task_status`; the documented words are PENDING, RUNNING, SUCCEED and FAILED, in fact PROCESSING comes too,
   and clients know more. An unknown word means work that goes on. There is no percentage.
3. A failed task is HTTP 200, its reason in `errors.message`, `message`, `error_message` or `error`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from service.upstreams.base import RemoteTask
from service.upstreams.error_body import sanitize
from service.upstreams.errors import UpstreamError, upstream_error
from service.upstreams.kinds import Kind
from service.upstreams.tasks import is_task_id

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


@dataclass(frozen=True)
class Waiting:
    """The work goes on. `status` is the service's word, or why there is none; `pause_s` the least wait it asks for."""

    status: str
    pause_s: float = 0.0


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
