"""The tables of the SQLite store, and how a file gets them.

1. `PRAGMA user_version` counts the migrations that a file has had. Each runs in one transaction with its count. One
   that was ever released is never edited; a change is a new one at the end.
2. A file with more migrations than we know was written by a newer version, and stays untouched.
3. `totals` is kept by triggers, since counting 10,000 jobs takes 5 ms and every call of `cache` asks. Nothing deletes
   rows yet; the migration that comes with deleting brings the triggers for it.
4. `AUTOINCREMENT` never gives a number twice, not even the highest after its row is gone (sqlite.org/autoinc.html).
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from service.data_folder import DataFolderError

MIGRATIONS: Final = (
    (
        """
        CREATE TABLE jobs (
            history_id INTEGER PRIMARY KEY AUTOINCREMENT,
            owner TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('working', 'done', 'failed')),
            model TEXT NOT NULL,
            prompt TEXT NOT NULL,
            created_at REAL NOT NULL,
            finished_at REAL,
            failure_kind TEXT,
            failure_reason TEXT,
            lease TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE pictures (
            history_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            media_type TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            size INTEGER NOT NULL,
            note TEXT NOT NULL,
            PRIMARY KEY (history_id, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX jobs_by_owner ON jobs (owner, history_id DESC)",
        "CREATE INDEX jobs_working ON jobs (lease) WHERE state = 'working'",
        """
        CREATE TABLE totals (
            owner TEXT NOT NULL PRIMARY KEY,
            working INTEGER NOT NULL DEFAULT 0,
            done INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            pictures INTEGER NOT NULL DEFAULT 0,
            picture_bytes INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID
        """,
        """
        CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
            INSERT OR IGNORE INTO totals (owner) VALUES (NEW.owner);
            UPDATE totals SET
                working = working + (NEW.state = 'working'),
                done = done + (NEW.state = 'done'),
                failed = failed + (NEW.state = 'failed')
            WHERE owner = NEW.owner;
        END
        """,
        """
        CREATE TRIGGER job_changed AFTER UPDATE OF state ON jobs BEGIN
            UPDATE totals SET
                working = working + (NEW.state = 'working') - (OLD.state = 'working'),
                done = done + (NEW.state = 'done') - (OLD.state = 'done'),
                failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed')
            WHERE owner = NEW.owner;
        END
        """,
        """
        CREATE TRIGGER picture_added AFTER INSERT ON pictures BEGIN
            UPDATE totals SET pictures = pictures + 1, picture_bytes = picture_bytes + NEW.size
            WHERE owner = (SELECT owner FROM jobs WHERE history_id = NEW.history_id);
        END
        """,
    ),
    (
        "ALTER TABLE jobs ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE jobs ADD COLUMN upstream TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN task TEXT NOT NULL DEFAULT ''",
    ),
    (
        """
        CREATE TABLE tasks (
            id TEXT NOT NULL PRIMARY KEY,
            principal TEXT NOT NULL,
            ended INTEGER NOT NULL,
            expires_at REAL NOT NULL,
            lease TEXT NOT NULL,
            record TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX tasks_open ON tasks (lease) WHERE NOT ended",
        "CREATE INDEX tasks_by_end ON tasks (expires_at)",
    ),
)
"""The second: what a request asked for beside model and prompt, as JSON, and where its work goes on without us. The
third: the tasks of MCP (`store_tasks.py`)."""

SWITCH_S: Final = 10.0
"""How long to wait for other processes that start at the same moment; each takes milliseconds."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Set a fresh connection up, and bring its file to the newest tables."""
    if _version(connection) > len(MIGRATIONS):
        raise DataFolderError(
            path,
            f"a newer version of this service wrote it (tables {_version(connection)}, this version knows "
            f"{len(MIGRATIONS)}); run that version, or use another folder",
        )
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    for number, statements in enumerate(MIGRATIONS, start=1):
        with transaction(connection, "IMMEDIATE"):
            if _version(connection) < number:  # read again inside: another process may be starting as well
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Bug: the busy timeout does not hold for a switch that meets another process's, so it is tried again here."""
    deadline = time.monotonic() + SWITCH_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
    """All of what is inside, or nothing. Writers say IMMEDIATE: a read that turns into a write cannot wait its turn."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled it back already
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
