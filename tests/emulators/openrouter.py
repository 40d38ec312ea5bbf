"""OpenRouter on loopback: real HTTP, invented pictures, nothing to pay.

The Image API and the chat route, as openrouter.ai/docs and its SDK have them. The prompt chooses what happens, by a
scenario's name in brackets. By hand: `python -m tests.emulators.openrouter --port 8004`.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.emulators import by_hand, pictures
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.loopback import serving

KEY: Final = "sk-or-v1-emulator-0123456789"
EPOCH: Final = 1795000000
LARGEST_BODY: Final = 64 * 1024 * 1024
JSON: Final = "application/json"
WHOLE: Final = frozenset({"not-streaming", "truncated", "fewer"})
"""Scenarios that are about a body in one piece."""
WORDS: Final = frozenset({"words", "echo"})
COST: Final = 0.039

IMAGE_MODELS: Final = ("google/gemini-3.1-flash-image", "openai/gpt-image-2", "bytedance-seed/seedream-4.5")
STREAMING: Final = frozenset({"openai/gpt-image-2"})
"""Models whose maker streams; the Image API answers for all others with one body."""
SEVERAL: Final = frozenset({"openai/gpt-image-2", "bytedance-seed/seedream-4.5"})
"""Models that draw several pictures for one request; the others refuse it."""
CHAT_MODELS: Final = ("acme/painter-that-chats",)
"""Models of the chat route alone."""
WRITERS: Final = ("acme/writer",)
"""Models that draw nothing."""

FIELDS: Final = frozenset({
    "model", "prompt", "n", "stream", "aspect_ratio", "resolution", "size", "quality", "background", "output_format",
    "output_compression", "seed", "input_references", "provider", "user", "session_id", "trace",
})  # fmt: skip
RATIO: Final = re.compile(r"[0-9.]{1,4}:[0-9.]{1,4}|auto")
RESOLUTIONS: Final = frozenset({"512", "768", "1K", "1.5K", "2K", "4K"})

SCENARIOS: Final[Mapping[str, str]] = {
    "moderation": "refused by a moderation, with its reasons in `metadata`",
    "credits": "no credits left",
    "rate": "too many requests, try again after 7 seconds",
    "no-provider": "no maker has room",
    "error-in-200": "the error comes inside HTTP 200, with a number as its code",
    "error-mid-stream": "the same as an event of a stream",
    "not-streaming": "one body though a stream was asked for",
    "maker-error": "the maker refused it, and says why in `metadata`",
    "overloaded": "the maker is overloaded, 529",
    "timeout": "it took too long, 408",
    "fewer": "one picture fewer than was asked for",
    "drop-mid-stream": "the connection breaks after the first event of a stream",
    "end-mid-stream": "the stream ends well after its first event",
    "truncated": "half a JSON body",
    "no-usage": "the answer does not tell the cost",
    "nonsense-usage": "its usage is nonsense",
    "words": "words in place of a picture",
    "echo": "the same with the key that was sent",
    "rate-once": "too many requests for a moment, the first time",
    "refused-once": "refused by a moderation the first time that it comes",
    "submit-dropped-once": "the connection breaks before any answer, the first time",
    "submit-dropped": "accepted, but the connection breaks before any answer",
    "slow": "comments until `go_on` or for the set seconds, then a picture",
}


@dataclass
class Asked:
    """One request: its path, its headers and its body."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        if self.path.endswith("/images"):
            return str(self.body.get("prompt", ""))
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else str(content[0]["text"])

    @property
    def streams(self) -> bool:
        by_chat = not self.path.endswith("/images")
        can = (by_chat or self.body["model"] in STREAMING) and self.scenario not in WHOLE
        return can and self.body.get("stream") is True

    @property
    def count(self) -> int:
        return int(self.body.get("n", 1)) - (self.scenario == "fewer")

    @property
    def scenario(self) -> str:
        words = re.findall(r"\[([a-z0-9-]+)\]", self.prompt)
        return next((word for word in words if word in SCENARIOS), "")


@dataclass(eq=False)
class OpenRouter(Emulated):
    """One running emulator."""

    key: str = KEY
    requests: list[Asked] = field(default_factory=list)
    drawn: int = 0

    def draw(self) -> str:
        """Return the next picture, as base64."""
        self.drawn += 1
        return base64.b64encode(pictures.png(self.drawn, (64, 64))).decode()

    async def images(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.path, request.headers.copy(), await request.json())
        self.requests.append(asked)
        if (refused := self._refusal(asked, IMAGE_MODELS) or _form_refusal(asked.body)) is not None:
            return refused
        return await self._answer(request, asked, self._completed, self._whole_images)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.path, request.headers.copy(), await request.json())
        self.requests.append(asked)
        if (refused := self._refusal(asked, (*IMAGE_MODELS, *CHAT_MODELS))) is not None:
            return refused
        if "image" not in asked.body.get("modalities", []):
            return _whole({"choices": [{"message": {"role": "assistant", "content": "I only write."}}]})
        return await self._answer(request, asked, self._chunks, self._whole_chat)

    def is_first(self, asked: Asked) -> bool:
        return self.charges[asked.prompt] == 1

    def _refusal(self, asked: Asked, models: tuple[str, ...]) -> web.Response | None:
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return failure(401, "User not found.")
        model = asked.body.get("model")
        if model not in {*IMAGE_MODELS, *CHAT_MODELS, *WRITERS}:
            return failure(400, f"{model} is not a valid model ID")
        if model not in models:
            return failure(404, f"No endpoints found for {model}.")
        if asked.scenario == "rate-once":
            before = [each for each in self.requests[:-1] if each.prompt == asked.prompt]
            return None if before else failure(429, "Rate limit exceeded", {"Retry-After": "0"})
        return FAILURES[asked.scenario]() if asked.scenario in FAILURES else None

    async def _answer(self, request: web.Request, asked: Asked, events: Any, whole: Any) -> web.StreamResponse:
        if self.refuses(asked.prompt):
            return FAILURES["moderation"]()
        self.charges[asked.prompt] += asked.count if asked.path.endswith("/images") else 1
        if asked.scenario == "submit-dropped" or (asked.scenario == "submit-dropped-once" and self.is_first(asked)):
            return hung_up(request)
        if asked.scenario == "error-in-200":
            return _whole(error(502, "The provider returned an error."))
        if not asked.streams:
            if asked.scenario == "slow":
                await self.hold()
            text = json.dumps(whole(asked))
            return web.Response(
                text=text[: len(text) // 2 if asked.scenario == "truncated" else None], content_type=JSON
            )
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        await response.write(b": OPENROUTER PROCESSING\n\n")
        if asked.scenario == "slow":
            await self.hold()
        sent = events(asked)
        match asked.scenario:
            case "error-mid-stream":
                sent = [*sent[:1], failed(asked)]
            case "drop-mid-stream" | "end-mid-stream":
                sent = sent[:1]
        for event in sent:
            name = f"event: {event['type']}\n" if "type" in event else ""
            await response.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        if asked.scenario == "drop-mid-stream":
            hung_up(request)
        elif asked.scenario != "end-mid-stream":
            await response.write(b"data: [DONE]\n\n")
        return response

    def _completed(self, asked: Asked) -> list[dict[str, Any]]:
        """Return the events of the Image API."""
        partial = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": self._thumbnail()}
        done = {"type": "image_generation.completed", "created": EPOCH, "media_type": "image/png", **usage(asked)}
        return [partial, done | ({} if asked.scenario in WORDS else {"b64_json": self.draw()})]

    def _whole_images(self, asked: Asked) -> dict[str, Any]:
        data = [{"b64_json": self.draw(), "media_type": "image/png"} for _ in range(asked.count)]
        return {"created": EPOCH, "data": [] if asked.scenario in WORDS else data, **usage(asked)}

    def _chunks(self, asked: Asked) -> list[dict[str, Any]]:
        """Return the chunks of the chat route."""
        shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.draw()}"}, "index": 0}
        images = {} if asked.scenario in WORDS else {"images": [shown]}
        return [
            chunk({"role": "assistant", "content": "", "reasoning": "Thinking of the light."}),
            chunk({"role": "assistant", "content": self._words(asked), **images}),
            chunk({"role": "assistant", "content": ""}, "stop"),
            HEAD | {"choices": [], **usage(asked)},
        ]

    def _whole_chat(self, asked: Asked) -> dict[str, Any]:
        shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.draw()}"}}
        message = {"role": "assistant", "content": "Here it is.", "images": [shown]}
        if asked.scenario in WORDS:
            message = {"role": "assistant", "content": self._words(asked)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        head = {"id": "gen-1", "object": "chat.completion", "created": EPOCH, "model": asked.body["model"]}
        return {**head, "system_fingerprint": None, "choices": [choice], **usage(asked)}

    def _words(self, asked: Asked) -> str:
        return f"With {self.key} I draw nothing." if asked.scenario == "echo" else "Here it is."

    def _thumbnail(self) -> str:
        return base64.b64encode(pictures.png(1000, (8, 8))).decode()

    async def models(self, request: web.Request) -> web.Response:
        wanted = request.query.get("output_modalities", "text")
        ids = (*IMAGE_MODELS, *CHAT_MODELS) if wanted == "image" else WRITERS
        entries = [listed(id_, wanted) for id_ in ids]
        return _whole({"data": entries, "links": {"next": None}, "total_count": len(entries)})

    async def image_models(self, _: web.Request) -> web.Response:
        return _whole({"data": [drawer(id_) for id_ in IMAGE_MODELS]})

    async def key_facts(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return failure(401, "Missing Authentication header")
        return _whole({"data": {"label": "sk-or-v1-emu...789", "usage": 1.5, "limit": None, "is_free_tier": False}})


def listed(id_: str, modality: str) -> dict[str, Any]:
    """Return the entry of a model, with the fields that the SDK wants."""
    return {
        "id": id_,
        "canonical_slug": id_,
        "name": id_,
        "created": EPOCH,
        "description": "",
        "context_length": 32768,
        "architecture": {
            "modality": f"text+image->{modality}",
            "input_modalities": ["text", "image"],
            "output_modalities": [modality],
        },
        "pricing": {"prompt": "0.0000003", "completion": "0.0000025"},
        "top_provider": {"is_moderated": False},
        "supported_parameters": [],
        "supported_voices": None,
        "default_parameters": None,
        "per_request_limits": None,
        "links": {"details": f"/api/v1/models/{id_}/endpoints"},
    }


def drawer(id_: str) -> dict[str, Any]:
    """Return the entry of a model in the list of the Image API."""
    takes: dict[str, Any] = {"aspect_ratio": {"type": "enum", "values": ["1:1", "16:9"]}, "seed": {"type": "boolean"}}
    return {
        "id": id_,
        "name": id_,
        "created": EPOCH,
        "description": "",
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]},
        "supported_parameters": takes | ({"n": {"type": "range", "min": 1, "max": 10}} if id_ in SEVERAL else {}),
        "supports_streaming": id_ in STREAMING,
        "endpoints": f"/api/v1/images/models/{id_}/endpoints",
    }


def usage(asked: Asked) -> dict[str, Any]:
    match asked.scenario:
        case "no-usage":
            return {}
        case "nonsense-usage":
            return {"usage": {"cost": -3, "prompt_tokens": "many", "completion_tokens": None}}
        case _:
            return {"usage": {"prompt_tokens": 11, "completion_tokens": 1290, "total_tokens": 1301, "cost": COST}}


HEAD: Final = {"id": "gen-1", "object": "chat.completion.chunk", "created": EPOCH, "model": "m", "provider": "Acme"}


def failed(asked: Asked) -> dict[str, Any]:
    """Return the event of a stream that failed: of the Image API, or of the chat route."""
    if asked.path.endswith("/images"):
        return {"type": "error", "error": {"code": "server_error", "message": "It broke.", "param": None, "type": None}}
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    return HEAD | {"choices": [choice], **error(502, "It broke.", error_type="provider_unavailable")}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": finish}
    return HEAD | {"choices": [choice]}


def error(code: int, message: str, **metadata: object) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}}


def failure(code: int, message: str, headers: Mapping[str, str] | None = None, **metadata: object) -> web.Response:
    return web.json_response(error(code, message, **metadata), status=code, headers=headers)


MAKERS: Final = '{"error": {"code": 400, "message": "Your request was rejected by the safety system"}}'

FAILURES: Final[Mapping[str, Callable[[], web.Response]]] = {
    "maker-error": lambda: failure(400, "Provider returned error", raw=MAKERS, provider_name="Acme"),
    "overloaded": lambda: failure(529, "Provider is overloaded"),
    "timeout": lambda: failure(408, "Request timed out"),
    "moderation": lambda: failure(
        403, "Input was flagged", reasons=["violence"], flagged_input="a boat", provider_name="Acme"
    ),
    "credits": lambda: failure(402, "Insufficient credits. Add more using the credits page."),
    "rate": lambda: failure(429, "Rate limit exceeded", {"Retry-After": "7"}),
    "no-provider": lambda: failure(503, "No instances available", provider_name="Acme"),
}


def _form_refusal(body: Mapping[str, Any]) -> web.Response | None:
    """Refuse a request of the Image API that is against its form."""
    unknown = sorted(body.keys() - FIELDS)
    references = body.get("input_references", [])
    if unknown:
        return failure(400, f"Unrecognized key: {unknown[0]}")
    if not RATIO.fullmatch(str(body.get("aspect_ratio", "auto"))):
        return failure(400, "Invalid aspect_ratio")
    if body.get("resolution", "1K") not in RESOLUTIONS:
        return failure(400, "Invalid resolution")
    if not body.get("prompt"):
        return failure(400, "Invalid input: prompt")
    if int(body.get("n", 1)) not in range(1, 11 if body["model"] in SEVERAL else 2):
        return failure(400, "n is out of range for this model")
    if body.get("background") == "transparent" and body.get("output_format", "png") not in {"png", "webp"}:
        return failure(400, "A transparent background needs png or webp")
    if "x" in str(body.get("size", "")) and not body.keys().isdisjoint({"resolution", "aspect_ratio"}):
        return failure(400, "size conflicts with resolution and aspect_ratio")
    if not all(set(each) == {"type", "image_url"} and set(each["image_url"]) == {"url"} for each in references):
        return failure(400, "Invalid input_references")
    return None


def _whole(body: dict[str, Any]) -> web.Response:
    return web.json_response(body)


def application(emulator: OpenRouter) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_post("/api/v1/images", emulator.images)
    app.router.add_post("/api/v1/chat/completions", emulator.chat)
    app.router.add_get("/api/v1/models", emulator.models)
    app.router.add_get("/api/v1/images/models", emulator.image_models)
    app.router.add_get("/api/v1/key", emulator.key_facts)
    app.router.add_get("/api/v1/_charges", emulator.list_charges)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[OpenRouter]:
    """One emulator, until the block ends."""
    emulator = OpenRouter()
    async with serving(application(emulator), port) as url:
        emulator.url = f"{url}/api/v1"
        yield emulator


if __name__ == "__main__":
    by_hand.main("OpenRouter", running, 8004, "OPENROUTER", SCENARIOS)
