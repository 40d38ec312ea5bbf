"""The tables of the SQLite store, and how a file gets them.

1. `PRAGMA user_version` counts the migrations that a file has had. Each runs in one transaction with its count. One
   that was ever released is never edited; a change is a new one at the end.
2. A file with more migrations than we know was written by a newer version, and stays untouched.
3. `totals` and `file_totals` are kept by triggers, since counting 10,000 rows takes milliseconds and every call of
   `cache` asks. So does whatever goes with a job: also a row that somebody deletes by hand takes its own along.
4. `AUTOINCREMENT` never gives a number twice, not even the highest after its row is gone (sqlite.org/autoinc.html).
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from service.storage.data_folder import DataFolderError
from service.storage.sqlite_words import owner_word, search_text

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
            owner TEXT NOT NULL,
            ended INTEGER NOT NULL,
            expires_at REAL NOT NULL,
            lease TEXT NOT NULL,
            record TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX tasks_open ON tasks (lease) WHERE NOT ended",
        "CREATE INDEX tasks_by_end ON tasks (expires_at)",
    ),
    (
        "ALTER TABLE jobs ADD COLUMN fingerprint TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN submitted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE jobs ADD COLUMN delivered_at REAL",
        "ALTER TABLE pictures ADD COLUMN source TEXT NOT NULL DEFAULT ''",
        # Of what was made before, nobody knows more than that it was asked for and answered.
        "UPDATE jobs SET submitted = 1, delivered_at = iif(state = 'done', finished_at, NULL)",
        "CREATE INDEX jobs_by_model ON jobs (owner, model, history_id DESC, state)",
        "CREATE INDEX jobs_by_state ON jobs (owner, state, history_id DESC)",
        """
        CREATE INDEX jobs_to_join ON jobs (owner, fingerprint, history_id DESC)
            WHERE fingerprint <> '' AND delivered_at IS NULL AND state <> 'failed'
        """,
        "CREATE INDEX pictures_by_name ON pictures (name)",
        """
        CREATE TABLE lineage (
            history_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
            position INTEGER NOT NULL,
            parent INTEGER NOT NULL,
            picture INTEGER NOT NULL,
            PRIMARY KEY (history_id, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX lineage_by_parent ON lineage (parent)",
        """
        CREATE TABLE working_files (
            history_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
            name TEXT NOT NULL,
            PRIMARY KEY (name, history_id)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX working_files_by_job ON working_files (history_id)",
        """
        CREATE TABLE files (
            name TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            size INTEGER NOT NULL,
            kept_at REAL NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX files_by_age ON files (kept_at, name)",
        "CREATE INDEX files_by_owner ON files (owner, kept_at, name)",
        """
        CREATE TABLE file_totals (
            owner TEXT NOT NULL PRIMARY KEY,
            entries INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE uploads (
            id TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            names TEXT NOT NULL DEFAULT '',
            used_at REAL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX uploads_by_owner ON uploads (owner)",
        "CREATE VIRTUAL TABLE prompts USING fts5 (owner, words, tokenize = 'ascii', columnsize = 0)",
        """
        CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs WHEN NEW.state <> 'working' BEGIN
            DELETE FROM working_files WHERE history_id = NEW.history_id;
        END
        """,
        """
        CREATE TRIGGER job_deleted BEFORE DELETE ON jobs BEGIN
            DELETE FROM pictures WHERE history_id = OLD.history_id;
            DELETE FROM lineage WHERE history_id = OLD.history_id;
            DELETE FROM working_files WHERE history_id = OLD.history_id;
            DELETE FROM prompts WHERE rowid = OLD.history_id;
            UPDATE totals SET
                working = working - (OLD.state = 'working'),
                done = done - (OLD.state = 'done'),
                failed = failed - (OLD.state = 'failed')
            WHERE owner = OLD.owner;
        END
        """,
        """
        CREATE TRIGGER picture_deleted AFTER DELETE ON pictures BEGIN
            UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.size
            WHERE owner = (SELECT owner FROM jobs WHERE history_id = OLD.history_id);
        END
        """,
        """
        CREATE TRIGGER picture_changed AFTER UPDATE OF size ON pictures BEGIN
            UPDATE totals SET picture_bytes = picture_bytes - OLD.size + NEW.size
            WHERE owner = (SELECT owner FROM jobs WHERE history_id = NEW.history_id);
        END
        """,
        """
        CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
            INSERT OR IGNORE INTO file_totals (owner) VALUES (NEW.owner);
            UPDATE file_totals SET entries = entries + 1, bytes = bytes + NEW.size WHERE owner = NEW.owner;
        END
        """,
        """
        CREATE TRIGGER file_deleted AFTER DELETE ON files BEGIN
            UPDATE file_totals SET entries = entries - 1, bytes = bytes - OLD.size WHERE owner = OLD.owner;
        END
        """,
        """
        INSERT INTO files (name, owner, size, kept_at)
            SELECT name, min(owner), max(size), max(coalesce(finished_at, created_at))
            FROM pictures JOIN jobs USING (history_id) GROUP BY name
        """,
        "INSERT INTO prompts (rowid, owner, words) SELECT history_id, owner_word(owner), search_text(prompt) FROM jobs",
    ),
    (
        "ALTER TABLE uploads ADD COLUMN history_id INTEGER",
        """
        CREATE TRIGGER upload_used AFTER INSERT ON working_files BEGIN
            UPDATE uploads SET
                history_id = NEW.history_id,
                used_at = (SELECT created_at FROM jobs WHERE history_id = NEW.history_id)
            WHERE owner = (SELECT owner FROM jobs WHERE history_id = NEW.history_id)
                AND used_at IS NULL AND instr(names, NEW.name) > 0;
        END
        """,
    ),
)
"""The second: what a request asked for beside model and prompt, as JSON, and where its work goes on without us. The
third: the tasks of MCP. The fourth: what is paid for once, what a job started from, which files are kept and which of
them a working job refers to, links to upload by, and full text; the words that are searched for stand in the index as
`storage/sqlite_words.py` writes them. The fifth: the first job that uses an upload is written down as it begins."""

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
    for function in (owner_word, search_text):
        connection.create_function(function.__name__, 1, function, deterministic=True)
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
