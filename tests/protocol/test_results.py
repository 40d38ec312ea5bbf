"""What a result carries besides its own members."""

import pytest

from service.protocol.catalog import Server
from service.protocol.methods import METHODS
from service.protocol.results import CACHING, SERVER_INFO, stamp
from service.protocol.versions import Era

SERVER = Server(name="test", version="1", title="Test", instructions="")


def test_a_legacy_result_stays_as_it_was_made() -> None:
    result = {"a": 1}
    assert stamp(SERVER, Era.LEGACY, "tools/list", result) is result


def test_a_modern_result_keeps_what_its_handler_said() -> None:
    stamped = stamp(SERVER, Era.MODERN, "tools/call", {"resultType": "input_required", "_meta": {"own": 1}})
    assert stamped["resultType"] == "input_required"
    assert stamped["_meta"] == {"own": 1, SERVER_INFO: SERVER.info}


@pytest.mark.parametrize("method", sorted(CACHING))
def test_what_may_be_kept_says_how_long_and_by_whom(method: str) -> None:
    """Spec 2026-07-28, Caching: both hints, on discovery, every list and every reading; whole milliseconds."""
    assert method in METHODS
    stamped = stamp(SERVER, Era.MODERN, method, {})
    assert isinstance(stamped["ttlMs"], int)
    assert stamped["ttlMs"] >= 0
    assert stamped["cacheScope"] in {"public", "private"}


def test_what_a_principal_made_is_its_own_to_keep() -> None:
    """Ours: a shared cache must not hand one's pictures to another, nor tools as one client is shown them."""
    assert {method for method, hints in CACHING.items() if hints["cacheScope"] == "private"} == {
        "tools/list",
        "resources/list",
        "resources/read",
    }


def test_what_is_not_complete_is_nothing_to_keep() -> None:
    stamped = stamp(SERVER, Era.MODERN, "resources/read", {"resultType": "input_required"})
    assert stamped.keys() == {"resultType", "_meta"}
