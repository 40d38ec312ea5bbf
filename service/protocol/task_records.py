"""A task as it is kept, and the contract of whoever keeps it.

The protocol opens nothing: where records lie, and what becomes of those that a dead process left open, is the keeper's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

WORKING: Final = "working"
INPUT_REQUIRED: Final = "input_required"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
ENDED: Final = frozenset({COMPLETED, FAILED, CANCELLED})

TTL_MS: Final = 24 * 3600 * 1000
"""A person comes back to a chat the next day."""

POLL_MS: Final = 2000
MAX_STATUS_MESSAGE: Final = 200


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One task as it is kept. Times are seconds since the epoch; `result` and `error` as they go on the wire."""

    id: str
    owner: str
    status: str = WORKING
    created_at: float
    updated_at: float
    ttl_ms: int = TTL_MS
    message: str = ""
    input_requests: Mapping[str, Any] = field(default_factory=dict)
    tool: str = ""
    work: str = ""
    """By what the tool can tell how this ended, when the process is gone that worked on it."""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """`DetailedTask` of the extension's schema; members that do not apply are absent."""
        task: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _iso(self.created_at),
            "lastUpdatedAt": _iso(self.updated_at),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": POLL_MS,
        }
        if self.message:
            task["statusMessage"] = self.message
        if self.status == INPUT_REQUIRED:
            task["inputRequests"] = dict(self.input_requests)
        if self.status == COMPLETED:
            task["result"] = self.result
        if self.status == FAILED:
            task["error"] = self.error
        return task

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return now >= self.created_at + self.ttl_ms / 1000


class TaskKeeper(ABC):
    """Keeps the records of tasks. A method returns only after what it wrote would survive a power cut."""

    @abstractmethod
    async def save(self, record: TaskRecord) -> None:
        """Keep a record in place of what was kept under its id."""

    @abstractmethod
    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """The record of this owner's task, or None."""


class MemoryKeeper(TaskKeeper):
    """Keeps records as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[str, TaskRecord] = {}

    async def save(self, record: TaskRecord) -> None:
        """Keep it."""
        self._records[record.id] = record

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """Look it up."""
        record = self._records.get(task_id)
        return record if record is not None and record.owner == owner else None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
