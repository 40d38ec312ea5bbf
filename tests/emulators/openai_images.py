"""An OpenAI Images API on loopback: real HTTP, invented pictures, nothing to pay.

The prompt chooses what happens, by a scenario's name in brackets (`a lighthouse [drop-after-partial]`); `SCENARIOS`
lists them. Requests are kept in `requests` and `downloads`, and each generation that costs something in
`charges`. By hand: `python -m tests.emulators.openai_images --port 8001 --silence 90`.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.emulators import by_hand, pictures
from tests.emulators.emulated import Emulated, hung_up
from tests.emulators.loopback import serving
from tests.emulators.openai_images_rules import Asked, asked, error, pixels, refusal

KEY: Final = "sk-emulator-0123456789"
EPOCH: Final = 1795000000
LARGEST_BODY: Final = 64 * 1024 * 1024
USAGE: Final = {"total_tokens": 1070, "input_tokens": 14, "output_tokens": 1056}

SCENARIOS: Final[Mapping[str, str]] = {
    "final-first": "the picture comes before any partial one",
    "drop-after-partial": "the connection breaks after a partial picture",
    "end-after-partial": "the stream ends well after a partial picture",
    "error-mid-stream": "an error event after a partial picture",
    "error-key-mid-stream": "the same without the event's name and type",
    "done-added": "[DONE] at the end, as relays add",
    "no-event-line": "`type` in the data only",
    "event-line-only": "`type` in the event line only",
    "json-for-stream": "one JSON body though a stream was asked for",
    "url-in-completed": "a URL instead of base64 in the last event",
    "url": "URLs instead of base64",
    "data-uri": "a data URI as URL",
    "data-uri-b64": "base64 with a prefix, and a null URL",
    "empty-b64": "an empty b64_json beside a URL",
    "nothing-in-b64": "an empty b64_json and nothing else",
    "empty-data": "an empty list",
    "one-lost": "two pictures, one of which cannot be downloaded",
    "moderation": "refused by the content policy",
    "moderation-words": "the same, only in the words",
    "verification": "the organization is not verified",
    "rate": "too many requests, try again after 7 seconds",
    "quota": "nothing left to pay with",
    "billing": "the hard limit is reached",
    "server-error-once": "a failure, then a picture",
    "gateway-timeout": "a proxy's page, 524",
    "no-quality": "a relay that does not know `quality`",
    "no-transparency": "an account for which the model draws no transparent background",
    "no-stream": "a relay that does not stream",
    "message-only": "code and msg inside HTTP 200",
    "slow": "silence until `go_on` or for the set seconds, then a picture",
    "submit-dropped": "accepted, but the connection breaks before any answer",
    "submit-dropped-once": "the same, the first time",
    "relay-breaks": "drawn and charged, but the relay cannot read the answer and says 500",
    "truncated": "half a JSON body",
    "html": "a login page",
}


@dataclass(eq=False)
class OpenAiImages(Emulated):
    """One running emulator. An accepted request is charged, even if the client leaves."""

    key: str = KEY

    requests: list[Asked] = field(default_factory=list)
    downloads: list[str | None] = field(default_factory=list)
    """The `Authorization` of each download."""
    drawn: int = 0
    """Pictures made."""

    def draw(self, request: Asked) -> bytes:
        self.drawn += 1
        if request.parameters.get("output_format") == "jpeg":
            return pictures.jpeg(self.drawn, pixels(request))
        return pictures.png(self.drawn, pixels(request))

    async def images(self, request: web.Request) -> web.StreamResponse:
        incoming = await asked(request)
        self.requests.append(incoming)
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return answer(401, error("Incorrect API key provided: sk-wrong.", None, "invalid_api_key"))
        refused = _relay_refuses(incoming) or refusal(incoming)
        if refused is not None:
            return answer(*refused)
        scenario = chosen(incoming)
        failed = self._failure(scenario)
        if failed is not None:
            return failed
        self.charges[incoming.prompt] += 1
        if scenario == "submit-dropped" or (scenario == "submit-dropped-once" and self.charges[incoming.prompt] == 1):
            return hung_up(request)
        if scenario == "relay-breaks":
            return answer(500, failing(LITELLM, "500", "internal_server_error"))
        if scenario == "slow":
            await self.hold()
        streams = incoming.streams and scenario not in {"json-for-stream", *WHOLE}
        return await self._stream(request, incoming, scenario) if streams else self._whole(incoming, scenario)

    def _failure(self, scenario: str) -> web.Response | None:
        if scenario == "server-error-once" and len(self.requests) > 1:
            return None
        if scenario in PAGES:
            status, page = PAGES[scenario]
            return web.Response(status=status, text=page, content_type="text/html")
        if scenario not in FAILURES:
            return None
        status, body, headers = FAILURES[scenario]
        return answer(status, body, headers)

    def _whole(self, incoming: Asked, scenario: str) -> web.Response:
        drawings = [self.draw(incoming) for _ in range(max(incoming.count, 2 if scenario == "one-lost" else 1))]
        data = [self._entry(incoming, scenario, number, drawing) for number, drawing in enumerate(drawings)]
        body = {"created": EPOCH, "data": [] if scenario == "empty-data" else data} | (
            {"background": "opaque", "size": "1024x1024", "usage": USAGE} if incoming.is_gpt else {}
        )
        text = json.dumps(body)
        return web.Response(text=text[: len(text) // 2 if scenario == "truncated" else None], content_type=JSON)

    def _entry(self, incoming: Asked, scenario: str, number: int, drawing: bytes) -> dict[str, object]:
        digits = base64.b64encode(drawing).decode()
        url = f"{self.url}/files/{self.drawn - number}.png?sig=a%2Bb"
        by_url = not incoming.is_gpt and incoming.parameters.get("response_format", "url") == "url"
        match scenario:
            case "url-in-completed" | "url":
                return {"url": url}
            case "one-lost":
                return {"url": url} if number else {"url": f"{self.url}/files/gone.png"}
            case "data-uri":
                return {"url": f"data:image/png;base64,{digits}"}
            case "data-uri-b64":
                return {"url": None, "b64_json": f"data:image/png;base64,{digits}"}
            case "empty-b64":
                return {"b64_json": "", "url": url}
            case "nothing-in-b64":
                return {"b64_json": ""}
            case _:
                return {"url": url, "revised_prompt": incoming.prompt} if by_url else {"b64_json": digits}

    async def _stream(self, request: web.Request, incoming: Asked, scenario: str) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        drawing = self.draw(incoming)
        prefix = "image_edit" if "edits" in incoming.path else "image_generation"
        completed = self._entry(incoming, scenario, 0, drawing) | {
            "size": "1024x1024",
            "created_at": EPOCH,
            "usage": USAGE,
        }
        partials = 0 if scenario == "final-first" else incoming.partials
        for number in range(partials):
            digits = base64.b64encode(pictures.png(1000 + number, (64, 64))).decode()
            fields = {"b64_json": digits, "partial_image_index": number}
            await self._send(response, scenario, f"{prefix}.partial_image", fields)
            if scenario == "drop-after-partial":
                hung_up(request)
                return response
            if scenario == "end-after-partial":
                return response
            if scenario in {"error-mid-stream", "error-key-mid-stream"}:
                failure = {"code": "moderation_blocked", "type": "image_generation_user_error", "message": BLOCKED}
                body = {"error": failure} if "key" in scenario else {"type": "error", "error": failure}
                await response.write(f"event: error\ndata: {json.dumps(body)}\n\n".encode())
                return response
        await self._send(response, scenario, f"{prefix}.completed", completed)
        if scenario == "done-added":
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _send(self, response: web.StreamResponse, scenario: str, name: str, fields: dict[str, object]) -> None:
        line = "" if scenario == "no-event-line" else f"event: {name}\n"
        body = fields if scenario == "event-line-only" else {"type": name, **fields}
        await response.write(f"{line}data: {json.dumps(body)}\n\n".encode())

    async def file(self, request: web.Request) -> web.Response:
        self.downloads.append(request.headers.get("Authorization"))
        found = re.fullmatch(r"([0-9]+)\.png", request.match_info["name"])
        if found is None or self.expired:
            return web.Response(status=404)
        return web.Response(body=pictures.png(int(found[1])), content_type="image/png")

    async def models(self, _: web.Request) -> web.Response:
        ids = (
            "gpt-image-1-mini",
            "gpt-image-1.5",
            "gpt-image-2",
            "gpt-image-2.6-flare",
            "chatgpt-image-latest",
            "gpt-9",
        )
        data = [{"id": each, "object": "model", "created": EPOCH, "owned_by": "system"} for each in ids]
        return answer(200, {"object": "list", "data": data})


JSON: Final = "application/json"
BLOCKED: Final = "Your request was rejected by the safety system. safety_violations=[violence]."
LITELLM: Final = (
    "litellm.APIConnectionError: APIConnectionError: OpenAIException - 'str' object has no attribute 'model_dump'"
)
NO_QUOTA: Final = "You exceeded your current quota, please check your plan and billing details."
WHOLE: Final = frozenset({"empty-data", "one-lost", "truncated"})
"""Scenarios that are about a body in one piece."""

PAGES: Final[Mapping[str, tuple[int, str]]] = {
    "gateway-timeout": (524, "<!DOCTYPE html><title>524: A timeout occurred</title>"),
    "html": (200, "<!DOCTYPE html><title>Sign in</title>"),
}


def failing(message: str, code: str, type_: str = "invalid_request_error") -> dict[str, object]:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


FAILURES: Final[Mapping[str, tuple[int, dict[str, object], dict[str, str]]]] = {
    "moderation": (400, failing(BLOCKED, "moderation_blocked", "image_generation_user_error"), {}),
    "moderation-words": (400, {"error": {"message": BLOCKED}}, {}),
    "verification": (403, error("Your organization must be verified to use the model `gpt-image-1.5`."), {}),
    "rate": (429, failing("Rate limit reached", "rate_limit_exceeded", "images"), {"Retry-After": "7"}),
    "quota": (429, failing(NO_QUOTA, "insufficient_quota", "insufficient_quota"), {}),
    "billing": (400, failing("Billing hard limit has been reached.", "billing_hard_limit_reached"), {}),
    "server-error-once": (500, failing("The server had an error.", "server_error", "server_error"), {}),
    "message-only": (200, {"code": 500, "msg": "draw failed"}, {}),
}


def _relay_refuses(incoming: Asked) -> tuple[int, dict[str, object]] | None:
    match chosen(incoming):
        case "no-quality" if "quality" in incoming.parameters:
            return 400, error("Unknown parameter: 'quality'.", "quality", "unknown_parameter")
        case "no-transparency" if incoming.parameters.get("background") == "transparent":
            words = "Transparent background is not supported for this model."
            return 400, error(words, "background", "invalid_value")
        case "no-stream" if "stream" in incoming.parameters:
            return 400, {"error": {"message": "Unrecognized request argument supplied: stream", "code": None}}
        case _:
            return None


def chosen(incoming: Asked) -> str:
    words = re.findall(r"\[([a-z0-9-]+)\]", incoming.prompt)
    return next((word for word in words if word in SCENARIOS), "")


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type=JSON, headers=headers)


def application(emulator: OpenAiImages) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_post("/v1/images/generations", emulator.images)
    app.router.add_post("/v1/images/edits", emulator.images)
    app.router.add_get("/v1/models", emulator.models)
    app.router.add_get("/files/{name}", emulator.file)
    app.router.add_get("/_charges", emulator.list_charges)
    return app


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[OpenAiImages]:
    """One emulator, until the block ends."""
    emulator = OpenAiImages()
    async with serving(application(emulator), port) as url:
        emulator.url = url
        yield emulator


if __name__ == "__main__":
    by_hand.main("An OpenAI Images API", running, 8001, "OPENAI", SCENARIOS)
