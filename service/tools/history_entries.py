"""The entries of a list of the history: their words and their encoded fields, kept as long as their job stays the same.

To make them takes longer than all the rest of a page, and the newest ones are asked for again and again.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import orjson

from service.images import Job
from service.redaction import visible_in
from service.tools.history_text import cut_job, entry_text
from service.tools.results import structure

MOST: Final = 1000
"""Entries that are kept, those that were shown last."""

LONGEST: Final = 2000
"""Characters of the texts of a job whose entry is kept: a prompt may have thousands."""


@dataclass
class Entry:
    """One entry: its words, and its fields as a fragment that the encoder of the answer takes as it is.

    `job` is replaced by an equal one alone: to compare two takes longer than to see that they are the same.
    """

    job: Job
    pictures_url: str

    @cached_property
    def text(self) -> str:
        """The entry in words."""
        return entry_text(self.job, self.pictures_url)

    @cached_property
    def structure(self) -> orjson.Fragment:
        """The entry as structured content, without characters that nobody sees."""
        return orjson.Fragment(orjson.dumps(visible_in(structure(cut_job(self.job), self.pictures_url))))


class Entries:
    """The entries that were shown last. One is used again where its whole job is what it was."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[tuple[str, int, str, bool], Entry] = {}

    def of(self, job: Job, pictures_url: str) -> Entry:
        """Return the entry of a job; `pictures_url` stands before the names of its pictures."""
        key = (job.owner, job.history_id, pictures_url, job.usage is None)
        kept = self._kept.pop(key, None)
        if kept is None or (kept.job is not job and kept.job != job):
            kept = Entry(job, pictures_url)
            if _length(job) > LONGEST:
                return kept
            if len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
        kept.job = job
        self._kept[key] = kept
        return kept


def _length(job: Job) -> int:
    return sum(len(each) for each in (job.prompt, *job.parameters.values()) if isinstance(each, str))


ENTRIES: Final = Entries()
"""The entries of this process."""
