"""Tasks: work that an image service does while nobody waits for its answer, and the one loop that asks how it stands.

ModelScope gives a task for each picture. Gateways that draw asynchronously answer an ordinary request with the id of a
task in place of a picture, some with the address to ask at.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from yarl import URL

from service.images import Progress
from service.upstreams.error_body import SUCCESSES

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Polling:
    """The seconds between two questions about a task, and of all together. `pause` waits between two of them."""

    each_s: float
    total_s: float
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True)
class Waiting:
    """The work goes on. `status` is the service's word, or why there is none; `pause_s` the least wait it asks for."""

    status: str
    pause_s: float = 0.0
    percent: float | None = None


async def poll(look: Callable[[], Awaitable[Waiting | R]], service: str, polling: Polling, progress: Progress) -> R:
    """Ask with `look` until the work has ended, and return what it found then.

    The first question comes after half a pause: a task of an earlier process may have ended long ago.
    """
    clock = asyncio.get_running_loop().time
    started, pause_s = clock(), polling.each_s / 2
    while True:
        await polling.pause(pause_s)
        found = await look()
        if not isinstance(found, Waiting):
            return found
        await progress(f"{service}: {found.status} ({clock() - started:.0f} s)", found.percent)
        pause_s = max(polling.each_s, found.pause_s)


STATUS_FIELDS: Final = ("status", "task_status", "taskStatus", "state")
TASK_FIELDS: Final = (
    "task_id",
    "taskId",
    "taskid",
    "job_id",
    "jobId",
    "prediction_id",
    "generation_id",
    "generationId",
    "prompt_id",
)
WEAK_FIELDS: Final = ("id", "request_id", "requestId", "uuid", "name")
"""Fields that hold the id of a task only beside a status that waits, or a URL to ask at."""

POLLING_FIELDS: Final = ("poll_url", "polling_url", "status_url")
"""Fields that hold the address to ask at."""

ADDRESSES: Final = ("/", "http://", "https://")
"""Beginnings of an address."""

TASK_WAITS: Final = frozenset({
    "submitted", "pending", "queued", "queueing", "in_queue", "waiting", "created", "starting", "started", "accepted",
    "processing", "in_progress", "in-progress", "running", "generating", "not_start", "not_started",
})  # fmt: skip
TASK_FAILED: Final = frozenset({
    "failed", "failure", "fail", "error", "canceled", "cancelled", "timeout", "expired", "rejected",
})  # fmt: skip
TASK_DONE: Final = frozenset({
    "completed", "complete", "succeeded", "succeed", "success", "done", "finished", "ready",
})  # fmt: skip
WRAPPERS: Final = ("data", "output", "result", "task", "job", "sdGenerationJob")
"""Fields that hold the task, in services that wrap their answers."""

TAKEN_IN: Final = re.compile(r"(?i)提交|排队|submit|queued")
"""Words of gateways that took a task in and give its bare id: Midjourney's say 提交成功, and the id as `result`."""

LONGEST_ID: Final = 500

BETWEEN: Final = "\n"
"""Stands between the ids of several tasks, one for each picture, which are followed as one. No id has a line break."""


def find_task(value: object, depth: int = 3) -> str:
    """Return the id of a task that the answer gives in place of a picture, or of several; or an empty text.

    Where the answer names an address to ask at, its path and query take the place of the id; they begin with a slash.
    The host is left out: a gateway behind a proxy names one that only it knows.

    Gateways answer an ordinary request with `{"data": [{"status": "submitted", "task_id": "…"}]}`, `data` as an object,
    `task_id` or `id` beside a `status` at the top, or DashScope's `{"output": {"task_status": "PENDING", …}}`.
    """
    match value:
        case [*items] if depth:
            return BETWEEN.join(dict.fromkeys(filter(None, (find_task(item, depth - 1) for item in items))))
        case {**fields} if depth:
            status = status_of(fields)
            if status in TASK_FAILED or _reports_failure(fields):
                return ""
            waits = status in TASK_WAITS or fields.get("done") is False or not fields.keys().isdisjoint(POLLING_FIELDS)
            ids = (fields.get(name) for name in (*TASK_FIELDS, *(WEAK_FIELDS if waits else ())))
            found = next((str(each) for each in ids if is_task_id(each)), "")
            inner = (find_task(fields.get(name), depth - 1) for name in WRAPPERS)
            return _address(fields, found) or next(filter(None, inner), "") or _bare_id(fields)
        case _:
            return ""


def _address(fields: Mapping[object, object], id_: str) -> str:
    """Return path and query of the address to ask at, where the answer names one with this id in it; else the id."""
    for name in POLLING_FIELDS:
        match fields.get(name):
            case str(text) if id_ and id_ in text and text.startswith(ADDRESSES) and is_task_id(text):
                return URL(text).raw_path_qs
    return id_


def state_of(value: object, depth: int = 3) -> Mapping[object, object]:
    """Return the object in an answer that holds the status of its task; an empty one where none does.

    An envelope may say of itself that it is a success, so that an object within it that says less is the task.
    """
    match value:
        case [first, *_] if depth:
            return state_of(first, depth - 1)
        case {**fields} if depth:
            own = fields if status_of(fields) else {}
            if own and status_of(own) not in TASK_DONE:
                return own
            objects = (fields.get(name) for name in WRAPPERS)
            inner = (state_of(each, depth - 1) for each in objects if not (own and isinstance(each, list)))
            return next((each for each in inner if each and (not own or status_of(each) not in TASK_DONE)), own)
        case _:
            return {}


def status_of(state: Mapping[object, object]) -> str:
    """Return the status word of a task, in lower case; empty where there is none."""
    words = (word.strip().lower() for name in STATUS_FIELDS if isinstance(word := state.get(name), str))
    return next(filter(None, words), "")


def percent_of(state: Mapping[object, object]) -> float | None:
    """Return how much of a task is done, in percent, where the service says it as 45, "45" or "45%"."""
    said = str(state.get("progress"))
    return min(float(said.removesuffix("%")), 100.0) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?%?", said) else None


def _reports_failure(fields: Mapping[object, object]) -> bool:
    """Tell whether the code is one of failure. Volcengine's 10000 beside `Success` is none."""
    code, words = fields.get("code"), str(fields.get("message") or fields.get("msg"))
    return (
        isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST and words.strip().lower() not in SUCCESSES - {"none"}
    )


def _bare_id(fields: Mapping[object, object]) -> str:
    """Return the id that stands alone in an answer whose words say that a task was taken in."""
    words = " ".join(str(fields[name]) for name in ("description", "message", "msg") if name in fields)
    ids = (fields.get(name) for name in ("result", "data") if TAKEN_IN.search(words))
    return next((str(each) for each in ids if is_task_id(each)), "")


def is_task_id(value: object) -> bool:
    """Tell whether a value can be a task id: printable, of a sensible length, and no step in a path."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and bool(text.strip(". "))
