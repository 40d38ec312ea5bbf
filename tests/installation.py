"""An installation with something of everything in its data folder, and all that is in it, for tests that move it."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.costs import Drawn, Price, Usage
from service.images import Failure, ImageRequest, Job, JobState, KeptPicture, Parent, Picture, Reference
from service.protocol.task_records import COMPLETED, TaskRecord
from service.storage.imports import Import, KeptFile, OldJob
from service.storage.moving.records import ENDED_SESSIONS, TABLES
from service.storage.opened import Storage, open_storage
from service.storage.people import Pause
from service.storage.upload_records import UploadRequest
from tests.emulators.pictures import png

ANNS: Final = (
    "一只猫 with a hat",
    "a fox",
    "Ein Bär im Wald",
    "an owl that failed",
    "still at work",
    "with links left",
)
NOW: Final = 1_800_000_000.0


@dataclass(frozen=True)
class Contents:
    """All that a data folder holds: rows by table, hits of searches, the bytes of pictures, and the secret."""

    rows: Mapping[str, list[tuple[Any, ...]]]
    words: list[tuple[Any, ...]]
    kept: list[tuple[Any, ...]]
    statements: list[str]
    pictures: Mapping[str, str]
    arrived: Mapping[str, bytes]
    sessions: list[str]
    secret: bytes


async def fill(data: Path) -> None:
    """Make an installation in a folder, and end its service."""
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_storage(data, stack)
        await _draw(storage)
        await _wait(storage)
        await _take_over(storage)


async def _draw(storage: Storage) -> None:
    store = storage.store
    fox = await _done(storage, "ann", ANNS[0], Price(picture=0.25, currency="EUR"))
    parent = Reference(
        data=b"", name=fox.pictures[0].name, origin="history_id 1, picture 1", parent=Parent(history_id=1, picture=1)
    )
    child = ImageRequest(model="qwen", prompt=ANNS[1], references=(parent,))
    job = (await store.begin("ann", child, "kiln", "a fingerprint", submitted=1)).job
    usage = Usage(cost=0.5, currency="USD", input_tokens=7, output_tokens=9)
    await store.finish(job, [await _kept(storage, "ann", 2)], (), None, Drawn(pictures=1, usage=usage))
    await store.mark_delivered("ann", [1])
    await _done(storage, "ann", ANNS[2])
    await store.fail(await _begun(storage, "ann", ANNS[3]), Failure(kind="policy", reason="It refused. \U0001f47b"))
    again = ImageRequest(model="m", prompt=ANNS[4], references=(parent,))
    job = await store.remember_task((await store.begin("ann", again, "kiln", "")).job, "task-7")
    await storage.arrivals.keep(job, [Picture(data=b"arrived", note="n", source="https://example.com/1")])
    links = ["https://example.com/2"]
    await store.fail(await _begun(storage, "ann", ANNS[5]), Failure(kind="network", reason="It broke."), links)
    await _done(storage, "ben", "a tree")
    await store.delete("ann", 3)


async def _wait(storage: Storage) -> None:
    reference, photo = await _kept(storage, "ann", 9), await _kept(storage, "ann", 8)
    for each in (reference, photo):
        await storage.store.add_file("ann", each.name, each.size)
    request = UploadRequest(key="k", prompt="一张照片", picture="", paints=True)
    upload = await storage.uploads.open("ann", request, NOW, lambda owner, moment: f"{owner} {moment!r}")
    await storage.uploads.receive(upload.id, [photo.name])
    await storage.uploads.open("ben", request, NOW, lambda owner, moment: f"{owner} {moment!r}")
    await storage.tasks.save(
        TaskRecord(id="t1", owner="ann", created_at=NOW, updated_at=NOW, work="5", tool="generate")
    )
    ended = TaskRecord(id="t2", owner="ben", status=COMPLETED, created_at=NOW, updated_at=NOW, result={"text": "猫 \0"})
    await storage.tasks.save(ended)
    await storage.ended_sessions.add("a session", NOW + 60)
    await storage.ended_sessions.take("a link", NOW + 60)
    await storage.people.add_token("ann", "a-token-of-ann-0123456789", NOW, NOW + 3600)
    await storage.people.add_token("ben", "a-token-of-ben-0123456789", NOW, None)
    await storage.people.revoke_tokens("ben", "", NOW)
    await storage.people.pause(Pause(owner="ben", since=NOW, until=None))


async def _take_over(storage: Storage) -> None:
    data = png(7, (8, 8))
    name = await storage.files.keep("ann", data, "image/png")
    old = Job(
        history_id=40,
        owner="ann",
        state=JobState.DONE,
        model="old-model",
        prompt="from before",
        created_at=10.0,
        finished_at=11.0,
        delivered_at=11.0,
        pictures=(KeptPicture(name=name, media_type="image/png", width=8, height=8, size=len(data)),),
    )
    files = {"old.png": KeptFile(name=name, size=len(data), written_at=9.0)}
    await storage.imports.enter(Import(owner="ann", digest="d", jobs=[OldJob(identity="i", job=old)], files=files))


async def _begun(storage: Storage, owner: str, prompt: str, price: Price | None = None) -> Job:
    request = ImageRequest(model="m", prompt=prompt, price=price or Price())
    return (await storage.store.begin(owner, request, "kiln", prompt)).job


async def _done(storage: Storage, owner: str, prompt: str, price: Price | None = None) -> Job:
    job = await _begun(storage, owner, prompt, price)
    return await storage.store.finish(job, [await _kept(storage, owner, len(prompt)), await _kept(storage, owner, 99)])


async def _kept(storage: Storage, owner: str, seed: int) -> KeptPicture:
    data = png(seed, (8, 8))
    name = await storage.files.keep(owner, data, "image/png")
    return KeptPicture(name=name, media_type="image/png", width=8, height=8, size=len(data), note="n", source="s")


def contents(data: Path) -> Contents:
    """All that a data folder holds, while nobody uses it."""
    with contextlib.closing(sqlite3.connect(data / "easel.db")) as connection:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return sorted((tuple(row) for row in connection.execute(query)), key=repr)

        tables = {
            each.name: rows(f"SELECT {each.listed} FROM {each.name}")  # noqa: S608 - names of our own
            for each in TABLES
            if each != ENDED_SESSIONS
        }
        tables["file_totals"] = rows("SELECT owner, entries, bytes FROM file_totals")
        facets = "SELECT rowid, words FROM prompts"
        return Contents(
            rows=tables,
            words=rows(facets),
            kept=rows("SELECT owner, job_id FROM kept_jobs"),
            statements=[row[0] for row in rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")],
            pictures={
                each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (data / "files").glob("*/*")
            },
            arrived={each.name: each.read_bytes() for each in (data / "arrived").iterdir()},
            sessions=sorted(
                f"{each.name} {sorted(each.read_text().split())}" for each in (data / "ended-sessions").iterdir()
            ),
            secret=(data / "secret").read_bytes(),
        )
