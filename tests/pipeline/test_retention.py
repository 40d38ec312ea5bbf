"""Making room: what goes and what stays, on a real store and real files, and what a crash at any step leaves."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from service.background import background_tasks
from service.images import ImageRequest, Job, KeptPicture, Reference, WorkError
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.retention import BATCH, DAY_S, ROUND_S, SETTLED_S, Retention, Room
from service.settings import Limits
from service.storage.disk import DiskFiles
from service.storage.notices import JobChanged, RoomWanted
from service.storage.records.removal import NAMED_AT_ONCE
from service.storage.replicas import Replica
from service.storage.sqlite.files import INSERT_FILE
from service.storage.sqlite.store import SqliteStore
from service.storage.store import FilesTotal, OwnedFile
from tests.joined_notices import Wire
from tests.stores import Clock, begin, picture

NOW: Final = 1_000_000.0
NO_LIMITS: Final = Limits()


class CrashError(Exception):
    """The process ends here."""


class TickingClock(Clock):
    """A clock that goes on by itself, a second at each look."""

    def __call__(self) -> float:
        self.now += 1
        return self.now


@dataclass
class WatchedStore:
    """The questions to the store; and a stop where a crash would be."""

    asked: list[str] = field(default_factory=list)
    crashes: bool = False
    forgetting: asyncio.Event = field(default_factory=asyncio.Event)
    forgotten: int = 0


class CountingStore(SqliteStore):
    """Says what it is asked, and may end the process before the index hears of a removal."""

    seen: WatchedStore

    async def files_over_limits(self, limits: Limits, before: float, spare: Collection[str] = ()) -> list[OwnedFile]:
        self.seen.asked.append("files_over_limits")
        return await super().files_over_limits(limits, before, spare)

    async def forget_files(self, names: Collection[str]) -> None:
        self.seen.forgetting.set()
        if self.seen.crashes:
            raise CrashError
        await super().forget_files(names)
        self.seen.forgotten += len(names)


@dataclass(frozen=True, kw_only=True)
class Cellar:
    """A store, files and a clock; each picture is drawn one second after the one before."""

    store: CountingStore
    files: DiskFiles
    clock: Clock
    folder: Path

    def retention(self, limits: Limits = NO_LIMITS) -> Retention:
        return Retention(self.store, self.files, limits, lambda _: None, self.watch)

    @property
    def watch(self) -> ClockWatch:
        """A watch that sees no leap, however the clock is set."""
        return ClockWatch(self.clock, self.clock)

    async def draw(self, *contents: str, owner: str = "anna") -> Job:
        """A job that ends with pictures of these bytes."""
        self.clock.now += 1
        job = await begin(self.store, owner=owner)
        return await self.store.finish(job, [await self.keep(content, owner) for content in contents])

    async def keep(self, content: str, owner: str = "anna") -> KeptPicture:
        data = content.encode()
        return picture(await self.files.keep(owner, data, "image/png"), size=len(data))

    async def left(self) -> list[str]:
        """The bytes on disk as text, sorted."""
        return sorted(path.read_text() for path in self.folder.rglob("*") if path.is_file())

    async def kept(self, job: Job) -> list[bool]:
        """The pictures of a job as the history has them."""
        found = await self.store.job(job.owner, job.history_id)
        return [each.kept for each in found.pictures] if found else []


@asynccontextmanager
async def opened(folder: Path, clock: Clock) -> AsyncIterator[Cellar]:
    """One process on this folder."""
    (folder / "scratch").mkdir(exist_ok=True)
    store = await CountingStore.open(folder / "easel.db", "lease", lambda _: True, clock)
    store.seen = WatchedStore()
    files = await DiskFiles.open(folder / "files", folder / "scratch", b"k" * 32)
    yield Cellar(store=store, files=files, clock=clock, folder=folder / "files")
    await store.close()


@pytest.fixture
async def cellar(tmp_path: Path) -> AsyncIterator[Cellar]:
    async with opened(tmp_path, Clock(NOW)) as cellar:
        yield cellar


async def test_within_the_limits_nothing_goes_and_one_query_tells(cellar: Cellar) -> None:
    """Ours: it is asked after every picture."""
    await cellar.draw("1")
    await cellar.draw("22")
    await cellar.retention(Limits(entries=2, size=3, days=1)).enforce()
    assert await cellar.left() == ["1", "22"]
    assert cellar.store.seen.asked == ["files_over_limits"]


async def test_zero_is_no_limit(cellar: Cellar) -> None:
    for number in range(5):
        await cellar.draw(str(number))
    cellar.clock.now += 10_000 * DAY_S
    await cellar.retention(NO_LIMITS).enforce()
    assert len(await cellar.left()) == 5


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(Limits(entries=2), id="by number"),
        pytest.param(Limits(size=9), id="by bytes"),
        pytest.param(Limits(days=1), id="by age"),
        pytest.param(Limits(entries=4, size=9, days=2), id="by the narrowest"),
    ],
)
async def test_what_is_over_a_limit_goes_oldest_first_and_the_history_says_so(cellar: Cellar, limits: Limits) -> None:
    first, second = await cellar.draw("1111"), await cellar.draw("2222")
    cellar.clock.now += DAY_S
    third, fourth = await cellar.draw("3333"), await cellar.draw("4444")
    await cellar.retention(limits).enforce()
    assert await cellar.left() == ["3333", "4444"]
    assert [await cellar.kept(job) for job in (first, second, third, fourth)] == [[False], [False], [True], [True]]
    assert (await cellar.store.files_total(None)).bytes == 8


async def test_the_limits_hold_for_all_owners_together(cellar: Cellar) -> None:
    """Ours: it is one disk. Whoever keeps most of it makes room, and is notified of it alone."""
    await cellar.draw("anna's", owner="anna")
    await cellar.draw("ben's first", owner="ben")
    await cellar.draw("ben's second", owner="ben")
    notified: list[str] = []
    retention = cellar.retention(Limits(entries=2))
    await replace(retention, removed=notified.append).enforce()
    assert await cellar.left() == ["anna's", "ben's second"]
    assert notified == ["ben"]


async def test_the_limit_of_an_owner_is_nobody_elses(cellar: Cellar) -> None:
    """Attack: one person draws without end, and the pictures of the others go for it."""
    for number in range(3):
        await cellar.draw(f"anna {number}", owner="anna")
    await cellar.draw("ben", owner="ben")
    await cellar.retention(Limits(owner_entries=1)).enforce()
    assert await cellar.left() == ["anna 2", "ben"]


async def test_very_many_go_in_several_steps_and_all_at_once(cellar: Cellar) -> None:
    """Ours: a limit that was lowered holds from then on; no step reads the index for longer than a moment."""
    rows = [(f"{number}.png", "anna", 10, NOW + number) for number in range(NAMED_AT_ONCE * 2 + 5)]
    await cellar.store.database.write(lambda each: each.executemany(INSERT_FILE, rows))
    await cellar.retention(Limits(entries=5)).enforce()
    assert (await cellar.store.files_total("anna")).entries == 5
    assert len(cellar.store.seen.asked) == 3


async def test_the_newest_stays_however_large_it_is(cellar: Cellar) -> None:
    """Ours: a picture that was paid for is shown before it goes."""
    await cellar.draw("old")
    await cellar.draw("larger than all the room there is")
    await cellar.retention(Limits(size=1)).enforce()
    assert await cellar.left() == ["larger than all the room there is"]


async def test_what_the_caller_spares_stays(cellar: Cellar) -> None:
    """Ours: a job of many pictures keeps all of them until it has shown them."""
    job = await cellar.draw("one", "two", "three")
    await cellar.retention(Limits(entries=1, days=1)).enforce(spare=[each.name for each in job.pictures])
    assert len(await cellar.left()) == 3


async def test_what_a_working_job_starts_from_stays_and_a_picture_being_written_too(cellar: Cellar) -> None:
    """Ours: the bytes are on disk before their row is; nobody may take them away in between."""
    parent = await cellar.draw("parent")
    name = parent.pictures[0].name
    request = ImageRequest(model="m", prompt="p", references=(Reference(name=name),))
    working = await begin(cellar.store, owner="anna", request=request)
    written = await cellar.keep("just written")
    await cellar.draw("other")
    await cellar.draw("newest")
    await cellar.retention(Limits(entries=1)).enforce()
    assert await cellar.left() == ["just written", "newest", "parent"]
    await cellar.store.finish(working, [written])
    await cellar.retention(Limits(entries=1)).enforce()
    assert len(await cellar.left()) == 1


async def test_an_owner_makes_room_for_itself_only(cellar: Cellar) -> None:
    for number in range(4):
        await cellar.draw(f"anna {number}", owner="anna")
        await cellar.draw(f"ben {number}", owner="ben")
    assert await cellar.retention().keep_newest("anna", 1) == 3
    assert await cellar.left() == ["anna 3", "ben 0", "ben 1", "ben 2", "ben 3"]
    assert await cellar.retention().keep_newest("anna", 0) == 1
    assert await cellar.retention().keep_newest("carol", 0) == 0
    assert len(await cellar.left()) == 4
    assert len(await cellar.store.jobs("anna", 10)) == 4


async def test_a_deleted_job_takes_the_files_along_that_nothing_else_uses(cellar: Cellar) -> None:
    job = await cellar.draw("own", "shared")
    await cellar.draw("shared")
    assert await cellar.retention().delete("anna", job.history_id)
    assert await cellar.left() == ["shared"]
    assert await cellar.store.files_total("anna") == FilesTotal(entries=1, bytes=6, oldest=NOW + 2)


async def test_there_is_no_deleting_what_is_foreign_or_still_being_drawn(cellar: Cellar) -> None:
    """Attack: history ids count up, so anybody can guess one."""
    job, working = await cellar.draw("anna's"), await begin(cellar.store, owner="anna")
    assert not await cellar.retention().delete("ben", job.history_id)
    assert not await cellar.retention().delete("anna", 99)
    with pytest.raises(WorkError, match="still being made"):
        await cellar.retention().delete("anna", working.history_id)
    assert await cellar.left() == ["anna's"]


async def test_what_came_in_for_nothing_is_dropped_but_for_what_is_used(cellar: Cellar) -> None:
    drawn = await cellar.draw("drawn")
    loose = await cellar.keep("loose")
    await cellar.store.add_file("anna", loose.name, loose.size)
    await cellar.retention().drop("anna", [drawn.pictures[0].name, loose.name])
    assert await cellar.left() == ["drawn"]
    assert await cellar.kept(drawn) == [True]


async def test_the_history_is_deleted_but_for_the_newest_and_what_runs(cellar: Cellar) -> None:
    running = await begin(cellar.store, owner="anna")
    for number in range(4):
        await cellar.draw(str(number))
    foreign = await cellar.draw("ben's", owner="ben")
    await cellar.retention().delete_ended("anna", keep=2)
    assert await cellar.left() == ["2", "3", "ben's"]
    assert [job.history_id for job in await cellar.store.jobs("anna", 10)] == [5, 4, running.history_id]
    await cellar.retention().delete_ended("anna", keep=0)
    assert await cellar.left() == ["ben's"]
    assert await cellar.store.jobs("anna", 10) == [running]
    assert await cellar.store.jobs("ben", 10) == [foreign]


async def test_a_file_goes_before_its_entry_so_that_a_crash_between_is_made_good_by_the_next_round(
    tmp_path: Path,
) -> None:
    """Ours: the other way round a file would stay on disk that nothing names."""
    clock = Clock(NOW)
    async with opened(tmp_path, clock) as before:
        job = await before.draw("old")
        await before.draw("new")
        before.store.seen.crashes = True
        with pytest.raises(CrashError):
            await before.retention(Limits(entries=1)).enforce()
        assert await before.left() == ["new"]
        assert await before.kept(job) == [True]
    async with opened(tmp_path, clock) as after:
        await after.retention(Limits(entries=1)).enforce()
        assert await after.kept(job) == [False]
        assert await after.left() == ["new"]


async def test_a_row_that_claims_a_missing_file_is_told_so_at_the_next_start(tmp_path: Path) -> None:
    """Ours: after a crash while somebody cleared, no limit would ever find it; nor what a person removed by hand."""
    clock = Clock(NOW)
    async with opened(tmp_path, clock) as before:
        job, working = await before.draw("1", "2"), await before.draw("3")
        before.store.seen.crashes = True
        with pytest.raises(CrashError):
            await before.retention().keep_newest("anna", 1)
    async with opened(tmp_path, clock) as after:
        await started(after)
        assert await after.kept(job) == [False, False]
        assert await after.kept(working) == [True]
        assert await after.store.files_total(None) == FilesTotal(entries=1, bytes=1, oldest=NOW + 2)


async def test_after_a_crash_the_files_of_a_deleted_job_are_the_first_to_go(tmp_path: Path) -> None:
    """Ours: deletion really deletes, without waiting for a limit."""
    clock = Clock(NOW)
    async with opened(tmp_path, clock) as before:
        await before.draw("old")
        job = await before.draw("private")
        assert await before.store.delete("anna", job.history_id)  # and here the process ends
    async with opened(tmp_path, clock) as after:
        assert await after.left() == ["old", "private"]
        await after.retention(Limits(entries=100)).enforce()
        assert await after.left() == ["old"]


async def test_the_bytes_of_a_deleted_job_that_are_drawn_again_stay(cellar: Cellar) -> None:
    """Ours: the same bytes have the same name, and whoever keeps them again makes them new."""
    job = await cellar.draw("twice")
    await cellar.store.delete("anna", job.history_id)
    again = await cellar.draw("twice")
    await cellar.retention().enforce()
    assert await cellar.left() == ["twice"]
    assert await cellar.kept(again) == [True]


async def test_a_file_that_no_index_knows_is_entered_as_nobodys_and_goes_by_the_limits(tmp_path: Path) -> None:
    """Ours: put an older history back, and links in chats still work; a crash loses no room for ever."""
    async with opened(tmp_path, TickingClock(NOW)) as cellar:
        names = [(await cellar.keep(str(age))).name for age in range(2, 9)]
        for age, name in enumerate(names, start=2):
            await written(cellar, name, NOW - age * SETTLED_S)
        await started(cellar)
        assert (await cellar.store.files_total("")).entries == 7
        assert (await cellar.store.files_total("anna")).entries == 0
        assert await cellar.store.files_beyond_newest("", 0) == names[::-1]
        await cellar.draw("new")
        await cellar.retention(Limits(entries=2)).enforce()
        assert await cellar.left() == ["2", "new"]


async def test_a_file_that_was_away_is_its_owners_again_once_it_is_back(cellar: Cellar) -> None:
    """Ours: a folder that was not mounted at one start loses nobody a picture."""
    job = await cellar.draw("away")
    name = job.pictures[0].name
    away = cellar.folder.rename(cellar.folder.with_name("away"))
    cellar.folder.mkdir()
    await started(cellar)
    assert await cellar.kept(job) == [False]
    cellar.folder.rmdir()
    away.rename(cellar.folder)
    await written(cellar, name, NOW - 2 * SETTLED_S)
    await started(cellar)
    assert await cellar.kept(job) == [True]
    assert (await cellar.store.files_total("anna")).entries == 1


async def test_a_young_file_is_left_to_whoever_is_writing_it(cellar: Cellar) -> None:
    kept = await cellar.keep("young")
    await written(cellar, kept.name, NOW - SETTLED_S + 1)
    await started(cellar)
    assert (await cellar.store.files_total(None)).entries == 0
    assert await cellar.left() == ["young"]


async def test_a_file_that_a_working_job_starts_from_stays_its_owners(cellar: Cellar) -> None:
    """Ours: the check does not see it among what could go, and must not take it for a stranger."""
    kept = await cellar.keep("reference")
    await written(cellar, kept.name, NOW - 2 * SETTLED_S)
    await cellar.store.add_file("anna", kept.name, kept.size)
    request = ImageRequest(model="m", prompt="p", references=(Reference(name=kept.name),))
    await begin(cellar.store, owner="anna", request=request)
    await started(cellar)
    assert (await cellar.store.files_total("anna")).entries == 1
    assert (await cellar.store.files_total(None)).entries == 1


async def test_it_looks_again_every_hour_for_what_has_become_too_old(cellar: Cellar) -> None:
    await cellar.draw("old")
    rounds: list[float] = []

    async def pause(seconds: float) -> None:
        rounds.append(seconds)
        cellar.clock.now += DAY_S
        if len(rounds) == 4:
            raise CrashError

    retention = Retention(
        cellar.store, cellar.files, Limits(days=2), lambda _: None, ClockWatch(cellar.clock, cellar.clock), pause
    )
    with pytest.raises(CrashError):
        await retention.watch()
    assert rounds == [ROUND_S] * 4
    assert await cellar.left() == []


async def test_a_round_that_fails_is_logged_and_ends_nothing(cellar: Cellar, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the picture that was just made is not to be lost for want of room for the next."""
    await cellar.store.database.write(lambda connection: connection.execute("ALTER TABLE file_totals RENAME TO away"))
    with caplog.at_level(logging.INFO):
        await cellar.retention(Limits(entries=1)).enforce()
    assert "No room could be made: The history could not be read or written" in caplog.text


async def test_who_goes_away_while_room_is_made_leaves_index_and_disk_agreed(cellar: Cellar) -> None:
    """Ours: a client that cancels its call must not leave pictures that are there and not there."""
    jobs = [await cellar.draw(f"{number:03}") for number in range(BATCH + 5)]
    clearing = asyncio.create_task(cellar.retention().keep_newest("anna", 0))
    async with asyncio.timeout(60):
        await cellar.store.seen.forgetting.wait()
    clearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await clearing
    assert cellar.store.seen.forgotten == BATCH
    kept = [job for job in jobs if await cellar.kept(job) == [True]]
    assert len(kept) == len(await cellar.left()) == 5


async def test_two_processes_that_make_room_at_once_remove_no_more_than_one(tmp_path: Path) -> None:
    clock = Clock(NOW)
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
        for number in range(20):
            await one.draw(f"{number:02}")
        await asyncio.gather(*(each.retention(Limits(entries=5)).enforce() for each in (one, two)))
        assert await one.left() == ["15", "16", "17", "18", "19"]
        assert (await two.store.files_total(None)).entries == 5


async def written(cellar: Cellar, name: str, when: float) -> None:
    """Let a file have been written at this time."""
    os.utime(cellar.files.path(name), (when, when))


async def started(cellar: Cellar) -> None:
    """The steps of a process before it first pauses."""
    reached = asyncio.Event()

    async def pause(_: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    watch = Retention(
        cellar.store, cellar.files, NO_LIMITS, lambda _: None, ClockWatch(cellar.clock, cellar.clock), pause
    ).watch()
    async with background_tasks(watch), asyncio.timeout(60):
        await reached.wait()


@pytest.mark.parametrize("leap_s", [365 * DAY_S, -365 * DAY_S], ids=["ahead and back", "back and ahead"])
async def test_a_leap_of_the_clock_makes_no_picture_old(cellar: Cellar, leap_s: float) -> None:
    """Ours: the clock of a machine is set by others, and a year later everything would seem to be too old."""
    steady = Clock(0.0)
    watch = ClockWatch(cellar.clock, steady)
    retention = Retention(cellar.store, cellar.files, Limits(days=30), lambda _: None, watch)
    await cellar.draw("before")
    cellar.clock.now += leap_s
    await retention.enforce()
    await cellar.draw("by the wrong clock")
    cellar.clock.now -= leap_s
    for _ in range(48):
        steady.now += 3600
        cellar.clock.now += 3600
        await retention.enforce()
    assert await cellar.left() == ["before", "by the wrong clock"]


async def test_a_replica_that_does_not_lead_asks_the_leader(cellar: Cellar) -> None:
    """Ours: a hundred replicas would look through the same files, after every picture of each."""

    class Follower(Replica):
        shares = True
        leads = False

    asked: list[str] = []
    await cellar.draw("1")
    await cellar.draw("22")
    retention = replace(
        cellar.retention(Limits(entries=1)), replica=Follower(), ask_leader=lambda: asked.append("room")
    )
    await retention.enforce()
    assert (await cellar.left(), asked) == (["1", "22"], ["room"])


class Follower(Replica):
    @property
    def leads(self) -> bool:
        return False


async def test_the_leader_makes_room_once_for_all_that_ask() -> None:
    """Ours: hundreds of pictures come within a second, and each would have the files of all looked through."""
    wire = Wire()
    follower, leader = Room(wire.join(), Follower(), 0.01), Room(wire.join(), Replica(), 0.01)
    other = Room(wire.join(), Follower(), 0.01)
    made: asyncio.Queue[str] = asyncio.Queue()

    async def make(who: str) -> None:
        made.put_nowait(who)

    keeping = [
        asyncio.create_task(room.keep(lambda who=who: make(who)))  # type: ignore[misc] # mypy reads no default of a lambda
        for who, room in (("leader", leader), ("other", other))
    ]
    wire.ends[0].tell(JobChanged("anna", 7, ended=True))
    for _ in range(100):
        follower.ask()
    async with asyncio.timeout(60):
        assert await made.get() == "leader"
    await asyncio.sleep(0.03)
    assert (made.empty(), wire.told.count(RoomWanted())) == (True, 1)
    follower.ask()
    async with asyncio.timeout(60):
        assert await made.get() == "leader"
    for each in keeping:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
