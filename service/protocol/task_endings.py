"""The ends of tasks, as changes of their records."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from service.protocol.client_requests import UnaskableError, tool_error
from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.task_records import CANCELLED, COMPLETED, FAILED, MAX_STATUS_MESSAGE

logger = logging.getLogger(__name__)


def ending_of(work: asyncio.Future[Result]) -> Mapping[str, Any]:
    """Return the changes of the record for ended work: a bug is an internal error, whose details stay in the log."""
    if work.cancelled():
        return CANCELLED_ENDING
    error = work.exception()
    if error is None:
        return {"status": COMPLETED, "message": "", "result": work.result()}
    if isinstance(error, UnaskableError):
        return {"status": COMPLETED, "message": "", "result": tool_error(str(error))}
    if isinstance(error, RpcError):
        return _failure(error)
    logger.error("a task failed", exc_info=error)
    return BROKEN


def _failure(error: RpcError) -> dict[str, Any]:
    return {"status": FAILED, "message": error.message[:MAX_STATUS_MESSAGE], "error": error.body()}


CANCELLED_ENDING: Final[Mapping[str, Any]] = {"status": CANCELLED, "message": "Cancelled."}

BROKEN: Final[Mapping[str, Any]] = _failure(
    RpcError(INTERNAL_ERROR, "Internal error. The server's log has the details.")
)
"""The end of a task that met a bug of ours."""
