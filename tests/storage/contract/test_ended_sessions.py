"""Ended sessions: known at once where they end, a moment later everywhere, and for as long as they would live."""

import asyncio

import pytest

from service.protocol.session import LIFETIME_S
from service.storage.disk_sessions import LOOK_S, PERIOD_S
from tests.storage.contract.conftest import Open
from tests.stores import Clock

NOW = 1000.5 * PERIOD_S


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


async def test_what_one_process_ends_has_ended_for_every_other(open_process: Open, clock: Clock) -> None:
    """Ours: a session may be spoken to through any process, now or after a restart."""
    first, second = await open_process("a", clock), await open_process("b", clock)
    assert not second.sessions.contains("a")
    await first.sessions.add("a", NOW + 1)
    await second.sessions.add("b", NOW + LIFETIME_S)
    assert first.sessions.contains("a")
    assert second.sessions.contains("b")
    clock.now += LOOK_S
    for process in (first, second, await open_process("c", clock)):
        await process.catch_up()
        assert [process.sessions.contains(each) for each in ("a", "b", "c")] == [True, True, False]


@pytest.mark.parametrize("age", [0, LIFETIME_S / 3, LIFETIME_S - 1])
@pytest.mark.parametrize("restart", [False, True])
async def test_an_end_is_remembered_for_as_long_as_its_session_would_live(
    open_process: Open, clock: Clock, age: float, restart: bool
) -> None:
    process = await open_process("a", clock)
    await process.sessions.add("a", NOW - age + LIFETIME_S)
    clock.now = NOW - age + LIFETIME_S - 0.001
    ended = (await open_process("b", clock)).sessions if restart else process.sessions
    assert ended.contains("a")


async def test_what_may_be_taken_once_is_taken_by_one_process(open_process: Open, clock: Clock) -> None:
    """Ours: a one-time link that two processes are asked for at the same moment opens one session."""
    processes = [await open_process(lease, clock) for lease in "abcde"]
    taken = await asyncio.gather(*(each.sessions.take("link", NOW + 600) for each in processes * 4))
    assert sum(taken) == 1
    assert all(each.sessions.contains("link") for each in processes)
    assert not await (await open_process("f", clock)).sessions.take("link", NOW + 600), "after a restart neither"
