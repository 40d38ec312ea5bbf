"""The pace of requests: one begins at once; of hundreds some in each round of the loop, in their order."""

import asyncio
import time

from service.web.pace import AT_ONCE, ROUND_S, Pace


async def begin(pace: Pace, began: list[int], number: int, seconds: float = 0.0) -> None:
    """A request that takes so long to begin."""
    if (turn := pace.turn()) is not None:
        await turn
    began.append(number)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_a_request_alone_begins_at_once() -> None:
    pace = Pace()
    for _ in range(3):
        assert pace.turn() is None
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_short_requests_all_begin_in_one_round() -> None:
    pace, began = Pace(), list[int]()
    tasks = [asyncio.create_task(begin(pace, began, number)) for number in range(20)]
    await asyncio.sleep(0)
    assert began == list(range(20))
    await asyncio.gather(*tasks)


async def test_of_many_that_take_long_some_begin_in_each_round_and_in_their_order() -> None:
    """Bug: 500 calls at once kept the loop from everything else for half a second."""
    pace, began = Pace(), list[int]()
    tasks = [asyncio.create_task(begin(pace, began, number, ROUND_S / 4)) for number in range(80)]
    in_a_round, before = list[int](), 0
    while len(began) < 80:
        await asyncio.sleep(0)
        in_a_round.append(len(began) - before)
        before = len(began)
    assert max(in_a_round[1:]) <= AT_ONCE
    assert began == list(range(80))
    await asyncio.gather(*tasks)


async def test_one_that_goes_away_while_it_waits_holds_up_nobody() -> None:
    pace, began = Pace(), list[int]()
    tasks = [asyncio.create_task(begin(pace, began, number, ROUND_S)) for number in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    for task in tasks[2 : 2 * AT_ONCE]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert began[-1] == 3 * AT_ONCE - 1
    assert len(began) <= 2 + AT_ONCE
    assert pace.turn() is None
