"""Tasks: gateways that draw asynchronously answer an ordinary request with the id of a task in place of a picture."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from service.upstreams.error_body import SUCCESSES

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

POLLING_FIELDS: Final = frozenset({"polling_url", "status_url", "poll_url"})

TASK_WAITS: Final = frozenset({
    "submitted", "pending", "queued", "queueing", "in_queue", "waiting", "created", "starting", "started", "accepted",
    "processing", "in_progress", "in-progress", "running", "generating", "not_start", "not_started",
})  # fmt: skip
TASK_ENDED: Final = frozenset({
    "failed", "failure", "fail", "error", "canceled", "cancelled", "timeout", "expired", "rejected",
})  # fmt: skip
WRAPPERS: Final = ("data", "output", "result", "task", "job", "sdGenerationJob")
"""Fields that hold the task, in services that wrap their answers."""

TAKEN_IN: Final = re.compile(r"(?i)提交|排队|submit|queued")
"""Words of gateways that took a task in and give its bare id: Midjourney's say 提交成功, and the id as `result`."""

LONGEST_ID: Final = 200


def find_task(value: object, depth: int = 3) -> str:
    """Return the id of a task that the answer gives in place of a picture, or an empty text.

    Gateways answer an ordinary request with `{"data": [{"status": "submitted", "task_id": "…"}]}`, `data` as an object,
    `task_id` or `id` beside a `status` at the top, or DashScope's `{"output": {"task_status": "PENDING", …}}`.
    """
    match value:
        case [*items] if depth:
            return next(filter(None, (find_task(item, depth - 1) for item in items)), "")
        case {**fields} if depth:
            status = next((word for name in STATUS_FIELDS if isinstance(word := fields.get(name), str)), "")
            status = status.strip().lower()
            if status in TASK_ENDED or _reports_failure(fields):
                return ""
            waits = status in TASK_WAITS or fields.get("done") is False or not POLLING_FIELDS.isdisjoint(fields)
            ids = (fields.get(name) for name in (*TASK_FIELDS, *(WEAK_FIELDS if waits else ())))
            found = next((str(each) for each in ids if is_task_id(each)), "")
            inner = (find_task(fields.get(name), depth - 1) for name in WRAPPERS)
            return found or next(filter(None, inner), "") or _bare_id(fields)
        case _:
            return ""


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
