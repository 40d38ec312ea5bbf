"""Tests of service/upstreams/sanitize.py."""

import pytest

from service.upstreams.sanitize import QUOTED, sanitize


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(
            "Incorrect API key provided: sk-abcdefgh12345678.", "Incorrect API key provided: [key]", id="openai-key"
        ),
        pytest.param("bad token ms-0a1b2c3d-0a1b-4c5d", "bad token [key]", id="modelscope-key"),
        pytest.param("sent Bearer han1234", "sent [key]", id="bearer"),
        pytest.param(
            "GET http://h:8000/v1/models?key=han1234 failed", "GET http://h:8000/v1/models failed", id="query"
        ),
        pytest.param("at https://me:pw@h/x", "at https://h/x", id="userinfo"),
        pytest.param("key=han1234", "key=[key]", id="key-without-url"),
        pytest.param("Unsupported image URI: data:text/html,<b>abc", "Unsupported image URI: [data]", id="data-uri"),
        pytest.param("got " + "iVBORw0K" * 20, "got [data]", id="base64"),
        pytest.param("got \ue00012\ue001", "got 12", id="stand-in"),
        pytest.param(
            "<html><head><title>x</title></head><h1>502 Bad\nGateway</h1></html>", "502 Bad Gateway", id="html"
        ),
        pytest.param("a\x00b\n\tc", "a b c", id="one-line"),
        pytest.param(
            "PUBLIC_ERROR_PROMINENT_PEOPLE_FILTER_FAILED", "PUBLIC_ERROR_PROMINENT_PEOPLE_FILTER_FAILED", id="reason"
        ),
    ],
)
def test_secrets_and_data_are_taken_out(said: str, shown: str) -> None:
    """Ours: errors echo what they were given, and ours reach the model and the history."""
    assert sanitize(said) == shown


def test_long_words_are_shortened() -> None:
    """Ours: a result has to stay small, and a refusal may be an essay."""
    assert sanitize("word " * 1000).endswith("…")
    assert len(sanitize("word " * 1000)) <= QUOTED
