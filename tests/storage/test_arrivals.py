"""Pictures that arrived and are not in the history yet: form, names, and the folder of them."""

import io
from pathlib import Path

import pytest

from service.costs import Usage
from service.images import Job, JobState, Picture, WorkError
from service.storage.arrivals import NAME, DiskArrivals, arrival_name, packed, part_name, unpacked

TWO = [
    Picture(data=b"one", note="it has 1K", source="https://a/1", usage=Usage(output_tokens=7)),
    Picture(data=b"and\ntwo", note="é\n"),
]
JOB = Job(history_id=7, owner="anna", state=JobState.WORKING, model="m", prompt="p", created_at=0)
OF_JOB = arrival_name("anna", 7)


def read(data: bytes) -> list[Picture]:
    return unpacked(io.BytesIO(data), "it")


def test_what_was_packed_is_read_as_it_was() -> None:
    assert read(b"".join(packed(TWO))) == TWO
    assert read(b"".join(packed([]))) == []


@pytest.mark.parametrize("data", [b"", b"[", b'[{"size": "a"}]\n', b'[{"size": 2}]\nxx', b"\xff" * 9])
def test_damaged_bytes_are_nothing_that_arrived(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Ours: a person or a disk may have been at it; the job is ended then, and says so."""
    assert read(data) == []
    assert "it cannot be read" in caplog.text


def test_a_part_of_it_is_nothing_that_arrived() -> None:
    whole = b"".join(packed(TWO))
    assert [read(whole[:end]) for end in range(1, len(whole))] == [[]] * (len(whole) - 1)
    assert read(whole + b"!") == []


def test_a_name_is_that_of_one_job_and_says_nothing_of_its_owner() -> None:
    assert part_name("anna", 7, 0) == arrival_name("anna", 7)
    names = {part_name(owner, number, part) for owner in ("anna", "../安娜") for number in (7, 71) for part in (0, 2)}
    assert len(names) == 8
    assert all(NAME.fullmatch(name) for name in names)
    assert not [name for name in names if "anna" in name]


@pytest.fixture
async def arrivals(tmp_path: Path) -> DiskArrivals:
    (tmp_path / "scratch").mkdir()
    return await DiskArrivals.open(tmp_path / "arrived", tmp_path / "scratch")


async def test_what_arrived_is_read_as_it_came(arrivals: DiskArrivals) -> None:
    await arrivals.keep(JOB, TWO)
    assert await arrivals.read(JOB) == {0: TWO}
    assert await arrivals.listing() == {OF_JOB}


async def test_what_is_removed_has_not_arrived(arrivals: DiskArrivals) -> None:
    await arrivals.keep(JOB, TWO)
    await arrivals.remove(JOB)
    await arrivals.remove(JOB)
    assert (await arrivals.read(JOB), await arrivals.listing()) == ({}, frozenset())


@pytest.mark.parametrize("text", [b"", b"[", b"{}", b'[{"size": "a"}]\n', b'[{"size": 2}]\nxx'])
async def test_a_damaged_file_is_nothing_that_arrived(arrivals: DiskArrivals, tmp_path: Path, text: bytes) -> None:
    """Ours: a person or a disk may have been at it; the job is ended then, and says so."""
    (tmp_path / "arrived" / OF_JOB).write_bytes(text)
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
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / OF_JOB)] == [0o700, 0o600]
