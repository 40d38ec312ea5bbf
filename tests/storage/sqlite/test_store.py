"""The store of SQLite beyond the contract of every store: dead processes, and disks that refuse."""

import resource
from pathlib import Path

import pytest

from service.images import WorkError
from tests.stores import REQUEST, Clock, begin, open_sqlite


async def test_a_disk_that_refuses_is_failed_work_and_passes(tmp_path: Path, clock: Clock) -> None:
    """Ours: the person learns which setting to look at; once there is space, the same store goes on."""
    store = await open_sqlite(tmp_path, clock)
    before = await begin(store, "ann", REQUEST)
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WorkError, match="EASEL_DATA_DIR") as caught:
            await begin(store, "ann", REQUEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)
    after = await begin(store, "ann", REQUEST)
    assert caught.value.kind == "storage"
    assert str(tmp_path) not in str(caught.value)
    assert await store.jobs("ann", 10) == [after, before]
    await store.close()
