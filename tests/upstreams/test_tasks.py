"""Tests of service/upstreams/tasks.py."""

import pytest

from service.upstreams.tasks import find_task, is_task_id


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"code": 200, "data": [{"status": "submitted", "task_id": "task_1"}]}, id="apimart"),
        pytest.param({"code": 200, "data": {"status": "submitted", "task_id": "task_1"}}, id="data-object"),
        pytest.param({"task_id": "task_1"}, id="top"),
        pytest.param({"taskId": "task_1", "state": "waiting"}, id="camel-case"),
        pytest.param({"id": "task_1", "object": "image.task", "status": "queued"}, id="id-beside-a-status"),
        pytest.param({"request_id": "task_1", "status": "IN_QUEUE", "status_url": "https://q.example"}, id="fal"),
        pytest.param({"id": "task_1", "polling_url": "https://api.example/get"}, id="bfl"),
        pytest.param({"output": {"task_status": "PENDING", "task_id": "task_1"}, "request_id": "r"}, id="dashscope"),
        pytest.param({"code": 0, "message": "success", "data": {"task_id": "task_1", "status": 0}}, id="kling"),
        pytest.param({"code": 10000, "message": "Success", "data": {"task_id": "task_1"}}, id="volcengine"),
        pytest.param({"code": 1, "description": "提交成功", "result": "task_1"}, id="midjourney"),
        pytest.param({"code": 200, "message": "任务已提交", "data": "task_1"}, id="bare-id"),
        pytest.param({"uuid": "task_1", "status": "PENDING"}, id="uuid"),
        pytest.param({"name": "task_1", "done": False}, id="google-operation"),
        pytest.param({"prompt_id": "task_1", "number": 3}, id="comfyui"),
        pytest.param({"sdGenerationJob": {"generationId": "task_1"}}, id="leonardo"),
    ],
)
def test_a_task_is_found_wherever_gateways_name_it(answer: object) -> None:
    """Spec of the services named, as their clients read them: the ordinary request is answered with a task."""
    assert find_task(answer) == "task_1"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"id": "chatcmpl-1", "object": "chat.completion", "created": 1}, id="an-ordinary-id"),
        pytest.param({"data": [], "request_id": "r"}, id="a-request-id"),
        pytest.param({"task_id": "task_1", "task_status": "FAILED"}, id="failed"),
        pytest.param({"code": 500, "message": "busy", "task_id": "task_1"}, id="an-error"),
        pytest.param({"code": 1, "message": "done", "result": "task_1"}, id="a-result-that-is-no-task"),
        pytest.param({"task_id": ""}, id="empty"),
        pytest.param({"task_id": None}, id="null"),
        pytest.param([], id="nothing"),
        pytest.param("task_1", id="text"),
    ],
)
def test_other_answers_name_no_task(answer: object) -> None:
    assert find_task(answer) == ""


@pytest.mark.parametrize(
    ("value", "good"), [("a-1", True), (7, True), (True, False), ("..", False), ("a\nb", False), ("x" * 501, False)]
)
def test_a_task_id_is_printable_and_no_step_in_a_path(value: object, good: bool) -> None:
    """Ours: it is put into a URL and shown to people."""
    assert is_task_id(value) is good
