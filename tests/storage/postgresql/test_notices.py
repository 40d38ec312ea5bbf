"""Notices between replicas on a real server: told, heard, lost and found again; and the one replica that leads."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from service.images import WorkError
from service.storage.notices import (
    AnythingChanged,
    HistoryChanged,
    JobChanged,
    JobProgress,
    Notice,
    StopWanted,
    TaskMessaged,
)
from service.storage.postgresql import notices as module
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.notices import LOOK_S, LOOK_UNHEARD_S, MOST_WAITING, PostgresNotices
from service.troubles import STORAGE
from tests.scale.pooler import pooled
from tests.scale.postgres import Server, database_of
from tests.wire import until

SETTING = "EASEL_DATABASE_LISTEN_URL"
CUT = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'easel notices'"
INSERT_JOB = """
    INSERT INTO leases (id) VALUES ('two');
    INSERT INTO jobs (owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at)
    VALUES ('anna', 7, 'working', 'm', 'p', '{}', 'kiln', '', 'two', 0)
"""


async def tables(url: str) -> None:
    await (await Database.open(url)).close()


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(tables) as url:
        yield url


class Replica:
    """A replica as far as its notices go."""

    def __init__(self, notices: PostgresNotices) -> None:
        self.notices = notices
        self.heard: list[Notice] = []
        notices.hear(self.heard.append)


@asynccontextmanager
async def replicas(url: str, *names: str, listen_url: str = "") -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        made = []
        for name in names:
            database = await Database.open(url)
            stack.push_async_callback(database.close)
            notices = PostgresNotices(database, Held(name), listen_url or url, SETTING)
            await notices.start()
            stack.push_async_callback(notices.close)
            running = asyncio.create_task(notices.run())
            stack.push_async_callback(ended, running)
            made.append(Replica(notices))
        yield made


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_notice_is_heard_by_all_others_and_not_by_oneself(url: str) -> None:
    async with replicas(url, "one", "two", "three") as (one, two, three):
        one.notices.tell(JobProgress("anna", 7, "正在画", 40))
        one.notices.tell(HistoryChanged("anna"))
        await until(lambda: len(two.heard) == len(three.heard) == 2)
        assert two.heard == three.heard == [JobProgress("anna", 7, "正在画", 40), HistoryChanged("anna")]
        assert (one.heard, one.notices.look_s) == ([], LOOK_S)


async def test_equal_notices_at_once_are_one(url: str) -> None:
    async with replicas(url, "one", "two") as (one, two):
        for _ in range(50):
            one.notices.tell(TaskMessaged("a"))
        one.notices.tell(TaskMessaged("b"))
        await until(lambda: TaskMessaged("b") in two.heard)
        assert two.heard == [TaskMessaged("a"), TaskMessaged("b")]


async def test_of_too_many_at_once_one_stands_for_all(url: str) -> None:
    async with replicas(url, "one", "two") as (one, two):
        for number in range(MOST_WAITING + 1):
            one.notices.tell(JobChanged("anna", number))
        await until(lambda: bool(two.heard))
        assert two.heard == [AnythingChanged()]


async def test_after_a_connection_that_broke_everything_may_have_changed(
    url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: rows are read more often meanwhile, and no restart is needed."""
    monkeypatch.setattr(module, "AGAIN_S", 0.05)
    async with replicas(url, "one", "two") as (one, two):
        await postgres_server.run(CUT, database_of(url))
        await until(lambda: one.heard == [AnythingChanged()] and two.heard == [AnythingChanged()])
        one.notices.tell(HistoryChanged("anna"))
        await until(lambda: HistoryChanged("anna") in two.heard)
        assert two.notices.look_s == LOOK_S


async def test_a_connection_that_passes_nothing_on_is_found_and_its_setting_named(
    url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: behind PgBouncer in transaction mode nothing comes, and no error says so. Here it is another database."""
    monkeypatch.setattr(module, "ECHO_S", 0.1)
    with caplog.at_level(logging.WARNING):
        async with replicas(url, "one", "two", listen_url=postgres_server.url()) as (one, two):
            assert (one.notices.look_s, one.notices.is_heard) == (LOOK_UNHEARD_S, False)
            assert one.notices.leads, "a lock behind a pooler may be another's: each does the common work"
            assert two.notices.leads
    assert "passes no notices on" in caplog.text
    assert SETTING in caplog.text


async def test_past_a_pooler_notices_come_and_through_it_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: all else goes through the pooler, the notices that are told as well."""
    monkeypatch.setattr(module, "ECHO_S", 0.5)
    async with pooled(url) as pool, replicas(pool, "one", "two", listen_url=url) as (one, two):
        one.notices.tell(HistoryChanged("anna"))
        await until(lambda: two.heard == [HistoryChanged("anna")])
        assert (one.notices.look_s, sum(each.notices.leads for each in (one, two))) == (LOOK_S, 1)
        async with replicas(pool, "three") as (three,):
            assert (three.notices.is_heard, three.notices.look_s) == (False, LOOK_UNHEARD_S)


async def test_a_direct_url_that_leads_nowhere_stops_nothing_and_is_told_once(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[object] = []
    listen = PostgresNotices._listen

    async def counted(notices: PostgresNotices) -> None:
        tries.append(notices)
        await listen(notices)

    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    monkeypatch.setattr(PostgresNotices, "_listen", counted)
    async with replicas(url, "one", "two", listen_url="postgresql://easel:x@127.0.0.1:1/easel") as (one, _):
        one.notices.tell(HistoryChanged("anna"))
        assert one.notices.look_s == LOOK_UNHEARD_S
        await until(lambda: tries.count(one.notices) > 2)
    told = [each for each in caplog.messages if "the database does not answer" in each and SETTING in each]
    assert len(told) == 2, "one line of each replica"


async def test_a_notice_to_oneself_that_cannot_be_told_is_tried_again_soon(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: while a database comes back, one connection may be opened and the next one refused."""
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    hears, tries = PostgresNotices._hears_itself, []

    async def hears_at_last(notices: PostgresNotices) -> bool:
        tries.append(notices)
        if len(tries) == 1:
            raise WorkError("The database does not answer.", kind=STORAGE)
        return await hears(notices)

    monkeypatch.setattr(PostgresNotices, "_hears_itself", hears_at_last)
    async with asyncio.timeout(60), replicas(url, "one") as (one,):
        await until(lambda: one.notices.is_heard)


async def test_one_replica_leads_and_another_one_after_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: pictures are removed by one for all; the lock goes with its connection, however it goes."""
    monkeypatch.setattr(module, "AGAIN_S", 0.05)
    async with replicas(url, "two") as (two,):
        assert two.notices.leads
        async with replicas(url, "one", "three") as (one, three):
            assert [each.notices.leads for each in (one, two, three)] == [False, True, False]
            await two.notices.close()
            await until(lambda: sum(each.notices._leads for each in (one, two, three)) == 1)


async def test_a_stop_reaches_the_replica_and_stays_in_the_row(url: str, postgres_server: Server) -> None:
    async with replicas(url, "one", "two") as (one, two):
        assert not await one.notices.ask_to_stop(StopWanted("anna", 7)), "there is no such job"
        await postgres_server.run(INSERT_JOB, database_of(url))
        assert await one.notices.ask_to_stop(StopWanted("anna", 7, for_good=True))
        await until(lambda: two.heard == [StopWanted("anna", 7, for_good=True)])
        assert await one.notices.ask_to_stop(StopWanted("anna", 7))
        async with postgres_server.connected(database_of(url)) as connection:
            assert await connection.fetchval("SELECT stop_wanted FROM jobs"), "a milder wish takes nothing back"
            await connection.execute("DELETE FROM leases")
        assert not await one.notices.ask_to_stop(StopWanted("anna", 7)), "nobody works on it"
