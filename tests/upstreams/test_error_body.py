"""Tests of service/upstreams/error_body.py."""

import pytest

from service.upstreams.error_body import parsed, reported


@pytest.mark.parametrize(
    ("body", "message", "status"),
    [
        pytest.param({"error": {"message": "no", "status_code": 403}}, "no", 403, id="flow2api"),
        pytest.param({"error": {"message": "no", "code": 402}}, "no", 402, id="openrouter"),
        pytest.param({"error": {"message": "no", "code": 1008}}, "no", None, id="code-that-is-no-status"),
        pytest.param({"error": "generation_failed"}, "generation_failed", None, id="string"),
        pytest.param({"errors": {"message": "bad key"}, "request_id": "1"}, "bad key", None, id="modelscope"),
        pytest.param({"errors": [{"message": "a"}, "b"]}, "a; b", None, id="list"),
        pytest.param({"detail": "Invalid API key"}, "Invalid API key", None, id="detail"),
        pytest.param({"message": "no", "code": 429}, "no", 429, id="message"),
        pytest.param({"msg": "no"}, "no", None, id="msg"),
        pytest.param({"task_status": "FAILED", "error_message": "no"}, "no", None, id="error_message"),
        pytest.param({"error": None, "detail": "x"}, "x", None, id="null-error"),
        pytest.param("a page", "a page", None, id="text"),
        pytest.param([1], "", None, id="strange"),
    ],
)
def test_the_error_is_found_in_any_shape(body: object, message: str, status: int | None) -> None:
    """Ours: the shapes of Flow2API, OpenRouter, ModelScope, FastAPI and relays."""
    assert (reported(body).message, reported(body).status) == (message, status)


def test_a_list_of_details_names_the_fields_and_not_the_input() -> None:
    """Spec FastAPI, RequestValidationError: it echoes the whole request."""
    body = {
        "detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {"x": "secret"}}]
    }
    assert reported(body).message == "body.model: Field required"


def test_what_is_no_json_stays_text() -> None:
    """Ours: a proxy's page still says something."""
    assert parsed(b"<h1>502</h1>") == "<h1>502</h1>"
    assert parsed('{"a":1}') == {"a": 1}
