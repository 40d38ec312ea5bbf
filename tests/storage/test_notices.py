"""Notices between processes, as they travel."""

import pytest

from service.storage.notices import (
    KINDS,
    MOST_BYTES,
    AnythingChanged,
    JobChanged,
    JobProgress,
    Notice,
    TaskMoved,
    decode,
    encode,
)


@pytest.mark.parametrize(
    "notice",
    [
        JobChanged("anna", 7, ended=True),
        JobProgress("安娜", 7, "正在画", 12.5),
        JobProgress("anna", 7, "Picture 2 of 4 is ready", picture="ab.png"),
        TaskMoved("anna", "an-id"),
        AnythingChanged(),
    ],
)
def test_a_notice_arrives_as_it_was_told(notice: Notice) -> None:
    assert decode(encode(notice, "one")) == (notice, "one")


def test_a_notice_always_fits() -> None:
    """Ours: PostgreSQL refuses a longer one, with the transaction that it is told in. A third of a line is plenty."""
    told, _ = decode(encode(JobProgress("anna", 7, "画" * 9_000), "one"))
    assert isinstance(told, JobProgress)
    assert told.message == "画" * 300
    assert decode(encode(JobChanged("a" * 9_000, 7), "one")) == (AnythingChanged(), "one")
    assert len(encode(JobProgress("画" * 900, 7, "画" * 9_000), "x" * 32).encode()) <= MOST_BYTES


@pytest.mark.parametrize(
    "payload", ["", "{", "[]", "7", '["one"]', '["one", "Unknown", 1]', '["one", "JobChanged"]', "null", '{"a": 1}']
)
def test_a_notice_of_another_release_is_passed_over(payload: str) -> None:
    assert decode(payload)[0] is None


def test_a_notice_of_a_newer_release_may_say_more() -> None:
    assert decode('["one", "JobChanged", "anna", 7, true, "more"]') == (JobChanged("anna", 7, ended=True), "one")


def test_every_kind_has_its_name() -> None:
    assert all(KINDS[name].__name__ == name for name in KINDS)
