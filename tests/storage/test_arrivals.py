"""The form in which pictures are stored that arrived, and their names."""

import io

import pytest

from service.costs import Usage
from service.images import Picture
from service.storage.arrivals import NAME, arrival_name, packed, part_name, unpacked

TWO = [
    Picture(data=b"one", note="it has 1K", source="https://a/1", usage=Usage(output_tokens=7)),
    Picture(data=b"and\ntwo", note="é\n"),
]


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
