"""Imports in the SQLite file: all or nothing, once, also from two processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.images import Job, JobState
from service.storage.imports import Import, KeptFile, OldJob
from service.storage.sqlite.imports import SqliteImports
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Search
from tests.stores import Clock, begin, open_sqlite, picture

NAME = f"{'a' * 32}.png"


@pytest.fixture
async def sqlite(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path, clock)
    yield store
    await store.close()


@pytest.fixture
def imports(sqlite: SqliteStore) -> SqliteImports:
    return SqliteImports(sqlite.database)


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


async def test_a_job_is_found_by_its_words_and_its_model(sqlite: SqliteStore, imports: SqliteImports) -> None:
    await imports.enter(import_of(old_job(1, "一只猫戴着帽子"), old_job(2, "a dog")))
    by_word = await sqlite.page("ann", Search(query="猫戴"), 5)
    assert [job.history_id for job in by_word.jobs] == [1]
    assert (await sqlite.page("ann", Search(model="old-model"), 5)).total == 2
    assert (await sqlite.totals("ann")).done == 2


async def test_it_enters_once(imports: SqliteImports) -> None:
    assert not await imports.contains("ann", "d")
    assert (await imports.enter(import_of(old_job(1)))).jobs == 1
    assert (await imports.enter(import_of(old_job(1)))).jobs == 0
    assert await imports.contains("ann", "d")
    assert not await imports.contains("ben", "d")


async def test_two_at_once_enter_it_once(sqlite: SqliteStore, imports: SqliteImports, tmp_path: Path) -> None:
    """Ours: several clients may each start a process of their own on one data folder."""
    other = await open_sqlite(tmp_path, Clock(1_000.0))
    jobs = [old_job(number) for number in range(1, 40)]
    both = await asyncio.gather(
        imports.enter(import_of(*jobs)), SqliteImports(other.database).enter(import_of(*jobs, digest="e"))
    )
    await other.close()
    assert sorted(each.jobs for each in both) == [0, 39]
    assert (await sqlite.totals("ann")).done == 39


async def test_rows_keep_the_order_of_their_numbers(sqlite: SqliteStore, imports: SqliteImports) -> None:
    """Ours: pages walk the rows; one out of order would be shown twice, or never."""
    await begin(sqlite)
    outcome = await imports.enter(import_of(old_job(3), old_job(1), old_job(2)))
    assert dict(outcome.renumbered) == {1: 4}
    shown = []
    before = None
    while (page := await sqlite.page("ann", Search(), 1, before)).jobs:
        before = page.jobs[0].history_id
        shown.append(before)
    assert shown == [4, 3, 2, 1]


async def test_a_file_is_known_by_both_names_and_has_its_own_time(sqlite: SqliteStore, imports: SqliteImports) -> None:
    """Ours: `cache` removes all but the newest, and a picture of last year is none of them."""
    await sqlite.add_file("ann", "new.png", 5)
    kept = KeptFile(name=NAME, size=1000, written_at=77.0)
    outcome = await imports.enter(import_of(old_job(1, "", NAME), files={"old.jpeg": kept}))
    assert outcome.files == 1
    assert await imports.find("old.jpeg") == NAME
    assert await imports.find(NAME) is None
    assert await imports.known_files() == {"old.jpeg": NAME}
    assert (await sqlite.files_total("ann")).oldest == 77.0
    assert await sqlite.files_beyond_newest("ann", 1) == [NAME]
    [job] = await sqlite.jobs("ann", 5)
    assert job.pictures[0].kept


async def test_a_file_that_nobody_owned_gets_the_owner(sqlite: SqliteStore, imports: SqliteImports) -> None:
    """Ours: a crash before the rows leaves files, which the next start enters without an owner."""
    await sqlite.add_file("", NAME, 1000)
    await imports.enter(import_of(files={"old.png": KeptFile(name=NAME, size=1000, written_at=5.0)}))
    assert await sqlite.owns_file("ann", NAME)
