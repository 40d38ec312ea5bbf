"""The facets by which a history is filtered: owner, model, state, and whether a job started from earlier pictures.

1. `prompts`, the full-text index, has them beside the words, every combination as one word (`job_facets`): a search
   with filters meets one list of rows that match all of them, and never reads a row of `jobs` to drop it again.
2. `job_counts` counts the jobs of each combination, so that no total of a filter is counted row by row.
3. Triggers keep both. Names of owners and models are numbers there (`names`): they may have any characters, and would
   be written eight times for each job.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from service.images import JobState

TABLES: Final = (
    "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE VIRTUAL TABLE prompts USING fts5 (facets, words, tokenize = 'ascii', columnsize = 0, prefix = '3 4 5')",
    "CREATE VIRTUAL TABLE indexed_words USING fts5vocab (prompts, instance)",
    """
    CREATE VIEW job_facets AS
    SELECT id, o || ' ' || o||m || ' ' || o||s || ' ' || o||p || ' ' || o||m||s || ' ' || o||m||p || ' ' || o||s||p
        || ' ' || o||m||s||p AS facets
    FROM (
        SELECT id, 'o' || (SELECT id FROM names WHERE name = owner) AS o,
            'm' || (SELECT id FROM names WHERE name = model) AS m, 's' || substr(state, 1, 1) AS s,
            'p' || has_parents AS p
        FROM jobs
    )
    """,
    """
    CREATE TABLE job_counts (
        owner TEXT NOT NULL,
        model TEXT NOT NULL,
        state TEXT NOT NULL,
        has_parents INTEGER NOT NULL,
        jobs INTEGER NOT NULL,
        PRIMARY KEY (owner, model, state, has_parents)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER job_filed AFTER INSERT ON jobs BEGIN
        INSERT OR IGNORE INTO names (name) VALUES (NEW.owner), (NEW.model);
        INSERT INTO job_counts (owner, model, state, has_parents, jobs)
        VALUES (NEW.owner, NEW.model, NEW.state, NEW.has_parents, 1)
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END
    """,
    """
    CREATE TRIGGER job_refiled AFTER UPDATE OF owner, model, state, has_parents ON jobs
    WHEN (NEW.owner, NEW.model, NEW.state, NEW.has_parents) <> (OLD.owner, OLD.model, OLD.state, OLD.has_parents) BEGIN
        INSERT OR IGNORE INTO names (name) VALUES (NEW.owner), (NEW.model);
        UPDATE job_counts SET jobs = jobs - 1 WHERE (owner, model, state, has_parents) =
            (OLD.owner, OLD.model, OLD.state, OLD.has_parents);
        INSERT INTO job_counts (owner, model, state, has_parents, jobs)
        VALUES (NEW.owner, NEW.model, NEW.state, NEW.has_parents, 1)
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
        UPDATE prompts SET facets = (SELECT facets FROM job_facets WHERE id = NEW.id) WHERE rowid = NEW.id;
    END
    """,
    """
    CREATE TRIGGER job_unfiled AFTER DELETE ON jobs BEGIN
        UPDATE job_counts SET jobs = jobs - 1 WHERE (owner, model, state, has_parents) =
            (OLD.owner, OLD.model, OLD.state, OLD.has_parents);
        DELETE FROM prompts WHERE rowid = OLD.id;
    END
    """,
)
"""`prompts.words` holds words as `words` writes them. With the indexes of prefixes the beginning of a word is one list
of rows, as a word is; `indexed_words` tells the words of a longer beginning (sqlite.org/fts5.html#prefix_indexes).
"""

INSERT_WORDS: Final = "INSERT INTO prompts (rowid, facets, words) SELECT id, facets, ? FROM job_facets WHERE id = ?"
SELECT_NAME: Final = "SELECT id FROM names WHERE name = ?"
SELECT_ANOTHER: Final = "SELECT 1 FROM totals WHERE owner <> ? LIMIT 1"
SELECT_COUNT: Final = """
    SELECT coalesce(sum(jobs), 0) FROM job_counts
    WHERE owner = ? AND model = coalesce(?, model) AND state = coalesce(?, state)
        AND has_parents = coalesce(?, has_parents)
"""


@dataclass(frozen=True, kw_only=True)
class Facets:
    """The facets that are asked for, those of an owner; None for any."""

    owner: str
    model: str | None = None
    state: JobState | None = None
    has_parents: bool | None = None

    def expression(self, connection: sqlite3.Connection, words: str) -> str | None:
        """Return the FTS5 expression for an expression of words in jobs that have them; None for a name of no job.

        It leaves an owner out who is the only one: a list of all rows takes most of the time, and drops none.
        """
        word = self.word(connection)
        if word is None:
            return None
        is_owner = (self.model, self.state, self.has_parents) == (None, None, None)
        if is_owner and connection.execute(SELECT_ANOTHER, (self.owner,)).fetchone() is None:
            return f"words : ({words})"
        return f'facets : "{word}" AND words : ({words})'

    def word(self, connection: sqlite3.Connection) -> str | None:
        """Return the word that stands in `prompts` for them; None for a name that no job has."""
        owner = _number(connection, self.owner)
        model = None if self.model is None else _number(connection, self.model)
        if owner is None or (self.model is not None and model is None):
            return None
        return "".join((
            f"o{owner}",
            "" if model is None else f"m{model}",
            "" if self.state is None else f"s{self.state[0]}",
            "" if self.has_parents is None else f"p{self.has_parents:d}",
        ))  # fmt: skip

    def count(self, connection: sqlite3.Connection) -> int:
        """Count the jobs that have them."""
        values = (self.owner, self.model, self.state, self.has_parents)
        number: int = connection.execute(SELECT_COUNT, values).fetchone()[0]
        return number

    def walks(self) -> list[tuple[str, tuple[str | int, ...]]]:
        """Return the conditions of the walks, each along an index in the order of rows, that together find the jobs.

        An index of all facets has that order only where each of them is given: so there is a walk for each of those
        that may be any.
        """
        if (self.model, self.state, self.has_parents) == (None, None, None):
            return [("owner = ?", (self.owner,))]
        states = list(JobState) if self.state is None else [self.state]
        kinship = [False, True] if self.has_parents is None else [self.has_parents]
        of_model = "owner = ?" if self.model is None else "owner = ? AND model = ?"
        named = (self.owner,) if self.model is None else (self.owner, self.model)
        return [
            (f"{of_model} AND state = ? AND has_parents = ?", (*named, state, parents))
            for state in states
            for parents in kinship
        ]


def _number(connection: sqlite3.Connection, name: str) -> int | None:
    row = connection.execute(SELECT_NAME, (name,)).fetchone()
    return None if row is None else row[0]
