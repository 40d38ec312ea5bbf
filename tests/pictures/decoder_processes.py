"""Decoder processes as the system lists them."""

import asyncio
import os
from pathlib import Path


def decoder_pids() -> list[int]:
    """The decoders that this process has started, and that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (entry / "status").read_text(), (entry / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        is_decoder = b"decoder_process" in command or not command  # it is empty in the moment before the end
        if f"\nPPid:\t{os.getpid()}\n" in status and is_decoder and "\nState:\tZ" not in status:
            found.append(int(entry.name))
    return found


async def until_decoders(count: int) -> None:
    """Wait until there are so many."""
    async with asyncio.timeout(30):
        while len(decoder_pids()) != count:  # noqa: ASYNC110 - the system sends no event for it
            await asyncio.sleep(0.01)
