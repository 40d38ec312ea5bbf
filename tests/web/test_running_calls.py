"""The calls that run: owned, cancelled as their era has it, and ended at shutdown."""

import asyncio
from dataclasses import dataclass, field

import pytest

from service.protocol.call import Call
from service.protocol.client import Client, Era
from service.protocol.dispatch import EncodedResponse
from service.protocol.jsonrpc import Request
from service.protocol.session import Session
from service.web.running_calls import AT_ONCE, ROUND_S, Pace, RunningCalls
from tests.command_process import HANGS_S

SESSION = Session(id="s", version="2025-11-25", client=Client(), owner="anna")
OTHER = Session(id="t", version="2025-11-25", client=Client(), owner="anna")


def call(era: Era = Era.LEGACY, id_: int | str = 1) -> Call:
    session = SESSION if era is Era.LEGACY else None
    request = Request(id=id_, method="tools/call", params={})
    return Call(request=request, era=era, version="v", owner="anna", client=Client(), session=session)


class Work:
    """Work that waits until it is let go, and remembers how it ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = ""

    async def run(self) -> EncodedResponse:
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        return EncodedResponse(body=b"{}")


async def test_the_answer_comes_back() -> None:
    work = Work()
    work.go_on.set()
    assert await RunningCalls().run_apart(call(), work.run()) == EncodedResponse(body=b"{}")


async def test_a_lost_connection_leaves_a_call_running_that_outlives_it() -> None:
    """Spec 2025-11-25, Transports: a disconnection SHOULD NOT be taken for a cancellation."""
    calls, work = RunningCalls(), Work()
    handler = asyncio.create_task(calls.run_apart(call(), work.run()))
    await work.began.wait()
    handler.cancel()
    await asyncio.wait({handler})
    assert (handler.cancelled(), work.ended) == (True, "")
    await calls.close(0)


@pytest.mark.parametrize(
    ("session", "request_id", "ended"),
    [
        pytest.param(SESSION, 7, "cancelled", id="the session's own call"),
        pytest.param(OTHER, 7, "done", id="another session"),
        pytest.param(SESSION, "7", "done", id="another id, of another type"),
        pytest.param(SESSION, None, "done", id="no id"),
        pytest.param(SESSION, 7.0, "done", id="a number that is no id"),
        pytest.param(SESSION, [], "done", id="no id at all"),
    ],
)
async def test_a_session_cancels_its_own_calls_only(session: Session, request_id: object, ended: str) -> None:
    """Ours: who knows or guesses an id of somebody else's call cannot end it."""
    calls, work = RunningCalls(), Work()
    handler = asyncio.create_task(calls.run_apart(call(id_=7), work.run()))
    await work.began.wait()
    calls.cancel(session, request_id)
    work.go_on.set()
    answer = await handler
    assert (work.ended, answer is None) == (ended, ended == "cancelled")


async def test_true_is_not_the_id_one() -> None:
    """Bug: JSON's true is 1 to Python."""
    calls, work = RunningCalls(), Work()
    handler = asyncio.create_task(calls.run_apart(call(id_=1), work.run()))
    await work.began.wait()
    calls.cancel(SESSION, True)
    work.go_on.set()
    assert await handler is not None


async def test_an_id_used_again_belongs_to_the_later_call() -> None:
    calls, first, second = RunningCalls(), Work(), Work()
    earlier = asyncio.create_task(calls.run_apart(call(), first.run()))
    later = asyncio.create_task(calls.run_apart(call(), second.run()))
    await second.began.wait()
    first.go_on.set()
    await earlier
    calls.cancel(SESSION, 1)
    assert (await later, second.ended) == (None, "cancelled")


async def test_a_call_that_is_left_goes_on_and_nobody_waits_for_it() -> None:
    """SEP-1699: the connection is ended, and the client comes again for the answer."""
    calls, work, left = RunningCalls(), Work(), call()
    handler = asyncio.create_task(calls.run_apart(left, work.run()))
    await work.began.wait()
    calls.leave(left)
    calls.leave(left)
    assert await handler is None
    assert work.ended == ""
    calls.leave(left)
    work.go_on.set()
    await calls.close(10)
    assert work.ended == "done"


async def within(calls: RunningCalls, modern: Call, work: Work) -> None:
    """Run a call in this task, as a request does."""
    calls.add(modern)
    try:
        await work.run()
    finally:
        calls.remove(modern)


async def test_ended_calls_are_forgotten() -> None:
    calls, works = RunningCalls(), [Work() for _ in range(3)]
    for work in works:
        work.go_on.set()
        await calls.run_apart(call(), work.run())
        await within(calls, call(Era.MODERN), work)
    assert calls == RunningCalls()


@pytest.mark.parametrize("era", Era)
async def test_at_the_end_calls_get_their_grace_and_no_more(era: Era) -> None:
    calls, quick, stuck = RunningCalls(), Work(), Work()

    async def run(work: Work, id_: int) -> None:
        if era is Era.MODERN:
            await within(calls, call(era, id_), work)
        else:
            await calls.run_apart(call(era, id_), work.run())

    handlers = [asyncio.create_task(run(work, number)) for number, work in enumerate((quick, stuck))]
    await stuck.began.wait()
    asyncio.get_running_loop().call_soon(quick.go_on.set)
    await calls.close(0.05)
    await asyncio.wait(handlers)
    assert (quick.ended, stuck.ended) == ("done", "cancelled")


@pytest.mark.parametrize(
    ("session", "request_id", "ended"),
    [(SESSION, 7, "cancelled"), (OTHER, 7, "done"), (SESSION, 8, "done")],
    ids=["the session's own call", "another session", "another id"],
)
async def test_a_call_is_cancelled_where_it_runs_whichever_process_hears_of_it(
    session: Session, request_id: int, ended: str
) -> None:
    """Ours: a load balancer sends the cancellation where it likes; others are told of none that runs here."""
    here, there, work = RunningCalls(), RunningCalls(), Work()
    told: list[tuple[str, int | str, str]] = []
    here.cancelled_elsewhere = lambda *cancelled: told.append(cancelled)
    there.cancelled_elsewhere = lambda *cancelled: told.append(cancelled)
    running = call(id_=7)
    handler = asyncio.create_task(here.run_apart(running, work.run()))
    await work.began.wait()
    there.cancel(session, request_id, "enough")
    [cancelled] = told
    assert session.id != cancelled[0]
    here.cancel_for(*cancelled)
    work.go_on.set()
    await handler
    assert (work.ended, running.cancel_reason) == (ended, "enough" if ended == "cancelled" else None)
    here.cancel(SESSION, 9)
    assert len(told) == 2


@dataclass
class Beginnings:
    """Requests that begin at a pace, by a clock that goes on by as much as each of them takes."""

    now: float = 0.0
    began: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(lambda: self.now)

    async def begin(self, number: int, seconds: float) -> None:
        if (turn := self.pace.turn()) is not None:
            await turn
        self.began.append(number)
        self.now += seconds

    def come(self, *seconds: float) -> list[asyncio.Task[None]]:
        """Requests that come at once, and take so long to begin."""
        return [asyncio.create_task(self.begin(number, each)) for number, each in enumerate(seconds)]

    async def all_begin(self, count: int) -> list[int]:
        """How many begin in each round of the loop, until all have begun."""
        in_a_round = list[int]()
        async with asyncio.timeout(HANGS_S):
            while (before := len(self.began)) < count:
                await asyncio.sleep(0)
                in_a_round.append(len(self.began) - before)
        return in_a_round


SHORT = ROUND_S / 1000


async def test_a_request_alone_begins_at_once() -> None:
    here = Beginnings()
    for _ in range(3):
        assert here.pace.turn() is None
        here.now += ROUND_S * 2
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_short_requests_all_begin_in_one_round() -> None:
    here = Beginnings()
    here.come(*[SHORT] * 500)
    assert await here.all_begin(500) == [500]


async def test_of_many_that_take_long_a_few_begin_in_each_round_and_in_their_order() -> None:
    """Bug: 500 calls at once kept the loop from everything else for half a second."""
    here = Beginnings()
    here.come(*[ROUND_S / 4] * 250)
    assert max(await here.all_begin(250)) <= 5
    assert here.began == list(range(250))


async def test_behind_one_that_takes_long_all_short_ones_begin_together_and_none_waits_after_them() -> None:
    """Bug: once requests waited, ten began in each round, and all that followed waited as long as they came."""
    here = Beginnings()
    here.come(ROUND_S * 2, *[SHORT] * AT_ONCE)
    assert max((await here.all_begin(1 + AT_ONCE))[1:]) == AT_ONCE
    await asyncio.sleep(0)
    assert here.pace.turn() is None


async def test_requests_begin_though_other_work_takes_every_round() -> None:
    """Ours: the time of a round is that of requests; else work of another kind could keep them waiting for ever."""
    here = Beginnings()
    here.come(*[ROUND_S * 2] * 4)

    async def work_elsewhere() -> None:
        while True:
            here.now += ROUND_S * 2
            await asyncio.sleep(0)

    elsewhere = asyncio.create_task(work_elsewhere())
    await here.all_begin(4)
    assert here.began == list(range(4))
    elsewhere.cancel()


async def test_those_that_go_away_while_they_wait_hold_up_nobody() -> None:
    here = Beginnings()
    last = 2 * AT_ONCE
    tasks = here.come(ROUND_S * 2, *[SHORT] * last)
    await asyncio.sleep(0)
    for task in tasks[1:last]:
        task.cancel()
    await here.all_begin(2)
    assert here.began == [0, last]
    await asyncio.sleep(0)
    assert here.pace.turn() is None
