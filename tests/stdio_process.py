"""The command with `--stdio` as a process: messages sent and read line by line."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.paths import ROOT
from tests.wire import CLIENT, LEGACY, request


def environment(data: Path, **more: str) -> dict[str, str]:
    return {"EASEL_DATA_DIR": str(data), "PYTHONPATH": str(ROOT), "EASEL_PORT": "0", **more}


class Lines:
    """The other end of the process: sends lines, and reads them."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def send(self, *messages: object) -> None:
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    async def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        message: dict[str, Any] = json.loads(line)
        return message

    async def answer_to(self, id_: object) -> dict[str, Any]:
        """The response to this id; what comes before it is dropped."""
        while (message := await self.next()).get("id") != id_ or "method" in message:
            pass
        return message

    async def end(self) -> tuple[int, bytes, bytes]:
        """End the input; returns the exit status and what was still said, on both outputs."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(60):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out, err


@asynccontextmanager
async def easel(tmp_path: Path, **more: str) -> AsyncIterator[Lines]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "--stdio", stdin=PIPE, stdout=PIPE, stderr=PIPE,
        cwd=tmp_path, env=environment(tmp_path / "data", **more), limit=16 * 1024 * 1024,
    )  # fmt: skip
    lines = Lines(process)
    try:
        yield lines
    finally:
        if process.returncode is None:
            await lines.end()


def hello(id_: object = 0) -> dict[str, Any]:
    return request("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}, id_)


def generate(id_: object, prompt: str = "a red fox", progress_token: str = "p") -> dict[str, Any]:
    meta = {"progressToken": progress_token}
    return request("tools/call", {"name": "generate", "arguments": {"prompt": prompt}, "_meta": meta}, id_)
