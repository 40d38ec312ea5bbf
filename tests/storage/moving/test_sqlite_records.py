"""The records of a data folder for a move: nobody writes to them meanwhile, and a new file is whole or not there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.lease import Lease
from service.storage.moving.records import ENDED_SESSIONS, TABLES, MoveError
from service.storage.moving.sqlite_records import FolderRecords, check_idle
from tests.installation import fill


async def test_nobody_writes_while_it_is_read(tmp_path: Path) -> None:
    """Ours: a service that starts meanwhile says that the history is locked, and draws nothing that would be lost."""
    await fill(tmp_path)
    async with FolderRecords(tmp_path).reading() as reader:
        assert all([await reader.count(table) for table in TABLES])
        with closing(sqlite3.connect(tmp_path / "easel.db", timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("DELETE FROM jobs")


async def test_a_folder_without_a_history_or_of_another_release_is_named(tmp_path: Path) -> None:
    with pytest.raises(MoveError, match="easel.db is not there"):
        async with FolderRecords(tmp_path).reading():
            pass
    with closing(sqlite3.connect(tmp_path / "easel.db")) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(MoveError, match="is of another release"):
        async with FolderRecords(tmp_path).reading():
            pass


async def test_what_a_killed_move_left_is_no_trouble_for_the_next(tmp_path: Path) -> None:
    await fill(tmp_path / "old")
    new = tmp_path / "new"
    (new / "ended-sessions.new").mkdir(parents=True)
    (new / "ended-sessions.new" / "12").write_text("half")
    (new / "easel.db.new").write_bytes(b"half a file")
    async with FolderRecords(tmp_path / "old").reading() as reader, FolderRecords(new).writing() as writer:
        for table in TABLES:
            await writer.write(table, reader.batches(table))
        await writer.complete()
        assert await writer.count(ENDED_SESSIONS) == await reader.count(ENDED_SESSIONS) == 2
        assert not (new / "easel.db").exists()
    assert sorted(each.name for each in new.iterdir()) == ["easel.db", "ended-sessions"]
    assert "12" not in [each.name for each in (new / "ended-sessions").iterdir()]


def test_a_folder_on_which_a_service_runs_is_told(tmp_path: Path) -> None:
    check_idle(tmp_path)
    lease = Lease.claim(tmp_path)
    with pytest.raises(MoveError, match="a service, or another move, runs on"):
        check_idle(tmp_path)
    lease.release()
    check_idle(tmp_path)
