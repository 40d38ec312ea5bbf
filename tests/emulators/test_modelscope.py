"""Tests of tests/emulators/modelscope.py: it says what the service was seen to say, and refuses what that refuses."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulators.modelscope import ModelScope, running

ASYNC = {"X-ModelScope-Async-Mode": "true"}
TASK = {"X-ModelScope-Task-Type": "image_generation"}
QWEN = "Qwen/Qwen-Image"


@pytest.fixture
async def modelscope() -> AsyncIterator[ModelScope]:
    async with running() as emulator:
        yield emulator


async def ask(
    emulator: ModelScope, path: str, body: object = None, headers: dict[str, str] | None = None, key: str | None = None
) -> tuple[int, dict[str, object]]:
    """Status and body of one answer, which has the rate headers whatever it is."""
    sent = {"Authorization": f"Bearer {emulator.key if key is None else key}", **(headers or {})}
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession(headers=sent) as session,
        session.request(method, emulator.url + path, json=body) as response,
    ):
        assert response.headers["modelscope-ratelimit-requests-limit"] == "2000"
        parsed: dict[str, object] = json.loads(await response.read())
        return response.status, parsed


async def submit(emulator: ModelScope, headers: dict[str, str], **asked: object) -> tuple[int, dict[str, object]]:
    return await ask(emulator, "/v1/images/generations", {"model": QWEN, "prompt": "a boat"} | asked, headers)


async def test_a_task_goes_its_way(modelscope: ModelScope) -> None:
    status, submitted = await submit(modelscope, ASYNC)
    assert (status, sorted(submitted)) == (200, ["request_id", "task_id"])
    path = f"/v1/tasks/{submitted['task_id']}"
    polls = [(await ask(modelscope, path, headers=TASK))[1] for _ in range(5)]
    assert [each["task_status"] for each in polls] == ["PENDING", "PROCESSING", "PROCESSING", "SUCCEED", "SUCCEED"]
    assert (polls[1]["output_images"], polls[3]["time_taken"]) == ([], 18812.86)


@pytest.mark.parametrize(
    ("headers", "asked", "message"),
    [
        pytest.param({}, {}, "submit image generation task error", id="not asynchronous"),
        pytest.param(ASYNC, {"model": "a/b-Edit"}, "submit image generation task error", id="edit without a picture"),
        pytest.param(ASYNC, {"size": "1665x64"}, "from 64 to 1664", id="too large for Qwen"),
        pytest.param(ASYNC, {"model": "x/FLUX.1", "size": "1025x64"}, "from 64 to 1024", id="too large for FLUX"),
        pytest.param(ASYNC, {"size": "large"}, "WxH", id="no size"),
        pytest.param(ASYNC, {"prompt": ""}, "required", id="no prompt"),
        pytest.param(ASYNC, {"prompt": "x" * 2000}, "2000", id="long prompt"),
    ],
)
async def test_what_the_service_refuses_is_refused(
    modelscope: ModelScope, headers: dict[str, str], asked: dict[str, object], message: str
) -> None:
    status, body = await submit(modelscope, headers, **asked)
    assert status == 400
    assert message in str(body["errors"])
    assert modelscope.drawn == 0


async def test_a_model_that_draws_in_one_call_does_so_without_the_header(modelscope: ModelScope) -> None:
    status, body = await submit(modelscope, {}, model="Tongyi-MAI/Z-Image-Turbo", size="512x512")
    assert (status, sorted(body)) == (200, ["images", "request_id"])


async def test_a_token_is_needed_but_for_the_list(modelscope: ModelScope) -> None:
    """Ours: the real list cannot tell a wrong token either."""
    for path, body in (("/v1/images/generations", {}), ("/v1/tasks/0", None)):
        status, answer = await ask(modelscope, path, body, key="wrong")
        assert (status, "errors" in answer) == (401, True)
    assert (await ask(modelscope, "/v1/models", key="wrong"))[0] == 200


async def test_a_poll_without_its_header_finds_nothing(modelscope: ModelScope) -> None:
    _, submitted = await submit(modelscope, ASYNC)
    assert (await ask(modelscope, f"/v1/tasks/{submitted['task_id']}"))[0] == 404


async def test_the_picture_host_takes_a_token_for_a_leak(modelscope: ModelScope) -> None:
    _, body = await submit(modelscope, ASYNC, prompt="a [immediate-succeed]")
    assert isinstance(body["output_images"], list)
    url = str(body["output_images"][0])
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert (response.status, response.content_type) == (200, "image/png")
        async with session.get(url, headers={"Authorization": "Bearer x"}) as response:
            assert response.status == 403
    assert len(modelscope.leaks) == 1
