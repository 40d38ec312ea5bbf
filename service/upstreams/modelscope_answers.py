"""What ModelScope API-Inference answers, read: the ticket of a task, how it stands, or why there is none.

Shapes (https://www.modelscope.cn/docs/model-service/API-Inference/intro, and what the service was seen to send):

1. Submitted: `task_id`, a string, a number or a UUID. Models that draw within the call send `images` instead.
2. Polled: `task_status`; the documented words are PENDING, RUNNING, SUCCEED and FAILED, in fact PROCESSING comes too,
   and clients know more. A word that nobody knows is work that goes on. There is no percentage.
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

SUCCEEDED: Final = frozenset({"SUCCEED", "SUCCEEDED", "SUCCESS"})
ENDED_BADLY: Final = frozenset({"FAILED", "FAIL", "TIMEOUT", "CANCELED", "CANCELLED"})

REMAINING: Final = ("modelscope-ratelimit-model-requests-remaining", "modelscope-ratelimit-requests-remaining")
"""Calls left today, of this model and of all. A 429 beside a 0 is the day's quota, and not a burst."""

BY_DATA: Final = (
    "(The reference picture went along inside the request, which not every model there takes: "
    "another one may, or a public URL of it as `image_url`.)"
)
"""The documentation speaks of public URLs only, and other clients of both (modelscope/modelscope #1406)."""

LONGEST_ID: Final = 200
LONGEST_WORD: Final = 40


@dataclass(frozen=True)
class Finished:
    """The work is done, and its pictures are at these URLs."""

    links: tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """The work goes on. `said` is the status word, or why it could not be read; `pause_s` the least wait asked for."""

    said: str
    pause_s: float = 0.0


def read_submitted(answer: object) -> RemoteTask | Finished:
    """Read the answer to a submission that was accepted. Raise `UpstreamError`."""
    if status_of(answer) in ENDED_BADLY:
        raise ended_badly(answer)
    links = links_of(answer)
    if links:
        return Finished(links)
    match answer:
        case {"task_id": str() | int() as given} if is_task_id(given):
            return RemoteTask(str(given))
        case {"errors": _} | {"error": _}:
            raise upstream_error(HTTPStatus.OK, answer)
        case _:
            raise UpstreamError(Kind.LOST, detail="(Its answer names neither a task nor a picture.)")


def read_polled(answer: object) -> Waiting | Finished:
    """Read how a task stands. Raise `UpstreamError` where it ended without a picture."""
    word, links = status_of(answer), links_of(answer)
    if word in ENDED_BADLY:
        raise ended_badly(answer)
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


def is_task_id(given: str | int) -> bool:
    """Whether it can be one: printable, of a sensible length, and no step in a path."""
    text = str(given)
    return not isinstance(given, bool) and 0 < len(text) <= LONGEST_ID and text.isprintable() and bool(text.strip(". "))


def status_of(answer: object) -> str:
    """The status word in capitals; empty where there is none."""
    match answer:
        case {"task_status": str(word)}:
            return word.strip().upper()
        case _:
            return ""


def links_of(answer: object) -> tuple[str, ...]:
    """The URLs of the pictures, each once, in their order."""
    match answer:
        case {"output_images": [_, *_] as items} | {"images": [_, *_] as items}:
            return tuple(dict.fromkeys(_urls(items)))
        case _:
            return ()


def ended_badly(answer: object) -> UpstreamError:
    """A task that ended without a picture. It was accepted once and may be charged, so nothing tries it again."""
    return upstream_error(HTTPStatus.INTERNAL_SERVER_ERROR, answer, taken_in=True)


def _urls(items: list[object]) -> Iterator[str]:
    for item in items:
        match item:
            case str(url) | {"url": str(url)} if url:
                yield url
