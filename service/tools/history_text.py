"""The history in words: an entry of a list, the origin and the descendants of a picture, how to go on from it.

Everything is cut short: fifty entries must fit into one answer. The words and the encoded fields of entries are kept as
long as their job stays the same (`Entries`): to make them takes longer than all the rest of a page, and the newest ones
are asked for again and again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import orjson

from service.costs import cost_text
from service.images import NOT_DRAWN, Failure, Job, JobState, Parent
from service.redaction import visible_in
from service.tools.results import alt_text, asked_for, code_span, cut, escape_markdown, missing_lines, structure

PROMPT_LENGTH: Final = 160
LISTED_PROMPT_LENGTH: Final = 500
"""Characters of a prompt in the structured content of a list."""

KIND_LENGTH: Final = 40
REASON_LENGTH: Final = 300
WHOLE_PROMPT_LENGTH: Final = 2000
"""Characters of a prompt that is shown alone."""

SHOWN_PICTURES: Final = 4
"""Pictures of one entry in a list."""

SHOWN_CHILDREN: Final = 20

MOST_KEPT: Final = 1000
"""Entries that are kept, those that were shown last."""

LONGEST_KEPT: Final = 2000
"""Characters of the texts of a job whose entry is kept: a prompt may have thousands."""


def entry_text(job: Job, pictures_url: str) -> str:
    """Return one entry of a list: its facts and its pictures, or why there are none."""
    title = f"**history_id {job.history_id}** · {_when(job.created_at)} · {escape_markdown(job.model, PROMPT_LENGTH)}"
    given = " · given by the person, not drawn" if job.upstream == NOT_DRAWN else ""
    cost = f" · {text}" if (text := cost_text(job.usage)) else ""
    made_from = f" · made from {_links(job.parents)}" if job.parents else ""
    return "\n".join(
        [
            f"{title}{given}{made_from}{cost} · “{escape_markdown(job.prompt, PROMPT_LENGTH)}”",
            *_outcome(job, pictures_url),
        ]
    )


def details_text(job: Job, children: Sequence[tuple[int, int]], *, can_change: bool = True) -> str:
    """Return the lines that follow a single picture: the request, the pictures made from it, how to go on.

    `can_change`: a model on offer starts from pictures.
    """
    lines = request_lines(job)
    lines += [f"Made from it: {_made_from(job, children)}."] if children else []
    if can_change and any(picture.kept for picture in job.pictures):
        lines.append(f"To change it: {_go_on(job)}; the prompt says what to change.")
    return "\n".join(lines)


def request_lines(job: Job) -> list[str]:
    """Return the lines of the request: the prompt, and the parameters if there were any."""
    parameters = ", ".join(f"{name} {value}" for name, value in asked_for(job).items())
    lines = [f"Prompt: {code_span(job.prompt, WHOLE_PROMPT_LENGTH)}"]
    return [*lines, f"Asked for: {escape_markdown(parameters, REASON_LENGTH)}"] if parameters else lines


def loss_text(job: Job, children: Sequence[tuple[int, int]]) -> str:
    """Ask whether to delete a job, naming the losses."""
    lost = f"Its prompt and {counted(len(job.pictures), 'picture')}" if job.pictures else "Its prompt"
    ended = " are lost, and links to them end." if job.pictures else " is lost."
    family = " What was made from it stays." if children else ""
    prompt = escape_markdown(job.prompt, PROMPT_LENGTH)
    return f"Delete history_id {job.history_id}, “{prompt}”, for good? {lost}{ended}{family}"


def cut_job(job: Job) -> Job:
    """Return the job for the structured content of a list: its texts cut short, an old failure without its advice."""
    failure = job.failure and replace(job.failure, reason=_what_happened(job.failure))
    parameters = {
        name: cut(value, LISTED_PROMPT_LENGTH) if isinstance(value, str) else value
        for name, value in job.parameters.items()
    }
    return replace(job, prompt=cut(job.prompt, LISTED_PROMPT_LENGTH), failure=failure, parameters=parameters)


def _what_happened(failure: Failure) -> str:
    """Return the fact of a failure and the quote of the service; its advice was for the moment at which it failed."""
    return cut(" ".join(filter(None, [failure.fact, failure.quote])), REASON_LENGTH)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 picture" or "2 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _outcome(job: Job, pictures_url: str) -> list[str]:
    if job.state is JobState.WORKING:
        there = f", {len(job.pictures)} of {job.count} are there" if job.pictures else ""
        return [f"Still being drawn{there}. `history` with history_id {job.history_id} waits for it."]
    if job.failure is not None:
        kind, reason = job.failure.kind, _what_happened(job.failure)
        return [f"Failed ({escape_markdown(kind, KIND_LENGTH)}): {escape_markdown(reason, REASON_LENGTH)}"]
    kept = [picture for picture in job.pictures if picture.kept]
    lines = [f"![{alt_text(job.prompt)}]({picture.link(pictures_url)})" for picture in kept[:SHOWN_PICTURES]]
    if len(kept) < len(job.pictures):
        lines.append(_removed(job, len(job.pictures) - len(kept)))
    elif len(kept) > SHOWN_PICTURES:
        lines.append(
            f"{counted(len(kept) - SHOWN_PICTURES, 'more picture')}: `history` with history_id {job.history_id}."
        )
    return [*lines, *(line[:REASON_LENGTH] for line in missing_lines(job))]


def _removed(job: Job, gone: int) -> str:
    what, which, back = "Its picture was", "", "it"
    if len(job.pictures) > 1:
        what, which, back = f"{gone} of its {len(job.pictures)} pictures {_were(gone)}", " and `picture`", "one"
    return (
        f"{what} removed. `history` with history_id {job.history_id}{which} brings {back} back, if its image service "
        "still has it."
    )


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _go_on(job: Job) -> str:
    choice = f" and picture 1 to {len(job.pictures)}" if len(job.pictures) > 1 else ""
    return f"`generate` with history_id {job.history_id}{choice}"


def _links(parents: Iterable[Parent]) -> str:
    return "; ".join(f"history_id {parent.history_id}, picture {parent.picture}" for parent in parents)


def _made_from(job: Job, children: Sequence[tuple[int, int]]) -> str:
    several = len(job.pictures) > 1
    shown = [f"{id_} (from picture {number})" if several else str(id_) for id_, number in children[-SHOWN_CHILDREN:]]
    older = len(children) - len(shown)
    return f"history_id {', '.join(shown)}" + (f", and {older} before them" if older else "")


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


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

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: dict[tuple[str, int, str, bool], Entry] = {}

    def of(self, job: Job, pictures_url: str) -> Entry:
        """Return the entry of a job; `pictures_url` stands before the names of its pictures."""
        key = (job.owner, job.history_id, pictures_url, job.usage is None)
        kept = self._kept.pop(key, None)
        if kept is None or (kept.job is not job and kept.job != job):
            kept = Entry(job, pictures_url)
            if _length(job) > LONGEST_KEPT:
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
