"""API-Inference of ModelScope on loopback: real HTTP, invented pictures.

The prompt chooses what happens, by a scenario's name in brackets (`a lighthouse [failed]`); `SCENARIOS` lists them. A
poll moves a task on by one step. Everything that comes in is kept in `submissions`, `polls`, `downloads` and `leaks`,
and each generation that costs something in `charges`. By hand:
`python -m tests.emulators.modelscope --port 8010 --silence 90`.

Not emulated: chat on the same host, and whether a reference picture can be downloaded.
"""

import asyncio
import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.emulators import by_hand, pictures
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.flow2api_requests import Received, data_of, received
from tests.emulators.loopback import serving
from tests.emulators.modelscope_scenarios import (
    BAD_TOKEN,
    NOT_ASYNC,
    SCENARIOS,
    Answer,
    Refusal,
    Scenario,
    Standing,
    TaskId,
    Trouble,
    Twist,
)

KEY: Final = "ms-00000000-0000-4000-8000-000000000000"
FIRST_TASK: Final = 5075521
DEFAULT_SIZE: Final = "1328x1328"
SIZES: Final = (("FLUX", 64, 1024), ("Qwen-Image", 64, 1664), ("Z-Image", 512, 2048), ("", 64, 2048))
"""Part of a model's name, and the pixels that a side may have; the first that fits counts."""

DIRECT: Final = ("Z-Image", "Kontext")
"""Models that answer in one call where the header for tasks is missing."""

MODELS: Final = (
    "Qwen/Qwen3-235B-A22B", "Qwen/Qwen-Image", "Qwen/Qwen-Image-Edit-2509", "Tongyi-MAI/Z-Image-Turbo",
    "black-forest-labs/FLUX.1-Krea-dev", "black-forest-labs/FLUX.1-Kontext-dev",
)  # fmt: skip


@dataclass
class Task:
    """One task, and how often it was polled."""

    number: int
    id: str | int
    scenario: Scenario
    size: tuple[int, int]
    begun_at: float
    """By the clock of the event loop."""
    polls: int = 0


@dataclass(eq=False)
class ModelScope(Emulated):
    """One running emulator. Each accepted task is charged; it ends by its time only."""

    key: str = KEY
    pictures_url: str = ""

    submissions: list[Received] = field(default_factory=list)
    """All that was submitted, with a good token and body or not."""
    polls: list[Received] = field(default_factory=list)
    downloads: list[Received] = field(default_factory=list)
    leaks: list[Received] = field(default_factory=list)
    """Downloads from the picture host that brought the token. To be empty."""
    drawn: int = 0
    """Accepted tasks."""
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each poll: then the client has the task id."""

    _tasks: dict[str, Task] = field(default_factory=dict)
    _files: dict[str, Task] = field(default_factory=dict)
    _met: set[str] = field(default_factory=set)
    """Prompts of scenarios that happen only once."""

    # Routes.

    async def models(self, _: web.Request) -> web.Response:
        """Public: a wrong token is not noticed here."""
        rows = [{"id": each, "object": "model", "created": 0, "owned_by": "system"} for each in MODELS]
        return answer(200, {"object": "list", "data": rows})

    async def submit(self, request: web.Request) -> web.StreamResponse:
        incoming = await received(request)
        self.submissions.append(incoming)
        if not self.accepts_key(request):
            return answer(401, errors(BAD_TOKEN))
        asked = incoming.json
        wrong = objection(asked)
        if wrong:
            return answer(400, errors(wrong))
        scenario = chosen(str(asked["prompt"]))
        if request.headers.get("X-ModelScope-Async-Mode") != "true":
            if not any(part in str(asked["model"]) for part in DIRECT):
                return answer(400, errors(NOT_ASYNC))
            scenario = SCENARIOS["immediate"]
        return await self._take_in(request, asked, scenario)

    async def poll(self, request: web.Request) -> web.StreamResponse:
        self.polls.append(await received(request))
        if not self.accepts_key(request):
            return answer(401, errors(BAD_TOKEN))
        task = self._tasks.get(request.match_info["id"])
        if task is None or request.headers.get("X-ModelScope-Task-Type") != "image_generation":
            return answer(404, {})
        self.polled.set()
        if task.scenario is SCENARIOS["slow"] and self._holds(task):
            self.silent.set()
        else:
            task.polls += 1
        step = min(max(task.polls, 1), len(task.scenario.polls))
        return await self._answer(request, task, task.scenario.polls[step - 1])

    async def picture(self, request: web.Request) -> web.Response:
        """The storage host: no token is needed, and none has business here."""
        download = await received(request)
        self.downloads.append(download)
        if "Authorization" in download.headers:
            self.leaks.append(download)
            return web.Response(status=403, text="<Error><Code>InvalidAuthorization</Code></Error>")
        task = self._files.get(request.match_info["name"])
        if task is None or self.expired:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        tries = sum(each.target == download.target for each in self.downloads)
        match task.scenario.twist:
            case Twist.DOWNLOAD_FAILS_ONCE if tries == 1:
                return web.Response(status=503)
            case Twist.DOWNLOAD_IS_HTML:
                return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
            case Twist.DOWNLOAD_IS_LARGE:
                return web.Response(body=pictures.large_jpeg(), content_type="image/jpeg")
            case Twist.DOWNLOAD_IS_GONE:
                return web.Response(status=404)
        return web.Response(body=pictures.png(task.number, task.size), content_type="image/png")

    # What becomes of a request.

    def accepts_key(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    def _holds(self, task: Task) -> bool:
        """Tell whether a slow task goes on."""
        long_enough = self.silence_s is not None and now() - task.begun_at >= self.silence_s
        return not (long_enough or self.go_on.is_set())

    async def _take_in(
        self, request: web.Request, asked: Mapping[str, object], scenario: Scenario
    ) -> web.StreamResponse:
        prompt = str(asked["prompt"])
        said: Answer | None = scenario.submitted
        if scenario.once and prompt in self._met:
            said = None
        self._met.add(prompt)
        if isinstance(said, Refusal):
            return answer(said.status, {**said.body, "request_id": request_id()}, said.headers)
        self.drawn += 1
        self.charges[prompt] += 1
        width, _, height = str(asked.get("size", DEFAULT_SIZE)).partition("x")
        task = Task(self.drawn, new_id(self.drawn, scenario.id_form), scenario, (int(width), int(height)), now())
        self._tasks[str(task.id)] = task
        if said is not None:
            return await self._answer(request, task, said)
        return answer(200, {"task_id": task.id, "request_id": request_id()})

    async def _answer(self, request: web.Request, task: Task, said: Answer) -> web.StreamResponse:
        match said:
            case Refusal(status, body, headers):
                return answer(status, {**body, "request_id": request_id()}, headers)
            case Standing(word, place, more):
                return answer(200, {**self._standing(task, word, place), **more, "request_id": request_id()})
            case Trouble.HTML:
                return web.Response(text="<html><h1>Sign in</h1></html>", content_type="text/html")
            case Trouble.SILENT:
                await self.hold()
            case Trouble.DROPPED:
                pass
        return hung_up(request)

    def _standing(self, task: Task, word: str, place: str) -> dict[str, object]:
        named: dict[str, object] = {"task_id": task.id, "task_status": word} if word else {}
        match place:
            case "output_images":
                return {**named, "output_images": [self._url(task)]}
            case "images":
                return {**named, "images": [{"url": self._url(task)}]}
            case _:
                return {**named, "output_images": []} if word == "PROCESSING" else named

    def _url(self, task: Task) -> str:
        """Its name is the hash of something, its host another."""
        name = f"{hashlib.md5(str(task.id).encode(), usedforsecurity=False).hexdigest()}.png"
        self._files[name] = task
        return f"{self.pictures_url}/img/{name}"


def chosen(prompt: str) -> Scenario:
    """The scenario that a word in brackets names."""
    named = (SCENARIOS.get(word) for word in re.findall(r"\[([a-z0-9-]+)\]", prompt))
    return next(filter(None, named), SCENARIOS["ok"])


def objection(asked: Mapping[str, object]) -> str:
    """Return the objection to a submission; empty for a good one."""
    model, prompt = str(asked.get("model", "")), str(asked.get("prompt", ""))
    if not model or not prompt or len(prompt) >= 2000:
        return "model and a prompt of less than 2000 characters are required"
    _, least, most = next(row for row in SIZES if row[0] in model)
    sides = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", str(asked.get("size", f"{least}x{least}")))
    if sides is None or not all(least <= int(side) <= most for side in sides.groups()):
        return f"size of {model} must be WxH with sides from {least} to {most}"
    given = asked.get("image_url", [])
    urls = given if isinstance(given, list) else [given]
    if ("Edit" in model or "Kontext" in model) and not urls:
        return NOT_ASYNC
    readable = all(str(url).startswith(("http://", "https://")) or data_of(url) for url in urls)
    return "" if readable else f"image_url of {model} cannot be read"


def now() -> float:
    return asyncio.get_running_loop().time()


def new_id(number: int, form: TaskId) -> str | int:
    match form:
        case TaskId.DECIMAL:
            return str(FIRST_TASK + number)
        case TaskId.NUMBER:
            return FIRST_TASK + number
        case TaskId.UUID:
            return str(uuid.UUID(int=number, version=4))
        case TaskId.WITH_SLASH:
            return f"a/b?{number}"


def request_id() -> str:
    return str(uuid.uuid4())


def errors(message: str) -> dict[str, object]:
    return {"errors": {"message": message}, "request_id": request_id()}


def answer(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON, with the rate headers that every answer has."""
    rates = {
        "modelscope-ratelimit-requests-limit": "2000",
        "modelscope-ratelimit-requests-remaining": "1999",
        "modelscope-ratelimit-model-requests-limit": "500",
        "modelscope-ratelimit-model-requests-remaining": "499",
        "X-Request-Id": request_id(),
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=rates | dict(headers or {}))


def application(emulator: ModelScope) -> web.Application:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/images/generations", emulator.submit)
    app.router.add_get("/v1/tasks/{id}", emulator.poll)
    app.router.add_get("/v1/models", emulator.models)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


def picture_host(emulator: ModelScope) -> web.Application:
    app = web.Application()
    app.router.add_get("/img/{name}", emulator.picture)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[ModelScope]:
    """One emulator with its picture host, until the block ends."""
    emulator = ModelScope()
    async with serving(application(emulator), port) as url, serving(picture_host(emulator)) as pictures_url:
        emulator.url, emulator.pictures_url = url, pictures_url
        yield emulator


if __name__ == "__main__":
    words = {name: scenario.about for name, scenario in SCENARIOS.items()}
    by_hand.main("API-Inference of ModelScope", running, 8010, "MODELSCOPE", words)
