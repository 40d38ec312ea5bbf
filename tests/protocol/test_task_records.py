"""A task as it is kept: what of it goes on the wire in each state, and until when."""

from typing import Any

import pytest

from service.protocol.task_records import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INPUT_REQUIRED,
    WORKING,
    TaskRecord,
)
from tests.memory_keeper import MemoryKeeper

NOW = 1_800_000_000.0


def record(**members: Any) -> TaskRecord:
    whole: dict[str, Any] = {
        "input_requests": {"a": {}},
        "result": {"content": []},
        "error": {"code": -32603, "message": "no"},
    }
    return TaskRecord(id="t", owner="anna", created_at=NOW, updated_at=NOW + 1.5, **(whole | members))


@pytest.mark.parametrize(
    ("status", "own"),
    [
        (WORKING, set()),
        (INPUT_REQUIRED, {"inputRequests"}),
        (COMPLETED, {"result"}),
        (FAILED, {"error"}),
        (CANCELLED, set()),
    ],
)
def test_a_state_shows_what_belongs_to_it_and_nothing_else(status: str, own: set[str]) -> None:
    """SEP-2663, Task Status: a member that does not apply is absent, never null."""
    always = {"taskId", "status", "createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"}
    assert record(status=status).wire().keys() == always | own


def test_times_are_iso_8601_and_intervals_whole_milliseconds() -> None:
    wire = record(message="half way").wire()
    assert (wire["createdAt"], wire["lastUpdatedAt"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.500Z")
    assert isinstance(wire["ttlMs"], int)
    assert isinstance(wire["pollIntervalMs"], int)
    assert wire["statusMessage"] == "half way"


def test_a_record_expires_by_its_time_to_live() -> None:
    assert not record(ttl_ms=1000).expired(NOW + 0.999)
    assert record(ttl_ms=1000).expired(NOW + 1)


async def test_memory_keeps_records_by_principal() -> None:
    keeper = MemoryKeeper()
    await keeper.save(record())
    assert await keeper.load("anna", "t") == record()
    assert await keeper.load("ben", "t") is None
