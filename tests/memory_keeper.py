"""Storage of task records in memory, for tests and the conformance fixture."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.protocol.task_records import TaskKeeper, TaskRecord


class MemoryKeeper(TaskKeeper):
    """Records in memory, as long as the process lives."""

    def __init__(self) -> None:
        """Begin without records."""
        self._records: dict[str, TaskRecord] = {}

    async def save(self, record: TaskRecord) -> None:
        """Store the record."""
        self._records[record.id] = record

    async def release(self, task_id: str) -> None:
        """Do nothing: there is one process."""

    async def send(self, task_id: str, message: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the contract
        """Find no other process."""
        return False

    async def receive(self, task_id: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002 - the contract
        """Find nothing."""
        return []

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """Return the record."""
        record = self._records.get(task_id)
        return record if record is not None and record.owner == owner else None
