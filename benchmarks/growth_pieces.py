"""The pieces of the measurement of growth: each takes a size, and gives numbers by name.

Times are processor times of the thread or process that works, the least of some tries: what else the machine does
meanwhile only adds to them.
"""

import asyncio
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks import growth_cache
from benchmarks.growth_data import OWNER, history
from benchmarks.growth_store import answer, store_on
from benchmarks.history_queries import QUERIES, Ask
from benchmarks.peers import PEERS, cores
from benchmarks.serving import ROOT, Served, launched
from benchmarks.wire import modern
from service.costs import Drawn
from service.images import ImageRequest, KeptPicture
from service.storage.records.new_work import NewJob
from service.storage.sqlite import jobs
from service.storage.store import Store

Numbers: TypeAlias = dict[str, float]

HISTORIES: Final = ROOT / ".cache" / "growth"
TRIES: Final = 7
WRITTEN: Final = 100
"""Generations that are written to measure what one costs."""

QUIET_S: Final = 4.0
"""Until a service that has begun does nothing more, and for how long it is watched then."""

ROWS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
FILES: Final = (10, 100, 1_000, 10_000, 100_000)
STREAMS: Final = (1, 10, 100, 1_000, 5_000)
DESCRIPTORS: Final = 12_000


async def queries(count: int) -> Numbers:
    """Milliseconds that each query takes a thread of the store."""
    path = await asyncio.to_thread(history, HISTORIES, count)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        store = store_on(connection)
        return {name: _least_ms(partial(_asked, ask, store, count)) for name, ask in QUERIES.items()}


def _asked(ask: Ask, store: Store, count: int) -> None:
    answer(ask(store, count))


def _least_ms(work: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
    return least * 1000


async def writes(count: int) -> Numbers:
    """Milliseconds of the statements of one generation, from its beginning to its end, and the size of the file."""
    path = await asyncio.to_thread(history, HISTORIES, count)
    with tempfile.TemporaryDirectory(dir=HISTORIES) as folder:
        copy = Path(shutil.copy(path, folder))
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            for each in ("journal_mode = WAL", "synchronous = OFF", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {each}")
            began = time.thread_time()
            for number in range(WRITTEN):
                _write(connection, number)
            each_ms = (time.thread_time() - began) / WRITTEN * 1000
    return {"a generation, ms": each_ms, "file, MB": path.stat().st_size / 1e6}


def _write(connection: sqlite3.Connection, number: int) -> None:
    request = ImageRequest(model="qwen-image", prompt=f"an old lighthouse in the snow, watercolour, no {number}")
    name = f"{number:032x}.png"
    picture = KeptPicture(name=name, media_type="image/png", width=1024, height=1024, size=1_400_000)
    new = NewJob(
        owner=OWNER,
        request=request,
        upstream="kiln",
        fingerprint=f"new-{number}",
        lease="measuring",
        created_at=time.time(),
        failed_since=0.0,
    )
    work: list[Callable[[], object]] = []
    connection.execute("BEGIN IMMEDIATE")
    begun, _ = jobs.begin(connection, new)
    connection.execute("COMMIT")
    work += [
        partial(jobs.finish, connection, begun.job, [picture], [], None, Drawn(pictures=1), time.time()),
        partial(jobs.mark_delivered, connection, OWNER, [begun.job.history_id], time.time()),
    ]
    for each in work:
        connection.execute("BEGIN IMMEDIATE")
        each()
        connection.execute("COMMIT")


@asynccontextmanager
async def _service(data: Path) -> AsyncIterator[Served]:
    peer = PEERS["service"]
    env = {**peer.env, "EASEL_DATA_DIR": str(data), "EASEL_LOG": "error"}
    async with launched(lambda port: peer.command(port, data), {cores()[0]}, env) as started:
        yield started


async def start(count: int) -> Numbers:
    """A start with a history of so many: until it listens, and the memory of the process when it is left alone."""
    path = await asyncio.to_thread(history, HISTORIES, count)
    found: list[Numbers] = []
    with tempfile.TemporaryDirectory(dir=HISTORIES) as folder:
        data = Path(folder) / "data"
        await asyncio.to_thread(data.mkdir)
        await asyncio.to_thread(shutil.copy, path, data / "easel.db")
        for _ in range(3):
            async with _service(data) as easel:
                await asyncio.sleep(QUIET_S)
                found.append({
                    "start, ms": easel.start_s * 1000,
                    "start, ms of processor": easel.start_cpu_s * 1000,
                    "idle, MB": easel.rss_mb(),
                })  # fmt: skip
            async with launched(lambda port: PEERS["bare"].command(port, data), {cores()[0]}, {}) as bare:
                found[-1]["bare aiohttp, ms of processor"] = bare.start_cpu_s * 1000
    return {name: min(each[name] for each in found) for name in found[0]}


async def streams(count: int) -> Numbers:
    """Streams of notices that say nothing: memory of each, and the part of a core that they take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with _service(Path(folder) / "data") as easel:
                await asyncio.sleep(QUIET_S)
                before = easel.rss_mb()
                writers = [await _listen(easel.port, number) for number in range(count)]
                await asyncio.sleep(QUIET_S)
                after, busy, began = easel.rss_mb(), easel.cpu_s(), time.monotonic()
                await asyncio.sleep(5 * QUIET_S)
                idle = (easel.cpu_s() - busy) / (time.monotonic() - began)
                for each in writers:
                    each.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"each, kB": max(after - before, 0) * 1000 / count, "of a core, %": idle * 100}


async def _listen(port: int, number: int) -> asyncio.StreamWriter:
    """Open one stream, and wait for its first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    params = {"notifications": {"resourcesListChanged": True}}
    writer.write(modern(port, number, "subscriptions/listen", params, progress=False))
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        await reader.readuntil(b"acknowledged")
    return writer


PIECES: Final[Mapping[str, tuple[Callable[[int], Awaitable[Numbers]], tuple[int, ...]]]] = {
    "queries": (queries, ROWS),
    "writes": (writes, ROWS),
    "cache": (growth_cache.measure, FILES),
    "start": (start, ROWS),
    "streams": (streams, STREAMS),
}
"""Every piece, and its sizes."""
