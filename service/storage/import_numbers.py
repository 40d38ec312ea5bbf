"""The numbers that taken-over jobs get in a history: their own where it is free, else the next ones."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.images import Job


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """Jobs in the order of the numbers that they get, the numbers that were taken, old to new, and the newest then."""

    jobs: list[tuple[int, Job]]
    renumbered: dict[int, int]
    newest: int


def numbered(newest: int, fresh: Iterable[Job]) -> Numbered:
    """Number the jobs that enter a history whose newest number is given; rows keep the order of their numbers."""
    ordered = sorted(fresh, key=lambda job: job.history_id)
    free = [job for job in ordered if job.history_id > newest]
    late = [job for job in ordered if job.history_id <= newest]
    following = max([newest, *(job.history_id for job in free)]) + 1
    renumbered = {job.history_id: number for number, job in enumerate(late, start=following)}
    return Numbered(
        jobs=[*((job.history_id, job) for job in free), *((renumbered[job.history_id], job) for job in late)],
        renumbered=renumbered,
        newest=following - 1 + len(late),
    )
