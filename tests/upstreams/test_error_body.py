"""Tests of service/upstreams/error_body.py."""

import pytest

from service.upstreams.error_body import QUOTED, find_error, parse_body, sanitize, says_something


@pytest.mark.parametrize(
    ("body", "message", "status"),
    [
        pytest.param({"error": {"message": "no", "status_code": 403}}, "no", 403, id="flow2api"),
        pytest.param({"error": {"message": "no", "code": 402}}, "no", 402, id="openrouter"),
        pytest.param(
            {
                "error": {
                    "message": "no",
                    "code": 403,
                    "metadata": {"reasons": ["violence", "hate"], "flagged_input": "a"},
                }
            },
            "no; violence, hate",
            403,
            id="openrouter-reasons",
        ),
        pytest.param(
            {
                "error": {
                    "message": "no",
                    "code": 400,
                    "metadata": {"raw": '{"error":{"message":"too wide","code":422}}'},
                }
            },
            "no; too wide",
            400,
            id="openrouter-maker",
        ),
        pytest.param(
            {"error": {"message": "no", "metadata": {"raw": "too wide", "provider_name": "Acme"}}},
            "no; too wide",
            None,
            id="openrouter-maker-in-words",
        ),
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
        pytest.param({"error": {"message": "no", "code": "429"}}, "no", 429, id="status-as-text"),
        pytest.param({"detail": {"error": {"message": "no"}}}, "no", None, id="nested"),
        pytest.param([{"error": {"message": "no", "code": 429}}], "no", 429, id="list-of-google"),
        pytest.param({"error": {"message": '{"error":{"message":"no","code":403}}'}}, "no", 403, id="body-as-message"),
        pytest.param({"error": "Forbidden", "message": "no"}, "Forbidden; no", None, id="two-fields"),
        pytest.param({"base_resp": {"status_code": 1008, "status_msg": "no"}}, "no", None, id="minimax"),
        pytest.param({"Response": {"Error": {"Code": "X", "Message": "no"}}}, "no", None, id="tencent"),
        pytest.param({"error_code": 17, "error_msg": "no"}, "no", None, id="baidu"),
        pytest.param({"title": "Not Found", "status": 404, "detail": "no"}, "no; Not Found", None, id="problem"),
    ],
)
def test_the_error_is_found_in_any_shape(body: object, message: str, status: int | None) -> None:
    """Ours: the shapes of Flow2API, OpenRouter, ModelScope, FastAPI and relays."""
    assert (find_error(body).message, find_error(body).status) == (message, status)


def test_a_list_of_details_names_the_fields_and_not_the_input() -> None:
    """Spec FastAPI, RequestValidationError: it echoes the whole request."""
    body = {
        "detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {"x": "secret"}}]
    }
    assert find_error(body).message == "body.model: Field required"


def test_what_is_no_json_stays_text() -> None:
    """Ours: a proxy's page still says something."""
    assert parse_body(b"<h1>502</h1>") == "<h1>502</h1>"
    assert parse_body('{"a":1}') == {"a": 1}


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
        pytest.param("令牌 TokenStatusExhausted[sk-abc***xyz]", "令牌 TokenStatusExhausted[[key]]", id="masked-key"),
        pytest.param("got eyJhbGciOiJI.eyJzdWIi.c2ln.", "got [key].", id="json-web-token"),
        pytest.param(
            "PUBLIC_ERROR_SEXUAL: Request contains an invalid argument.", "PUBLIC_ERROR_SEXUAL", id="after-a-reason"
        ),
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


@pytest.mark.parametrize(
    ("error", "says"),
    [
        pytest.param({"message": "", "type": "", "param": "", "code": None}, False, id="relay"),
        pytest.param({"code": 0, "message": ""}, False, id="code-0"),
        pytest.param({"error": {"message": " "}}, False, id="nested"),
        pytest.param([], False, id="empty-list"),
        pytest.param(None, False, id="null"),
        pytest.param({"message": "no"}, True, id="message"),
        pytest.param({"code": 500}, True, id="code"),
        pytest.param("no", True, id="text"),
        pytest.param(["no"], True, id="list"),
        pytest.param(True, True, id="true"),
    ],
)
def test_an_error_object_of_empty_fields_is_no_error(error: object, says: bool) -> None:
    """Bug: BerriAI/litellm #18407, such an object beside the picture made a paid picture a failure."""
    assert says_something(error) is says
