"""The processes that a test of the contracts opens, on each engine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import pytest

from service.bounds.limits import UNLIMITED, Allowances
from tests.engines import NOW, Engine, Process

Open: TypeAlias = Callable[..., Awaitable[Process]]
"""`await open_process("b")` opens the database of the test as process b, and has it closed in the end."""


@pytest.fixture
async def open_process(engine: Engine) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def opened(
            lease: str = "a", clock: Callable[[], float] = lambda: NOW, allowances: Allowances = UNLIMITED
        ) -> Process:
            process = await engine.open(lease, clock, allowances)
            stack.push_async_callback(process.close)
            return process

        yield opened


@pytest.fixture
async def process(open_process: Open) -> Process:
    """One process."""
    return await open_process()
