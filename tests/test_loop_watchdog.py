"""The watchdog: it barks at the service's own callbacks, and at nothing else."""

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest

from service.features.catalog import with_rpc_errors
from tests.conftest import Serve
from tests.loop_watchdog import Watchdog, watched
from tests.wire import wire_client


@pytest.fixture(autouse=True)
def _holds_are_meant(free_loop: Watchdog) -> Iterator[None]:
    yield
    free_loop.held.clear()


def compute(seconds: float) -> None:
    """Take so much processor time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_a_request_that_computes_is_noted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: whatever took long on the loop was found by chance, when calls beside it were slow."""

    def slow(*_: object) -> bytes:
        compute(0.06)
        return b"{}"

    monkeypatch.setattr("service.protocol.dispatch.result_message", slow)
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        with watched(0.05) as watchdog:
            await client.post({"jsonrpc": "2.0", "id": 1, "method": "nothing"}, {})
            assert not watchdog.held
            await client.modern("prompts/list")
    assert len(watchdog.held) == 1
    assert watchdog.held[0].endswith("request POST /mcp")


async def test_work_of_the_test_itself_is_not_noted() -> None:
    with watched(0.05) as watchdog:
        compute(0.06)
        await asyncio.create_task(asyncio.sleep(0))
        asyncio.get_running_loop().call_soon(compute, 0.06)
        await asyncio.sleep(0.01)
    assert watchdog.held == []


async def test_waiting_is_not_noted() -> None:
    """Ours: on a loaded machine every callback takes long by the clock."""
    with watched(0.05) as watchdog:
        time.sleep(0.06)  # noqa: ASYNC251 - as a thread that does not get its core
        await asyncio.sleep(0)
    assert watchdog.held == []


async def test_a_task_of_the_service_is_noted() -> None:
    async def work() -> None:
        compute(0.06)

    with watched(0.05) as watchdog:
        await asyncio.gather(with_rpc_errors(work)())
    assert len(watchdog.held) == 1


async def test_the_collector_of_garbage_is_not_noted() -> None:
    """Ours: it goes through all that a test run has loaded."""

    async def work() -> None:
        while time.thread_time() < until:
            gc.collect()

    until = time.thread_time() + 0.06
    with watched(0.05) as watchdog:
        await asyncio.gather(with_rpc_errors(work)())
    assert watchdog.held == []
