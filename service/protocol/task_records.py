"""The record of a task, and the contract of the storage of records.

The protocol opens nothing: the place of the records, and the end of those that a dead process left open, are up to the
implementation.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
    """One task as it is stored. Times are seconds since the epoch; `result` and `error` as they go on the wire."""

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
    """The words by which the tool can tell how the work ended, when the process that worked on it is gone."""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """Return the `DetailedTask` of the extension's schema; members that do not apply are absent."""
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
        """Return whether its time to live is over at `now`."""
        return now >= self.created_at + self.ttl_ms / 1000


class TaskKeeper(ABC):
    """Storage of the records of tasks. A write that has returned survives a power cut."""

    @abstractmethod
    async def save(self, record: TaskRecord) -> None:
        """Store a record, in place of an earlier one of its id; a task that has ended stays as it is."""

    @abstractmethod
    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """Return the record of this owner's task, or None."""

    @abstractmethod
    async def release(self, task_id: str) -> None:
        """Note that this process runs a task no longer, whose work goes on elsewhere."""

    @abstractmethod
    async def send(self, task_id: str, message: Mapping[str, Any]) -> bool:
        """Leave a message for the other process that runs a task; False where no living one runs it.

        Messages of a task are kept in order until they are received.
        """

    @abstractmethod
    async def receive(self, task_id: str) -> Sequence[Mapping[str, Any]]:
        """Take the messages that other processes left for a task of this one."""


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
