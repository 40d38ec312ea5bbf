"""What every tool works with: the pipeline, and what stands beside it. Made once, handed to each tool."""

from dataclasses import dataclass

from service.generation import Generation
from service.retention import Retention


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """`history_recent` newest generations are the recent ones, `history_archive` before those the archive; 0 is all."""

    generation: Generation
    retention: Retention
    history_recent: int
    history_archive: int
