"""All that a tool may use: the pipeline, and what stands beside it. Put together by `app`."""

from dataclasses import dataclass

from service.generation import Generation
from service.profiles import Profiles
from service.references import References
from service.retention import Retention
from service.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class Workbench:
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
