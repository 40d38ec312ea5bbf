"""A gateway that gives pictures as chat completions, on loopback: real HTTP, invented pictures, every known oddity.

The prompt chooses what happens, by a scenario's name in brackets (`a lighthouse [f5]`), and `[json]` beside it asks for
one body instead of a stream; `SCENARIOS` lists them. Everything that comes in is kept in `requests` and `downloads`. By
hand: `python -m tests.emulators.chat --port 8002`.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.emulators import by_hand, pictures
from tests.emulators.chat_scenarios import SCENARIOS, Json, Said, Scenario, Wire
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.flow2api_requests import Received, prompt, received
from tests.emulators.loopback import serving

KEY: Final = "sk-or-emulator-0123456789"
EPOCH: Final = 1795000000
LARGEST_BODY: Final = 64 * 1024 * 1024
DRAFT: Final = 1000
"""The number of a picture that is never the result."""

ENDLESS_PIECE: Final = b"A" * 1024 * 1024
ENDLESS_PIECES: Final = 120
OPEN_ENDED: Final = frozenset({Wire.STAYS_OPEN, Wire.HANGS, Wire.TRICKLES})
ONE_BODY: Final = frozenset({Wire.JSON, Wire.JSON_AS_STREAM, Wire.PRETTY, Wire.HALF_A_BODY})


@dataclass(eq=False)
class Chat(Emulated):
    """One running emulator. A generation is charged if a picture is made. None is slow: some never end."""

    key: str = KEY
    trickle_s: float = 0.01

    requests: list[Received] = field(default_factory=list)
    downloads: list[Received] = field(default_factory=list)
    drawn: int = 0
    """Pictures made."""

    # What a scenario may do with a new picture.

    def url_of_new(self) -> str:
        self.drawn += 1
        return f"{self.url}/files/{self.drawn}.png?sig=a%2Bb%3D"

    def digits(self) -> str:
        self.drawn += 1
        return base64.b64encode(pictures.png(self.drawn, (64, 64))).decode()

    # Routes.

    async def completions(self, request: web.Request) -> web.StreamResponse:
        incoming = await received(request)
        self.requests.append(incoming)
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            error = {"message": "No auth credentials found", "code": 401}
            return web.json_response({"error": error}, status=401)
        words = re.findall(r"\[([a-z0-9-]+)\]", prompt(incoming.json))
        scenario = next((SCENARIOS[word] for word in words if word in SCENARIOS), SCENARIOS["f5"])
        if self.refuses(prompt(incoming.json)):
            scenario = SCENARIOS["refusal-field"]
        before = self.drawn
        said = scenario.say(Pad(self))
        if self.drawn > before:
            self.charges[prompt(incoming.json)] += 1
        if scenario.wire is Wire.NO_ANSWER:
            return hung_up(request)
        if said.page:
            return web.Response(status=said.status, text=said.page, content_type="text/html")
        if said.status != 200:
            return web.json_response(said.body, status=said.status, headers=said.headers)
        if "json" in words or scenario.wire in ONE_BODY or not incoming.json.get("stream"):
            return whole(said, scenario.wire)
        return await self._stream(request, said, scenario)

    async def _stream(self, request: web.Request, said: Said, scenario: Scenario) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        try:
            await self._send(response, b"".join(framed(chunks(said, scenario.wire), scenario.wire)), scenario.wire)
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise
        if scenario.wire in {Wire.DROPPED_AFTER, Wire.DROPPED_WITHIN}:
            hung_up(request)
        return response

    async def _send(self, response: web.StreamResponse, stream: bytes, wire: Wire) -> None:
        match wire:
            case Wire.BYTE_BY_BYTE:
                for at in range(len(stream)):
                    await response.write(stream[at : at + 1])
            case Wire.DROPPED_WITHIN:
                await response.write(stream[: len(stream) * 3 // 10])
            case Wire.ENDLESS:
                await response.write(b'data: {"choices":[{"delta":{"content":"![](data:image/png;base64,')
                for _ in range(ENDLESS_PIECES):
                    await response.write(ENDLESS_PIECE)
            case _:
                await response.write(stream)
        if wire in OPEN_ENDED:
            await self._stay(response, wire)

    async def _stay(self, response: web.StreamResponse, wire: Wire) -> None:
        self.silent.set()
        while wire is Wire.TRICKLES:
            await response.write(b" ")
            await asyncio.sleep(self.trickle_s)
        await asyncio.Event().wait()

    async def file(self, request: web.Request) -> web.Response:
        self.downloads.append(await received(request))
        name = request.match_info["name"]
        if name == "page":
            return web.Response(text="<!DOCTYPE html><title>Our rules</title>", content_type="text/html")
        number = re.fullmatch(r"([0-9]+)\.png", name)
        if number is None or self.expired:
            return web.Response(status=403)
        return web.Response(body=pictures.png(int(number[1]), (64, 64)), content_type="image/png")


@dataclass
class Pad:
    """The pictures of a scenario."""

    chat: Chat

    def url(self) -> str:
        return self.chat.url_of_new()

    def lost_url(self) -> str:
        return f"{self.chat.url}/files/gone.png"

    def page_url(self) -> str:
        return f"{self.chat.url}/files/page"

    def digits(self) -> str:
        return self.chat.digits()

    def draft(self) -> str:
        return base64.b64encode(pictures.png(DRAFT, (64, 64))).decode()


def chunks(said: Said, wire: Wire) -> Iterator[Json]:
    """The chunks of a stream: the role, the messages, the end."""
    if said.body is not None:
        yield said.body
        return
    for bare in said.before:
        yield {"id": "gen-1", **bare}
    place = "message" if wire is Wire.WHOLE_MESSAGE else "delta"
    for message in said.messages:
        yield chunk({place: {"role": "assistant", **message}, "finish_reason": None})
    if wire is not Wire.HANGS and wire is not Wire.TRICKLES:
        yield chunk({"delta": {"content": ""}, **said.finish})
    yield {"id": "gen-1", "object": "chat.completion.chunk", "created": EPOCH, "choices": [], "usage": {}}


def chunk(choice: Json) -> Json:
    return {
        "id": "gen-1", "object": "chat.completion.chunk", "created": EPOCH, "choices": [{"index": 0, **choice}],
    }  # fmt: skip


def framed(values: Iterator[Json], wire: Wire) -> Iterator[bytes]:
    """The events of a stream in this manner."""
    if wire is Wire.DONE_FIRST:
        yield b"data: [DONE]\n\n"
        return
    for value in values:
        text = json.dumps(value, ensure_ascii=False, indent=1 if wire is Wire.MANY_DATA_LINES else None)
        event = "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"
        match wire:
            case Wire.COMMENTS:
                event = f": OPENROUTER PROCESSING\n\n{event}"
            case Wire.CRLF:
                event = event.replace("\n", "\r\n")
            case Wire.NO_SPACE:
                event = event.replace("data: ", "data:")
            case Wire.NO_BLANK_LINES:
                event = event.rstrip("\n") + "\n"
        yield event.encode()
    if wire not in {Wire.NO_DONE, *OPEN_ENDED}:
        yield b"data: [DONE]\n\n"


def whole(said: Said, wire: Wire) -> web.Response:
    """The same in one body."""
    body = said.body or {
        "id": "gen-1",
        "object": "chat.completion",
        "choices": [{"message": joined(said), **said.finish}],
    }
    text = json.dumps(body, ensure_ascii=False, indent=2 if wire is Wire.PRETTY else None)
    if wire is Wire.HALF_A_BODY:
        text = text[: len(text) // 2]
    kind = "text/event-stream" if wire in {Wire.JSON_AS_STREAM, Wire.HALF_A_BODY} else "application/json"
    return web.Response(text=text, content_type=kind)


def joined(said: Said) -> Json:
    """Join the messages of a stream: texts and lists one after the other, of each index the last."""
    message: Json = {"role": "assistant"}
    for each in said.messages:
        for name, value in each.items():
            match message.get(name), value:
                case [*before], [*after]:
                    better = [item["index"] for item in after if isinstance(item, dict) and "index" in item]
                    kept = [item for item in before if not isinstance(item, dict) or item.get("index") not in better]
                    message[name] = kept + after
                case str(before), str(after):
                    message[name] = before + after
                case _:
                    message[name] = value
    return message


def application(emulator: Chat) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_post("/v1/chat/completions", emulator.completions)
    app.router.add_get("/files/{name}", emulator.file)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Chat]:
    """One emulator, until the block ends."""
    emulator = Chat()
    async with serving(application(emulator), port) as url:
        emulator.url = url
        yield emulator


if __name__ == "__main__":
    words = {name: scenario.about for name, scenario in SCENARIOS.items()}
    by_hand.main("A chat-completions gateway", running, 8002, "FLOW2API", words)
