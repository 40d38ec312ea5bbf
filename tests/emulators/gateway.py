"""A gateway with the OpenAI Images API that draws asynchronously: real HTTP, invented pictures, nothing to pay.

An ordinary request is answered with a task, in the form that `FORMS` names by a word of the prompt (`a boat
[task-object]`), as APIMart and apib do it; `…/async` is sub2api's way, `images/tasks` SVRouter's. What becomes of the
task is in `SCENARIOS`. By hand: `python -m tests.emulators.gateway --port 8003`.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from tests.emulators import by_hand
from tests.emulators.loopback import serving
from tests.emulators.openai_images import LARGEST_BODY, OpenAiImages, answer
from tests.emulators.openai_images_rules import Asked, asked, error, refusal

FORMS: Final[Mapping[str, str]] = {
    "task-list": "`data` is a list with the task, as APIMart answers; so it is without a word",
    "task-object": "`data` is the task",
    "task-top": "the id stands at the top",
    "task-status": "the id is beside a status at the top, in HTTP 202",
}
SCENARIOS: Final[Mapping[str, str]] = {
    **FORMS,
    "task-header": "HTTP 202 without a body, and the address in `Location`",
    "task-at": "the id in HTTP 202, and the address in `Operation-Location`, as Azure names it",
    "task-each": "a task for each picture that was asked for",
    "second-fails": "the second task fails",
    "image-urls": "the picture is in `output.image_urls`",
    "url-list": "its URL is a list of one",
    "result-data": "it is an Images answer in `result`, as sub2api gives it",
    "by-base64": "it comes as base64",
    "unknown-at-first": "the first question is answered with 404",
    "busy-once": "the first question is answered with 503 and Retry-After",
    "odd-status": "the status is a word that nobody knows",
    "fails": "the task fails and says why",
    "fails-like-new-api": "the same in the words of new-api",
    "empty": "the task succeeds without a picture",
    "key-gone": "the questions are refused with 401",
    "slow": "it goes on until `go_on` or for the set seconds",
}
POLICY: Final = "Your request was rejected by the safety system."


@dataclass
class Task:
    """One task: what was asked for, and how often its state was."""

    id: str
    wanted: Asked
    questions: int = 0


@dataclass(eq=False)
class Gateway(OpenAiImages):
    """One running gateway."""

    tasks: dict[str, Task] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    """The routes below `images/` that it does not have."""
    asked_at: list[str] = field(default_factory=list)
    """The paths at which tasks were asked about."""

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Take a request in."""
        wanted = await asked(request)
        by_route = request.path.endswith("/async") or request.path.endswith("/images/tasks")
        self.requests.append(wanted)
        if request.path.partition("/images/")[2] in self.without:
            return answer(404, error("not found"))
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return answer(401, error("Incorrect API key provided: sk-wrong.", None, "invalid_api_key"))
        if by_route and wanted.streams:
            return answer(400, error("stream is not supported for async image tasks", "stream"))
        if (refused := refusal(wanted)) is not None:
            return answer(*refused)
        self.charges[wanted.prompt] += 1
        if "[task-each]" in wanted.prompt:
            each = [self._begin(replace(wanted, parameters=wanted.parameters | {"n": 1})) for _ in range(wanted.count)]
            return answer(200, {"code": 200, "data": [{"status": "submitted", "task_id": task.id} for task in each]})
        return taken_in(self._begin(wanted), by_route=by_route)

    def _begin(self, wanted: Asked) -> Task:
        task = Task(id=f"task_{len(self.tasks) + 1}", wanted=wanted)
        self.tasks[task.id] = task
        return task

    async def look(self, request: web.Request) -> web.Response:
        """Tell how a task stands."""
        self.asked_at.append(request.path)
        task = self.tasks.get(request.match_info["id"])
        words = re.findall(r"\[([a-z0-9-]+)\]", task.wanted.prompt) if task else []
        if request.headers.get("Authorization") != f"Bearer {self.key}" or "key-gone" in words:
            return answer(401, error("Incorrect API key provided.", None, "invalid_api_key"))
        if task is None:
            return answer(404, error("image task not found"))
        task.questions += 1
        if task.questions == 1 and "unknown-at-first" in words:
            return answer(404, error("image task not found"))
        if task.questions == 1 and "busy-once" in words:
            return answer(503, error("busy"), {"Retry-After": "7"})
        if "slow" in words and not self.go_on.is_set():
            self.silent.set()
            return state(task, "processing", progress="40%")
        if task.questions < 3 and "slow" not in words:
            return state(task, "brewing" if "odd-status" in words else "processing", progress=20 * task.questions)
        return self._ended(task, words)

    def _ended(self, task: Task, words: list[str]) -> web.Response:
        if "fails" in words or ("second-fails" in words and task.id == "task_2"):
            return state(task, "failed", error={"type": "api_error", "message": POLICY, "code": "moderation_blocked"})
        if "fails-like-new-api" in words:
            told = {"task_id": task.id, "status": "FAILURE", "fail_reason": POLICY, "progress": "100%"}
            return answer(200, {"code": "success", "message": "", "data": told})
        if "empty" in words:
            return state(task, "completed", result={"data": []})
        drawings = [self.draw(task.wanted) for _ in range(task.wanted.count)]
        entries = [self._entry(task.wanted, "url", number, drawing) for number, drawing in enumerate(drawings)]
        urls = [entry["url"] for entry in entries]
        if "image-urls" in words:
            return state(task, "completed", output={"image_urls": urls})
        if "by-base64" in words:
            entries = [self._entry(task.wanted, "", 0, drawings[0])]
            return state(task, "completed", result={"data": entries})
        if "result-data" in words:
            usage = {"input_tokens": 7, "output_tokens": 1056}
            return state(task, "completed", image_url=urls[0], result={"data": entries}, usage=usage)
        images = [{"url": [url] if "url-list" in words else url} for url in urls]
        return state(task, "SUCCESS" if "odd-status" in words else "completed", result={"images": images})


def taken_in(task: Task, *, by_route: bool) -> web.Response:
    """Return the answer to a request that was taken in."""
    words = re.findall(r"\[([a-z0-9-]+)\]", task.wanted.prompt)
    if by_route:
        told = {"id": task.id, "task_id": task.id, "object": "image.generation.task", "status": "processing"}
        return answer(202, told | {"poll_url": f"/v1/images/tasks/{task.id}"}, {"Retry-After": "3"})
    if "task-top" in words:
        return answer(200, {"code": 200, "task_id": task.id})
    if "task-header" in words:
        return web.Response(status=202, headers={"Location": f"../operations/{task.id}?of=a%20boat"})
    if "task-at" in words:
        address = f"http://gateway.internal/v1/operations/{task.id}?of=a%20boat"
        return answer(202, {"id": task.id, "status": "queued"}, {"Operation-Location": address})
    if "task-status" in words:
        return answer(202, {"id": task.id, "object": "image.task", "status": "queued"})
    told = {"status": "submitted", "task_id": task.id}
    return answer(200, {"code": 200, "data": told if "task-object" in words else [told]})


def state(task: Task, status: str, **fields: object) -> web.Response:
    """Return the state of a task."""
    return answer(200, {"id": task.id, "task_id": task.id, "status": status, **fields})


def application(emulator: Gateway) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    for path in ("generations", "edits", "generations/async", "edits/async", "tasks"):
        app.router.add_post(f"/v1/images/{path}", emulator.submit)
    app.router.add_get("/v1/images/tasks/{id}", emulator.look)
    app.router.add_get("/v1/tasks/{id}", emulator.look)
    app.router.add_get("/v1/operations/{id}", emulator.look)
    app.router.add_get("/v1/models", emulator.models)
    app.router.add_get("/files/{name}", emulator.file)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Gateway]:
    """One gateway, until the block ends."""
    emulator = Gateway()
    async with serving(application(emulator), port) as url:
        emulator.url = url
        yield emulator


if __name__ == "__main__":
    by_hand.main("A gateway that draws asynchronously", running, 8003, "OPENAI", SCENARIOS)
