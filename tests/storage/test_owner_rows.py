"""The texts that name pictures by number, and the use by month."""

import json

from service.storage.owner_rows import renumbered, use_of
from service.storage.people import Use


def test_only_pictures_of_the_history_are_renumbered() -> None:
    """Ours: an upload or a URL has no number, though one may stand in its text."""
    origins = ["history_id 3, picture 1", "an upload", "https://example.com/history_id 3"]
    text = json.dumps({"seed": 3, "references": origins, "mask": "history_id 4, picture 2"})
    assert json.loads(renumbered(text, 10)) == {
        "seed": 3,
        "references": ["history_id 13, picture 1", *origins[1:]],
        "mask": "history_id 14, picture 2",
    }


def test_parameters_without_references_stay_as_they_are() -> None:
    for text in ('{"a":  1}', '{"references": "history_id 1"}'):
        assert renumbered(text, 10) == text


def test_costs_stand_beside_the_use_of_their_month_and_owner() -> None:
    rows = [("2026-12", "ann", 1, 0, 2.0), ("2026-11", "ann", 3, 1, 4.0)]
    costs = [("2026-11", "ann", "EUR", 0.5, 0.25), ("2026-11", "ann", "USD", 1.0, 0.0), ("2026-12", "ben", "USD", 9, 0)]
    assert use_of(rows, costs) == [
        Use(month="2026-12", owner="ann", pictures=1, failed=0, seconds=2.0),
        Use(
            month="2026-11",
            owner="ann",
            pictures=3,
            failed=1,
            seconds=4.0,
            costs={"EUR": 0.5, "USD": 1.0},
            estimated={"EUR": 0.25, "USD": 0.0},
        ),
    ]
