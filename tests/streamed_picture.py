"""A process of its own that takes one picture from a service, for `test_memory.py`, and prints what that cost.

It prints one line of JSON: the bytes of the picture and their SHA-256, the most memory that was allocated at once, and
the longest time for which nothing else could run, in processor time of the loop's thread: how busy the machine is does
not count.
"""

import asyncio
import hashlib
import json
import sys
import time
import tracemalloc
from collections.abc import Sequence

import aiohttp

from service.images import ImageRequest, Picture
from service.settings import Endpoint
from service.upstreams.base import Upstream
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.openai import OpenAiUpstream


async def silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """A progress that nobody hears."""


async def longest_stall(ended: asyncio.Event) -> float:
    """The most work between two turns of the loop, for as long as the picture is taken."""
    longest, last = 0.0, time.thread_time()
    while not ended.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    return longest


async def take(kind: str, url: str) -> tuple[list[Picture], float]:
    ended = asyncio.Event()
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=url, key="k")
        upstream: Upstream = Flow2ApiUpstream(session, endpoint, max_file_bytes=10**8)
        if kind == "openai":
            upstream = OpenAiUpstream(session, endpoint, max_file_bytes=10**8, streams=True)
        watching = asyncio.create_task(longest_stall(ended))
        model = {"chat": "gemini-3.1-flash-image-square", "openai": "gpt-image-2"}[kind]
        found = await upstream.generate(ImageRequest(model=model, prompt="large"), silent)
        ended.set()
        assert isinstance(found, list)
        return found, await watching


def main() -> None:
    kind, url = sys.argv[1:]
    tracemalloc.start()
    (picture,), stall_s = asyncio.run(take(kind, url))
    _, most = tracemalloc.get_traced_memory()
    digest = hashlib.sha256(picture.data).hexdigest()
    told = {"size": len(picture.data), "sha256": digest, "memory": most, "stall_s": stall_s}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
