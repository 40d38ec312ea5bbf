"""The context of a tool: all that tools, prompts and resources work with, and the waiter of a call.

`app` builds the context once. Only `models` changes while the service runs: `dataclasses.replace` gives the new one.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.image_models.models import Models
from service.pictures.library import Pictures
from service.pipeline.generation import Generation
from service.pipeline.retention import Retention
from service.pipeline.running_jobs import DisconnectReason, Waiter
from service.profiles import Profiles
from service.protocol.call import Call
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
    history_recent: int
    history_archive: int


_TIMED_OUT: Final = re.compile(r"time[d]?[ -]?out|-32001", re.IGNORECASE)
"""The reasons of `notifications/cancelled` by clients that stopped waiting by themselves: the TypeScript SDK sends
"McpError: MCP error -32001: Request timed out"."""


def waiter_of(call: Call, patience_s: float) -> Waiter:
    """Return the waiter of a call that waits so many seconds from now, and is not silent meanwhile."""
    progress = call.progress()
    if progress is not None:
        progress.keep_alive()
    return Waiter(
        report=None if progress is None else progress.report,
        until=asyncio.get_running_loop().time() + patience_s,
        begun=(lambda history_id: call.remember(str(history_id))) if call.is_task else None,
        leaving=lambda: leaving(call),
    )


def leaving(call: Call) -> DisconnectReason:
    """Return the reason for which a cancelled call leaves."""
    if call.cancel_reason is None:
        return DisconnectReason.GONE
    return DisconnectReason.GAVE_UP if _TIMED_OUT.search(call.cancel_reason) else DisconnectReason.CANCELLED
