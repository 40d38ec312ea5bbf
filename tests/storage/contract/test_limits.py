"""The limits of new work: counted in the database, over restarts and processes, and never to anybody's harm."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from service.bounds.limits import UNLIMITED, Allowances, LimitError
from service.costs import DailyCost, Drawn, Price, Usage
from service.images import Failure, ImageRequest, Job
from service.storage.people import EVERYBODY, Pause
from service.storage.store import Store
from service.storage.upload_records import UploadRequest
from tests.engines import Engine, Process
from tests.stores import POLICY, Clock, picture

DAY: float = 86_400
NOON: float = 20_000 * DAY + DAY / 2
YEAR: float = 365 * DAY
FOX: ImageRequest = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1))


class Desk:
    """A process of an engine, at a time that a test sets."""

    def __init__(self, process: Process, clock: Clock) -> None:
        self.store = process.store
        self.people = process.people
        self.uploads = process.uploads
        self.clock = clock

    async def begin(self, owner: str = "ann", fingerprint: str = "", request: ImageRequest = FOX) -> Job:
        return (await self.store.begin(owner, request, "kiln", fingerprint)).job

    async def drawn(self, owner: str = "ann", fingerprint: str = "", request: ImageRequest = FOX) -> Job:
        """A job that was charged and is done."""
        job = await self.store.mark_submitted(await self.begin(owner, fingerprint, request))
        return await self.store.finish(job, [picture(f"{owner}{job.history_id}.png")])

    async def refused(self, owner: str = "ann") -> str:
        """The words with which a new job is refused, that leave no row."""
        before = await self.store.totals(owner)
        with pytest.raises(LimitError) as caught:
            await self.begin(owner)
        assert await self.store.totals(owner) == before
        return str(caught.value)

    async def pause(self, owner: str, until: float | None = None) -> bool:
        return await self.people.pause(Pause(owner=owner, since=self.clock.now, until=until))


@asynccontextmanager
async def desk(engine: Engine, allowances: Allowances = UNLIMITED, lease: str = "one") -> AsyncIterator[Desk]:
    clock = Clock(NOON)
    process = await engine.open(lease, clock, allowances)
    try:
        yield Desk(process, clock)
    finally:
        await process.close()


def allowed(**pairs: tuple[float, float]) -> Allowances:
    return Allowances(pairs={**UNLIMITED.pairs, **pairs})


async def test_the_pictures_of_a_day_are_counted_for_each_owner_and_for_all(engine: Engine) -> None:
    async with desk(engine, allowed(pictures_per_day=(2, 3))) as at:
        for _ in range(2):
            await at.drawn("ann")
        assert await at.refused("ann") == (
            "You have had 2 pictures drawn today (EASEL_PICTURES_PER_DAY). Nothing was charged. "
            "Try again in 12 hours, at midnight UTC."
        )
        await at.drawn("ben")
        assert "All users together have had 3 pictures" in await at.refused("ben")


async def test_the_spend_of_a_day_is_the_sum_of_prices(engine: Engine) -> None:
    """Ours: three times 0.1 is 0.3, whatever binary fractions make of it."""
    async with desk(engine, allowed(spend_per_day=(0.3, 0.5))) as at:
        for _ in range(3):
            await at.drawn("ann")
        assert "Your budget of 0.3 for today would be passed (EASEL_SPEND_PER_DAY)" in await at.refused("ann")
        await at.begin("ann", request=ImageRequest(model="free", prompt="a fox"))
        await at.drawn("ben")
        await at.drawn("ben")
        assert "The budget of 0.5 for today, of all users together" in await at.refused("ben")


async def test_the_count_survives_a_restart_and_the_deletion_of_jobs(engine: Engine) -> None:
    """Ours: an owner could otherwise clear the history and begin anew."""
    allowances = allowed(pictures_per_day=(1, 0))
    async with desk(engine, allowances) as at:
        job = await at.drawn()
        await at.store.delete("ann", job.history_id)
    async with desk(engine, allowances, "two") as at:
        assert "1 pictures" in await at.refused()


async def test_the_count_holds_over_several_processes(engine: Engine) -> None:
    allowances = allowed(pictures_per_day=(2, 0))
    async with desk(engine, allowances) as here, desk(engine, allowances, "two") as there:
        await here.begin()
        await there.begin()
        await here.refused()
        await there.refused()


async def test_a_call_that_joins_a_job_is_neither_counted_nor_refused(engine: Engine) -> None:
    """Ours: it costs nothing."""
    async with desk(engine, allowed(pictures_per_day=(1, 0), generations_queued=(1, 0))) as at:
        job = await at.drawn(fingerprint="same")
        for _ in range(3):
            again = await at.store.begin("ann", FOX, "kiln", "same")
            assert (again.joined, again.job.history_id) == (True, job.history_id)


async def fail_before_asking(store: Store, job: Job) -> None:
    await store.fail(job, POLICY)


async def fail_unpaid(store: Store, job: Job) -> None:
    await store.mark_submitted(job)
    await store.mark_submitted(job, 0)
    await store.fail(job, POLICY)


async def fail_paid(store: Store, job: Job) -> None:
    await store.mark_submitted(job)
    await store.fail(job, Failure(kind="lost", reason="It may have been charged."))


async def draw_at_the_second_try(store: Store, job: Job) -> None:
    for pictures in (1, 0, 1):
        await store.mark_submitted(job, pictures)
    await store.finish(job, [picture("a.png")])


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        pytest.param(fail_before_asking, 0, id="failed before the service was asked"),
        pytest.param(fail_unpaid, 0, id="refused by the service"),
        pytest.param(fail_paid, 1, id="failed, perhaps charged"),
        pytest.param(draw_at_the_second_try, 1, id="drawn at the second try"),
    ],
)
async def test_a_job_counts_once_if_it_was_drawn_or_may_have_been_charged(
    engine: Engine, end: Callable[[Store, Job], Awaitable[None]], counts: int
) -> None:
    async with desk(engine, allowed(pictures_per_day=(1, 0), spend_per_day=(0.1, 0))) as at:
        await end(at.store, await at.begin())
        if counts:
            await at.refused()
        else:
            await at.drawn()
            await at.refused()


FOUR = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1), count=4)


async def test_pictures_count_and_not_calls(engine: Engine) -> None:
    """Ours: a call for several says beforehand for how many there is room."""
    async with desk(engine, allowed(pictures_per_day=(6, 0))) as at:
        await at.begin(request=FOUR)
        with pytest.raises(LimitError) as caught:
            await at.begin(request=FOUR)
        assert str(caught.value) == (
            "2 of the 6 pictures of today are left, and 4 are asked for (EASEL_PICTURES_PER_DAY). Nothing was charged. "
            "Try again in 12 hours, at midnight UTC, or now with `count` 2."
        )
        await at.begin(request=ImageRequest(model="m", prompt="a fox", count=2))
        assert "You have had 6 pictures drawn today" in await at.refused()


async def test_of_several_pictures_those_that_came_or_may_be_charged_count(engine: Engine) -> None:
    async with desk(engine, allowed(pictures_per_day=(6, 0), spend_per_day=(0.6, 0))) as at:
        job = await at.store.mark_submitted(await at.begin(request=FOUR), 4)
        job = await at.store.add_pictures(job, [picture("a.png")])
        job = await at.store.mark_submitted(job, 2)
        ended = await at.store.fail(job, POLICY)
        assert (ended.state, ended.shortfall, ended.submitted) == ("done", POLICY, 2)
        await at.begin(request=FOUR)
        await at.refused()


async def test_a_call_for_several_waits_in_the_queue_as_several(engine: Engine) -> None:
    async with desk(engine, allowed(generations_at_once=(2, 0), generations_queued=(3, 0))) as at:
        await at.begin()
        await at.begin(request=FOUR)
        assert "3 of your pictures wait their turn already" in await at.refused()


async def test_a_call_for_more_than_may_wait_says_how_many_may(engine: Engine) -> None:
    async with desk(engine, allowed(generations_at_once=(1, 0), generations_queued=(1, 0))) as at:
        with pytest.raises(LimitError, match="2 more pictures may wait their turn now, and 4 are asked for"):
            await at.begin(request=FOUR)


async def test_a_new_day_begins_at_midnight_utc(engine: Engine) -> None:
    async with desk(engine, allowed(pictures_per_day=(1, 0))) as at:
        await at.drawn()
        at.clock.now = NOON + DAY / 2 - 1
        assert "Try again in a second" in await at.refused()
        at.clock.now += 1
        await at.drawn()


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
async def test_a_jump_of_the_clock_locks_nobody_out(engine: Engine, jump: float) -> None:
    """Ours: a machine that woke up in the wrong year, or was mended."""
    async with desk(engine, allowed(pictures_per_day=(1, 0))) as at:
        await at.drawn()
        at.clock.now += jump
        await at.drawn()
        await at.refused()
        at.clock.now = NOON + DAY
        await at.drawn()


async def test_jobs_that_work_or_wait_are_bounded(engine: Engine) -> None:
    async with desk(engine, allowed(generations_at_once=(1, 2), generations_queued=(1, 1))) as at:
        first = await at.begin("ann")
        await at.begin("ann")
        assert "1 of your pictures wait their turn already (EASEL_GENERATIONS_QUEUED)" in await at.refused("ann")
        await at.begin("ben")
        assert "1 pictures of all users" in await at.refused("ben")
        await at.store.fail(first, POLICY)
        await at.begin("ben")


async def test_work_that_goes_on_at_an_image_service_takes_no_place(engine: Engine) -> None:
    """Ours: tasks of a service that hangs would lock their owner out for a day."""
    async with desk(engine, allowed(generations_at_once=(1, 0), generations_queued=(1, 0))) as at:
        for number in range(3):
            await at.store.remember_task(await at.begin(), f"task {number}")
        await at.begin()
        await at.begin()
        await at.refused()


async def test_of_several_parts_those_that_wait_go_on_taking_places(engine: Engine) -> None:
    """Bug: one part of eight was handed over as a task, and the other seven counted for nothing in the queue."""
    async with desk(engine, allowed(generations_at_once=(1, 0), generations_queued=(7, 0))) as at:
        job = await at.store.remember_task(await at.begin(request=replace(FOX, count=8)), "task", 0)
        await at.begin()
        assert "7 of your pictures wait their turn already" in await at.refused()
        job = await at.store.remember_task(job, "task", 5)
        job = await at.store.add_pictures(job, [replace(picture("a.png"), part=5), replace(picture("b.png"), part=1)])
        for _ in range(2):
            await at.begin()
        await at.refused()
        for part in (2, 3, 4, 6, 7):
            await at.store.remember_task(job, "task", part)
        for _ in range(5):
            await at.begin()
        await at.refused()


async def test_a_part_of_several_pictures_leaves_the_queue_with_all_of_them(engine: Engine) -> None:
    async with desk(engine, allowed(generations_at_once=(1, 0), generations_queued=(7, 0))) as at:
        job = await at.begin(request=replace(FOX, count=8, native_count=4))
        await at.store.remember_task(job, "task", 1)
        for _ in range(4):
            await at.begin()
        await at.refused()


async def test_a_full_disk_refuses_new_work(engine: Engine) -> None:
    async with desk(engine, Allowances(pairs=UNLIMITED.pairs, free_bytes=10**18)) as at:
        assert "less than 1000000000000 MB free (EASEL_DISK_FREE_MB)" in await at.refused()


async def test_a_pause_of_one_owner_or_of_everybody_reaches_every_process(engine: Engine) -> None:
    async with desk(engine) as here, desk(engine, lease="two") as there:
        assert not await here.pause("ann")
        assert "Drawing is paused by the operator of this server. Nothing was charged." in await there.refused("ann")
        await there.drawn("ben")
        await here.pause(EVERYBODY)
        await there.refused("ben")
        await here.people.resume(EVERYBODY)
        await there.drawn("ann")
        assert await here.pause("ann"), "an owner who has drawn is known"


async def test_a_pause_with_an_end_says_when_and_ends_then(engine: Engine) -> None:
    async with desk(engine) as at:
        await at.pause("ann", until=NOON + 7200)
        assert "Try again in 2 hours." in await at.refused()
        at.clock.now += 7200
        await at.drawn()


async def test_a_pause_that_a_wrong_clock_set_ends_with_the_right_one(engine: Engine) -> None:
    """Ours: an hour of the next year must not become a year."""
    async with desk(engine) as at:
        at.clock.now = NOON + YEAR
        await at.pause("ann", until=NOON + YEAR + 3600)
        at.clock.now = NOON
        await at.drawn()


async def test_a_job_whose_turn_comes_during_a_pause_is_not_submitted(engine: Engine) -> None:
    async with desk(engine) as at:
        waiting, running = await at.begin(), await at.store.mark_submitted(await at.begin())
        await at.pause("ann")
        with pytest.raises(LimitError) as caught:
            await at.store.mark_submitted(waiting)
        assert caught.value.kind == "paused"
        assert (await at.store.mark_submitted(running)).submitted == 1
        done = await at.store.finish(running, [picture("a.png")])
        assert done.state == "done"


async def test_the_upload_links_of_a_day_are_counted(engine: Engine) -> None:
    """Ours: the same link that is told again counts once."""
    allowances = allowed(uploads_per_day=(2, 3))
    async with desk(engine, allowances) as at:

        async def open_(owner: str, key: str) -> None:
            await at.uploads.open(owner, UploadRequest(key=key, prompt="a fox"), at.clock.now, "{}{}".format)

        for key in ("one", "one", "two", "two"):
            await open_("ann", key)
        with pytest.raises(LimitError, match=r"2 upload links today \(EASEL_UPLOADS_PER_DAY\)"):
            await open_("ann", "three")
        await open_("ben", "one")
        with pytest.raises(LimitError, match="All users together"):
            await open_("ben", "two")
        at.clock.now += DAY
        await open_("ann", "three")
        await at.pause("ann")
        with pytest.raises(LimitError, match="paused by the operator"):
            await open_("ann", "four")


def in_dollars(cost: float, estimated: float, model: str = "m", currency: str = "USD") -> tuple[object, ...]:
    return ("ann", model, currency, pytest.approx(cost), pytest.approx(estimated))


async def known_costs(at: Desk) -> list[tuple[object, ...]]:
    found = await at.store.costs("ann", 0)
    return [(each.owner, each.model, each.currency, each.cost, each.estimated) for each in found]


async def test_the_cost_that_is_told_takes_the_place_of_the_expected_price(engine: Engine) -> None:
    async with desk(engine, allowed()) as at:
        job = await at.begin("ann")
        assert await known_costs(at) == [in_dollars(0.1, 0.1)]
        done = await at.store.finish(job, [picture("a.png")], drawn=Drawn(pictures=1, usage=Usage(cost=0.25)))
        assert await known_costs(at) == [in_dollars(0.25, 0)]
        assert done.usage == Usage(cost=0.25)
        await at.store.delete("ann", done.history_id)
        assert await known_costs(at) == [in_dollars(0.25, 0)]


async def test_a_cost_in_another_currency_is_kept_in_that(engine: Engine) -> None:
    """Ours: dollars and yuan are not added up, and what was expected in dollars was not spent."""
    async with desk(engine, allowed()) as at:
        job = await at.begin("ann")
        await at.store.finish(job, [picture("a.png")], drawn=Drawn(pictures=1, usage=Usage(cost=2, currency="CNY")))
        assert await known_costs(at) == [in_dollars(2, 0, currency="CNY")]


async def test_a_service_that_tells_nothing_is_estimated(engine: Engine) -> None:
    async with desk(engine, allowed()) as at:
        done = await at.store.finish(await at.begin("ann"), [picture("a.png")])
        assert done.usage == Usage(cost=0.1, estimated=True)
        assert await known_costs(at) == [in_dollars(0.1, 0.1)]
        await at.drawn("ann", request=ImageRequest(model="free", prompt="a fox"))
        assert await known_costs(at) == [in_dollars(0.1, 0.1)]


async def test_pictures_of_several_answers_are_summed_and_those_that_never_came_cost_nothing(engine: Engine) -> None:
    """Ours: three of four came, two of which told their cost."""
    async with desk(engine, allowed()) as at:
        job = await at.begin("ann", request=FOUR)
        assert await known_costs(at) == [in_dollars(0.4, 0.4)]
        for number in range(2):
            told = Drawn(pictures=1, usage=Usage(cost=0.3, input_tokens=5, output_tokens=7))
            await at.store.add_pictures(job, [picture(f"{number}.png")], told)
        assert await known_costs(at) == [in_dollars(0.8, 0.2)]
        done = await at.store.finish(job, [picture("c.png")])
        assert await known_costs(at) == [in_dollars(0.7, 0.1)]
    assert done.usage is not None
    assert done.usage.cost == pytest.approx(0.7)
    assert (done.usage.estimated, done.usage.input_tokens, done.usage.output_tokens) == (True, 10, 14)


async def test_the_budget_of_a_day_counts_what_was_told(engine: Engine) -> None:
    """Ours: a picture that cost more than its price leaves less for the next one."""
    async with desk(engine, allowed(spend_per_day=(0.3, 0))) as at:
        job = await at.begin("ann")
        await at.store.finish(job, [picture("a.png")], drawn=Drawn(pictures=1, usage=Usage(cost=0.25)))
        assert "Your budget of 0.3 for today would be passed" in await at.refused("ann")


async def test_a_model_without_a_price_is_expected_to_cost_what_it_cost_last(engine: Engine) -> None:
    """Ours: a service that tells its costs needs no price table for the budget to hold."""
    async with desk(engine, allowed(spend_per_day=(0.5, 0))) as at:
        unpriced = ImageRequest(model="told", prompt="a fox")
        job = await at.begin("ann", request=unpriced)
        await at.store.finish(job, [picture("a.png")], drawn=Drawn(pictures=1, usage=Usage(cost=0.3)))
        with pytest.raises(LimitError, match=r"Your budget of 0\.5"):
            await at.begin("ann", request=unpriced)


async def test_budgets_hold_for_each_currency_by_itself(engine: Engine) -> None:
    async with desk(engine, allowed(spend_per_day=(0.15, 0))) as at:
        await at.drawn("ann")
        yuan = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1, currency="CNY"))
        await at.begin("ann", request=yuan)
        await at.refused("ann")


async def test_tokens_are_multiplied_by_the_prices_that_the_job_began_with(engine: Engine) -> None:
    async with desk(engine, allowed()) as at:
        price = Price(picture=0.1, input=5, image_input=8, output=30)
        job = await at.begin("ann", request=ImageRequest(model="m", prompt="a fox", price=price))
        usage = Usage(input_tokens=1000, image_tokens=600, output_tokens=2000)
        done = await at.store.finish(job, [picture("a.png")], drawn=Drawn(pictures=1, usage=usage))
    assert done.usage is not None
    assert done.usage.cost == pytest.approx(0.0668)
    assert done.usage.estimated


async def test_costs_are_those_of_one_owner_from_a_day_on(engine: Engine) -> None:
    async with desk(engine, allowed()) as at:
        await at.drawn("ann")
        await at.drawn("ben")
        [cost] = await at.store.costs("ann", 0)
        assert isinstance(cost, DailyCost)
        assert [each.day for each in await at.store.costs("ann", cost.day)] == [cost.day]
        assert await at.store.costs("ann", cost.day + 1) == []
