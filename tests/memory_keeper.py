"""Storage of task records in memory, for tests and the conformance fixture."""

from service.protocol.task_records import TaskKeeper, TaskRecord


class MemoryKeeper(TaskKeeper):
    """Records in memory, as long as the process lives."""

    def __init__(self) -> None:
        """Begin without records."""
        self._records: dict[str, TaskRecord] = {}

    async def save(self, record: TaskRecord) -> None:
        """Store the record."""
        self._records[record.id] = record

    async def load(self, owner: str, task_id: str) -> TaskRecord | None:
        """Return the record."""
        record = self._records.get(task_id)
        return record if record is not None and record.owner == owner else None
