"""The store behind PgBouncer in transaction mode, where no statement stays prepared."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from yarl import URL

from service.costs import Price
from service.images import ImageRequest, WorkError
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from service.storage.store import Search
from service.troubles import AwayError
from tests.scale import pgbouncer
from tests.scale.postgres import Server
from tests.stores import REQUEST, begin, make_tables, picture

FOX = ImageRequest(model="m", prompt="a fox", price=Price(picture=0.1))


@pytest.fixture
async def stores(postgres_server: Server, tmp_path: Path) -> AsyncIterator[list[PostgresStore]]:
    with pgbouncer.running(postgres_server, tmp_path) as port:
        async with postgres_server.database(make_tables) as url:
            there = pgbouncer.behind(url, port)
            opened = [await PostgresStore.open(await Database.open(there), Held(f"{n}")) for n in range(4)]
            yield opened
            for each in opened:
                await each.close()


async def test_it_is_found_out(stores: list[PostgresStore]) -> None:
    assert all(each.database.is_pooled for each in stores)


async def test_replicas_whose_messages_take_turns_do_not_mix_them_up(stores: list[PostgresStore]) -> None:
    """Ours: more clients than server processes, with statements of all kinds at once."""

    async def draw(store: PostgresStore, number: int) -> None:
        job = await begin(store, f"owner {number}", FOX)
        assert await store.job(job.owner, job.history_id) == job
        done = await store.finish(job, [picture(f"{number}.png")])
        assert done.usage is not None
        await store.mark_delivered(job.owner, [job.history_id])
        page = await store.page(job.owner, Search(query="fox"), 5)
        assert [each.pictures for each in page.jobs] == [(picture(f"{number}.png"),)]

    await asyncio.gather(*(draw(store, number * 4 + at) for at, store in enumerate(stores) for number in range(4)))
    begun = await asyncio.gather(*(store.begin("ann", REQUEST, "kiln", "f") for store in stores))
    assert sorted(each.joined for each in begun) == [False, True, True, True]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.with_path("/nothing"), "refuses this server"),
        (lambda url: url.with_query(statement_timeout="9"), "option that is none .*statement_timeout"),
    ],
)
async def test_what_it_refuses_for_good_is_not_waited_for(
    postgres_server: Server, tmp_path: Path, change: Callable[[URL], URL], words: str
) -> None:
    """Bug: it gives one code to all that it refuses, that of a broken connection, for which a start waits."""
    with pgbouncer.running(postgres_server, tmp_path) as port:
        there = URL(pgbouncer.behind(postgres_server.url(), port))
        with pytest.raises(WorkError, match=words) as refused:
            await Database.open(str(change(there)))
    assert not isinstance(refused.value, AwayError)
