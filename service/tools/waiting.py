"""A call as one that waits for a job: what its client hears, how long it waits, and what a cancellation of it means."""

import asyncio
import re
from typing import Final

from service.pipeline.running_jobs import DisconnectReason, Waiter
from service.protocol.call import Call

_TIMED_OUT: Final = re.compile(r"time[d]?[ -]?out|-32001", re.IGNORECASE)
"""What clients give as the reason of `notifications/cancelled` when they stopped waiting by themselves: the TypeScript
SDK sends "McpError: MCP error -32001: Request timed out"."""


def waiter_of(call: Call, patience_s: float) -> Waiter:
    """The call's client, which waits so many seconds from now."""

    async def report(message: str, percent: float | None = None) -> None:
        await call.progress(percent or 0, 100, message)

    return Waiter(
        progress=report,
        until=asyncio.get_running_loop().time() + patience_s,
        begun=lambda history_id: call.remember(str(history_id)),
        leaving=lambda: leaving(call),
    )


def leaving(call: Call) -> DisconnectReason:
    """Why a call that was cancelled does not wait any more."""
    if call.cancel_reason is None:
        return DisconnectReason.GONE
    return DisconnectReason.GAVE_UP if _TIMED_OUT.search(call.cancel_reason) else DisconnectReason.CANCELLED
