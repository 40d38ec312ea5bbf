"""The queries of the page: the search, and lists of pictures."""

from datetime import UTC, datetime

import pytest

from service.gallery.queries import QueryError, read_pictures, read_search
from service.images import JobState


def test_a_search_is_read() -> None:
    asked = read_search(
        {"query": "fox", "model": "m", "state": "failed", "parents": "no", "before": "70", "limit": "20"}
    )
    assert (asked.limit, asked.before) == (20, 70)
    assert (asked.search.query, asked.search.model, asked.search.state) == ("fox", "m", JobState.FAILED)
    assert asked.search.has_parents is False


def test_nothing_asked_for_is_the_newest_page() -> None:
    asked = read_search({})
    assert (asked.limit, asked.before, asked.search.is_filtered) == (50, None, False)


def test_days_are_those_of_the_person() -> None:
    """Ours: the last day counts to its end; in Berlin in winter it begins an hour before UTC's."""
    search = read_search({"from": "2026-11-27", "to": "2026-11-28", "offset": "-60"}).search
    assert search.since == datetime(2026, 11, 26, 23, tzinfo=UTC).timestamp()
    assert search.until == datetime(2026, 11, 28, 23, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ({"state": "xyz"}, "state", "working, done, failed"),
        ({"parents": "maybe"}, "parents", "yes or no"),
        ({"limit": "0"}, "limit", "1 to 100"),
        ({"limit": "1000"}, "limit", "1 to 100"),
        ({"before": "-1"}, "before", "no number"),
        ({"before": "٣"}, "before", "no number"),
        ({"from": "yesterday"}, "from", "no day"),
        ({"from": "2026-02-30"}, "from", "no day"),
        ({"to": "9999-12-31"}, "to", "no day"),
        ({"from": "2026-11-28", "to": "2026-11-27"}, "to", "before `from`"),
        ({"from": "2026-11-28", "offset": "x"}, "offset", "minutes"),
        ({"query": "x" * 501}, "query", "500 characters"),
        ({"query": "a\0b"}, "query", "no NUL"),
        ({"keyword": "x"}, "keyword", "is not known"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(query: dict[str, str], name: str, said: str) -> None:
    with pytest.raises(QueryError, match=f"^`{name}` ") as refused:
        read_search(query)
    assert said in str(refused.value)
    assert refused.value.name == name


def test_a_list_of_pictures_is_read_once_each() -> None:
    asked = [{"history_id": 4, "picture": 1}, {"history_id": 4, "picture": 2}, {"history_id": 4, "picture": 1}]
    assert read_pictures(asked) == [(4, 1), (4, 2)]


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {},
        "4",
        [4],
        [{"history_id": "4", "picture": 1}],
        [{"history_id": 0, "picture": 1}],
        [{"history_id": 4}],
        [{"history_id": number, "picture": 1} for number in range(1, 1002)],
    ],
)
def test_any_other_list_is_refused(asked: object) -> None:
    with pytest.raises(QueryError, match="^`pictures` must"):
        read_pictures(asked)
