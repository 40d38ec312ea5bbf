"""Pictures that are copied under their names, side by side, and go on where they were cut short."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from service.images import WorkError
from service.storage.disk import DiskFiles
from service.storage.moving.pictures import copy_pictures
from service.storage.moving.records import MoveError

MANY = {f"{number:032x}.png": b"p" * (100 + number) for number in range(30)}
SIZES = {name: len(data) for name, data in MANY.items()}


async def folder(path: Path, pictures: Mapping[str, bytes] | None = None) -> DiskFiles:
    (path / "scratch").mkdir(parents=True)
    files = await DiskFiles.open(path / "files", path / "scratch", b"k" * 32)
    for name, data in (pictures or {}).items():
        await files.keep_named(name, data)
    return files


async def test_every_picture_lies_under_its_name_and_progress_is_told(tmp_path: Path) -> None:
    old, new = await folder(tmp_path / "old", MANY), await folder(tmp_path / "new")
    told: list[tuple[int, int, int, int]] = []
    outcome = await copy_pictures(old, new, SIZES, lambda *step: told.append(step))
    assert (outcome.pictures, outcome.copied, outcome.size) == (30, 30, sum(SIZES.values()))
    assert [await new.read(name) for name in MANY] == list(MANY.values())
    assert [step[0] for step in told] == list(range(1, 31))
    assert told[-1] == (30, 30, outcome.size, outcome.size)


async def test_only_those_that_are_not_there_whole_are_copied(tmp_path: Path) -> None:
    """Ours: a move of many gigabytes is not begun anew because the machine was. Half a picture is none."""
    old, new = await folder(tmp_path / "old", MANY), await folder(tmp_path / "new")
    first, second, *_ = MANY
    await new.keep_named(first, MANY[first])
    await new.keep_named(second, MANY[second][:50])
    outcome = await copy_pictures(old, new, SIZES, lambda *_: None)
    assert outcome.copied == 29
    assert await new.read(second) == MANY[second]


async def test_a_picture_that_is_gone_or_cut_off_is_named_and_left_out(tmp_path: Path) -> None:
    old, new = await folder(tmp_path / "old", MANY), await folder(tmp_path / "new")
    first, second, *_ = MANY
    await old.remove([first])
    await old.keep_named(second, MANY[second][:50])
    outcome = await copy_pictures(old, new, SIZES, lambda *_: None)
    assert sorted(outcome.missing) == [first, second]
    assert (outcome.pictures, outcome.size) == (28, sum(SIZES.values()) - SIZES[first] - SIZES[second])
    assert {each.name for each in await new.listing()} == MANY.keys() - {first, second}


class Forgetful(DiskFiles):
    """Files that are stored nowhere."""

    async def keep_named(self, name: str, data: bytes) -> None:
        if not name.startswith("0" * 31 + "5"):
            await super().keep_named(name, data)


class Full(DiskFiles):
    """Files on a disk that takes none of some length."""

    async def keep_named(self, name: str, data: bytes) -> None:
        if len(data) > 110:
            raise WorkError(f"The disk is full: {name}.", kind="storage")
        await super().keep_named(name, data)


async def test_a_place_that_does_not_keep_what_it_was_given_is_found_out(tmp_path: Path) -> None:
    old = await folder(tmp_path / "old", MANY)
    await folder(tmp_path / "new")
    new = await Forgetful.open(tmp_path / "new" / "files", tmp_path / "new" / "scratch", b"k" * 32)
    with pytest.raises(MoveError, match="1 pictures are not there after they were copied"):
        await copy_pictures(old, new, SIZES, lambda *_: None)


async def test_a_place_that_takes_nothing_ends_the_copy_with_its_words(tmp_path: Path) -> None:
    old = await folder(tmp_path / "old", MANY)
    await folder(tmp_path / "new")
    new = await Full.open(tmp_path / "new" / "files", tmp_path / "new" / "scratch", b"k" * 32)
    with pytest.raises(WorkError, match="The disk is full"):
        await copy_pictures(old, new, SIZES, lambda *_: None)
