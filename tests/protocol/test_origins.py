"""The origin of a stream in the ids of its events."""

import pytest

from service.protocol import signing
from service.protocol.origins import MOST, Origin, read_origin


@pytest.mark.parametrize("request_id", [7, "seven", "-~ é 七"])
def test_an_origin_is_read_from_the_id_of_an_event(request_id: int | str) -> None:
    origin = Origin("generate", request_id, "12")
    assert read_origin(f"0a1b{origin.written()}-3") == origin
    assert f"0a1b{origin.written()}-3".isascii()


def test_an_origin_that_would_make_a_header_too_long_is_left_out() -> None:
    assert Origin("generate", "x" * MOST, "12").written() == ""


@pytest.mark.parametrize(
    "event_id",
    ["", "0a1b-3", "0a1b~-3", "0a1b~!-3", "0a1b~AA-3", "0a1b~AAA-x", "x" * 9000]
    + [
        f"0a1b~{signing.encode(text)}-3"
        for text in (b"{}", b"[]", b'["a", 1]', b'["a", null, "b"]', b'["a", 1, 2]', b"\xff")
    ],
)
def test_any_other_id_has_none(event_id: str) -> None:
    """Attack: an id that somebody made up."""
    assert read_origin(event_id) is None
