"""Data of the measured service: a history of 10,000 entries, and the pictures that the load asks for."""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.gallery import seed
from benchmarks.generating import made
from benchmarks.rows import DERIVATIVE, Names
from benchmarks.serving import Served

ENTRIES: Final = 10_000
COLD_MB: Final = 90
"""More than the service keeps in memory by default, so that a picture is gone before its turn comes again."""

COLD: Final = {"200 kB": 1000 * COLD_MB // 204, "2 MB": COLD_MB // 2}


async def history(data: Path) -> None:
    """Write the history into a data folder."""
    await seed(data, ENTRIES)


async def pictures(service: Served, folder: Path, *, with_cold: bool) -> Names:
    """Have the service make the pictures, and put copies into the folder that the other peers serve."""
    hot = {size: (await made(service, size, "by URL", 1, 1)).names[0] for size in COLD}
    cold = {size: (await made(service, size, "by URL", count, 8)).names for size, count in COLD.items() if with_cold}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{service.port}/mcp-cache/") as http:
        for name in [*hot.values(), *(each for names in cold.values() for each in names)]:
            await _copy(http, name, folder / name)
        await _copy(http, f"{hot['2 MB']}?w=320&f=webp", folder / f"320-{hot['2 MB']}")
    return Names(hot | {DERIVATIVE: hot["2 MB"]}, cold)


async def _copy(http: aiohttp.ClientSession, path: str, to: Path) -> None:
    async with http.get(path) as answer:
        answer.raise_for_status()
        await asyncio.to_thread(to.write_bytes, await answer.read())
