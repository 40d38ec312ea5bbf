"""Backups of a data folder while it is used, and their restoration: nothing that a row names is missing."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.images import ImageRequest, Job, KeptPicture, Picture
from service.storage.backup import Report, back_up, restore
from service.storage.backup_folder import BackupError
from service.storage.files import DERIVATIVES
from service.storage.opened import Storage, open_storage

Steps = list[tuple[int, int, int, int]]


def quietly(*_: int) -> None:
    """Tell nobody of the progress."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk" / "backup"


@pytest.fixture
async def storage(data: Path) -> AsyncIterator[Storage]:
    """A data folder that is open, as a running service has it, with two pictures of ann and one of ben."""
    async with opened(data) as storage:
        for owner, prompt in (("ann", "a fox"), ("ann", "an owl"), ("ben", "a tree")):
            await drawn(storage, owner, prompt)
        yield storage


@contextlib.asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Storage]:
    async with contextlib.AsyncExitStack() as stack:
        yield await open_storage(data, stack)


async def begun(storage: Storage, owner: str, prompt: str) -> Job:
    return (await storage.store.begin(owner, ImageRequest(model="m", prompt=prompt), "kiln", "")).job


async def drawn(storage: Storage, owner: str, prompt: str) -> str:
    """The name of a picture whose bytes are its prompt."""
    job = await begun(storage, owner, prompt)
    name = await storage.files.keep(owner, prompt.encode(), "image/png")
    kept = KeptPicture(
        name=name, media_type="image/png", width=1, height=1, size=len(prompt), note="", source="", kept=True
    )
    await storage.store.finish(job, [kept])
    return name


async def shown(storage: Storage, owner: str) -> list[tuple[int, str, bytes | None]]:
    """Number, prompt and bytes of each picture in the history, newest first."""
    return [
        (job.history_id, job.prompt, await storage.files.read(job.pictures[0].name))
        for job in await storage.store.jobs(owner, 10)
    ]


def files_of(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def is_consistent(folder: Path) -> bool:
    """Tell that every picture which the index names lies there."""
    with contextlib.closing(sqlite3.connect(folder / "easel.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM files")]
    return all((folder / "files" / name[:2] / name).is_file() for name in names)


async def test_a_backup_of_a_running_service_brings_all_back(storage: Storage, data: Path, target: Path) -> None:
    """Ours: history, numbers, pictures by their names, and the keys of links and sessions."""
    report = await asyncio.to_thread(back_up, data, target, quietly)
    assert (report.pictures, report.size, report.copied, report.missing) == (3, 17, 3, [])
    await drawn(storage, "ann", "too late")
    restored = data.parent / "restored"
    await asyncio.to_thread(restore, target, restored, quietly)
    async with opened(restored) as again:
        assert await shown(again, "ann") == [(2, "an owl", b"an owl"), (1, "a fox", b"a fox")]
        assert await shown(again, "ben") == [(1, "a tree", b"a tree")]
        assert again.secret.derive("links") == storage.secret.derive("links")
        assert (await drawn(again, "ann", "new"))[-4:] == ".png"
        assert (await shown(again, "ann"))[0] == (3, "new", b"new")


async def test_derivatives_are_left_out_and_not_counted(storage: Storage, data: Path, target: Path) -> None:
    """Ours: they can be made again, and room that is counted and not used is lost for good."""
    name, before = await drawn(storage, "ann", "a hare"), (await storage.store.files_total("ann")).bytes
    await storage.files.keep_derived(name, DERIVATIVES[0], b"small")
    await storage.store.add_derived(name, 5)
    await asyncio.to_thread(back_up, data, target, quietly)
    assert not [each for each in files_of(target) if "~" in each]
    restored = target.parent / "restored"
    await asyncio.to_thread(restore, target, restored, quietly)
    async with opened(restored) as there:
        assert (await there.store.files_total("ann")).bytes == before
        assert await there.files.find(name) is not None


async def test_a_backup_of_a_stopped_service_leaves_its_folder_as_it_was(data: Path, target: Path) -> None:
    async with opened(data) as storage:
        await drawn(storage, "ann", "a fox")
    before = files_of(data)
    await asyncio.to_thread(back_up, data, target, quietly)
    assert files_of(data) == before
    assert "easel.db-wal" not in files_of(target), "one file, without a log"


async def test_a_second_backup_copies_what_is_new_and_removes_what_went(
    storage: Storage, data: Path, target: Path
) -> None:
    await asyncio.to_thread(back_up, data, target, quietly)
    kept = {each: each.stat().st_ino for each in (target / "files").glob("*/*")}
    [gone] = [job.pictures[0].name for job in await storage.store.jobs("ben", 1)]
    await storage.files.remove(await storage.store.delete("ben", 1) or [])
    await storage.store.forget_files([gone])
    await drawn(storage, "ann", "a third")
    report = await asyncio.to_thread(back_up, data, target, quietly)
    assert (report.pictures, report.copied, report.removed) == (3, 1, 1)
    assert is_consistent(target)
    now = {each: each.stat().st_ino for each in (target / "files").glob("*/*")}
    assert len(now.items() & kept.items()) == 2, "they were not copied again"


async def test_a_picture_that_goes_meanwhile_is_gone_in_the_backup_too(
    storage: Storage, data: Path, target: Path
) -> None:
    """Ours: no row without its file, whenever retention removes one."""
    names = [job.pictures[0].name for job in await storage.store.jobs("ann", 10)]
    victim = max(names)

    def remove_while_copying(done: int, *_: int) -> None:
        if done == 1:
            (data / "files" / victim[:2] / victim).unlink(missing_ok=True)

    report = await asyncio.to_thread(back_up, data, target, remove_while_copying)
    assert is_consistent(target)
    assert set(report.missing) <= {victim}
    (data / "files" / names[1][:2] / names[1]).unlink(missing_ok=True)
    (data / "files" / names[0][:2] / names[0]).unlink(missing_ok=True)
    shutil.rmtree(target)
    report = await asyncio.to_thread(back_up, data, target, quietly)
    assert report.missing == sorted(names)
    assert (report.pictures, report.size) == (1, 6)
    assert is_consistent(target)


async def test_backups_under_writes_are_each_of_one_moment(storage: Storage, data: Path, target: Path) -> None:
    """Ours: pictures are drawn, and removed, all the time while backups are taken."""
    go_on = True

    async def draw() -> None:
        number = 0
        while go_on:
            number += 1
            name = await drawn(storage, "cat", f"picture {number}")
            if number % 3 == 0:
                await storage.files.remove([name])
                await storage.store.forget_files([name])

    drawing = asyncio.create_task(draw())
    for _ in range(5):
        await asyncio.to_thread(back_up, data, target, quietly)
        assert is_consistent(target)
    go_on = False
    await drawing
    restored = data.parent / "restored"
    await asyncio.to_thread(restore, target, restored, quietly)
    assert is_consistent(restored)


async def test_what_has_arrived_for_a_job_at_work_is_in_the_backup_until_it_ended(
    storage: Storage, data: Path, target: Path
) -> None:
    """Ours: it is paid for, and the restored service finishes the job from it."""
    job = await begun(storage, "ann", "a paid one")
    await storage.arrivals.keep(job, [Picture(data=b"paid", note="", source="")])
    await asyncio.to_thread(back_up, data, target, quietly)
    restored = data.parent / "restored"
    await asyncio.to_thread(restore, target, restored, quietly)
    async with opened(restored) as again:
        [claimed] = await again.store.claim()
        assert [each.data for each in (await again.arrivals.read(claimed))[0]] == [b"paid"]
    await storage.store.finish(job, [])
    await storage.arrivals.remove(job)
    await asyncio.to_thread(back_up, data, target, quietly)
    assert not list((target / "arrived").iterdir())


async def test_what_a_job_at_work_has_is_there_though_the_job_ends_meanwhile(
    storage: Storage, data: Path, target: Path
) -> None:
    """Ours: the copied row says that it works, and its arrival goes from the data folder a moment later."""
    job = await begun(storage, "ann", "a paid one")
    await storage.arrivals.keep(job, [Picture(data=b"paid", note="", source="")])
    [arrival] = (data / "arrived").iterdir()

    def end_the_job(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(arguments[1]) == str(target / "easel.db.new"):
            arrival.unlink(missing_ok=True)

    sys.addaudithook(end_the_job)  # hears of the step that gives the copied database its name
    await asyncio.to_thread(back_up, data, target, quietly)
    assert not arrival.exists()
    assert [each.name for each in (target / "arrived").iterdir()] == [arrival.name]


async def test_nobody_else_can_read_a_backup(storage: Storage, data: Path, target: Path) -> None:
    """Ours: it holds the secret and everybody's pictures, also below a loose umask."""
    await asyncio.to_thread(back_up, data, target, quietly)
    restored = data.parent / "restored"
    await asyncio.to_thread(restore, target, restored, quietly)
    for folder in (target, restored):
        assert not [each for each in (folder, *folder.rglob("*")) if stat.S_IMODE(each.stat().st_mode) & 0o077]


async def test_sha256sum_checks_a_backup(storage: Storage, data: Path, target: Path) -> None:
    """Ours: a copy of the backup on another disk can be checked with what every system has."""
    await asyncio.to_thread(back_up, data, target, quietly)
    lines = (target / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((target / name).read_bytes()).hexdigest() == digest
    if program := shutil.which("sha256sum"):
        done = await asyncio.to_thread(subprocess.run, [program, "-c", "SHA256SUMS"], cwd=target, check=False)
        assert done.returncode == 0


async def test_the_progress_rises_to_its_end(storage: Storage, data: Path, target: Path) -> None:
    steps: Steps = []
    await asyncio.to_thread(back_up, data, target, lambda *step: steps.append(step))
    assert [step[0] for step in steps] == [1, 2, 3]
    assert steps[-1] == (3, 3, 17, 17)
    steps.clear()
    await asyncio.to_thread(restore, target, data.parent / "restored", lambda *step: steps.append(step))
    assert steps[-1] == (6, 6, 34, 34)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("data/backup", "is in the data folder"),
        ("data", "is in the data folder"),
        ("link/backup", "is in the data folder"),
        ("file", "is a file: name a folder"),
        ("photos", "holds other files: name an empty folder, a new one, or an earlier backup"),
        ("other", "is the backup of another data folder"),
    ],
)
async def test_a_folder_that_is_no_place_for_a_backup_is_refused_and_stays_as_it_was(
    storage: Storage, data: Path, tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "link").symlink_to(data)
    (tmp_path / "file").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "of-mine.jpg").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "backup.json").touch()
    (tmp_path / "other" / "secret").write_bytes(b"another")
    before = files_of(tmp_path)
    with pytest.raises(BackupError, match=words):
        await asyncio.to_thread(back_up, data, tmp_path / place, quietly)
    assert files_of(tmp_path) == before


async def test_a_disk_without_room_is_told_before_anything_is_copied(
    storage: Storage, data: Path, target: Path
) -> None:
    """Ours: the numbers say how much is missing. The picture here has holes in place of its bytes."""
    [job] = await storage.store.jobs("ben", 1)
    name, size = job.pictures[0].name, 8 * 10**12
    os.truncate(data / "files" / name[:2] / name, size)
    await storage.store.forget_files([name])
    await storage.store.add_file("ben", name, size)
    with pytest.raises(BackupError, match=r"backup has \d+ MB free, and 80000[0-9]{2} MB are needed: make room"):
        await asyncio.to_thread(back_up, data, target, quietly)
    assert files_of(target) == {"lock"}
    await storage.store.forget_files([name])
    assert (await asyncio.to_thread(back_up, data, target, quietly)).pictures == 2


async def test_two_backups_into_one_folder_are_kept_apart(storage: Storage, data: Path, target: Path) -> None:
    refused: list[str] = []

    def begin_another(*_: int) -> None:
        with pytest.raises(BackupError) as error:
            back_up(data, target, quietly)
        refused.append(str(error.value))

    await asyncio.to_thread(back_up, data, target, begin_another)
    assert refused[0] == f"another backup into {target} is under way; wait for its end"
    assert is_consistent(target)


async def test_a_backup_that_is_broken_off_leaves_the_earlier_one_whole(
    storage: Storage, data: Path, target: Path
) -> None:
    await asyncio.to_thread(back_up, data, target, quietly)
    await drawn(storage, "ann", "a third")

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            back_up(data, target, stop)

    await asyncio.to_thread(interrupted)
    restored = data.parent / "restored"
    assert (await asyncio.to_thread(restore, target, restored, quietly)).pictures == 3
    assert (await asyncio.to_thread(back_up, data, target, quietly)).pictures == 4


@pytest.mark.parametrize("folder", ["nothing", "of the wrong program"])
def test_what_is_no_data_folder_is_not_backed_up(tmp_path: Path, folder: str) -> None:
    (tmp_path / "of the wrong program").mkdir()
    (tmp_path / "of the wrong program" / "easel.db").touch()
    with pytest.raises(BackupError, match="EASEL_DATA_DIR names the data folder of the service"):
        back_up(tmp_path / folder, tmp_path / "target", quietly)


@pytest.fixture
async def taken(storage: Storage, data: Path, target: Path) -> Path:
    """A whole backup."""
    await asyncio.to_thread(back_up, data, target, quietly)
    return target


@pytest.mark.parametrize("used_by", ["easel.db", "photo.jpg", "secret"])
def test_a_folder_in_use_is_not_written_over(taken: Path, tmp_path: Path, used_by: str) -> None:
    place = tmp_path / "used"
    place.mkdir()
    (place / used_by).write_text("mine")
    with pytest.raises(BackupError, match=f"is in use: it holds {used_by}. Stop the service and move that folder away"):
        restore(taken, place, quietly)
    assert (place / used_by).read_text() == "mine"
    assert files_of(place) == {used_by}


def damage(taken: Path, part: str) -> None:
    """Do to a backup what a bad disk, a broken copy or a hand does."""
    [picture, *_] = sorted((taken / "files").glob("*/*"))
    match part:
        case "a picture is missing":
            picture.unlink()
        case "a picture has changed":
            picture.write_bytes(b"#" * picture.stat().st_size)
        case "a picture is cut off":
            picture.write_bytes(b"")
        case "a picture is a link":
            picture.rename(taken / "elsewhere")
            picture.symlink_to(taken / "elsewhere")
        case "the database is damaged":
            whole = (taken / "easel.db").read_bytes()
            (taken / "easel.db").write_bytes(whole[:8192] + b"#" * (len(whole) - 8192))
        case "the database is cut off":
            (taken / "easel.db").write_bytes((taken / "easel.db").read_bytes()[:5000])
        case _:
            (taken / part.removesuffix(" is missing")).unlink()


OF_PICTURES = ("a picture is missing", "a picture has changed", "a picture is cut off", "a picture is a link")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        *(
            (part, "is missing or changed. Take another backup, or leave them out with --skip-damaged")
            for part in OF_PICTURES
        ),
        ("the database is damaged", "is not whole: the database is damaged|malformed"),
        ("the database is cut off", "malformed|damaged"),
        ("secret is missing", "the secret is missing"),
        ("easel.db is missing", "its backup was never finished"),
        ("backup.json is missing", "is no backup: backup.json is not there. A copy of a whole data folder"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_written(
    taken: Path, tmp_path: Path, part: str, words: str
) -> None:
    damage(taken, part)
    with pytest.raises(BackupError, match=words):
        restore(taken, tmp_path / "restored", quietly)
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("part", OF_PICTURES)
async def test_damaged_pictures_can_be_left_out(taken: Path, tmp_path: Path, part: str) -> None:
    """Ours: one rotten picture must not cost the history."""
    damage(taken, part)
    restored = tmp_path / "restored"
    report = await asyncio.to_thread(restore, taken, restored, quietly, skip_damaged=True)
    assert len(report.missing) == 1
    assert is_consistent(restored)
    async with opened(restored) as again:
        jobs = [*await again.store.jobs("ann", 10), *await again.store.jobs("ben", 10)]
        assert sorted(job.pictures[0].kept for job in jobs) == [False, True, True]


def test_a_name_that_leads_out_of_the_folder_is_none(taken: Path, tmp_path: Path) -> None:
    """Ours: a backup from elsewhere must not write beside the data folder."""
    with contextlib.closing(sqlite3.connect(taken / "easel.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO files VALUES ('../../outside.png', 'ann', 4, 0, 0, 1.0)")
    report = restore(taken, tmp_path / "restored", quietly)
    assert report.pictures == 3
    assert not list(tmp_path.rglob("*outside*"))


def test_a_restoration_that_is_broken_off_leaves_the_folder_empty(taken: Path, tmp_path: Path) -> None:
    place = tmp_path / "restored"
    place.mkdir()

    def stop(done: int, *_: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(taken, place, stop)
    assert not list(place.iterdir())
    assert restore(taken, place, quietly).pictures == 3


def test_the_mark_says_when_and_how_much(taken: Path) -> None:
    mark = json.loads((taken / "backup.json").read_text())
    assert mark["backup_of"] == "easel"
    assert (mark["pictures"], mark["bytes"]) == (3, 17)


def test_a_report_counts_nothing_by_itself() -> None:
    assert Report() == Report(pictures=0, size=0, copied=0, removed=0, missing=[])
