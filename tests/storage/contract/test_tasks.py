"""Records of MCP tasks: kept by owner, discarded in time, and told when their process died."""

from dataclasses import replace

from service.protocol.task_records import COMPLETED, FAILED, INPUT_REQUIRED, WORKING, TaskRecord
from tests.engines import NOW, Engine, Process
from tests.storage.contract.conftest import Open

PAST = 1_700_000_000.0
"""Before now by every clock: PostgreSQL removes a record once it has expired by its own clock as well."""


def record(task_id: str = "t", status: str = WORKING, **more: object) -> TaskRecord:
    return TaskRecord(id=task_id, owner="anna", status=status, created_at=NOW, updated_at=NOW, **more)  # type: ignore[arg-type]  # one table of several types


async def test_a_record_is_found_as_it_was_saved_last(process: Process) -> None:
    await process.tasks.save(record())
    asked = record(status=INPUT_REQUIRED, input_requests={"name": {"method": "elicitation/create", "params": {}}})
    await process.tasks.save(asked)
    assert await process.tasks.load("anna", "t") == asked


async def test_a_task_of_somebody_else_does_not_exist(process: Process) -> None:
    await process.tasks.save(record())
    assert await process.tasks.load("ben", "t") is None
    assert await process.tasks.load("anna", "other") is None


async def test_an_ended_task_outlives_its_process_with_its_result(engine: Engine, open_process: Open) -> None:
    """Ours: a picture may be described by any text, also one that a database has no sign for."""
    done = record(status=COMPLETED, result={"content": [{"type": "text", "text": "北京 \0"}]})
    first = await open_process("a")
    await first.tasks.save(done)
    await first.close()
    await engine.die("a")
    assert await (await open_process("b")).tasks.load("anna", "t") == done


async def test_a_task_whose_process_died_has_failed_and_says_so(engine: Engine, open_process: Open) -> None:
    """SEP-2663: a task survives a restart as a record; failed is for JSON-RPC errors, so it holds one."""
    first = await open_process("a")
    await first.tasks.save(record("working"))
    await first.tasks.save(record("asking", INPUT_REQUIRED, input_requests={"a": {}}))
    await engine.die("a")
    second = await open_process("b", lambda: NOW + 5)
    for task_id in ("working", "asking"):
        kept = await second.tasks.load("anna", task_id)
        assert kept is not None
        assert (kept.status, kept.updated_at, dict(kept.input_requests)) == (FAILED, NOW + 5, {})
        assert kept.error is not None
        assert "Call the tool again" in kept.error["message"]


async def test_a_task_whose_work_goes_on_outlives_its_process(engine: Engine, open_process: Open) -> None:
    """Ours: its tool is asked for the end. One that waits for a person's answer lost who would read it."""
    first = await open_process("a")
    await first.tasks.save(record("working", tool="generate", work="7"))
    await first.tasks.save(record("asking", INPUT_REQUIRED, tool="generate", work="8"))
    await engine.die("a")
    second = await open_process("b")
    working, asking = [await second.tasks.load("anna", task_id) for task_id in ("working", "asking")]
    assert working == record("working", tool="generate", work="7")
    assert asking is not None
    assert asking.status == FAILED


async def test_a_task_of_a_process_that_lives_is_left_alone(open_process: Open) -> None:
    first = await open_process("a")
    await first.tasks.save(record())
    assert await (await open_process("b")).tasks.load("anna", "t") == record()


async def test_what_has_expired_is_removed_at_the_next_start(engine: Engine, open_process: Open) -> None:
    first = await open_process("a", lambda: PAST)
    of_then = [record("old", COMPLETED, ttl_ms=1000), record("older", ttl_ms=1000), record("new")]
    for each in of_then:
        await first.tasks.save(replace(each, created_at=PAST))
    await engine.die("a")
    second = await open_process("b", lambda: PAST + 1)
    assert await second.tasks.load("anna", "old") is None
    assert await second.tasks.load("anna", "older") is None
    assert await second.tasks.load("anna", "new") is not None


async def test_messages_reach_the_process_that_runs_a_task_in_their_order_and_once(open_process: Open) -> None:
    """Ours: an answer of a person may come to any process, and the task waits in one of them."""
    first, second = await open_process("a"), await open_process("b")
    await first.tasks.save(record())
    said: list[dict[str, object]] = [{"answer": "北京"}, {"n": 1e3, "\0": None}, {"answer": "😀"}]
    assert [await second.tasks.send("t", each) for each in said] == [True, True, True]
    assert list(await first.tasks.receive("t")) == said
    assert list(await first.tasks.receive("t")) == []


async def test_a_message_for_a_task_that_no_living_other_process_runs_is_refused(
    engine: Engine, open_process: Open
) -> None:
    first, second = await open_process("a"), await open_process("b")
    for task_id in ("own", "ended", "released", "orphaned"):
        await first.tasks.save(record(task_id, work="7"))
    await first.tasks.save(record("ended", COMPLETED))
    await first.tasks.release("released")
    assert not await first.tasks.send("own", {})
    assert not await second.tasks.send("ended", {})
    assert not await second.tasks.send("released", {})
    assert not await second.tasks.send("never", {})
    await engine.die("a")
    assert not await second.tasks.send("orphaned", {})


async def test_a_task_is_released_by_the_process_that_runs_it_alone(open_process: Open) -> None:
    first, second = await open_process("a"), await open_process("b")
    await first.tasks.save(record())
    await second.tasks.release("t")
    assert await second.tasks.send("t", {"a": 1})
