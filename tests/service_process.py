"""The whole service as a process of its own, which can be stopped and killed."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from tests.paths import ROOT
from tests.wire import WireClient, wire_client

DEADLINE_S = 180
"""For one life of the service. It takes about a second."""


Running = tuple[asyncio.subprocess.Process, WireClient]


@asynccontextmanager
async def service_process(
    data: Path, stderr: IO[bytes] | None = None, before: Callable[[], object] | None = None, /, **settings: str
) -> AsyncIterator[Running]:
    """A service of its own process and a client; it is killed at the end, if it still lives.

    `before` is called in the new process, as for limits of the system; its log goes to `stderr`.
    """
    async with launched([sys.executable, "-m", "service"], data, settings, stderr=stderr, before=before) as running:
        yield running


@asynccontextmanager
async def launched(
    command: Sequence[str],
    data: Path,
    settings: Mapping[str, str],
    *,
    deadline_s: float = DEADLINE_S,
    stderr: IO[bytes] | None = None,
    before: Callable[[], object] | None = None,
) -> AsyncIterator[Running]:
    """The same, started by a command of a test's own."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "EASEL_PORT": "0", "EASEL_DATA_DIR": str(data)}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**env, "EASEL_LOG": "error", **settings}, cwd=data.parent, stdout=asyncio.subprocess.PIPE,
        preexec_fn=before, stderr=stderr,
    )  # fmt: skip
    try:
        async with asyncio.timeout(deadline_s), wire_client(await printed_url(process)) as client:
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def printed_url(process: asyncio.subprocess.Process) -> str:
    """The address at which it says that it listens."""
    assert process.stdout is not None
    async for line in process.stdout:
        if found := re.search(rb"MCP endpoint +(\S+)", line):
            return found[1].decode()
    raise AssertionError("it did not start")
