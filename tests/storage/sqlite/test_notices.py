"""Notices between the processes of one SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.images import ImageRequest
from service.storage.notices import HistoryChanged, JobChanged, Notice, StopWanted
from service.storage.sqlite.notices import SqliteNotices
from tests.stores import Clock, open_sqlite


@asynccontextmanager
async def listening(notices: SqliteNotices) -> AsyncIterator[None]:
    running = asyncio.create_task(notices.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_owners_of_interest_whose_history_changed_are_told_of(tmp_path: Path, clock: Clock) -> None:
    """Bug: what a chat program's own service drew, on the same folder, was not there until the page was reloaded."""
    here, there = await open_sqlite(tmp_path, clock), await open_sqlite(tmp_path, clock)
    heard: asyncio.Queue[Notice] = asyncio.Queue()
    notices = SqliteNotices(here, each_s=0.005)
    notices.hear(heard.put_nowait, lambda: ["anna", "ben"])
    async with listening(notices), asyncio.timeout(60):
        first = {await heard.get(), await heard.get()}
        assert first == {HistoryChanged(owner, surely=False) for owner in ("anna", "ben")}, "it came before, perhaps"
        begun = await there.begin("anna", ImageRequest(model="m", prompt="a fox"), "kiln", "")
        assert await heard.get() == HistoryChanged("anna")
        await there.finish(begun.job, [])
        assert await heard.get() == HistoryChanged("anna")
        await there.delete("anna", begun.job.history_id)
        assert await heard.get() == HistoryChanged("anna")
    assert heard.empty()
    await here.close()
    await there.close()


async def test_nothing_is_asked_while_nobody_listens(tmp_path: Path, clock: Clock) -> None:
    store = await open_sqlite(tmp_path, clock)
    notices = SqliteNotices(store, each_s=0)
    notices.hear(lambda _: None)
    await store.close()  # a question would be a mistake of ours, which ends the watch
    async with listening(notices):
        for _ in range(20):
            await asyncio.sleep(0)


async def test_others_cannot_be_asked(tmp_path: Path, clock: Clock) -> None:
    store = await open_sqlite(tmp_path, clock)
    notices = SqliteNotices(store)
    notices.tell(JobChanged("anna", 7))
    assert not await notices.ask_to_stop(StopWanted("anna", 7))
    await store.close()
