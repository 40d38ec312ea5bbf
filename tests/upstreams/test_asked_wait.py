"""Tests of service/upstreams/asked_wait.py."""

import pytest

from service.upstreams.asked_wait import asked_wait, spoken


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({"Retry-After": "86400"}, 86400, id="a-day"),
        pytest.param({"Retry-After": "1", "retry-after-ms": "700"}, 0.7, id="milliseconds"),
        pytest.param(
            {"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 9, id="date"
        ),
        pytest.param({"Retry-After": "Fri, 20 Nov 2026 10:00:09 GMT"}, None, id="date-without-a-clock"),
        pytest.param({"Retry-After": "soon"}, None, id="nonsense"),
        pytest.param({}, None, id="none"),
    ],
)
def test_the_headers_say_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Spec RFC 9110, 10.2.3. `retry-after-ms` is OpenAI's own."""
    assert asked_wait(headers) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 12s.", 12),
        ("Please try again in 1m30.5s.", 90.5),
        ("Please try again in 7h12m.", 25920),
        ("try again in 3 hours 12 minutes", 11520),
        ("The limit resets in 17 hours and 50 minutes.", 64200),
        ("Please retry after 86400 seconds.", 86400),
        ("Please retry in 34.07s.", 34.07),
        ("{'retryDelay': '34s'}", 34),
        ("{'resets_in_seconds': 18000}", 18000),
        ("Try again in 20 minutes", 20 * 60),
        ("try again in 500ms", 0.5),
        ("wait for 2 days", 2 * 86400),
        ("请在 5 小时后重试", 5 * 3600),
        ("请 30 秒后再试", 30),
        ("请等待 5 分钟", 300),
        ("额度将在2个小时后恢复", 7200),
        ("Please try again later.", None),
        ("It failed after 3 tries in 20 s.", None),
    ],
)
def test_the_words_say_it_where_no_header_does(words: str, seconds: float | None) -> None:
    """Ours: the forms of OpenAI, Azure, Google and of relays; a header is more exact."""
    assert asked_wait({}, words) == seconds
    assert asked_wait({"Retry-After": "3"}, words) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (34.07, "35 seconds"),
        (60, "1 minute"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (25920, "8 hours"),
        (86400, "1 day"),
        (200_000, "3 days"),
    ],
)
def test_a_wait_is_spoken_in_round_numbers_and_never_too_short(seconds: float, words: str) -> None:
    """Ours: a person who comes back at that time is not sent away again."""
    assert spoken(seconds) == words
