"""Errors of the system and of SQLite as sentences that say what to do."""

import errno
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import troubles
from service.troubles import SAID_EACH_S, described, storage_error, trouble_of


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    troubles._said.clear()
    yield
    troubles._said.clear()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EIO, errno.EXDEV])
def test_an_error_of_the_system_says_what_to_do_and_names_no_path(number: int) -> None:
    error = OSError(number, "words", "/secret/place")
    trouble = trouble_of(error)
    assert trouble is not None
    refusal = storage_error("The picture could not be stored", trouble, error)
    fact, advice = str(refusal).split("\n")
    assert fact.startswith("The picture could not be stored: ")
    assert advice.startswith("Whoever runs this server should ")
    assert refusal.kind == "storage"
    assert "/secret" not in str(refusal)


def test_an_error_of_sqlite_is_told_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"no database, but words" * 100)
    connection = sqlite3.connect(tmp_path / "no.db")
    with pytest.raises(sqlite3.DatabaseError) as raised:
        connection.execute("SELECT * FROM t")
    connection.close()
    assert trouble_of(raised.value) is troubles.DAMAGED
    assert "backup" in described(raised.value)


@pytest.mark.parametrize("error", [ValueError("x"), OSError("truncated image"), RuntimeError("Event loop is closed")])
def test_a_mistake_is_no_trouble_of_the_machine(error: Exception) -> None:
    """Ours: Pillow raises `OSError` without a number for a picture that is damaged."""
    assert trouble_of(error) is None


def test_the_log_has_one_line_however_many_calls_meet_the_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Attack: whoever calls on and on fills the disk that is full."""
    with caplog.at_level(logging.ERROR):
        for _ in range(100):
            storage_error("A call came to nothing", troubles.FULL)
        storage_error("A call came to nothing", troubles.MEMORY)
    assert [record.getMessage().count("\n") for record in caplog.records] == [0, 0]
    assert "EASEL_DATA_DIR" in caplog.text
    assert SAID_EACH_S >= 60
