"""An image service that takes its time at each step, so that a kill meets every one of them: real HTTP on loopback.

One word of the prompt says how its picture comes: `[inline]` in the answer, `[links]` as two URLs, `[task]` by a task
of ModelScope's API. `told` holds the prompts whose whole answer (bytes, URLs, or task id) has left for the client.
"""

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

from aiohttp import web

from service.bounds.limits import LIMITS
from tests.emulators import pictures
from tests.emulators.loopback import serving

KEY = "sk-slow-0123456789"
PIECES = 8
"""Parts in which a picture is sent."""


@dataclass(eq=False)
class SlowPictures:
    """One running emulator. Each accepted prompt is charged once for each time that it is sent."""

    draw_s: float
    download_s: float
    url: str = ""
    charges: Counter[str] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)
    downloading: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first download."""

    small: bool = False
    """Pictures of kilobytes, for a test of many."""

    prompts: list[str] = field(default_factory=list)
    """The prompt of each charge. Pictures and tasks are named after its place here, counted from 1."""

    looks: dict[str, list[float]] = field(default_factory=dict)
    """By task: when it was given, and each time that it was asked about, in seconds since the epoch."""

    async def draw(self, request: web.Request) -> web.StreamResponse:
        """Both `images/generations`: a task where ModelScope's header asks for one."""
        prompt = str((await request.json())["prompt"])
        self.charges[prompt] += 1
        self.prompts.append(prompt)
        number = len(self.prompts)
        if "X-ModelScope-Async-Mode" in request.headers:
            self.looks[str(number)] = [time.time()]
            return await self._answer(request, prompt, {"task_id": str(number)})
        await asyncio.sleep(self.draw_s)
        if "[links]" in prompt:
            data = [{"url": f"{self.url}/files/{number}-{each}.jpeg"} for each in (1, 2)]
        else:
            data = [{"b64_json": base64.b64encode(self.picture(f"{number}-1")).decode()}]
        return await self._answer(request, prompt, {"created": 1, "data": data})

    async def poll(self, request: web.Request) -> web.Response:
        task = request.match_info["id"]
        if task not in self.looks:  # the service asks once for a task that nobody has, to try its key
            return web.json_response({"errors": {"message": "task not found"}}, status=404)
        self.looks[task].append(time.time())
        if self.looks[task][-1] - self.looks[task][0] < self.draw_s:
            return web.json_response({"task_id": task, "task_status": "PROCESSING"})
        links = [f"{self.url}/files/{task}-1.jpeg"]
        return web.json_response({"task_id": task, "task_status": "SUCCEED", "output_images": links})

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.downloading.set()
        return await self._dripped(request, self.picture(request.match_info["name"].partition(".")[0]))

    def picture(self, name: str) -> bytes:
        """Bytes that differ for each name, and are whole for a decoder."""
        return (_small() if self.small else pictures.large_jpeg()) + name.encode()

    def drawn(self, prompt: str) -> set[bytes]:
        """All pictures that were drawn for a prompt."""
        numbers = [number for number, each in enumerate(self.prompts, 1) if each == prompt]
        return {self.picture(f"{number}-{place}") for number in numbers for place in (1, 2)}

    async def _dripped(self, request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(len(data))})
        await response.prepare(request)
        step = len(data) // PIECES + 1
        for start in range(0, len(data), step):
            await response.write(data[start : start + step])
            await asyncio.sleep(self.download_s / PIECES)
        return response

    async def _answer(self, request: web.Request, prompt: str, body: dict[str, object]) -> web.StreamResponse:
        data = json.dumps(body).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data)
        await response.write_eof()
        self.told.add(prompt)
        return response

    def settings(self) -> dict[str, str]:
        """The settings of a service that draws here, by both APIs, without limits."""
        return {
            "OPENAI_BASE_URL": self.url,
            "OPENAI_API_KEY": KEY,
            "MODELSCOPE_BASE_URL": self.url,
            "MODELSCOPE_API_KEY": KEY,
            "EASEL_MODELSCOPE_POLL_S": "0.1",
            **{limit.setting: "0" if limit.overall is None else "0/0" for limit in LIMITS},
        }


@cache
def _small() -> bytes:
    return pictures.jpeg(1, (256, 256))


@asynccontextmanager
async def running(draw_s: float, download_s: float, *, small: bool = False) -> AsyncIterator[SlowPictures]:
    emulator = SlowPictures(draw_s=draw_s, download_s=download_s, small=small)
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/images/generations", emulator.draw)
    app.router.add_get("/v1/tasks/{id}", emulator.poll)
    app.router.add_get("/files/{name}", emulator.file)
    async with serving(app) as url:
        emulator.url = url
        yield emulator
