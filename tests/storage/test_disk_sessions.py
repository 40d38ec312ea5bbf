"""The ended sessions of one folder: seen by every process, durable, and gone when nobody needs them."""

import stat
from pathlib import Path

import pytest

from service.protocol.session import LIFETIME_S
from service.storage.data_folder import DataFolderError
from service.storage.disk_sessions import LOOK_S, PERIOD_S, DiskSessions

NOW = 1000.5 * PERIOD_S


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


class Clock:
    """Seconds since the epoch, as a test has them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def test_a_file_goes_when_all_of_its_sessions_would_be_over(tmp_path: Path) -> None:
    clock = Clock()
    ended = DiskSessions(tmp_path, clock)
    await ended.add("a", NOW)
    await ended.add("b", NOW + PERIOD_S)
    assert names_in(tmp_path) == ["1000", "1001"]
    (tmp_path / "notes").write_text("of somebody else")
    clock.now += PERIOD_S
    DiskSessions(tmp_path, clock)
    assert names_in(tmp_path) == ["1001", "notes"]


@pytest.mark.parametrize("left", [b"0123", b"0" * 64, b"\n", b"\nabc", b"\xff\xfe"])
async def test_a_line_that_was_left_unfinished_costs_no_other(tmp_path: Path, left: bytes) -> None:
    """Bug: the next end was written behind half a line of a full disk, and its session lived on."""
    clock = Clock()
    before = DiskSessions(tmp_path, clock)
    await before.add("a", NOW)
    with (tmp_path / "1000").open("ab") as file:
        file.write(left)
    assert before.contains("a")
    await before.add("b", NOW)
    for process in (before, DiskSessions(tmp_path, clock)):
        assert [process.contains(each) for each in ("a", "b", "c")] == [True, True, False]


async def test_the_file_tells_nobody_an_id_and_is_for_its_owner(tmp_path: Path) -> None:
    """Ours: an id is a key to a session, for as long as another process has not read of its end."""
    ended = DiskSessions(tmp_path / "ended", Clock())
    await ended.add("the-id-of-a-session", NOW)
    file = tmp_path / "ended" / "1000"
    assert "the-id" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_an_end_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    """Ours: nobody is told that a session has ended which lives on."""
    ended = DiskSessions(tmp_path / "ended", Clock())
    (tmp_path / "ended").rmdir()
    with pytest.raises(OSError, match="No such file"):
        await ended.add("a", NOW)
    assert not ended.contains("a")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
async def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    ended = DiskSessions(tmp_path, Clock())
    (tmp_path / "1000").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        await ended.add("a", NOW)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match=str(tmp_path / "file")):
        DiskSessions(tmp_path / "file", Clock())


async def test_a_look_reads_no_file_that_has_not_grown(tmp_path: Path) -> None:
    """Ours: it happens with every request of a session, on the loop."""
    ended = DiskSessions(tmp_path, Clock())
    await ended.add("a", NOW)
    assert ended.contains("a")
    file = tmp_path / "1000"
    file.write_bytes(b"x" * file.stat().st_size)
    assert ended.contains("a")


async def test_an_end_is_seen_at_once_here_and_soon_by_every_other_process(tmp_path: Path) -> None:
    """Ours: a look at the files for every request would cost as much as the rest of a cheap one."""
    clock = Clock()
    here, there = DiskSessions(tmp_path, clock), DiskSessions(tmp_path, clock)
    assert not here.contains("a")
    assert not there.contains("a")
    await here.add("a", NOW + 1)
    assert here.contains("a")
    clock.now += LOOK_S
    assert there.contains("a")


async def test_a_clock_that_is_put_back_hides_no_end(tmp_path: Path) -> None:
    clock = Clock(NOW + 3600)
    here, there = DiskSessions(tmp_path, clock), DiskSessions(tmp_path, clock)
    assert not here.contains("a")
    await there.add("a", NOW + LIFETIME_S / 2)
    clock.now = NOW
    assert here.contains("a")


async def test_the_marks_of_what_was_taken_go_with_their_period(tmp_path: Path) -> None:
    clock = Clock()
    assert await DiskSessions(tmp_path, clock).take("link", NOW + 600)
    assert len(names_in(tmp_path)) == 2
    clock.now += 2 * PERIOD_S
    DiskSessions(tmp_path, clock)
    assert names_in(tmp_path) == []
