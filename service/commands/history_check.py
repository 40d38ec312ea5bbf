"""The findings of `doctor` about the history: the SQLite file of the data folder, or the database of the settings."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from service.commands.public_url import Finding, State
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.data_folder import DataFolderError
from service.storage.secret import Secret
from service.storage.sqlite.people import read_tokens
from service.storage_urls import DATABASE_URL, NO_DRIVER
from service.stores import no_secret, secret_of


async def look_at_history(settings: Settings) -> AsyncIterator[Finding]:
    """Yield the findings about the place of the history."""
    if settings.database is None:
        for finding in await asyncio.to_thread(_of_file, settings.data_dir.absolute()):
            yield finding
        return
    try:
        from service.commands import database  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        yield Finding("database", State.FAIL, f"{DATABASE_URL} {NO_DRIVER}")
        return
    if not settings.secret and settings.secret_file is None:
        yield Finding("secret", State.FAIL, f"EASEL_SECRET: {no_secret(settings)}")
    async for finding in database.look_at_database(settings, await asyncio.to_thread(known_secret, settings)):
        yield finding


async def has_stored_tokens(settings: Settings) -> bool:
    """Tell whether there are tokens of `token add`; False where there is no history yet, or one that a check names."""
    if settings.database is None:
        return await asyncio.to_thread(_has_stored_tokens, settings.data_dir / "easel.db")
    try:
        from service.commands import database  # noqa: PLC0415 - as above
    except ImportError:
        return False
    return await database.has_stored_tokens(settings.database.url)


async def known_fingerprint(settings: Settings) -> str | None:
    """Return the fingerprint of the database, by which it has a folder of a bucket; "" where a start would make one.

    None where a check of its own names what is wrong with the database.
    """
    if settings.database is None:
        secret = await asyncio.to_thread(_secret_in, settings)
        return "" if secret is None else secret.fingerprint
    try:
        from service.commands import database  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return await database.fingerprint_of(settings.database.url)


def known_secret(settings: Settings) -> Secret | None:
    """Return the secret that a start would find; None where it would make one, or where a check names the fault."""
    try:
        return secret_of(settings) or _secret_in(settings)
    except SettingsError:
        return None


def _secret_in(settings: Settings) -> Secret | None:
    try:
        is_there = (settings.data_dir / "secret").is_file()
        return Secret.open(settings.data_dir, settings.data_dir) if is_there else None
    except DataFolderError:
        return None


def _has_stored_tokens(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(read_tokens(connection))
    except sqlite3.Error:
        return False


def _of_file(data: Path) -> list[Finding]:
    """Return a finding about the database in a data folder, where there is one."""
    path = data / "easel.db"
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            [said] = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        said = str(error)
    if said == "ok":
        return [Finding("history", State.OK, "the database is whole")]
    cure = "stop the service, move the data folder away, and run `python -m service restore BACKUP`"
    return [Finding("history", State.FAIL, f"{path} is damaged ({said}): {cure}")]
