"""Stores for tests: every implementation of the contract, a clock that a test sets, and jobs of few words."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from service.images import Failure, ImageRequest, Job, KeptPicture
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from service.storage.sqlite.store import SqliteStore
from service.storage.store import Store

REQUEST: Final = ImageRequest(model="qwen-image", prompt="一只猫 with a hat")
POLICY: Final = Failure(kind="policy", reason="The image service refused the prompt.")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


Factory = Callable[[Path, Clock], Awaitable[Store]]


async def open_sqlite(folder: Path, clock: Clock) -> SqliteStore:
    """A store on the file of this folder; two of them are of one process."""
    return await SqliteStore.open(
        folder / "easel.sqlite3", "this process", lambda lease: lease == "this process", clock
    )


async def open_postgres(url: str, folder: Path, clock: Clock) -> PostgresStore:
    """A store on the database of this URL, whatever the folder; two of them are of one process."""
    return await PostgresStore.open(await Database.open(url), Held("this process"), clock, folder=folder)


async def make_tables(url: str) -> None:
    """Bring the tables of a database up to date."""
    await (await Database.open(url)).close()


ENGINES: Final = ("sqlite", "postgresql")
"""The stores on which the tests of the contract run."""


def picture(name: str, size: int = 1000, note: str = "", source: str = "") -> KeptPicture:
    """A kept picture of this name."""
    return KeptPicture(name=name, media_type="image/png", width=640, height=480, size=size, note=note, source=source)


async def begin(store: Store, owner: str = "ann", request: ImageRequest = REQUEST, fingerprint: str = "") -> Job:
    """A job that begins, at the image service "kiln"."""
    return (await store.begin(owner, request, "kiln", fingerprint)).job


SEEDED_AT_ONCE: Final = 10


async def seed(works: Iterable[Awaitable[object]]) -> None:
    """Do the works some at a time: the last of a thousand would wait longer than a store lets any call wait."""
    left = iter(works)
    while some := list(islice(left, SEEDED_AT_ONCE)):
        await asyncio.gather(*some)


async def made(store: Store, prompt: str, *names: str, owner: str = "ann", model: str = "m") -> Job:
    """A job that is done, with pictures of these names."""
    job = await begin(store, owner, ImageRequest(model=model, prompt=prompt))
    return await store.finish(job, [picture(name) for name in names])
