"""Imports: all or nothing, once, also from two processes."""

import asyncio

import pytest

from service.images import Job, JobState
from service.storage.imports import Import, Imports, KeptFile, OldJob
from service.storage.store import Search, Store
from tests.engines import Process
from tests.storage.contract.conftest import Open
from tests.stores import Clock, begin, picture

NAME = f"{'a' * 32}.png"


@pytest.fixture
async def process(open_process: Open, clock: Clock) -> Process:
    return await open_process("a", clock)


@pytest.fixture
def store(process: Process) -> Store:
    return process.store


@pytest.fixture
def imports(process: Process) -> Imports:
    return process.imports


def old_job(number: int, prompt: str = "", *names: str) -> OldJob:
    job = Job(
        history_id=number,
        owner="ann",
        state=JobState.DONE,
        model="old-model",
        prompt=prompt or f"number {number}",
        created_at=10.0 * number,
        finished_at=10.0 * number,
        delivered_at=10.0 * number,
        pictures=tuple(picture(name) for name in names),
    )
    return OldJob(identity=f"identity {job.prompt}", job=job)


def import_of(*jobs: OldJob, digest: str = "d", files: dict[str, KeptFile] | None = None) -> Import:
    return Import(owner="ann", digest=digest, jobs=jobs, files=files or {})


async def test_a_job_is_found_by_its_words_and_its_model(store: Store, imports: Imports) -> None:
    await imports.enter(import_of(old_job(1, "一只猫戴着帽子"), old_job(2, "a dog")))
    by_word = await store.page("ann", Search(query="猫戴"), 5)
    assert [job.history_id for job in by_word.jobs] == [1]
    assert (await store.page("ann", Search(model="old-model"), 5)).total == 2
    assert (await store.totals("ann")).done == 2


async def test_it_enters_once(imports: Imports) -> None:
    assert not await imports.contains("ann", "d")
    assert (await imports.enter(import_of(old_job(1)))).jobs == 1
    assert (await imports.enter(import_of(old_job(1)))).jobs == 0
    assert await imports.contains("ann", "d")
    assert not await imports.contains("ben", "d")


async def test_two_at_once_enter_it_once(store: Store, imports: Imports, open_process: Open) -> None:
    """Ours: several clients may each start a process of their own on one data folder."""
    other = await open_process("b", Clock(1_000.0))
    jobs = [old_job(number) for number in range(1, 40)]
    both = await asyncio.gather(imports.enter(import_of(*jobs)), other.imports.enter(import_of(*jobs, digest="e")))
    assert sorted(each.jobs for each in both) == [0, 39]
    assert (await store.totals("ann")).done == 39


async def test_rows_keep_the_order_of_their_numbers(store: Store, imports: Imports) -> None:
    """Ours: pages walk the rows; one out of order would be shown twice, or never."""
    await begin(store)
    outcome = await imports.enter(import_of(old_job(3), old_job(1), old_job(2)))
    assert dict(outcome.renumbered) == {1: 4}
    shown = []
    before = None
    while (page := await store.page("ann", Search(), 1, before)).jobs:
        before = page.jobs[0].history_id
        shown.append(before)
    assert shown == [4, 3, 2, 1]


async def test_a_file_is_known_by_both_names_and_has_its_own_time(store: Store, imports: Imports) -> None:
    """Ours: `cache` removes all but the newest, and a picture of last year is none of them."""
    await store.add_file("ann", "new.png", 5)
    kept = KeptFile(name=NAME, size=1000, written_at=77.0)
    outcome = await imports.enter(import_of(old_job(1, "", NAME), files={"old.jpeg": kept}))
    assert outcome.files == 1
    assert await imports.find("old.jpeg") == NAME
    assert await imports.find(NAME) is None
    assert await imports.known_files() == {"old.jpeg": NAME}
    assert (await store.files_total("ann")).oldest == 77.0
    assert await store.files_beyond_newest("ann", 1) == [NAME]
    [job] = await store.jobs("ann", 5)
    assert job.pictures[0].kept


async def test_a_file_that_nobody_owned_gets_the_owner(store: Store, imports: Imports) -> None:
    """Ours: a crash before the rows leaves files, which the next start enters without an owner."""
    await store.add_file("", NAME, 1000)
    await imports.enter(import_of(files={"old.png": KeptFile(name=NAME, size=1000, written_at=5.0)}))
    assert await store.owns_file("ann", NAME)
