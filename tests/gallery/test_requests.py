"""Requests of the page as they fail: one form for all errors."""

import json
from http import HTTPStatus

import pytest

from service.bounds.limits import LimitError
from service.gallery.drawing import RefusedOrderError
from service.gallery.queries import QueryError
from service.gallery.requests import RefusedError, failure_answer
from service.images import WorkError
from tests.conftest import Serve
from tests.gallery.visitor import OURS, visitor


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (RefusedError(413, "too_large", "Too large."), 413, {"kind": "too_large"}),
        (RefusedError(400, "bad_query", "A list.", "history_ids"), 400, {"kind": "bad_query", "field": "history_ids"}),
        (QueryError("limit", "is too much."), 400, {"kind": "bad_query", "field": "limit"}),
        (RefusedOrderError("`size` is odd."), 400, {"kind": "refused"}),
        (
            RefusedOrderError("You have had 7 pictures drawn today (EASEL_PICTURES_PER_DAY). Try again at midnight."),
            429,
            {"kind": "limit", "limit": "pictures_per_day"},
        ),
        (LimitError("Too many", retry_after_s=4.2), 429, {"kind": "limit", "retry_after_s": 5}),
        (WorkError("The disk is full.", kind="storage"), 503, {"kind": "storage"}),
    ],
)
def test_a_failure_is_told_by_a_kind_and_in_words(failure: Exception, status: int, error: dict[str, object]) -> None:
    answer = failure_answer(failure)
    assert isinstance(answer.body, bytes)
    told = json.loads(answer.body)["error"]
    assert (answer.status, told.pop("message"), told) == (status, str(failure), error)


def test_a_mistake_of_ours_is_no_answer() -> None:
    with pytest.raises(KeyError):
        failure_answer(KeyError("x"))


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        ("text/plain", b"{}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ("application/json", b"[", HTTPStatus.BAD_REQUEST),
        ("application/json", b"[]", HTTPStatus.BAD_REQUEST),
        ("application/json", b"{" + b" " * 300_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ("application/x-www-form-urlencoded", b"pictures=%5B", HTTPStatus.BAD_REQUEST),
        ("application/x-www-form-urlencoded", b"a=1&b=2&c=3&d=4&e=5", HTTPStatus.BAD_REQUEST),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(serve: Serve, media_type: str, body: bytes, status: int) -> None:
    """Bug: a form of too many fields was a mistake of ours."""
    async with serve() as easel, visitor(easel) as anna:
        headers = {**OURS, "Content-Type": media_type}
        async with anna.http.post(f"{easel.origin}/gallery/api/zip", data=body, headers=headers) as answer:
            assert answer.status == status
            assert (await answer.json())["error"]["kind"] in {"bad_query", "too_large"}
