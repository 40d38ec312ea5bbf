"""The context of a tool: all that tools, prompts and resources work with. `app` builds it once.

Only `models` changes while the service runs: `dataclasses.replace` gives the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.image_models.models import Models
from service.pictures.derivatives import Derivatives
from service.pictures.library import Pictures
from service.pictures.tiles import Tiles
from service.pipeline.generation import Generation
from service.pipeline.retention import Retention
from service.profiles import Profiles
from service.redaction import Redactor
from service.references.collect import References
from service.references.uploads import Uploads
from service.storage.store import Store
from service.upstreams.base import Upstream


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """The parts of the running service.

    `history_recent` newest generations are the recent ones, `history_archive` before those the archive; 0 is all.
    """

    models: Models
    upstreams: Mapping[str, Upstream]
    store: Store
    pictures: Pictures
    generation: Generation
    profiles: Profiles
    references: References
    uploads: Uploads
    retention: Retention
    redactor: Redactor
    history_recent: int
    history_archive: int
    has_gallery: bool = False
    """A page shows the pictures in a browser."""
    derivatives: Derivatives | None = None
    """Makes the small copies that a view shows."""
    tiles: Tiles | None = None
    """Makes those of new pictures ahead."""
    app_html: str = ""
    """The view of the MCP App, as HTML."""
