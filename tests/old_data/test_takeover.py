"""The takeover of old folders into a real data folder: every entry, every file, once, and nothing changed there."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from service.images import NOT_DRAWN, ImageRequest, Job, JobState
from service.old_data.takeover import HistoryImporter, Takeover, type_of
from service.settings import Limits, Settings
from service.storage.opened import Storage, open_storage
from tests.emulators.pictures import png
from tests.old_folder import BMP, MP4, TIFF, WEBM, OldServer, contents, dumped, many, md5, newest, oldest, signed


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with contextlib.AsyncExitStack() as stack:
        yield await open_storage(tmp_path / "ours", stack)


async def take_over(storage: Storage, folder: Path, owner: str = "local", max_bytes: int = 1_000_000) -> Takeover:
    importer = HistoryImporter(files=storage.files, imports=storage.imports, max_file_bytes=max_bytes)
    return await importer.take_over(folder, owner, lambda _done, _total: None)


async def history(storage: Storage, owner: str = "local") -> dict[int, Job]:
    """Every job of an owner, the oldest first."""
    jobs = await storage.store.jobs(owner, 10_000)
    return {job.history_id: job for job in reversed(jobs)}


async def bytes_of(storage: Storage, old_name: str) -> bytes | None:
    """The bytes that an old link leads to."""
    name = await storage.imports.find(old_name)
    return None if name is None else await storage.files.read(name)


def written(number: int) -> float:
    """When the entry of this number was written."""
    return datetime(2026, 3, 5, 9, 30 + number, tzinfo=UTC).timestamp()


async def test_every_entry_appears_with_its_number_time_prompt_and_error(storage: Storage, tmp_path: Path) -> None:
    server = newest()
    await take_over(storage, server.write(tmp_path / "data"))
    jobs = await history(storage)
    assert {id_: job.prompt for id_, job in jobs.items()} == {entry["id"]: entry["prompt"] for entry in server.entries}
    assert {id_: job.created_at for id_, job in jobs.items()} == {id_: written(id_) for id_ in range(1, 11)}
    assert {job.model for job in jobs.values()} == {entry["model"] for entry in server.entries}
    failure = jobs[2].failure
    assert failure is not None
    assert (jobs[2].state, failure.quote) == (JobState.FAILED, "“HTTP 400: content policy”")


async def test_pictures_with_a_file_are_kept_as_they_are(storage: Storage, tmp_path: Path) -> None:
    """Ours: a person may compare them, and no pixel is drawn anew."""
    server = newest()
    await take_over(storage, server.write(tmp_path / "data"))
    jobs = await history(storage)
    kept = {id_: [await storage.files.read(picture.name) for picture in job.pictures] for id_, job in jobs.items()}
    assert kept[1] == [png(1, (64, 32))]
    assert kept[6] == [png(6, (16, 16)), png(60, (16, 24))], "two pictures in one entry, in their order"
    assert [(p.width, p.height, p.size, p.kept) for p in jobs[1].pictures] == [(64, 32, len(png(1, (64, 32))), True)]


async def test_old_names_lead_to_the_same_bytes(storage: Storage, tmp_path: Path) -> None:
    """Ours: `/mcp-cache/<md5>.<ext>` stands in chats of years, `.jpeg` and wrong extensions too."""
    server = newest()
    await take_over(storage, server.write(tmp_path / "data"))
    assert {name: await bytes_of(storage, name) for name in server.files} == server.files
    assert await storage.imports.find(f"{md5(b'nobody')}.png") is None


async def test_a_picture_of_a_wrong_extension_gets_the_type_of_its_bytes(storage: Storage, tmp_path: Path) -> None:
    await take_over(storage, newest().write(tmp_path / "data"))
    [picture] = (await history(storage))[10].pictures
    assert (picture.media_type, picture.name[-4:]) == ("image/png", ".png")


async def test_an_entry_without_a_file_says_so_and_keeps_its_url(storage: Storage, tmp_path: Path) -> None:
    """Ours: a signed URL is dead after a day, but that of a Flow2API on this machine may not be."""
    outcome = await take_over(storage, newest().write(tmp_path / "data"))
    [picture] = (await history(storage))[5].pictures
    assert (picture.kept, picture.source, picture.note) == (False, signed(5), "The earlier server kept no file of it.")
    assert any(fault.startswith("Pictures of the history without a file there: 1.") for fault in outcome.faults)


async def test_imports_can_be_found_and_are_no_generations(storage: Storage, tmp_path: Path) -> None:
    await take_over(storage, newest().write(tmp_path / "data"))
    jobs = await history(storage)
    assert [id_ for id_, job in jobs.items() if job.upstream == NOT_DRAWN] == [3, 9]
    assert [picture.note for picture in jobs[3].pictures] == ["It was given by the person, not drawn."]
    assert await storage.files.read(jobs[3].pictures[0].name) == png(3, (40, 40))


async def test_an_answer_in_words_is_a_failure_without_words_of_its_own(storage: Storage, tmp_path: Path) -> None:
    await take_over(storage, newest().write(tmp_path / "data"))
    failure = (await history(storage))[7].failure
    assert failure is not None
    assert failure.kind == "no_image"


async def test_a_picture_that_came_inline_without_a_url_finds_its_entry(storage: Storage, tmp_path: Path) -> None:
    """Bug of the earlier server: with the cache off it kept the file, and wrote no URL. Its time leads to the entry."""
    await take_over(storage, newest().write(tmp_path / "data"))
    [picture] = (await history(storage))[8].pictures
    assert await storage.files.read(picture.name) == png(8, (20, 20))


@pytest.mark.parametrize("hours", [8, -5, 5.5], ids=["Shanghai", "New York", "Delhi"])
async def test_local_times_are_told_in_utc(storage: Storage, tmp_path: Path, hours: float) -> None:
    """Ours: the folder may come from a machine of another zone. The index has UTC, which tells the zone of both."""
    zone = timezone(timedelta(hours=hours))
    await take_over(storage, newest(zone).write(tmp_path / "data"))
    assert [job.created_at for job in (await history(storage)).values()] == [written(id_) for id_ in range(1, 11)]


async def test_a_photo_that_was_used_again_hours_later_tells_no_zone(storage: Storage, tmp_path: Path) -> None:
    """Ours: the index dates a file when it came, and the entry may be of another hour."""
    server = newest(timezone(timedelta(hours=8)))
    server.now += timedelta(hours=3)
    server.add("user_image: 照片.jpeg", server.entries[2]["urls"], model="user_image")
    server.add("a failure", error="timeout")
    await take_over(storage, server.write(tmp_path / "data"))
    jobs = await history(storage)
    assert [jobs[11].created_at, jobs[12].created_at] == [written(11) + 3 * 3600, written(12) + 3 * 3600]


async def test_the_dates_of_a_copied_folder_tell_no_zone(storage: Storage, tmp_path: Path) -> None:
    """Ours: without an index the files' own dates may speak, but not where all were written at once."""
    server = newest()
    path = server.write(tmp_path / "data", index=False)
    for name in server.files:
        os.utime(path / "url_cache" / name, (written(4) - 7200, written(4) - 7200))
    await take_over(storage, path)
    local = datetime(2026, 3, 5, 9, 31).timestamp()  # noqa: DTZ001 - local, as it was written
    assert (await history(storage))[1].created_at == local


async def test_the_dates_of_a_folder_that_was_moved_tell_the_zone(storage: Storage, tmp_path: Path) -> None:
    server = newest(timezone(timedelta(hours=8)))
    path = server.write(tmp_path / "data", index=False)
    for entry in server.index.values():
        os.utime(path / "url_cache" / entry["filename"], (entry["time"], entry["time"]))
    await take_over(storage, path)
    assert [job.created_at for job in (await history(storage)).values()] == [written(id_) for id_ in range(1, 11)]


async def test_without_pictures_local_times_are_those_of_this_machine(storage: Storage, tmp_path: Path) -> None:
    server = OldServer()
    server.add("a failure", error="timeout")
    await take_over(storage, server.write(tmp_path / "data"))
    [job] = (await history(storage)).values()
    assert job.created_at == datetime(2026, 3, 5, 9, 31).timestamp()  # noqa: DTZ001 - local, as it was written


async def test_the_oldest_are_numbered_and_their_films_kept(storage: Storage, tmp_path: Path) -> None:
    server = oldest()
    await take_over(storage, server.write(tmp_path / "data"))
    jobs = await history(storage)
    assert {id_: job.prompt for id_, job in jobs.items()} == {
        1: "the first picture", 2: "a wave", 3: "a cloud", 4: "a failure",
    }  # fmt: skip
    assert [picture.media_type for id_ in (2, 3) for picture in jobs[id_].pictures] == ["video/mp4", "video/webm"]
    assert {name: await bytes_of(storage, name) for name in server.files} == server.files


@pytest.mark.parametrize(("data", "media_type"), [
    (BMP, "image/bmp"), (TIFF, "image/tiff"), (MP4, "video/mp4"), (WEBM, "video/webm"), (png(1, (2, 2)), "image/png"),
    (b"BM is how this text begins, and no picture", None), (b"<html>Not Found</html>", None), (b"\0" * 80, None),
])  # fmt: skip
def test_the_type_is_told_by_the_bytes(data: bytes, media_type: str | None) -> None:
    assert type_of(data) == media_type


async def test_what_is_broken_is_named_and_the_rest_taken(storage: Storage, tmp_path: Path) -> None:
    server = newest()
    empty, page = server.keep_local(b"", "png"), server.keep_local(b"<html>x</html>", "jpg")
    large = server.keep_local(b"x" * 3000, "bmp")
    path = server.write(tmp_path / "data")
    whole = (path / "history_archive.json").read_bytes()
    (path / "history_archive.json").write_bytes(whole[: len(whole) // 2])
    (path / "history.json").write_bytes(b"")
    outcome = await take_over(storage, path, max_bytes=2000)
    said = "\n".join(outcome.faults)
    assert f"url_cache/{empty} is empty." in said
    assert f"url_cache/{page} is an HTML page, not a picture: it is left there." in said
    assert f"url_cache/{large} is larger than" in said
    assert "history_archive.json is cut or broken" in said
    assert "history.json is empty." in said
    assert 0 < len(await history(storage)) < 10
    assert outcome.imported.files == 8


@pytest.mark.parametrize("index", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize("archive", [True, False], ids=["archive", "no archive"])
async def test_a_second_takeover_changes_nothing(storage: Storage, tmp_path: Path, index: bool, archive: bool) -> None:
    path = newest().write(tmp_path / "data", index=index, archive=archive)
    first = await take_over(storage, path)
    before = await history(storage)
    second = await take_over(storage, path)
    assert (first.imported.jobs, first.imported.files) == (10, 8)
    assert (second.known, second.imported.jobs, second.imported.files) == (True, 0, 0)
    assert await history(storage) == before


async def test_what_came_since_is_taken_over_the_next_time(storage: Storage, tmp_path: Path) -> None:
    """Ours: people try the new server, and go on with the old one for a week."""
    server = newest()
    await take_over(storage, server.write(tmp_path / "then"))
    server.generate("a new one", signed(11), png(11, (12, 12)))
    outcome = await take_over(storage, server.write(tmp_path / "now"))
    assert (outcome.imported.jobs, outcome.imported.files) == (1, 1)
    assert (await history(storage))[11].prompt == "a new one"


async def test_what_was_deleted_here_does_not_come_back(storage: Storage, tmp_path: Path) -> None:
    """Ours: a picture that somebody deleted stays deleted, though the old folder still has it."""
    server = newest()
    await take_over(storage, server.write(tmp_path / "then"))
    names = await storage.store.delete("local", 1)
    assert names
    await storage.files.remove(names)
    await storage.store.forget_files(names)
    server.add("a new one", error="timeout")
    await take_over(storage, server.write(tmp_path / "now"))
    assert 1 not in await history(storage)
    assert await storage.files.find(names[0]) is None


async def test_nothing_changes_in_the_old_folder(storage: Storage, tmp_path: Path) -> None:
    path = newest().write(tmp_path / "data")
    before = list(contents(path))
    await take_over(storage, path)
    assert list(contents(path)) == before


async def test_both_may_have_the_same_data_folder(tmp_path: Path) -> None:
    """Ours: `data/` of the old server beside an EASEL_DATA_DIR of the same name is one folder, with both in it."""
    path = newest().write(tmp_path / "data")
    before = list(contents(path))
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(path, stack)
        await take_over(storage, path)
        assert len(await history(storage)) == 10
    assert [each for each in contents(path) if each[0].startswith(("history", "url_cache"))] == before


async def test_new_numbers_begin_after_the_largest_old_one(storage: Storage, tmp_path: Path) -> None:
    server = newest()
    server.entries[-1]["id"] = 240
    await take_over(storage, server.write(tmp_path / "data"))
    begun = await storage.store.begin("local", ImageRequest(model="m", prompt="new"), "kiln", "")
    assert begun.job.history_id == 241


async def test_a_number_that_is_taken_here_is_replaced_and_told(storage: Storage, tmp_path: Path) -> None:
    """Ours: who tried this server before keeps what was drawn; the old pictures come after it."""
    for prompt in ("one", "two"):
        job = (await storage.store.begin("local", ImageRequest(model="m", prompt=prompt), "kiln", "")).job
        await storage.store.finish(job, [])
    outcome = await take_over(storage, newest().write(tmp_path / "data"))
    jobs = await history(storage)
    assert outcome.imported.renumbered == {1: 11, 2: 12}
    assert [jobs[id_].prompt for id_ in (1, 2, 3, 12)] == ["one", "two", "user_image: 照片.jpeg", "a refused one"]


async def test_an_import_belongs_to_its_owner_alone(storage: Storage, tmp_path: Path) -> None:
    await take_over(storage, newest().write(tmp_path / "data"), owner="alice")
    assert len(await history(storage, "alice")) == 10
    assert not await history(storage, "ben")
    assert (await storage.store.files_total("alice")).entries == 8


async def test_no_limit_of_room_removes_what_was_taken_over(storage: Storage, tmp_path: Path) -> None:
    """Ours: its `.env` may say 60 entries, and nobody moves here to lose the others on the first day."""
    await take_over(storage, newest().write(tmp_path / "data"))
    new = await storage.files.keep("local", png(99, (8, 8)), "image/png")
    await storage.store.add_file("local", new, 100)
    tight = Limits(entries=3, size=2000, owner_entries=2, owner_size=1000, days=1)
    assert await storage.store.files_over_limits(tight, time.time() - 86_400) == []


async def test_a_deleted_picture_of_it_goes_like_any_other(storage: Storage, tmp_path: Path) -> None:
    """Ours: after a crash between row and file, the next round of retention finds it as the oldest."""
    await take_over(storage, newest().write(tmp_path / "data"))
    names = await storage.store.delete("local", 1)
    assert names is not None
    assert [file.name for file in await storage.store.files_over_limits(Limits(), 1.0)] == names


async def test_it_counts_for_no_limit_of_the_day(tmp_path: Path) -> None:
    """Ours: an entry of this morning would else take the place of a picture of today."""
    server = OldServer(now=datetime.now(UTC))
    server.generate("drawn today", signed(1), png(1, (8, 8)))
    one_a_day = Settings.from_env({"EASEL_PICTURES_PER_DAY": "1"}).allowances
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(tmp_path / "ours", stack, one_a_day)
        await take_over(storage, server.write(tmp_path / "data"))
        begun = await storage.store.begin("local", ImageRequest(model="m", prompt="new"), "kiln", "")
        assert begun.job.history_id == 2


async def test_a_long_history_takes_seconds(storage: Storage, tmp_path: Path) -> None:
    """Ours: 2000 entries and 200 pictures, in about a second; people wait for the start."""
    path = many(2000, 200).write(tmp_path / "data")
    async with asyncio.timeout(60):
        outcome = await take_over(storage, path)
    assert (outcome.imported.jobs, outcome.imported.files) == (2000, 200)


async def test_progress_goes_from_none_to_all(storage: Storage, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    importer = HistoryImporter(files=storage.files, imports=storage.imports, max_file_bytes=10**6)
    await importer.take_over(
        newest().write(tmp_path / "data"), "local", lambda done, total: steps.append((done, total))
    )
    assert steps == [(done, 8) for done in range(9)]


async def test_an_empty_folder_of_blank_files_is_told_and_gives_nothing(storage: Storage, tmp_path: Path) -> None:
    """Ours: a bind mount of files that were not there makes them, of 0 bytes."""
    path = OldServer().write(tmp_path / "data")
    for name in ("history.json", "history_archive.json"):
        (path / name).write_bytes(b"")
    outcome = await take_over(storage, path)
    assert outcome.imported.jobs == 0
    assert list(outcome.faults) == ["history_archive.json is empty.", "history.json is empty."]


async def test_an_index_alone_gives_its_pictures(storage: Storage, tmp_path: Path) -> None:
    """Ours: a history that was cleared leaves the cache, and chats still show it."""
    server = newest()
    path = server.write(tmp_path / "data")
    for name in ("history.json", "history_archive.json"):
        (path / name).write_bytes(dumped([]))
    outcome = await take_over(storage, path)
    assert outcome.imported.files == 8
    assert "Files that no entry of the history names: 8." in outcome.faults[0]
    assert {name: await bytes_of(storage, name) for name in server.files} == server.files
