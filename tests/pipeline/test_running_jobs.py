"""Jobs that run by themselves, and calls that wait beside them."""

import asyncio
import logging

import pytest

from service.images import Job
from service.pipeline.running_jobs import DisconnectReason, RunningJob, RunningJobs, Waiter
from tests.wire import until

FIRST = Waiter()
STOPPED = Waiter(leaving=lambda: DisconnectReason.CANCELLED)
"""A call whose client asks for the cancellation."""

GONE = Waiter(leaving=lambda: DisconnectReason.GONE)
"""A call whose connection breaks."""


class Work:
    """Something that goes on until it may end; notes how often it ran and was cancelled."""

    def __init__(self) -> None:
        self.running = 0
        self.undone = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, job: RunningJob) -> None:
        self.running += 1
        self.begun.set()
        try:
            await job.report("Working", 10)
            await self.may_end.wait()
            await job.report("Ready", 90)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.undone += 1
            raise


def soon() -> float:
    """A time of the loop that is about to come."""
    return asyncio.get_running_loop().time() + 0.02


async def cancelled(call: "asyncio.Task[Job | None]") -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_the_end_waits_for_what_is_done_beside() -> None:
    """Bug: each pipeline waited for its own notes of what had arrived, and the one that was closed never had any."""
    jobs, noted = RunningJobs(), asyncio.Event()

    async def note() -> None:
        await asyncio.sleep(0)
        noted.set()

    jobs.run_in_background(note())
    await jobs.close()
    assert noted.is_set()


async def test_all_who_wait_hear_all_of_it_and_leave_at_its_end() -> None:
    jobs, work = RunningJobs(), Work()
    said: list[tuple[int, str, float | None]] = []

    def hear(who: int) -> Waiter:
        return Waiter(report=lambda message, percent: said.append((who, message, percent)))

    job = jobs.start(("anna", 1), work)
    calls = [asyncio.create_task(job.wait(hear(who))) for who in (1, 2)]
    await work.begun.wait()
    work.may_end.set()
    await asyncio.gather(*calls)
    assert sorted(said) == [(who, *what) for who in (1, 2) for what in (("Ready", 90), ("Working", 10))]
    assert jobs.find(("anna", 1)) is None


async def test_a_call_that_comes_later_gets_the_newest_progress() -> None:
    jobs, work = RunningJobs(), Work()
    heard: list[str] = []
    job = jobs.start(("anna", 1), work)
    await work.begun.wait()
    await asyncio.sleep(0)
    late = asyncio.create_task(job.wait(Waiter(report=lambda message, _: heard.append(message))))
    await asyncio.sleep(0)
    work.may_end.set()
    await late
    assert heard == ["Working", "Ready"]


async def test_the_pages_of_an_owner_hear_of_the_jobs_of_that_owner_alone() -> None:
    jobs = RunningJobs()
    heard: list[tuple[str, int]] = []
    jobs.heard, jobs.hearers = lambda *key: heard.append(key), {"anna"}
    for owner in ("anna", "ben"):
        work = Work()
        job = jobs.start((owner, 1), work)
        await work.begun.wait()
        work.may_end.set()
        await job.wait_for_end()
    await asyncio.sleep(0)
    assert heard == [("anna", 1)] * 4  # begun, two reports, ended


async def test_a_job_that_somebody_was_told_goes_on_goes_on_though_all_leave() -> None:
    """Ours: who has a ticket comes again for the picture."""
    jobs, work = RunningJobs(), Work()
    job = jobs.start(("anna", 1), work)
    await job.wait(Waiter(until=soon()))
    call = asyncio.create_task(job.wait(FIRST))
    await asyncio.sleep(0)
    await cancelled(call)
    assert jobs.find(("anna", 1)) is job
    work.may_end.set()
    await job.wait(FIRST)
    assert work.undone == 0


async def test_the_last_call_that_is_cancelled_takes_the_job_with_it() -> None:
    """Spec 2026-07-28, Cancellation: receivers should stop processing and free resources."""
    jobs, work = RunningJobs(), Work()
    job = jobs.start(("anna", 1), work)
    calls = [asyncio.create_task(job.wait(STOPPED)) for _ in range(2)]
    await work.begun.wait()
    await cancelled(calls[0])
    assert (work.undone, jobs.find(("anna", 1))) == (0, job)
    await cancelled(calls[1])
    assert (work.undone, jobs.find(("anna", 1))) == (1, None)


async def test_a_client_that_only_gave_up_waiting_takes_nothing_with_it() -> None:
    """Ours: a timeout of the client is no wish of the person."""
    jobs, work = RunningJobs(), Work()
    job = jobs.start(("anna", 1), work)
    call = asyncio.create_task(job.wait(Waiter(leaving=lambda: DisconnectReason.GAVE_UP)))
    await work.begun.wait()
    await cancelled(call)
    assert (work.undone, jobs.find(("anna", 1))) == (0, job)
    await jobs.close()


async def test_a_lost_connection_ends_no_job_that_was_asked_for() -> None:
    """Bug: a client that closes after 5 s and asks again cancelled three paid jobs, and got no picture."""
    jobs, work = RunningJobs(abandoned_s=0), Work()
    job = jobs.start(("anna", 1), work)
    job.asked = True
    call = asyncio.create_task(job.wait(GONE))
    await work.begun.wait()
    await cancelled(call)
    await asyncio.sleep(0.01)
    assert (work.undone, jobs.find(("anna", 1))) == (0, job)
    again = asyncio.create_task(job.wait(FIRST))
    work.may_end.set()
    await again


async def test_only_a_client_that_asks_for_it_ends_a_job_that_another_one_left() -> None:
    """Ours: the person presses Stop in the call that came again."""
    jobs, work = RunningJobs(), Work()
    job = jobs.start(("anna", 1), work)
    job.asked = True
    first = asyncio.create_task(job.wait(GONE))
    await work.begun.wait()
    await cancelled(first)
    again = asyncio.create_task(job.wait(STOPPED))
    await asyncio.sleep(0)
    await cancelled(again)
    assert (work.undone, jobs.find(("anna", 1))) == (1, None)


async def test_a_detached_job_can_be_cancelled_while_no_call_waits_for_it() -> None:
    """Ours: by the task that began it. A call that came for its picture meanwhile gets it."""
    jobs, work = RunningJobs(), Work()
    job = jobs.resume(("anna", 1), work)
    waiting = asyncio.create_task(job.wait(GONE))
    await work.begun.wait()
    await job.cancel()
    assert (work.undone, jobs.find(("anna", 1)), job.detached) == (0, job, True)
    await cancelled(waiting)
    await job.cancel()
    assert (work.undone, jobs.find(("anna", 1))) == (1, None)
    await job.cancel()


async def test_a_job_that_was_not_asked_for_is_dropped_once_its_client_is_gone_for_a_while() -> None:
    """Ours: nothing was paid, and nobody comes for it; it must not wait in a pause between two tries for ever."""
    jobs, work = RunningJobs(abandoned_s=0.01), Work()
    job = jobs.start(("anna", 1), work)
    call = asyncio.create_task(job.wait(GONE))
    await work.begun.wait()
    await cancelled(call)
    assert jobs.find(("anna", 1)) is job
    await until(lambda: work.undone == 1)


async def test_a_job_that_was_not_asked_for_is_kept_for_a_client_that_comes_again() -> None:
    jobs, work = RunningJobs(abandoned_s=0.01), Work()
    job = jobs.start(("anna", 1), work)
    call = asyncio.create_task(job.wait(GONE))
    await work.begun.wait()
    await cancelled(call)
    again = asyncio.create_task(job.wait(GONE))
    await asyncio.sleep(0.03)
    assert (work.undone, jobs.find(("anna", 1))) == (0, job)
    work.may_end.set()
    await again


async def test_a_bug_on_the_way_of_progress_ends_neither_the_job_nor_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the picture may be paid for by then."""
    jobs, work = RunningJobs(), Work()

    def broken(message: str, percent: float | None) -> None:
        raise ValueError(message)

    work.may_end.set()
    await jobs.start(("anna", 1), work).wait(Waiter(report=broken))
    assert (work.undone, jobs.find(("anna", 1))) == (0, None)
    assert [record.getMessage() for record in caplog.records] == ["Progress could not be reported"] * 2


async def test_a_mistake_of_ours_reaches_whoever_waits(caplog: pytest.LogCaptureFixture) -> None:
    jobs, go_on = RunningJobs(), asyncio.Event()

    async def broken(job: RunningJob) -> None:
        await go_on.wait()
        raise ZeroDivisionError

    job = jobs.start(("anna", 1), broken)
    call = asyncio.create_task(job.wait(FIRST))
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await call
    assert not caplog.records


async def test_a_mistake_of_ours_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    jobs = RunningJobs()

    async def broken(job: RunningJob) -> None:
        raise ZeroDivisionError

    jobs.resume(("anna", 7), broken)
    await jobs.close(10)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_closing_lets_jobs_come_to_their_end_first() -> None:
    """Ours: a picture that is nearly there is not thrown away by a restart."""
    jobs, quick, slow = RunningJobs(), Work(), Work()
    jobs.start(("anna", 1), quick)
    jobs.start(("anna", 2), slow)
    await slow.begun.wait()
    quick.may_end.set()
    await jobs.close(0.02)
    assert (quick.undone, slow.undone) == (0, 1)
    assert jobs.closing


@pytest.mark.parametrize("ends_in_time", [True, False])
async def test_work_that_a_cancellation_would_wait_for_is_ended_first(*, ends_in_time: bool) -> None:
    """Ours: a stop waits for no picture that takes long to decode; jobs that end in time have all the time there is."""
    undone: list[int] = []
    work = Work()
    jobs = RunningJobs(drained=lambda: undone.append(work.undone))
    jobs.start(("anna", 1), work)
    await work.begun.wait()
    if ends_in_time:
        work.may_end.set()
    await jobs.close(0.02)
    assert (undone, work.undone) == ([0], int(not ends_in_time))


async def test_closing_waits_for_what_a_cancellation_takes() -> None:
    """Ours: a store is closed after this, and whoever is cancelled still writes to it."""
    jobs, work = RunningJobs(), Work()
    jobs.start(("anna", 1), work)
    await work.begun.wait()
    await jobs.close()
    assert (work.undone, jobs.find(("anna", 1))) == (1, None)


async def test_work_on_a_job_follows_the_work_that_is_about_to_end() -> None:
    """Bug: a job that was let go and taken up again in the same moment was followed by nobody."""
    jobs, first, second = RunningJobs(), Work(), Work()
    jobs.resume(("anna", 1), first)
    again = jobs.resume(("anna", 1), second)
    await first.begun.wait()
    assert not second.begun.is_set()
    first.may_end.set()
    second.may_end.set()
    await again.wait(FIRST)
    assert (first.running, second.running, jobs.find(("anna", 1))) == (1, 1, None)


async def test_only_so_many_are_taken_up_at_once_and_new_ones_do_not_wait_for_them() -> None:
    """Ours: after a crash there may be hundreds, each of which keeps asking a service."""
    jobs, work = RunningJobs(at_once=2), Work()
    for number in range(5):
        jobs.resume(("anna", number), work)
    await work.begun.wait()
    await asyncio.sleep(0)
    assert work.running == 2
    new = Work()
    jobs.start(("anna", 9), new)
    await new.begun.wait()
    work.may_end.set()
    new.may_end.set()
    await jobs.close(10)
    assert work.running == 5


async def test_a_second_cancellation_does_not_cut_the_first_one_short() -> None:
    """Bug: a call that had joined and was cancelled as well ended the job before its row said so."""
    jobs, work, undone = RunningJobs(), asyncio.Event(), asyncio.Event()

    async def slow_to_end(job: RunningJob) -> None:
        work.set()
        try:
            await asyncio.Event().wait()
        finally:
            await undone.wait()

    job = jobs.start(("anna", 1), slow_to_end)
    first = asyncio.create_task(job.wait(STOPPED))
    await work.wait()
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(job.wait(STOPPED))
    await asyncio.sleep(0)
    second.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert jobs.find(("anna", 1)) is job
    undone.set()
    await asyncio.wait({first, second})
    assert jobs.find(("anna", 1)) is None


async def test_jobs_that_others_took_over_are_stopped_and_their_calls_let_go() -> None:
    """Ours: a replica that was stopped for long, and wakes, works on nothing that another one follows."""
    jobs, works = RunningJobs(), [Work(), Work()]
    running = [jobs.start(("anna", number), work) for number, work in enumerate(works)]
    calls = [asyncio.create_task(job.wait(FIRST)) for job in running]
    await asyncio.gather(*(work.begun.wait() for work in works))
    await jobs.abandon()
    assert [await call for call in calls] == [None, None]
    assert all(job.abandoned for job in running)
    assert ([work.undone for work in works], jobs.at_work) == ([1, 1], 0)
    await jobs.abandon()
