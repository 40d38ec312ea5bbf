"""The end of a task whose process is gone, and its record as a text."""

from dataclasses import replace

import pytest

from service.protocol.task_records import COMPLETED, FAILED, INPUT_REQUIRED, WORKING, TaskRecord
from service.storage.task_rows import expiry_of, interrupted, is_ended, read, text_of

RECORD = TaskRecord(id="t", owner="anna", created_at=10.0, updated_at=10.0, ttl_ms=2500, input_requests={"a": {}})


def test_a_record_survives_as_a_text() -> None:
    record = replace(RECORD, status=COMPLETED, result={"text": "北京 \0"}, tool="generate", work="7")
    assert read(text_of(record)) == record
    assert "\0" not in text_of(record), "a database may have no place for it"


def test_it_may_go_when_its_time_to_live_is_over() -> None:
    assert expiry_of(RECORD) == 12.5


@pytest.mark.parametrize(("status", "work", "ends"), [
    pytest.param(WORKING, "7", False, id="its tool can tell how the work ended"),
    pytest.param(WORKING, "", True, id="nobody knows"),
    pytest.param(INPUT_REQUIRED, "7", True, id="nobody reads the answer"),
])  # fmt: skip
def test_a_task_ends_with_its_process_unless_its_tool_can_tell(status: str, work: str, ends: bool) -> None:
    end = interrupted(replace(RECORD, status=status, work=work), 20.0)
    assert (end is not None) == ends
    if end is not None:
        assert is_ended(end)
        assert (end.status, end.updated_at, end.input_requests) == (FAILED, 20.0, {})
