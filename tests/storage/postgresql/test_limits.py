"""The counts of a day in the database: what was drawn, what it cost, and how many upload links there are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.bounds.limits import UNLIMITED, Allowances, LimitError
from service.costs import DailyCost, Price
from service.images import ImageRequest
from service.storage.postgresql import limits
from service.storage.postgresql.database import Connection, Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from tests.scale.postgres import Server
from tests.stores import Clock, make_tables, picture

NOON = 20_000 * 86_400 + 43_200.0
FOX = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1), count=2)


@pytest.fixture
async def store(postgres_server: Server) -> AsyncIterator[PostgresStore]:
    async with postgres_server.database(make_tables) as url:
        opened = await PostgresStore.open(await Database.open(url), Held("a"), Clock(NOON))
        yield opened
        await opened.close()


async def test_pictures_and_costs_are_those_of_the_day(store: PostgresStore) -> None:
    job = (await store.begin("ann", FOX, "kiln", "")).job
    assert (await store.drawn_today("ann"), await store.drawn_today("ben")) == (2, 0)
    await store.finish(job, [picture("a.png")])
    assert await store.drawn_today("ann") == 1
    [cost] = await store.costs("ann", 20_000)
    assert cost == DailyCost(day=20_000, owner="ann", model="m", currency="USD", cost=0.1, estimated=0.1)
    assert await store.database.read(limits.costs, None, 20_001) == []


async def add_upload(connection: Connection, owner: str, at: float) -> None:
    await connection.execute(
        "INSERT INTO uploads (id, owner, request, prompt, created_at, expires_at) VALUES ($1, $2, '', '', $3, $3)",
        f"{owner} {at}", owner, at,
    )  # fmt: skip


@pytest.mark.parametrize("allowed", [(1.0, 9.0), (9.0, 1.0)])
async def test_upload_links_of_the_day_are_limited(store: PostgresStore, allowed: tuple[float, float]) -> None:
    allowances = Allowances(pairs={**UNLIMITED.pairs, "uploads_per_day": allowed})
    await store.database.call(add_upload, "ann", NOON - 86_400)
    await store.database.read(limits.check_new_upload, "ann", allowances, NOON)
    await store.database.call(add_upload, "ann", NOON)
    with pytest.raises(LimitError, match="EASEL_UPLOADS_PER_DAY"):
        await store.database.read(limits.check_new_upload, "ann", allowances, NOON)


async def test_a_full_disk_takes_no_upload(store: PostgresStore, tmp_path: Path) -> None:
    allowances = Allowances(pairs=UNLIMITED.pairs, free_bytes=10**18)
    await store.database.read(limits.check_new_upload, "ann", allowances, NOON)
    with pytest.raises(LimitError, match="EASEL_DISK_FREE_MB"):
        await store.database.read(limits.check_new_upload, "ann", allowances, NOON, tmp_path)
