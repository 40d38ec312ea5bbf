"""All that a tool may use: the pipeline, and what stands beside it. Put together by `app`."""

from dataclasses import dataclass

from service.pipeline.generation import Generation
from service.pipeline.retention import Retention
from service.profiles import Profiles
from service.references.collect import References
from service.references.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What tools work with.

    `history_recent` newest generations are the recent ones, `history_archive` before those the archive; 0 is all.
    """

    generation: Generation
    profiles: Profiles
    references: References
    uploads: Uploads
    retention: Retention
    history_recent: int
    history_archive: int
