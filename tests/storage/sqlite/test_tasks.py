"""Records of MCP tasks in the SQLite file: kept by owner, discarded in time, and told when their process died."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from service.protocol.task_records import COMPLETED, FAILED, INPUT_REQUIRED, WORKING, TaskRecord
from service.storage.sqlite.store import SqliteStore
from service.storage.sqlite.tasks import SqliteTasks

NOW = 1_800_000_000.0


@asynccontextmanager
async def tasks_in(
    folder: Path, lease: str = "a", alive: Callable[[str], bool] = lambda _: True, now: float = NOW
) -> AsyncIterator[SqliteTasks]:
    store = await SqliteStore.open(folder / "easel.db", lease, alive)
    try:
        yield await SqliteTasks.open(store.database, lease, alive, lambda: now)
    finally:
        await store.close()


def record(task_id: str = "t", status: str = WORKING, **more: object) -> TaskRecord:
    return TaskRecord(id=task_id, owner="anna", status=status, created_at=NOW, updated_at=NOW, **more)  # type: ignore[arg-type]  # one table of several types


async def test_a_record_is_found_as_it_was_saved_last(tmp_path: Path) -> None:
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(record())
        asked = record(status=INPUT_REQUIRED, input_requests={"name": {"method": "elicitation/create", "params": {}}})
        await tasks.save(asked)
        assert await tasks.load("anna", "t") == asked


async def test_a_task_of_somebody_else_does_not_exist(tmp_path: Path) -> None:
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(record())
        assert await tasks.load("ben", "t") is None
        assert await tasks.load("anna", "other") is None


async def test_an_ended_task_outlives_its_process_with_its_result(tmp_path: Path) -> None:
    done = record(status=COMPLETED, result={"content": [{"type": "text", "text": "北京"}]})
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(done)
    async with tasks_in(tmp_path, lease="b", alive=lambda _: False) as tasks:
        assert await tasks.load("anna", "t") == done


async def test_a_task_whose_process_died_has_failed_and_says_so(tmp_path: Path) -> None:
    """SEP-2663: a task survives a restart as a record; failed is for JSON-RPC errors, so it holds one."""
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(record("working"))
        await tasks.save(record("asking", INPUT_REQUIRED, input_requests={"a": {}}))
    async with tasks_in(tmp_path, lease="b", alive=lambda lease: lease == "b", now=NOW + 5) as tasks:
        for task_id in ("working", "asking"):
            kept = await tasks.load("anna", task_id)
            assert kept is not None
            assert (kept.status, kept.updated_at, dict(kept.input_requests)) == (FAILED, NOW + 5, {})
            assert kept.error is not None
            assert "Call the tool again" in kept.error["message"]


async def test_a_task_whose_work_goes_on_outlives_its_process(tmp_path: Path) -> None:
    """Ours: its tool is asked for the end. One that waits for a person's answer lost who would read it."""
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(record("working", tool="generate", work="7"))
        await tasks.save(record("asking", INPUT_REQUIRED, tool="generate", work="8"))
    async with tasks_in(tmp_path, lease="b", alive=lambda lease: lease == "b") as tasks:
        working, asking = [await tasks.load("anna", task_id) for task_id in ("working", "asking")]
    assert working == record("working", tool="generate", work="7")
    assert asking is not None
    assert asking.status == FAILED


async def test_a_task_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    async with tasks_in(tmp_path) as first:
        await first.save(record())
        async with tasks_in(tmp_path, lease="b") as second:
            assert await second.load("anna", "t") == record()


async def test_what_has_expired_is_removed_at_the_next_start(tmp_path: Path) -> None:
    async with tasks_in(tmp_path) as tasks:
        await tasks.save(record("old", COMPLETED, ttl_ms=1000))
        await tasks.save(record("older", ttl_ms=1000))
        await tasks.save(record("new"))
    async with tasks_in(tmp_path, lease="b", alive=lambda _: False, now=NOW + 1) as tasks:
        assert await tasks.load("anna", "old") is None
        assert await tasks.load("anna", "older") is None
        assert await tasks.load("anna", "new") is not None
