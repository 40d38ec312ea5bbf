"""Round trips and requests of three replicas at the wire: by call, at rest, and while all of them draw."""

import asyncio
import itertools
import json
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benchmarks import wire
from benchmarks.counted_wire import CONNECTING, PREPARING, Counts, HttpWatcher, PostgresWatcher, counted
from benchmarks.generating import still
from benchmarks.load import ask
from benchmarks.peers import UNLIMITED
from benchmarks.replica_costs import replica_command
from benchmarks.serving import CACHE, Served, launched
from tests.emulators import slow_pictures
from tests.scale import seaweed
from tests.scale.postgres import Server

REPLICAS: Final = 3
IDLE_S: Final = 30.0
EACH: Final = 10
"""Calls of each kind, one after the other."""

LOAD: Final = 180
AT_ONCE: Final = 18
DRAW_S: Final = 0.3
INLINE: Final = "gpt-image-1.5"
TASK: Final = "Qwen/Qwen-Image"
NAME: Final = re.compile(rb"/mcp-cache/([\w.-]+)")
OF_CONNECTING: Final = (CONNECTING, PREPARING, "'jit'", "typeinfo_tree")
"""Parts of the names of messages that a connection needs once: its beginning, and asyncpg's questions for types."""

OFTEN: Final = 0.05
"""Round trips a second from which a message of rest falls among those of calls, and is not counted as theirs."""

LISTENERS: Final = (1, 100)
NOTICES: Final = 3000

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Replica:
    """One replica, and what is counted before its database and its bucket."""

    served: Served
    database: Counts
    bucket: Counts


async def measured(server: Server, bucket: str, folder: Path) -> dict[str, Any]:
    """Measure everything at three replicas."""
    cores = os.sched_getaffinity(0)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(server.database())
        painter = await stack.enter_async_context(slow_pictures.running(DRAW_S, 0.0, small=True))
        secret = secrets.token_hex(32)
        replicas = []
        for number in range(REPLICAS):
            records = await stack.enter_async_context(counted(server.port, PostgresWatcher))
            files = await stack.enter_async_context(counted(urlsplit(bucket).port or 80, HttpWatcher))
            env = {
                **UNLIMITED,
                **painter.settings(),
                "EASEL_SECRET": secret,
                "EASEL_DATA_DIR": str(folder / f"replica-{number}"),
                "EASEL_DATABASE_URL": moved(database, records[0]),
                "EASEL_FILES_URL": f"s3://{seaweed.BUCKET}/bench",
                "EASEL_S3_ENDPOINT": moved(bucket, files[0]),
                "EASEL_S3_KEY_ID": seaweed.KEY_ID,
                "EASEL_S3_SECRET_KEY": seaweed.SECRET_KEY,
            }
            service = await stack.enter_async_context(launched(replica_command, cores, env, CACHE / "replicas.log"))
            replicas.append(Replica(service, records[1], files[1]))
        idle = await _idle(replicas)
        calls = await _by_call(replicas, {name for name, each in idle["trips"].items() if each >= OFTEN})
        own = Served(server.port, server.pid)
        load = await _load(replicas, own)
        notices = {str(count): await _notices(database, own, count) for count in LISTENERS}
        return {"idle": idle, "calls": calls, "load": load, "notices": notices}


def moved(url: str, port: int) -> str:
    """The same URL at another port of this machine."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))


async def _idle(replicas: list[Replica]) -> dict[str, Any]:
    """Per second and replica, after the start has come to rest."""
    for replica in replicas:
        await still(replica.served)
        replica.database.clear()
        replica.bucket.clear()
    cpu = sum(replica.served.cpu_s() for replica in replicas)
    await asyncio.sleep(IDLE_S)
    trips = sum((lasting(replica.database.trips) for replica in replicas), Counter[str]())
    requests = sum((replica.bucket.trips for replica in replicas), Counter[str]())
    every = REPLICAS * IDLE_S
    return {
        "trips": {name: count / every for name, count in trips.most_common()},
        "requests": {name: count / every for name, count in requests.most_common()},
        "connections": sum(replica.database.connections for replica in replicas) / REPLICAS,
        "cpu_ms": (sum(replica.served.cpu_s() for replica in replicas) - cpu) / every * 1000,
    }


async def _by_call(replicas: list[Replica], of_rest: set[str]) -> dict[str, dict[str, dict[str, float]]]:
    """The round trips and requests that each kind of call causes at the first replica, one by one."""
    here, there, *_ = (replica.served.port for replica in replicas)
    names: list[str] = []

    async def draw(kind: str, model: str) -> None:
        names.append(await drawn(here, f"picture {next(_numbers)} [{kind}]", model))

    async def join() -> None:
        prompt = f"picture {next(_numbers)} [inline]"
        first = asyncio.create_task(drawn(there, prompt, INLINE))
        await asyncio.sleep(DRAW_S / 3)
        await drawn(here, prompt, INLINE)
        await first

    async def fetch_of_another() -> None:
        name = await drawn(there, f"picture {next(_numbers)} [inline]", INLINE)
        await asyncio.sleep(0.3)
        names.append(name)
        clear()
        await fetched(here, name)

    def clear() -> None:
        replicas[0].database.clear()
        replicas[0].bucket.clear()

    # Those that draw here come last: a replica makes tiles in a quiet moment after them, whose messages would count.
    kinds: dict[str, Callable[[], Awaitable[object]]] = {
        "generate, joined at another replica": join,
        "history, 5 entries": lambda: called(here, "history", {}),
        "cache": lambda: called(here, "cache", {}),
        "a picture of another replica": fetch_of_another,
        "the same again": lambda: fetched(here, names[-1]),
        "generate, picture in the answer": lambda: draw("inline", INLINE),
        "generate, two pictures by URL": lambda: draw("links", INLINE),
        "generate, by a task": lambda: draw("task", TASK),
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, work in kinds.items():
        await work()  # its statements are prepared by then
        trips, requests = Counter[str](), Counter[str]()
        for _ in range(EACH):
            await asyncio.sleep(0.3)
            clear()
            await work()
            await asyncio.sleep(0.3)
            here_alone = lasting(replicas[0].database.trips)
            trips += Counter({name: count for name, count in here_alone.items() if name not in of_rest})
            requests += replicas[0].bucket.trips
        found[kind] = {
            "trips": {name: count / EACH for name, count in trips.items()},
            "requests": {name: count / EACH for name, count in requests.items()},
        }
    return found


async def _load(replicas: list[Replica], server: Served) -> dict[str, Any]:
    """Generations at all replicas at once, each for another picture."""
    for replica in replicas:
        await still(replica.served)
        replica.database.clear()
        replica.bucket.clear()
    cpu, own, began = server.all_cpu_s(), sum(replica.served.all_cpu_s() for replica in replicas), time.perf_counter()
    free = asyncio.Semaphore(AT_ONCE)

    async def one(replica: Replica) -> None:
        async with free:
            await drawn(replica.served.port, f"picture {next(_numbers)} [inline]", INLINE)

    await asyncio.gather(*(one(replicas[number % REPLICAS]) for number in range(LOAD)))
    for replica in replicas:
        await still(replica.served)
    return {
        "seconds": time.perf_counter() - began,
        "trips": sum(lasting(replica.database.trips).total() for replica in replicas) / LOAD,
        "requests": sum(replica.bucket.trips.total() for replica in replicas) / LOAD,
        "notices": sum(replica.database.notices for replica in replicas) / LOAD / REPLICAS,
        "connections": max(replica.database.most_connections for replica in replicas),
        "cpu_ms": (sum(replica.served.all_cpu_s() for replica in replicas) - own) / LOAD * 1000,
        "database_cpu_ms": (server.all_cpu_s() - cpu) / LOAD * 1000,
    }


def lasting(trips: Counter[str]) -> Counter[str]:
    """Return the round trips without those that a connection needs once."""
    return Counter({name: count for name, count in trips.items() if not any(part in name for part in OF_CONNECTING)})


async def _notices(database: str, server: Served, listeners: int) -> dict[str, float]:
    """Processor time of the database for one notice, with so many that listen."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(listeners + 1):
            connection = await asyncpg.connect(database)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        sender, *hearers = connections
        heard = Counter[str]()
        for hearer in hearers:
            await hearer.add_listener("bench", lambda *_: heard.update(["notices"]))
        cpu = server.all_cpu_s()
        for number in range(NOTICES):
            await sender.execute(f"NOTIFY bench, '{number}'")
        async with asyncio.timeout(60):
            while heard["notices"] < NOTICES * listeners:  # noqa: ASYNC110 - each of them counts by itself
                await asyncio.sleep(0.01)
        return {"cpu_us": (server.all_cpu_s() - cpu) / NOTICES * 1e6}


async def called(port: int, tool: str, arguments: dict[str, Any]) -> bytes:
    """Call a tool, and return the whole answer."""
    params = {"name": tool, "arguments": arguments}
    answer = await ask(port, wire.modern(port, 1, "tools/call", params, progress=False))
    if b'"isError":true' in answer or b'"result"' not in answer:
        raise RuntimeError(f"{tool}: {answer[-1500:]!r}")
    return answer


async def drawn(port: int, prompt: str, model: str) -> str:
    """Have a picture drawn, and return its name."""
    answer = await called(port, "generate", {"prompt": prompt, "model": model})
    found = NAME.search(answer)
    if found is None:
        raise RuntimeError(f"no picture came: {answer[-1500:]!r}")
    return found[1].decode()


async def fetched(port: int, name: str) -> None:
    """Download a picture."""
    head = f"GET /mcp-cache/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n"
    answer = await ask(port, head.encode())
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(json.dumps(answer[:300].decode(errors="replace")))
