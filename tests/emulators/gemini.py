"""Google's Gemini API on loopback: real HTTP, invented pictures, nothing to pay.

The prompt chooses what happens, by a scenario's name in brackets (`a lighthouse [image-safety]`); `SCENARIOS` lists
them. Requests are kept in `requests`, and each generation that costs something in `charges`. By hand:
`python -m tests.emulators.gemini --port 8003 --silence 90`.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.emulators import by_hand, pictures
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.gemini_rules import (
    IMAGE_MODELS,
    OTHER_MODELS,
    RPC,
    Asked,
    camel,
    error,
    key_refusal,
    pixels,
    refusal,
)
from tests.emulators.loopback import serving

KEY: Final = "AIzaSyEmulator0123456789abcdefghijklmnop"
LARGEST_BODY: Final = 105 * 1024 * 1024
DRAFT_SIZE: Final = (64, 64)
DRAFTS: Final = 5000
"""Numbers of the colours of drafts begin here."""

SIGNATURE: Final = base64.b64encode(bytes(range(256)) * 24).decode()
"""`thoughtSignature`: opaque, and as long as a small picture."""

SCENARIOS: Final[Mapping[str, str]] = {
    "list": "a stream that is one JSON list, as without alt=sse",
    "json-for-stream": "one JSON body though a stream was asked for",
    "no-stream": "a relay without the streaming route",
    "no-thinking": "a relay whose model refuses to think",
    "snake": "names of fields as Protocol Buffers have them",
    "two": "two pictures",
    "file": "the picture as a file on the same origin, for which the key is needed",
    "thoughts-only": "the picture among the thoughts alone",
    "words": "words in place of a picture",
    "words-after-draft": "a draft, then words in place of a picture",
    "empty": "STOP, and nothing else",
    "blocked": "the prompt is blocked as prohibited",
    "blocked-other": "the prompt is blocked for no named reason",
    "safety": "stopped as unsafe",
    "image-safety": "a draft, then the picture is held back as unsafe",
    "prohibited": "the picture is held back as prohibited",
    "recitation": "the picture is held back as a copy",
    "no-image": "the model drew nothing",
    "image-other": "stopped for no named reason",
    "max-tokens": "stopped at the most tokens",
    "rate": "too many requests a minute, try again after 7 seconds",
    "rate-once": "the same for a moment, the first time",
    "quota": "too many requests today",
    "no-free-tier": "a model without a free tier",
    "exhausted": "429 without a reason",
    "overloaded": "the model is overloaded",
    "overloaded-once": "the same, the first time",
    "internal": "an internal error",
    "deadline": "an internal deadline is over",
    "leaked": "the key was found in public",
    "country": "not from this country",
    "bad-picture": "a reference cannot be read",
    "error-mid-stream": "an error event after a draft",
    "drop-mid-stream": "the connection breaks after a draft",
    "end-mid-stream": "the stream ends after a draft",
    "submit-dropped": "accepted, but the connection breaks before any answer",
    "submit-dropped-once": "the same, the first time",
    "refused-once": "the prompt is blocked the first time that it comes",
    "echo": "words with the key that was sent, in a thought and in place of the picture",
    "slow": "silence until `go_on` or for the set seconds, then a picture",
    "truncated": "half a JSON body",
    "html": "a login page",
}


@dataclass(eq=False)
class Gemini(Emulated):
    """One running emulator. An accepted request is charged, even if the client leaves."""

    key: str = KEY
    requests: list[Asked] = field(default_factory=list)
    downloads: list[str | None] = field(default_factory=list)
    """The key of each download."""
    drawn: int = 0
    """Pictures made."""
    page: int = 1000
    """Models of one page, at most."""

    async def generate(self, request: web.Request) -> web.StreamResponse:
        problem = key_refusal(_key(request), self.key)
        if problem is not None:
            return answer(*problem)
        try:
            body = camel(json.loads(await request.read()))
        except ValueError:
            return answer(*error(400, "Invalid JSON payload received. Unexpected token.", "INVALID_ARGUMENT"))
        model, method = request.match_info["model"], request.match_info["method"]
        asked = Asked(model=model, method=method, query=dict(request.query), headers=request.headers.copy(), body=body)
        self.requests.append(asked)
        scenario = chosen(asked)
        problem = _relay_refuses(asked, scenario) or refusal(asked) or self._failure(scenario)
        if problem is not None:
            return answer(*problem)
        if self.refuses(asked.prompt):
            return answer(200, {"promptFeedback": {"blockReason": "SAFETY"}, **_usage(0, 0), **ABOUT})
        if scenario not in FREE_OF_CHARGE:
            self.charges[asked.prompt] += 1
        if scenario == "submit-dropped" or (scenario == "submit-dropped-once" and self.charges[asked.prompt] == 1):
            return hung_up(request)
        if scenario == "html":
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        if scenario == "slow":
            await self.hold()
        return await self._answer(request, asked, scenario)

    def _failure(self, scenario: str) -> tuple[int, dict[str, Any]] | None:
        if scenario.endswith("-once") and len(self.requests) > 1:
            return None
        return FAILURES.get(scenario)

    async def _answer(self, request: web.Request, asked: Asked, scenario: str) -> web.StreamResponse:
        chunks = self._chunks(asked, scenario)
        if scenario == "snake":
            chunks = [_snake(chunk) for chunk in chunks]
        if asked.method == "generateContent" or scenario == "json-for-stream":
            text = json.dumps(_joined(chunks))
            return web.Response(text=text[: len(text) // 2 if scenario == "truncated" else None], content_type=JSON)
        if request.query.get("alt") != "sse" or scenario == "list":
            return web.Response(text="[" + ",\r\n".join(json.dumps(each) for each in chunks) + "]", content_type=JSON)
        return await self._stream(request, chunks, scenario)

    async def _stream(
        self, request: web.Request, chunks: Sequence[dict[str, Any]], scenario: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Disposition": "attachment"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        for chunk in chunks:
            last = "'thought': True" not in str(chunk)  # what follows the thoughts
            if last and scenario == "error-mid-stream":
                chunk = FAILURES["overloaded"][1]  # noqa: PLW2901 - in place of what would come
            if last and scenario == "drop-mid-stream":
                hung_up(request)
                return response
            if last and scenario == "end-mid-stream":
                return response
            data = json.dumps(chunk)
            if last and scenario == "truncated":
                data = data[: len(data) // 2]
            await response.write(f"data: {data}\r\n\r\n".encode())
            if last and scenario in CUT:
                break
        return response

    def _chunks(self, asked: Asked, scenario: str) -> list[dict[str, Any]]:
        """The parts of the answer as they are streamed: thoughts, the picture, the end with the tokens."""
        if scenario in BLOCKS:
            return [{"promptFeedback": {"blockReason": BLOCKS[scenario]}, **_usage(0, 0), **ABOUT}]
        thoughts = self._thoughts(asked, scenario) if asked.thoughts and scenario != "empty" else []
        parts = self._parts(asked, scenario, thoughts)
        finish, words = FINISHES.get(scenario, ("STOP", ""))
        end = {"finishReason": finish, "index": 0} | ({"finishMessage": words} if words else {})
        usage = _usage(1120 * len(parts), 240 if thoughts else 0)
        chunks = [{"candidates": [_candidate([part])], **_usage(0, 0), **ABOUT} for part in (*thoughts, *parts)]
        return [*chunks, {"candidates": [end], **usage, **ABOUT}]

    def _thoughts(self, asked: Asked, scenario: str) -> list[dict[str, Any]]:
        about = f"your key {self.key}" if scenario == "echo" else "the light"
        thought = {"text": f"**Weighing {about}**\n\nI look at {asked.prompt[:40]}, and begin.", "thought": True}
        draft = self._picture(pictures.png(DRAFTS + self.drawn, DRAFT_SIZE))
        whole = [self._picture(self.draw(asked))] if scenario == "thoughts-only" else []
        return [thought, *({**each, "thought": True} for each in (draft, *whole))]

    def _parts(self, asked: Asked, scenario: str, thoughts: Sequence[object]) -> list[dict[str, Any]]:
        if scenario in {*FINISHES, "empty"} or (scenario == "thoughts-only" and thoughts):
            return []
        if scenario.startswith("words"):
            return [{"text": WORDS}]
        if scenario == "echo":
            return [{"text": f"With {self.key} I draw nothing."}]
        drawings = [self.draw(asked) for _ in range(2 if scenario == "two" else 1)]
        if scenario == "file":
            uri = f"{self.url}/v1beta/files/{self.drawn}:download?alt=media"
            return [{"fileData": {"mimeType": "image/png", "fileUri": uri}}]
        found = [{**self._picture(drawing), "thoughtSignature": SIGNATURE} for drawing in drawings]
        return [{"text": "Here is your picture. "}, *found] if scenario == "two" else found

    def _picture(self, drawing: bytes) -> dict[str, Any]:
        return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(drawing).decode()}}

    def draw(self, asked: Asked) -> bytes:
        self.drawn += 1
        return pictures.png(self.drawn, pixels(asked))

    async def file(self, request: web.Request) -> web.Response:
        self.downloads.append(_key(request) or None)
        problem = key_refusal(_key(request), self.key)
        if problem is not None or self.expired:
            return answer(*(problem or error(404, "File not found", "NOT_FOUND")))
        return web.Response(body=pictures.png(int(request.match_info["number"])), content_type="image/png")

    async def models(self, request: web.Request) -> web.Response:
        problem = key_refusal(_key(request), self.key)
        if problem is not None:
            return answer(*problem)
        size = min(int(request.query.get("pageSize", "50")), self.page)
        at = int(request.query.get("pageToken", "0"))
        drawing = dict.fromkeys(IMAGE_MODELS, ("generateContent", "countTokens", "batchGenerateContent"))
        models = [_listed(name, methods) for name, methods in (drawing | dict(OTHER_MODELS)).items()]
        token = {"nextPageToken": str(at + size)} if at + size < len(models) else {}
        return answer(200, {"models": models[at : at + size]} | token)

    async def model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in IMAGE_MODELS:
            return answer(*error(404, f"Model is not found: models/{name} for api version v1beta", "NOT_FOUND"))
        return answer(200, _listed(name, ("generateContent", "countTokens")))


JSON: Final = "application/json"
VERSIONS: Final = ("v1beta", "v1")
"""The second is that of google-genai since 3."""

CUT: Final = frozenset({"error-mid-stream", "truncated"})
"""Scenarios in which nothing follows the first chunk after the thoughts."""

ABOUT: Final = {"modelVersion": "gemini-3.1-flash-image", "responseId": "emulated-1"}
WORDS: Final = "I cannot draw that person. I can describe a lighthouse instead, see https://support.google.com/gemini."
BLOCKS: Final[Mapping[str, str]] = {"blocked": "PROHIBITED_CONTENT", "blocked-other": "OTHER"}
HELD_BACK: Final = (
    "Unable to show the generated image. The image was filtered out because it violated Google's Generative AI "
    "Prohibited Use policy. You will not be charged for blocked images."
)
FINISHES: Final[Mapping[str, tuple[str, str]]] = {
    "safety": ("SAFETY", ""),
    "image-safety": ("IMAGE_SAFETY", HELD_BACK),
    "prohibited": ("IMAGE_PROHIBITED_CONTENT", HELD_BACK),
    "recitation": ("IMAGE_RECITATION", ""),
    "no-image": ("NO_IMAGE", "Unable to show the generated image. Please try rephrasing your prompt."),
    "image-other": ("IMAGE_OTHER", ""),
    "max-tokens": ("MAX_TOKENS", ""),
}
FREE_OF_CHARGE: Final = frozenset({*BLOCKS, "safety", "image-safety", "prohibited", "recitation"})
"""Pictures that are held back are not charged, as `HELD_BACK` says."""

EXCEEDED: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: "
    "https://ai.dev/usage?tab=rate-limit. \n* Quota exceeded for metric: generativelanguage.googleapis.com/{metric}, "
    "limit: {limit}, model: gemini-3.1-flash-image\nPlease retry in {seconds}.074824224s."
)


def exceeded(quota: str, metric: str, limit: int, seconds: int) -> tuple[int, dict[str, Any]]:
    violation = {
        "quotaMetric": f"generativelanguage.googleapis.com/{metric}",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": "gemini-3.1-flash-image"},
        "quotaValue": str(limit),
    }
    return error(
        429,
        EXCEEDED.format(metric=metric, limit=limit, seconds=seconds),
        "RESOURCE_EXHAUSTED",
        {"@type": f"{RPC}Help", "links": [{"description": "Learn more", "url": "https://ai.google.dev/limits"}]},
        {"@type": f"{RPC}QuotaFailure", "violations": [violation]},
        {"@type": f"{RPC}RetryInfo", "retryDelay": f"{seconds}s"},
    )


PAID: Final = "generate_content_paid_tier_requests"
FREE: Final = "generate_content_free_tier_requests"
LEAKED: Final = "Your API key was reported as leaked. Please use another API key."
OVERLOADED: Final = "The model is overloaded. Please try again later."
INTERNAL: Final = "An internal error has occurred. Please retry or report in https://developers.generativeai.google/"
COUNTRY: Final = "User location is not supported for the API use."
DEADLINE: Final = "Deadline expired before operation could complete."
BAD_PICTURE: Final = "Unable to process input image. Please retry or report in https://developers.generativeai.google/"
FAILURES: Final[Mapping[str, tuple[int, dict[str, Any]]]] = {
    "rate": exceeded("GenerateRequestsPerMinutePerProjectPerModel", PAID, 10, 7),
    "rate-once": exceeded("GenerateRequestsPerMinutePerProjectPerModel", PAID, 10, 0),
    "quota": exceeded("GenerateRequestsPerDayPerProjectPerModel", PAID, 250, 31),
    "no-free-tier": exceeded("GenerateRequestsPerDayPerProjectPerModel-FreeTier", FREE, 0, 34),
    "exhausted": error(429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"),
    "overloaded": error(503, OVERLOADED, "UNAVAILABLE"),
    "overloaded-once": error(503, OVERLOADED, "UNAVAILABLE"),
    "internal": error(500, INTERNAL, "INTERNAL"),
    "deadline": error(504, DEADLINE, "DEADLINE_EXCEEDED"),
    "leaked": error(403, LEAKED, "PERMISSION_DENIED"),
    "country": error(400, COUNTRY, "FAILED_PRECONDITION"),
    "bad-picture": error(400, BAD_PICTURE, "INVALID_ARGUMENT"),
}


def _relay_refuses(asked: Asked, scenario: str) -> tuple[int, dict[str, Any]] | None:
    if scenario == "no-stream" and asked.method != "generateContent":
        return 404, {"detail": "Not Found"}
    if scenario == "no-thinking" and "thinkingConfig" in asked.config:
        return error(400, "Thinking is not enabled for this model", "INVALID_ARGUMENT")
    return None


def _key(request: web.Request) -> str:
    return request.headers.get("x-goog-api-key") or request.query.get("key", "")


def _candidate(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": 0}


def _usage(output: int, thoughts: int) -> dict[str, Any]:
    counts = {"promptTokenCount": 12, "totalTokenCount": 12 + output + thoughts}
    drawn = {"candidatesTokenCount": output} if output else {}
    return {"usageMetadata": counts | drawn | ({"thoughtsTokenCount": thoughts} if thoughts else {})}


def _joined(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    if "candidates" not in chunks[-1]:
        return chunks[-1]
    candidates = [candidate for chunk in chunks for candidate in chunk["candidates"]]
    parts = [part for each in candidates for part in each.get("content", {}).get("parts", [])]
    content = {"content": {"parts": parts, "role": "model"}} if parts else {}
    return {**chunks[-1], "candidates": [content | candidates[-1]]}


def _snake(value: object) -> Any:
    match value:
        case {**fields}:
            names = {name: re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", str(name)) for name in fields}
            return {names[name] if name in BLOBS else name: _snake(inner) for name, inner in fields.items()}
        case [*items]:
            return [_snake(item) for item in items]
        case _:
            return value


BLOBS: Final = frozenset({"inlineData", "mimeType"})
"""Fields that relays name as Protocol Buffers do."""


def _listed(name: str, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "description": name,
        "inputTokenLimit": 65536,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": list(methods),
    }


def chosen(asked: Asked) -> str:
    words = re.findall(r"\[([a-z0-9-]+)\]", asked.prompt)
    return next((word for word in words if word in SCENARIOS), "")


def answer(status: int, body: object) -> web.Response:
    return web.Response(status=status, text=json.dumps(body, indent=2), content_type=JSON)


def application(emulator: Gemini) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    method = "{method:(?:stream)?[gG]enerateContent}"
    for version in VERSIONS:
        app.router.add_post(f"/{version}/models/{{model:[^:/]+}}:{method}", emulator.generate)
        app.router.add_get(f"/{version}/models", emulator.models)
        app.router.add_get(f"/{version}/models/{{model}}", emulator.model)
        app.router.add_get(f"/{version}/files/{{number:[0-9]+}}:download", emulator.file)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Gemini]:
    """One emulator, until the block ends."""
    emulator = Gemini()
    async with serving(application(emulator), port) as url:
        emulator.url = url
        yield emulator


if __name__ == "__main__":
    by_hand.main("Google's Gemini API", running, 8003, "GEMINI", SCENARIOS)
