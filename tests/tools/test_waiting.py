"""How long a call waits, what it hears, and what its cancellation means."""

import asyncio

import pytest

from service.pipeline.running_jobs import DisconnectReason
from service.tools.waiting import waiter_of
from tests.protocol.samples import Outbox, call


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        pytest.param("McpError: MCP error -32001: Request timed out", DisconnectReason.GAVE_UP, id="TypeScript SDK"),
        pytest.param("SdkError: Request timed out", DisconnectReason.GAVE_UP, id="TypeScript SDK 2"),
        pytest.param("Timeout while waiting for response", DisconnectReason.GAVE_UP, id="another wording"),
        pytest.param("AbortError: This operation was aborted", DisconnectReason.CANCELLED, id="a person stopped it"),
        pytest.param("", DisconnectReason.CANCELLED, id="no reason"),
        pytest.param(None, DisconnectReason.GONE, id="the connection was closed"),
    ],
)
async def test_a_client_that_gave_up_waiting_still_wants_the_picture(reason: str | None, why: DisconnectReason) -> None:
    """Ours: the TypeScript SDK cancels a request when its own timeout has passed; nobody asked for that."""
    asked = call("tools/call")
    waiter = waiter_of(asked, 45)
    asked.cancel_reason = reason
    assert waiter.leaving() is why


async def test_it_waits_so_many_seconds_from_now() -> None:
    waiter = waiter_of(call("tools/call"), 45)
    assert 44 < waiter.until - asyncio.get_running_loop().time() <= 45


async def test_progress_goes_to_the_client_of_a_hundred() -> None:
    asked, outbox = call("tools/call", {"_meta": {"progressToken": "t"}}), Outbox()
    asked.send = outbox.send
    await waiter_of(asked, 45).progress("Drawing", 40)
    params = (await outbox.next())["params"]
    assert (params["progress"], params["total"], params["message"]) == (40, 100, "Drawing")
