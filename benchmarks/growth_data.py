"""Histories of any size for the measurements of growth: one owner's, in the schema's own tables, by its own triggers.

The rows are the same each time, so that a history is built once and kept in `.cache/`. Its words are as uneven as those
of people: some stand in a tenth of all prompts, others in a few. Nine of ten pictures were removed to make room.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.storage.records.words import search_text
from service.storage.sqlite.database import transact
from service.storage.sqlite.facets import INSERT_WORDS
from service.storage.sqlite.schema import STATEMENTS, create_tables

OWNER: Final = "local"
MODELS: Final = ("qwen-image", "flux-dev", "gpt-image-2", "seedream-4", "kolors")
SUBJECTS: Final = (
    "a fox", "an old lighthouse", "a lighthouse keeper", "a boat", "two cranes", "a bakery", "a violin", "a harbour",
    "一只猫", "水墨山水，一叶扁舟", "雪中的狐狸", "一座灯塔", "лиса под дождём", "灯台と海",
    "a city of glass", "a portrait",
)  # fmt: skip
PLACES: Final = (
    "at dusk", "in the snow", "by night", "under a bridge", "in a thunderstorm", "on the moon", "in spring",
    "over the sea", "behind a window", "in light fog", "lightly drawn", "with lightning",
)  # fmt: skip
STYLES: Final = (
    "watercolour", "photograph, 35 mm, film grain", "isometric, soft light", "水彩", "oil on canvas", "linocut",
    "a children's book illustration", "blueprint, white on blue", "photorealistic, studio lighting",
)  # fmt: skip
RARE: Final = 4_000
"""Different rare words, of which each prompt has one."""

FAILS: Final = 0.06
HAS_PARENT: Final = 0.1
KEPT: Final = 0.1
"""Shares of all jobs: those that failed, those that started from another, and the newest, whose pictures are stored."""

ENDS: Final = 1_795_000_000.0
"""When the newest began, in seconds since the epoch."""

EVERY_S: Final = 90.0
"""Seconds between two of them: a million is three years of a busy team."""

AT_ONCE: Final = 5_000

INSERT_JOBS: Final = """
    INSERT INTO jobs (
        id, owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at, finished_at,
        delivered_at, failure_kind, failure_reason, has_parents
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, 'kiln', ?, '', ?, ?, ?, ?, ?, ?)
"""
INSERT_PICTURES: Final = """
    INSERT INTO pictures (job_id, position, name, media_type, width, height, size, note, source)
    VALUES (?, 0, ?, 'image/png', 1024, 1024, 1400000, '', '')
"""
INSERT_FILES: Final = "INSERT INTO files (name, owner, size, drawn, stored_at) VALUES (?, ?, 1400000, 1, ?)"
INSERT_PARENTS: Final = "INSERT INTO lineage (job_id, position, owner, parent, picture) VALUES (?, 0, ?, ?, 1)"
FAST: Final = ("synchronous = OFF", "journal_mode = OFF", "cache_size = -200000")
"""For a file that is thrown away if its building is cut short."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job, its picture and its parent."""

    number: int
    prompt: str
    model: str
    state: str
    at: float
    name: str
    parent: int

    @property
    def job(self) -> tuple[object, ...]:
        """The values of its row."""
        parameters = json.dumps({"size": "1024x1024", "count": 1, "seed": self.number})
        failure = None if self.state == "done" else "upstream"
        names = (self.model, self.prompt, parameters, f"{self.number:064x}")
        return (self.number, OWNER, self.state, *names, self.at, failure, bool(self.parent))


def rows(count: int) -> Iterator[Row]:
    """The same jobs each time, oldest first."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    for number in range(1, count + 1):
        scene = f"{chance.choice(SUBJECTS)} {chance.choice(PLACES)}, {chance.choice(STYLES)}"
        yield Row(
            number=number,
            prompt=f"{scene}, word{chance.randrange(RARE)} no {number}",
            model=MODELS[min(int(chance.expovariate(1)), len(MODELS) - 1)],
            state="failed" if chance.random() < FAILS else "done",
            at=ENDS - (count - number) * EVERY_S,
            name=f"{chance.getrandbits(128):032x}.png",
            parent=chance.randrange(1, number) if number > 1 and chance.random() < HAS_PARENT else 0,
        )


def fill(connection: sqlite3.Connection, count: int) -> None:
    """Insert so many jobs into empty tables, inside a transaction of the caller."""
    some: list[Row] = []
    for row in rows(count):
        some.append(row)
        if len(some) == AT_ONCE or row.number == count:
            _insert(connection, some, count - count * KEPT)
            some.clear()
    connection.execute("UPDATE totals SET newest = ?", (count,))


def _insert(connection: sqlite3.Connection, some: list[Row], kept_after: float) -> None:
    done = [row for row in some if row.state == "done"]
    jobs = []
    for row in some:
        number, owner, *middle, at, failure, has_parents = row.job
        jobs.append((number, owner, number, *middle, at, row.at + 20, row.at + 21, failure, failure, has_parents))
    connection.executemany(INSERT_JOBS, jobs)
    connection.executemany(INSERT_WORDS, [(search_text(row.prompt), row.number) for row in some])
    connection.executemany(INSERT_PICTURES, [(row.number, row.name) for row in done])
    stored = [(row.name, OWNER, row.at + 20) for row in done if row.number > kept_after]
    connection.executemany(INSERT_FILES, stored)
    connection.executemany(INSERT_PARENTS, [(row.number, OWNER, row.parent) for row in some if row.parent])


def history(folder: Path, count: int) -> Path:
    """Return the database of a history of so many jobs, built in the folder where it is not there yet."""
    tables = hashlib.sha256("".join(STATEMENTS).encode()).hexdigest()[:8]
    path = folder / f"{count}-{tables}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            for each in FAST:
                connection.execute(f"PRAGMA {each}")
            transact(connection, "IMMEDIATE", create_tables)
            transact(connection, "IMMEDIATE", lambda one: fill(one, count))
        draft.replace(path)
    return path
