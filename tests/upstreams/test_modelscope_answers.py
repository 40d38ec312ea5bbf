"""Tests of service/upstreams/modelscope_answers.py: every shape that was seen, and those that must not pass."""

import pytest

from service.upstreams.base import RemoteTask
from service.upstreams.errors import UpstreamError
from service.upstreams.modelscope_answers import Finished, Waiting, read_polled, read_submitted, refused

URL = "https://muse-ai.example/img/0.png"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        pytest.param({"task_id": "5075521", "request_id": "x"}, RemoteTask("5075521"), id="string"),
        pytest.param({"task_id": 5075521}, RemoteTask("5075521"), id="number"),
        pytest.param({"task_id": "1", "task_status": "PENDING"}, RemoteTask("1"), id="with its status"),
        pytest.param({"task_id": "1", "task_status": "SUCCEED"}, RemoteTask("1"), id="done, but no picture here"),
        pytest.param({"images": [{"url": URL}], "request_id": "x"}, Finished((URL,)), id="in one call"),
        pytest.param({"task_id": "1", "output_images": [URL, URL]}, Finished((URL,)), id="the same twice"),
    ],
)
def test_a_submission_is_a_task_or_its_pictures(answer: object, read: object) -> None:
    assert read_submitted(answer) == read


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param({"errors": {"message": "Server is busy"}}, "unavailable", id="an error inside 200"),
        pytest.param({}, "lost", id="nothing"),
        pytest.param([], "lost", id="a list"),
        pytest.param("x", "lost", id="a text"),
        pytest.param(None, "lost", id="null"),
        pytest.param({"task_id": True}, "lost", id="true is no number"),
        pytest.param({"task_id": ""}, "lost", id="empty"),
        pytest.param({"task_id": ".."}, "lost", id="a step up in the path"),
        pytest.param({"task_id": "a\nb"}, "lost", id="two lines"),
        pytest.param({"task_id": "1" * 201}, "lost", id="too long"),
        pytest.param({"images": [{"url": ""}, 5, None]}, "lost", id="pictures that are none"),
    ],
)
def test_any_other_answer_to_a_submission_is_an_error(answer: object, kind: str) -> None:
    """Attack: the id goes into a URL, so it is looked at."""
    with pytest.raises(UpstreamError) as raised:
        read_submitted(answer)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        *(({"task_status": word}, Waiting(word)) for word in ("PENDING", "RUNNING", "PROCESSING", "QUEUED", "NEW")),
        ({"task_status": "PROCESSING", "output_images": []}, Waiting("PROCESSING")),
        ({"task_status": "PROCESSING", "output_images": [URL]}, Waiting("PROCESSING")),
        ({"task_status": "so " * 20}, Waiting("SO " * 12 + "SO…")),
        ({}, Waiting("no status")),
        (None, Waiting("no status")),
        *(({"task_status": word, "output_images": [URL]}, Finished((URL,))) for word in ("SUCCEED", "succeeded")),
        ({"output_images": [URL]}, Finished((URL,))),
    ],
)
def test_a_poll_says_wait_or_done(answer: object, read: object) -> None:
    """Ours: a word that nobody knows is work that goes on."""
    assert read_polled(answer) == read


@pytest.mark.parametrize(
    ("status", "body", "remaining", "kind"),
    [
        (429, b"{}", "0", "quota"),
        (429, b"{}", "5", "rate"),
        (429, b"", None, "rate"),
        (429, b'{"error":{"code":"insufficient_quota"}}', "5", "quota"),
        (503, b"{}", "0", "unavailable"),
        (302, b"", None, "address"),
    ],
)
def test_a_429_is_the_days_quota_or_a_burst(status: int, body: bytes, remaining: str | None, kind: str) -> None:
    """Ours: tomorrow or in two seconds makes a difference to the person."""
    headers = {} if remaining is None else {"modelscope-ratelimit-requests-remaining": remaining}
    assert refused(status, body, headers).kind == kind
