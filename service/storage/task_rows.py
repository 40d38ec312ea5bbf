"""The form of the records of tasks in a row, and their end where their process is gone: the same in every database.

A record is JSON in one column: nothing asks for its parts but its owner, its end and its time. A task of a process that
died is left working where its tool can tell how its work ended; any other can never be answered again, so that it
ends as failed, and says so.
"""

from dataclasses import asdict, replace
from typing import Final

import orjson

from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.task_records import ENDED, FAILED, WORKING, TaskRecord

MAX_UNREAD: Final = 8_000_000
"""Characters of a task's unread messages, beyond which none is taken: two of the largest that a client can send."""

INTERRUPTED: Final = RpcError(INTERNAL_ERROR, "This server stopped while the task ran. Call the tool again.")


def text_of(record: TaskRecord) -> str:
    """Return a record as JSON."""
    return orjson.dumps(asdict(record)).decode()


def read(text: str) -> TaskRecord:
    """Return the record that a row has as JSON."""
    return TaskRecord(**orjson.loads(text))


def is_ended(record: TaskRecord) -> bool:
    """Tell that nothing is to come of a task."""
    return record.status in ENDED


def expiry_of(record: TaskRecord) -> float:
    """Return the time from which on a record may go, in seconds since the epoch."""
    return record.created_at + record.ttl_ms / 1000


def interrupted(record: TaskRecord, now: float) -> TaskRecord | None:
    """Return the end of a task whose process died; None where its tool can tell how the work ended."""
    if record.status == WORKING and record.work:
        return None
    return replace(
        record, status=FAILED, message=INTERRUPTED.message, error=INTERRUPTED.body(), input_requests={}, updated_at=now
    )
