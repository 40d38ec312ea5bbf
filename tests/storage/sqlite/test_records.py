"""The records in the data folder, opened and closed together."""

import contextlib
from pathlib import Path

from service.bounds.limits import UNLIMITED
from service.storage.arrivals import DiskArrivals
from service.storage.files import Arrivals
from service.storage.lease import Lease
from service.storage.secret import Secret
from service.storage.sqlite.records import open_records
from tests.stores import begin


async def test_all_parts_are_of_one_database(tmp_path: Path) -> None:
    lease = Lease.claim(tmp_path)
    found: list[Secret] = []

    async def arrive(identity: Secret) -> Arrivals:
        found.append(identity)
        return await DiskArrivals.open(tmp_path / "arrived", lease.folder)

    async with contextlib.AsyncExitStack() as stack:
        records = await open_records(tmp_path, lease, arrive, UNLIMITED, stack)
        await begin(records.store)
        assert (await records.people.holding("ann")).working == 1
        assert records.replica.living == 1
        assert await records.arrivals.listing() == frozenset()
        assert found[0].fingerprint == Secret.open(tmp_path, lease.folder).fingerprint
        assert await records.ended_sessions.take("a session", 9e9)
        assert not await records.ended_sessions.take("a session", 9e9)
    assert (tmp_path / "easel.db").stat().st_size > 0
    assert not (tmp_path / "easel.db-wal").exists(), "it was closed"
    lease.release()
