"""`doctor` about the history in a data folder, and about the secret that a start would find."""

import sqlite3
from contextlib import closing
from pathlib import Path

from service.commands.history_check import known_secret, look_at_history
from service.settings import Settings
from service.storage.secret import Secret


def settings_of(folder: Path, **env: str) -> Settings:
    return Settings.from_env({"EASEL_DATA_DIR": str(folder), **env})


async def test_nothing_is_said_of_a_history_that_is_not_there(tmp_path: Path) -> None:
    assert [each async for each in look_at_history(settings_of(tmp_path))] == []


async def test_a_damaged_history_is_told_with_its_cure(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "easel.db")) as connection:
        connection.execute("CREATE TABLE x (y)")
    [sound] = [each async for each in look_at_history(settings_of(tmp_path))]
    assert (sound.state, sound.message) == ("ok", "the database is whole")
    (tmp_path / "easel.db").write_bytes(b"no database, and longer than a header of one would be" * 100)
    [damaged] = [each async for each in look_at_history(settings_of(tmp_path))]
    assert damaged.state == "fail"
    assert "service restore BACKUP" in damaged.message


def test_a_secret_is_looked_for_and_none_is_made(tmp_path: Path) -> None:
    assert known_secret(settings_of(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []
    text = "0123456789abcdef" * 4
    assert known_secret(settings_of(tmp_path, EASEL_SECRET=text)) == Secret.read(text)
    (tmp_path / "secret").write_bytes(bytes.fromhex(text))
    assert known_secret(settings_of(tmp_path)) == Secret.read(text)
    (tmp_path / "secret").write_bytes(b"cut off")
    assert known_secret(settings_of(tmp_path)) is None
