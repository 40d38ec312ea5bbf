"""Pictures that arrived and are not in the history yet, in the data folder."""

from pathlib import Path

import pytest

from service.images import Job, JobState, Picture, WorkError
from service.storage.arrivals import arrival_name
from service.storage.disk_arrivals import DiskArrivals

TWO = [Picture(data=b"one", note="it has 1K", source="https://a/1"), Picture(data=b"and two", note="é\n")]


JOB = Job(history_id=7, owner="anna", state=JobState.WORKING, model="m", prompt="p", created_at=0)
NAME = arrival_name("anna", 7)


@pytest.fixture
async def arrivals(tmp_path: Path) -> DiskArrivals:
    (tmp_path / "scratch").mkdir()
    return await DiskArrivals.open(tmp_path / "arrived", tmp_path / "scratch")


async def test_what_arrived_is_read_as_it_came(arrivals: DiskArrivals) -> None:
    await arrivals.keep(JOB, TWO)
    assert await arrivals.read(JOB) == {0: TWO}
    assert await arrivals.listing() == {NAME}


async def test_what_is_removed_has_not_arrived(arrivals: DiskArrivals) -> None:
    await arrivals.keep(JOB, TWO)
    await arrivals.remove(JOB)
    await arrivals.remove(JOB)
    assert (await arrivals.read(JOB), await arrivals.listing()) == ({}, frozenset())


@pytest.mark.parametrize("text", [b"", b"[", b"{}", b'[{"size": "a"}]\n', b'[{"size": 2}]\nxx'])
async def test_a_damaged_file_is_nothing_that_arrived(arrivals: DiskArrivals, tmp_path: Path, text: bytes) -> None:
    """Ours: a person or a disk may have been at it; the job is ended then, and says so."""
    (tmp_path / "arrived" / NAME).write_bytes(text)
    assert await arrivals.read(JOB) == {}


async def test_a_refusal_of_the_disk_leaves_nothing_behind(arrivals: DiskArrivals, tmp_path: Path) -> None:
    (tmp_path / "arrived").rmdir()
    with pytest.raises(WorkError) as raised:
        await arrivals.keep(JOB, TWO)
    assert raised.value.kind == "storage"
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_only_this_account_may_read_what_arrived(arrivals: DiskArrivals, tmp_path: Path) -> None:
    await arrivals.keep(JOB, TWO)
    folder = tmp_path / "arrived"
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / NAME)] == [0o700, 0o600]
