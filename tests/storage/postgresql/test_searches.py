"""The search in a long history looks through stretches of numbers, newest first, and finds what is in all of them."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest

from service.images import JobState
from service.storage.postgresql.database import Database
from service.storage.postgresql.leases import Held
from service.storage.postgresql.store import PostgresStore
from service.storage.store import Search
from tests.scale.postgres import Server, database_of

NEWEST: Final = 3_000_000
"""Far more numbers than rows, so that few rows lie in many stretches of each size."""

EVERY: Final = 9_973
FILL: Final = """
    INSERT INTO jobs (
        id, owner, history_id, state, model, prompt, parameters, upstream, fingerprint, lease, created_at, finished_at
    )
    SELECT number, owner, number,
        CASE WHEN number % 5 = 0 THEN 'failed' WHEN number % 7 = 0 THEN 'working' ELSE 'done' END,
        CASE WHEN number % 2 = 0 THEN 'even' ELSE 'odd' END, 'a fox', '{}', 'kiln', '', 'living', number, number
    FROM (
        SELECT 'ann' AS owner, generate_series(EVERY, NEWEST, EVERY) AS number
        UNION ALL SELECT 'ben', generate_series(EVERY + 1, NEWEST, EVERY)
    ) AS numbers;
    INSERT INTO prompts (job_id, owner, history_id, model, has_parents, failed, words)
    SELECT id, owner, history_id, model, false, state = 'failed',
        'a fox' || CASE WHEN history_id % 3 = 0 THEN ' snow' ELSE '' END
        || CASE WHEN history_id < 90000 THEN ' old' ELSE '' END
    FROM jobs;
    UPDATE totals SET newest = NEWEST;
"""
NUMBERS: Final = range(EVERY, NEWEST, EVERY)


@pytest.fixture
async def store(postgres_server: Server) -> AsyncIterator[PostgresStore]:
    async with postgres_server.database() as url:
        opened = await PostgresStore.open(await Database.open(url), Held("living"))
        await postgres_server.run(FILL.replace("EVERY", str(EVERY)).replace("NEWEST", str(NEWEST)), database_of(url))
        yield opened
        await opened.close()


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        pytest.param(Search(query="fox "), lambda _: True, id="a word of all"),
        pytest.param(Search(query="snow fox "), lambda number: number % 3 == 0, id="two words"),
        pytest.param(Search(query="old "), lambda number: number < 90_000, id="a word of the oldest"),
        pytest.param(Search(query="xylophone "), lambda _: False, id="a word of none"),
        pytest.param(Search(query="fox ", model="even"), lambda number: number % 2 == 0, id="with a model"),
        pytest.param(
            Search(query="fox ", state=JobState.FAILED, has_parents=False), lambda number: number % 5 == 0, id="failed"
        ),
        pytest.param(
            Search(query="fox ", state=JobState.WORKING),
            lambda number: number % 7 == 0 and number % 5 != 0,
            id="working",
        ),
        pytest.param(
            Search(query="fox ", state=JobState.DONE), lambda number: number % 7 != 0 and number % 5 != 0, id="done"
        ),
        pytest.param(
            Search(query="fox ", since=1e6, until=2e6), lambda number: 1_000_000 <= number < 2_000_000, id="days"
        ),
        pytest.param(Search(query="fox ", beyond=40), lambda number: number < NUMBERS[-40], id="the archive"),
    ],
)
async def test_all_that_match_are_found_whatever_their_stretch(
    store: PostgresStore, search: Search, is_found: Callable[[int], bool]
) -> None:
    expected = [number for number in reversed(NUMBERS) if is_found(number)]
    whole = await store.page("ann", search, 1_000)
    assert ([job.history_id for job in whole.jobs], whole.total, whole.more) == (expected, len(expected), False)
    few = await store.page("ann", search, 7, before=2_500_000)
    older = [number for number in expected if number < 2_500_000]
    assert ([job.history_id for job in few.jobs], few.total) == (older[:7], len(expected))
