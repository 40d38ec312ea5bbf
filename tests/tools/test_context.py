"""How long a call waits, what it hears, and what its cancellation means."""

import asyncio
from itertools import pairwise

import pytest

from service.pipeline.running_jobs import DisconnectReason, RunningJob, RunningJobs
from service.tools.context import waiter_of
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
    asked.channel = outbox
    report = waiter_of(asked, 45).report
    assert report is not None
    report("Drawing", 40)
    params = (await outbox.next())["params"]
    assert (params["progress"], params["total"], params["message"]) == (40, 100, "Drawing")


async def test_progress_of_one_call_rises_from_the_upload_to_the_picture() -> None:
    """Bug: waiting for an upload counted to 39.7, the drawing began at 10. Spec, Progress: the value MUST increase."""
    asked, outbox = call("tools/call", {"_meta": {"progressToken": "t"}}), Outbox()
    asked.channel = outbox
    waiter_of(asked, 45)
    for _ in range(10):
        asked.report("Waiting for the picture that the person sends")
    jobs, begun = RunningJobs(), asyncio.Event()

    async def draw(job: RunningJob) -> None:
        await begun.wait()
        for percent in (10, 50, 95):
            await job.report("Drawing", percent)

    job = jobs.start(1, draw)
    waiting = asyncio.create_task(job.wait(waiter_of(asked, 45)))
    await asyncio.sleep(0)
    begun.set()
    await waiting
    values = [message["params"]["progress"] for message in outbox.rest()]
    assert len(values) == 13
    assert all(before < after for before, after in pairwise(values))
