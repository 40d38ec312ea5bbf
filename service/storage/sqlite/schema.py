"""The tables, indexes and triggers of the SQLite file, as `create_tables` makes them.

1. `PRAGMA user_version` holds `VERSION`. A file of another version stays untouched until it is converted
   (`upgrade.py`): rows must not be misread. A release that changes a table raises `VERSION`.
2. `totals` and `file_totals` are kept by triggers, since counting 10,000 rows takes milliseconds and every call of
   `cache` asks. Triggers also delete a job's dependent rows, even when somebody deletes the job by hand.
3. `jobs.id` counts the jobs of all owners, so it never leaves this file. People and models see `history_id`, which each
   owner has a counter of their own for (`totals.newest`): it tells nothing of the others, and is never given twice.
"""

import sqlite3
from typing import Final

from service.storage.sqlite import facets
from service.storage.sqlite import limits as sqlite_limits

VERSION: Final = 14
"""Lower numbers stand in files of development versions."""

JOBS: Final = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL,
        history_id INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('working', 'done', 'failed')),
        model TEXT NOT NULL,
        prompt TEXT NOT NULL,
        parameters TEXT NOT NULL,
        upstream TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        lease TEXT NOT NULL,
        parts INTEGER NOT NULL DEFAULT 1,
        tasks TEXT NOT NULL DEFAULT '{}',
        submitted INTEGER NOT NULL DEFAULT 0,
        counted INTEGER NOT NULL DEFAULT 0,
        price REAL NOT NULL DEFAULT 0,
        currency TEXT NOT NULL DEFAULT '',
        rates TEXT NOT NULL DEFAULT '{}',
        costed INTEGER NOT NULL DEFAULT 0,
        cost REAL,
        cost_currency TEXT NOT NULL DEFAULT '',
        estimated INTEGER NOT NULL DEFAULT 0,
        input_tokens INTEGER NOT NULL DEFAULT 0,
        output_tokens INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        finished_at REAL,
        delivered_at REAL,
        failure_kind TEXT,
        failure_reason TEXT,
        failure_links TEXT NOT NULL DEFAULT '[]',
        has_parents INTEGER NOT NULL DEFAULT 0,
        UNIQUE (owner, history_id)
    )
    """,
    "CREATE INDEX jobs_by_owner ON jobs (owner, id DESC)",
    "CREATE INDEX jobs_by_model ON jobs (owner, model, state, has_parents, id DESC)",
    "CREATE INDEX jobs_by_state ON jobs (owner, state, has_parents, id DESC)",
    "CREATE INDEX jobs_by_time ON jobs (owner, created_at, id)",
    "CREATE INDEX jobs_costed ON jobs (owner, model, id DESC) WHERE cost IS NOT NULL AND costed > 0",
    "CREATE INDEX jobs_working ON jobs (lease) WHERE state = 'working'",
    """
    CREATE INDEX jobs_to_join ON jobs (owner, fingerprint, id DESC)
        WHERE fingerprint <> '' AND delivered_at IS NULL AND (state <> 'failed' OR failure_links <> '[]')
    """,
    """
    CREATE TABLE pictures (
        job_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        size INTEGER NOT NULL,
        note TEXT NOT NULL,
        source TEXT NOT NULL,
        part INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job_id, position)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX pictures_by_name ON pictures (name)",
    """
    CREATE TABLE lineage (
        job_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        position INTEGER NOT NULL,
        owner TEXT NOT NULL,
        parent INTEGER NOT NULL,
        picture INTEGER NOT NULL,
        PRIMARY KEY (job_id, position)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX lineage_by_parent ON lineage (owner, parent)",
    """
    CREATE TRIGGER lineage_added AFTER INSERT ON lineage WHEN NEW.position = 0 BEGIN
        UPDATE jobs SET has_parents = 1 WHERE id = NEW.job_id AND NOT has_parents;
    END
    """,
    """
    CREATE TABLE working_files (
        job_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        name TEXT NOT NULL,
        fresh INTEGER NOT NULL,
        PRIMARY KEY (name, job_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX working_files_by_job ON working_files (job_id)",
    """
    CREATE TABLE totals (
        owner TEXT NOT NULL PRIMARY KEY,
        newest INTEGER NOT NULL DEFAULT 0,
        latest REAL NOT NULL DEFAULT 0,
        in_order INTEGER NOT NULL DEFAULT 1,
        working INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        pictures INTEGER NOT NULL DEFAULT 0,
        picture_bytes INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
)
"""`working_files` holds the files that a working job refers to, `fresh` those that came with the call that began it.
`lineage.parent` is the `history_id` of a job of the same owner. `jobs.tasks` is an object of tasks by their part,
`jobs.submitted` counts pictures that may be charged, and `jobs.counted` those that count for the limits of a day. The
failure of a row that is not failed is its shortfall. `totals.latest` is when the newest job of an owner began, and
`totals.in_order` tells that none began before the one in front of it.
"""

JOB_TRIGGERS: Final = (
    """
    CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
        INSERT OR IGNORE INTO totals (owner) VALUES (NEW.owner);
        UPDATE totals SET
            working = working + (NEW.state = 'working'),
            done = done + (NEW.state = 'done'),
            failed = failed + (NEW.state = 'failed'),
            in_order = in_order AND NEW.created_at >= latest,
            latest = max(latest, NEW.created_at)
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
    CREATE TRIGGER job_ended AFTER UPDATE OF state ON jobs WHEN NEW.state <> 'working' BEGIN
        DELETE FROM working_files WHERE job_id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER job_deleted BEFORE DELETE ON jobs BEGIN
        DELETE FROM pictures WHERE job_id = OLD.id;
        DELETE FROM lineage WHERE job_id = OLD.id;
        DELETE FROM working_files WHERE job_id = OLD.id;
        DELETE FROM kept_jobs WHERE owner = OLD.owner AND job_id = OLD.id;
        UPDATE totals SET
            working = working - (OLD.state = 'working'),
            done = done - (OLD.state = 'done'),
            failed = failed - (OLD.state = 'failed')
        WHERE owner = OLD.owner;
    END
    """,
    """
    CREATE TRIGGER picture_added AFTER INSERT ON pictures BEGIN
        UPDATE totals SET pictures = pictures + 1, picture_bytes = picture_bytes + NEW.size
        WHERE owner = (SELECT owner FROM jobs WHERE id = NEW.job_id);
    END
    """,
    """
    CREATE TRIGGER picture_changed AFTER UPDATE OF size ON pictures BEGIN
        UPDATE totals SET picture_bytes = picture_bytes - OLD.size + NEW.size
        WHERE owner = (SELECT owner FROM jobs WHERE id = NEW.job_id);
    END
    """,
    """
    CREATE TRIGGER picture_deleted AFTER DELETE ON pictures BEGIN
        UPDATE totals SET pictures = pictures - 1, picture_bytes = picture_bytes - OLD.size
        WHERE owner = (SELECT owner FROM jobs WHERE id = OLD.job_id);
        UPDATE files SET drawn = 0
        WHERE name = OLD.name AND NOT EXISTS (SELECT 1 FROM pictures WHERE name = OLD.name);
    END
    """,
)

KEPT_JOBS: Final = (
    """
    CREATE TABLE kept_jobs (
        owner TEXT NOT NULL,
        job_id INTEGER NOT NULL,
        PRIMARY KEY (owner, job_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER kept_picture_added AFTER INSERT ON pictures WHEN EXISTS (SELECT 1 FROM files WHERE name = NEW.name)
    BEGIN
        INSERT OR IGNORE INTO kept_jobs (owner, job_id) SELECT owner, id FROM jobs WHERE id = NEW.job_id;
    END
    """,
    """
    CREATE TRIGGER kept_picture_changed AFTER UPDATE OF name ON pictures BEGIN
        DELETE FROM kept_jobs WHERE owner = (SELECT owner FROM jobs WHERE id = NEW.job_id) AND job_id = NEW.job_id
            AND NOT EXISTS (SELECT 1 FROM pictures JOIN files USING (name) WHERE pictures.job_id = NEW.job_id);
        INSERT OR IGNORE INTO kept_jobs (owner, job_id)
        SELECT owner, id FROM jobs WHERE id = NEW.job_id AND EXISTS (SELECT 1 FROM files WHERE name = NEW.name);
    END
    """,
    """
    CREATE TRIGGER kept_file_added AFTER INSERT ON files BEGIN
        INSERT OR IGNORE INTO kept_jobs (owner, job_id)
        SELECT jobs.owner, jobs.id FROM pictures JOIN jobs ON jobs.id = job_id WHERE pictures.name = NEW.name;
    END
    """,
    """
    CREATE TRIGGER kept_file_deleted AFTER DELETE ON files BEGIN
        DELETE FROM kept_jobs WHERE (owner, job_id) IN (
            SELECT jobs.owner, jobs.id FROM pictures JOIN jobs ON jobs.id = job_id WHERE pictures.name = OLD.name
                AND NOT EXISTS (SELECT 1 FROM pictures JOIN files USING (name) WHERE pictures.job_id = jobs.id)
        );
    END
    """,
)
"""Jobs that have a picture whose file is stored: with most files gone, a look for the others would go through all."""

FILES: Final = (
    """
    CREATE TABLE files (
        name TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        size INTEGER NOT NULL,
        derived INTEGER NOT NULL DEFAULT 0,
        drawn INTEGER NOT NULL,
        stored_at REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX files_by_age ON files (stored_at, name)",
    "CREATE INDEX files_by_owner ON files (owner, stored_at, name)",
    "CREATE INDEX files_not_drawn ON files (owner, stored_at, name) WHERE NOT drawn",
    """
    CREATE VIEW idle_files AS
    SELECT * FROM files WHERE NOT EXISTS (SELECT 1 FROM working_files WHERE working_files.name = files.name)
    """,
    """
    CREATE VIEW limited_files AS
    SELECT * FROM idle_files WHERE stored_at = 0 OR name NOT IN (SELECT name FROM old_files)
    """,
    """
    CREATE VIEW unused_files AS
    SELECT * FROM limited_files WHERE NOT drawn AND name NOT IN (
        SELECT uploaded.value FROM uploads, json_each(nullif(uploads.names, '')) AS uploaded
        WHERE uploads.used_at IS NULL
        UNION ALL SELECT picture FROM uploads WHERE used_at IS NULL
    )
    """,
    """
    CREATE TABLE file_totals (
        owner TEXT NOT NULL PRIMARY KEY,
        entries INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
        INSERT OR IGNORE INTO file_totals (owner) VALUES (NEW.owner);
        UPDATE file_totals SET entries = entries + 1, bytes = bytes + NEW.size WHERE owner = NEW.owner;
    END
    """,
    """
    CREATE TRIGGER file_derived AFTER UPDATE OF derived ON files BEGIN
        UPDATE file_totals SET bytes = bytes + NEW.derived - OLD.derived WHERE owner = NEW.owner;
    END
    """,
    """
    CREATE TRIGGER file_deleted AFTER DELETE ON files BEGIN
        UPDATE file_totals SET entries = entries - 1, bytes = bytes - OLD.size - OLD.derived WHERE owner = OLD.owner;
    END
    """,
)
"""`derived`: the bytes of its derivatives, which go with it. `drawn`: a picture of the history has this name; the
others are references and uploads. No working job refers to `idle_files`. The limits of room hold for
`limited_files`, which are all of these but the files of an earlier server that nobody deleted. Of those again
`unused_files` are no pictures of the history, nor do they wait for a call as an upload, or for a mask to be painted
over them.
"""

UPLOADS: Final = (
    """
    CREATE TABLE uploads (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        request TEXT NOT NULL,
        prompt TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        names TEXT NOT NULL DEFAULT '',
        picture TEXT NOT NULL DEFAULT '',
        paints INTEGER NOT NULL DEFAULT 0,
        used_at REAL,
        history_id INTEGER
    ) WITHOUT ROWID
    """,
    "CREATE INDEX uploads_by_owner ON uploads (owner)",
)
"""`history_id` is the first job that started from the pictures, and `used_at` its beginning.

`picture` is the file over which a mask is painted, empty for pictures; these are followed by a mask where `paints` says
so.
"""

TASKS: Final = (
    """
    CREATE TABLE tasks (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        ended INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        lease TEXT NOT NULL,
        record TEXT NOT NULL,
        messages TEXT NOT NULL DEFAULT '[]'
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tasks_open ON tasks (lease) WHERE NOT ended",
    "CREATE INDEX tasks_by_end ON tasks (expires_at)",
)
"""The tasks of MCP. `messages` are for the process that runs the task, from another one that was asked."""


TOKENS: Final = (
    """
    CREATE TABLE tokens (
        digest BLOB NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        revoked_at REAL
    ) WITHOUT ROWID
    """,
)
"""The tokens of `token add`, as SHA-256 digests. A row stays when its token is revoked (`tokens.py`)."""

IMPORTS: Final = (
    """
    CREATE TABLE imports (
        owner TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (owner, digest)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE old_entries (
        owner TEXT NOT NULL,
        identity TEXT NOT NULL,
        PRIMARY KEY (owner, identity)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE old_files (
        old_name TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX old_files_by_name ON old_files (name)",
)
"""`old_files` are the names that pictures had at an earlier server, and those that they have here."""


STATEMENTS: Final = (
    *JOBS, *JOB_TRIGGERS, *facets.TABLES, *FILES, *KEPT_JOBS, *UPLOADS, *TASKS, *TOKENS, *IMPORTS,
    *sqlite_limits.TABLES,
)  # fmt: skip


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file, inside a transaction of the caller. A file that has them stays as it is."""
    if version_of(connection) == VERSION:
        return
    for statement in STATEMENTS:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection) -> int:
    """The number in the header of the file: 0 for an empty one."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
