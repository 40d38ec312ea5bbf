"""A Flow2API server on loopback: real HTTP, invented pictures, no Google.

It does what the source says (TheSmallHanCat/flow2api @1930087) and what the recordings show.

The prompt chooses what happens, by a scenario's name in brackets (`a lighthouse [error-policy]`), and so does a model
id that is a scenario's name; `SCENARIOS` lists them. Everything that comes in is kept in `requests`, `downloads` and
`leaks`, and each generation that costs something in `charges`. By hand:
`python -m tests.emulators.flow2api --port 8000 --silence 90`.

Not emulated: Gemini's own routes, the administration, and the download of references that are given as URLs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.emulators import by_hand
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.flow2api_models import CURRENT, Catalog, alias_list, model_list, pixels, resolved
from tests.emulators.flow2api_requests import Received, answer, bad_key, chosen, prompt, received, references, refusal
from tests.emulators.flow2api_scenarios import SCENARIOS, TMP, UNKNOWN_MODEL, Drawing, Failure, Scenario, Twist
from tests.emulators.loopback import serving

KEY: Final = "han-emulator-key"
EPOCH: Final = 1795000000
LARGEST_BODY: Final = 64 * 1024 * 1024


@dataclass(eq=False)
class Flow2Api(Emulated):
    """One running emulator. A picture is charged when it is drawn, which it is not for a client that has left."""

    key: str = KEY
    pictures_url: str = ""

    catalog: Catalog = CURRENT
    """The models that it has; another one makes it another version."""
    lists: bool | None = True
    """The lists of models answer; False: with 500, None: never."""
    listed: int = 0
    """Number of requests for `/v1/models`."""

    requests: list[Received] = field(default_factory=list)
    """All generations that were asked for, with a good key and body or not."""
    downloads: list[Received] = field(default_factory=list)
    """All pictures that were asked for, here and on the picture host."""
    leaks: list[Received] = field(default_factory=list)
    """Downloads from the picture host that brought a key, or a signature that had been decoded. To be empty."""
    drawn: int = 0
    """Pictures made."""

    _tmp: dict[str, Drawing] = field(default_factory=dict)
    _signed: dict[str, Drawing] = field(default_factory=dict)
    _chunks: int = 0

    # What a scenario may do with a drawing.

    def store(self, drawing: Drawing, name: str) -> str:
        """Put a drawing into the cache folder, and return its path."""
        self._tmp[TMP + name] = drawing
        return TMP + name

    def sign(self, drawing: Drawing) -> str:
        """Put a drawing on the picture host under a signed URL without an extension."""
        target = (
            f"/image/11111111-2222-4333-8444-{drawing.number:012d}"
            f"?Expires=1795021600&KeyName=demo-key&Signature=a%2Bb%2F{drawing.number}%3D"
        )
        self._signed[target] = drawing
        return self.pictures_url + target

    # Routes.

    async def models(self, request: web.Request) -> web.Response:
        self.listed += 1
        if self.lists is None:
            await self.go_on.wait()
        if not self.lists:
            return answer(500, {"detail": "database is locked"})
        return answer(200, model_list(self.catalog)) if self.accepts_key(request) else bad_key()

    async def aliases(self, request: web.Request) -> web.Response:
        if not self.catalog.generic:
            return answer(404, {"detail": "Not Found"})
        return answer(200, alias_list(self.catalog)) if self.accepts_key(request) else bad_key()

    async def health(self, _: web.Request) -> web.Response:
        return answer(200, {"backend_running": True, "has_active_tokens": True, "total_tokens": 1, "active_tokens": 1})

    async def stored(self, request: web.Request) -> web.StreamResponse:
        """Spec Flow2API, main.py: a static folder, no key needed."""
        self.downloads.append(await received(request))
        drawing = self._tmp.get(request.path)
        if drawing is None or self.expired:
            return answer(404, {"detail": "Not Found"})
        return await self._deliver(request, drawing)

    async def signed(self, request: web.Request) -> web.StreamResponse:
        """The picture host: the signature is in the query, byte for byte, and a key has no business here."""
        download = await received(request)
        self.downloads.append(download)
        drawing = self._signed.get(download.target)
        if "Authorization" in download.headers or drawing is None:
            self.leaks.append(download)
            return web.Response(status=403, text="<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>")
        if self.expired:
            return web.Response(status=400, text="<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>")
        return await self._deliver(request, drawing)

    async def _deliver(self, request: web.Request, drawing: Drawing) -> web.StreamResponse:
        tries = sum(download.target == request.raw_path for download in self.downloads)
        if drawing.twist is Twist.DOWNLOAD_FAILS_ONCE and tries == 1:
            return web.Response(status=503, text="try again")
        if drawing.twist is Twist.DOWNLOAD_IS_HTML:
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        if request.path.endswith(".jpg"):
            return web.Response(body=drawing.jpeg(), content_type="image/jpeg")
        return web.Response(body=drawing.png(), content_type="image/png")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        incoming = await received(request)
        self.requests.append(incoming)
        if not self.accepts_key(request):
            return bad_key()
        wrong = refusal(incoming)
        if wrong is not None:
            return wrong
        asked = incoming.json
        scenario = SCENARIOS["error-policy"] if self.refuses(prompt(asked)) else chosen(asked)
        known = resolved(str(asked["model"]), asked, self.catalog)
        model = known or ("gemini-3.1-flash-image-landscape" if scenario else None)
        if model is None:
            scenario, model = UNKNOWN_MODEL, str(asked["model"])
        scenario = scenario or SCENARIOS["ok-2k-cache" if model.endswith(("-2k", "-4k")) else "ok-1k-google-url"]
        return await self._generate(request, Generation(self, scenario, model, asked))

    async def _generate(self, request: web.Request, generation: "Generation") -> web.StreamResponse:
        if generation.breaks_at_once():
            return hung_up(request)
        if generation.scenario.twist is Twist.HTML_502:
            return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        if generation.asked.get("stream") and generation.scenario.twist is not Twist.JSON_FOR_STREAM:
            return await self._stream(request, generation)
        result = generation.result()
        if isinstance(result, Failure):
            return answer(result.status, result.body())
        return answer(200, self.envelope({"message": {"role": "assistant", "content": result}}, stream=False))

    async def _stream(self, request: web.Request, generation: "Generation") -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        await response.prepare(request)
        twist = generation.scenario.twist
        try:
            for position, line in enumerate(generation.lines()):
                delta = {"reasoning_content": line + "\n"}
                await self._send(response, {"role": "assistant"} | delta if position == 0 else delta)
            if twist is Twist.SILENT:
                await self.hold()
            if twist is Twist.DROPPED:
                generation.charge()
                hung_up(request)
                return response
            await self._finish(response, generation)
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise
        return response

    async def _finish(self, response: web.StreamResponse, generation: "Generation") -> None:
        result = generation.result()
        if isinstance(result, Failure):
            await write_event(response, result.body())
        else:
            await self._send(response, {"content": result}, finish="stop")
        if generation.scenario.twist is not Twist.NEVER_DONE:
            await response.write(b"data: [DONE]\n\n")

    async def _send(self, response: web.StreamResponse, delta: dict[str, str], finish: str | None = None) -> None:
        await write_event(response, self.envelope({"delta": delta}, stream=True, finish=finish))

    def envelope(self, said: dict[str, object], *, stream: bool, finish: str | None = "stop") -> dict[str, object]:
        """Spec Flow2API, generation_handler.py: the model is a constant, id and time are new in each chunk."""
        self._chunks += 1
        kind = "chat.completion.chunk" if stream else "chat.completion"
        at = EPOCH + self._chunks
        choice = {"index": 0, **said, "finish_reason": finish}
        return {"id": f"chatcmpl-{at}", "object": kind, "created": at, "model": "flow2api", "choices": [choice]}

    def accepts_key(self, request: web.Request) -> bool:
        """Spec Flow2API, auth.py: the first that is present decides."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return (bearer or request.headers.get("x-goog-api-key") or request.query.get("key")) == self.key


@dataclass
class Generation:
    """One accepted request and what becomes of it."""

    emulator: Flow2Api
    scenario: Scenario
    model: str
    asked: dict[str, object]

    def lines(self) -> Iterator[str]:
        """The progress texts, with those on references in the place of the one without."""
        if isinstance(self.scenario.outcome, Failure) and self.scenario.outcome.at_once:
            return
        count = sum(1 for _ in references(self.asked))
        for line in self.scenario.lines:
            if not count or "正在进行打码验证并提交" not in line:
                yield line.replace("{size}", self.model[-2:].upper()).replace("{model}", self.model)
                continue
            yield f"上传 {count} 张参考图片..."
            yield from (f"已上传第 {number}/{count} 张图片" for number in range(1, count + 1))
            yield "参考图片上传完成，正在进行打码验证..."

    def charge(self) -> None:
        self.emulator.charges[prompt(self.asked)] += 1

    def breaks_at_once(self) -> bool:
        """Tell whether no answer comes although the picture was drawn: always, or for the first with its prompt."""
        twist = self.scenario.twist
        first = not self.emulator.charges[prompt(self.asked)]
        breaks = twist is Twist.NO_ANSWER or (twist is Twist.NO_ANSWER_ONCE and first)
        if breaks:
            self.charge()
        return breaks

    def result(self) -> str | Failure:
        """The content, or how it failed. Only here is a picture made."""
        match self.scenario.outcome:
            case Failure() as failure:
                return failure.about(self.model)
            case picture:
                self.emulator.drawn += 1
                self.charge()
                drawing = Drawing(self.emulator.drawn, self.scenario.twist, pixels(self.model))
                return picture(self.emulator, drawing)


async def write_event(response: web.StreamResponse, body: object) -> None:
    """An event as the handler writes it: spaces after separators, raw UTF-8."""
    await response.write(f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode())


@web.middleware
async def not_found(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths answer as FastAPI does."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return answer(404, {"detail": "Not Found"})


def application(emulator: Flow2Api) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[not_found])
    app.router.add_post("/v1/chat/completions", emulator.chat)
    app.router.add_get("/v1/models", emulator.models)
    app.router.add_get("/v1/models/aliases", emulator.aliases)
    app.router.add_get(TMP + "{name}", emulator.stored)
    app.router.add_get("/health", emulator.health)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


def picture_host(emulator: Flow2Api) -> web.Application:
    app = web.Application()
    app.router.add_get("/image/{name}", emulator.signed)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Flow2Api]:
    """One emulator with its picture host, until the block ends."""
    emulator = Flow2Api()
    async with serving(application(emulator), port) as url, serving(picture_host(emulator)) as pictures_url:
        emulator.url, emulator.pictures_url = url, pictures_url
        yield emulator


if __name__ == "__main__":
    words = {name: scenario.about for name, scenario in SCENARIOS.items()}
    by_hand.main("A Flow2API server", running, 8000, "FLOW2API", words)
