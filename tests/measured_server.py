"""The conformance fixture in a process of its own, with tools that say what it holds and that publish in bulk.

By hand: `python -m tests.measured_server`; it prints its URL and serves until its input ends.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import PROMPTS, RESOURCES, TOOLS, Change, ResourceUpdated
from tests.conformance.server import running, server
from tests.conformance.tools import entry

Arguments = Mapping[str, Any]
NOTHING = {"type": "object", "properties": {}}


async def state(call: Call, arguments: Arguments) -> Result:
    """The holdings of this process now, in bytes and counts."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])  # noqa: ASYNC240 - no disk is behind it
    held = {
        "bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - counted, not used
        "tasks": len(asyncio.all_tasks()),
    }
    return {"content": [], "structuredContent": held}


async def main() -> None:
    fixture = server()

    async def publish(call: Call, arguments: Arguments) -> Result:
        """Publish as many notices as asked for, of every kind in turn."""
        kinds: list[Change] = [
            TOOLS,
            PROMPTS,
            RESOURCES,
            *(ResourceUpdated(f"test://{number}") for number in range(1000)),
        ]
        for number in range(arguments["count"]):
            fixture.hub.publish(kinds[number % len(kinds)])
            if number % 500 == 0:
                await asyncio.sleep(0)  # readers get their turn
        return {"content": []}

    async def chatter(call: Call, arguments: Arguments) -> Result:
        """Send as many log messages as asked for."""
        for number in range(arguments["count"]):
            await call.log("info", f"{number} " + "x" * 1000)
        return {"content": []}

    runs = {"state": state, "publish": publish, "chatter": chatter}
    fixture.tools = {**fixture.tools, **{name: entry(name, run, NOTHING) for name, run in runs.items()}}
    async with running(fixture=fixture) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
