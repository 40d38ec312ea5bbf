"""A short run of `make test-scale`: two replicas, a kill, and callers who ask again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale import seaweed
from tests.scale.campaign import Plan, run
from tests.scale.postgres import Server


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    with seaweed.running(tmp_path / "s3") as url:
        yield url


async def test_a_killed_replica_loses_no_answer_and_costs_nothing_twice(
    tmp_path: Path, postgres_server: Server, bucket: str
) -> None:
    """Ours: the long form has thirty kills in three thousand calls; callers there go through nginx."""
    plan = Plan(calls=21, kills=1, replicas=2, at_once=8, proxy=False)
    findings = await run(plan, tmp_path / "proof", postgres_server, bucket)
    assert findings.is_good, "\n".join(findings.lines())
    assert findings.complaints == []
    assert findings.kills == 1
