"""The tables and functions of the database, made and changed by numbered migrations.

1. `migrations/NNNN_name.sql` are run once each, in the order of their numbers, in one transaction. A release that
   changes a table adds a file; a file that a release had is never changed.
2. Several replicas may start at once: an advisory lock lets one of them work, and the others find it done. It ends with
   the transaction, so that a pooler cannot leave it behind.
3. A database of another encoding than UTF8 is refused: it has no place for most letters, such as those of a picture's
   note.
4. A database that a later release has changed is refused: its rows must not be misread.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.images import WorkError
from service.troubles import STORAGE

if TYPE_CHECKING:
    from service.storage.postgresql.database import Connection

FOLDER: Final = Path(__file__).parent / "migrations"
NAME: Final = re.compile(r"([0-9]{4})_[a-z_]+\.sql")

LOCK: Final = 0x6561_7365_6C
"""The number of the advisory lock: "easel" in ASCII."""

WAIT: Final = "120s"
"""Longest wait for another replica that brings the tables up to date."""

MAKE_TABLE: Final = "CREATE TABLE IF NOT EXISTS easel_migrations (number integer PRIMARY KEY)"
SELECT_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM easel_migrations"
SELECT_DONE: Final = "SELECT number FROM easel_migrations"
INSERT_DONE: Final = "INSERT INTO easel_migrations (number) VALUES ($1)"

ENCODING: Final = "UTF8"
ANOTHER: Final = "make another one, with CREATE DATABASE easel ENCODING 'UTF8' TEMPLATE template0"


class SchemaError(WorkError):
    """The tables cannot be used by this release. One line."""

    def __init__(self, problem: str) -> None:
        """Say what is wrong, and what would be right."""
        super().__init__(problem, kind=STORAGE)


def migrations(folder: Path = FOLDER) -> dict[int, str]:
    """Return the migrations by their numbers, in order."""
    files = {int(found[1]): each for each in folder.iterdir() if (found := NAME.fullmatch(each.name))}
    return {number: files[number].read_text(encoding="utf-8") for number in sorted(files)}


async def check_encoding(connection: "Connection") -> None:
    """Raise `SchemaError` for a database that cannot keep every text."""
    encoding: str = await connection.fetchval("SHOW server_encoding")
    if encoding != ENCODING:
        raise SchemaError(f"the database has the encoding {encoding}: {ANOTHER}")


async def migrate(connection: "Connection", wanted: Mapping[int, str] | None = None) -> None:
    """Run the migrations that the database has not had yet. Raises `SchemaError` for one of a later release."""
    wanted = migrations() if wanted is None else wanted
    await connection.execute(f"BEGIN; SET LOCAL lock_timeout = '{WAIT}'")
    try:
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK}); {MAKE_TABLE}")
        await _run(connection, wanted)
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


async def _run(connection: "Connection", wanted: Mapping[int, str]) -> None:
    newest: int = await connection.fetchval(SELECT_NEWEST)
    if newest > max(wanted, default=0):
        raise SchemaError(
            f"the database has the tables of a later release (migration {newest}, this one knows {max(wanted)}): "
            "start that release, or name another database"
        )
    done = {row[0] for row in await connection.fetch(SELECT_DONE)}
    for number, statements in wanted.items():
        if number not in done:
            await connection.execute(statements)
            await connection.execute(INSERT_DONE, number)
