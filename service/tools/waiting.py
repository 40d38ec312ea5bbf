"""The waiter of a call: its progress, its time to wait, and the meaning of its cancellation."""

import asyncio
import re
from typing import Final

from service.pipeline.running_jobs import DisconnectReason, Waiter
from service.protocol.call import Call

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
