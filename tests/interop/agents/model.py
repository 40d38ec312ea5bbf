"""A language model that draws: an emulated model service, behind the agents.

It speaks OpenAI's chat completions, streamed or not, and Gemini's generateContent. Whatever it is asked, it calls
`generate`, then `history`, then says that it is done. It keeps what it was shown.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.emulators.loopback import serving

PROMPT: Final = "a red fox"
CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (("generate", {"prompt": PROMPT}), ("history", {}))
DONE: Final = "It is drawn."
BASE64: Final = re.compile(r"[A-Za-z0-9+/]{2000}")
"""No text that a model reads has a word so long, but for a picture."""

Json = dict[str, Any]


@dataclass
class ModelService:
    """One running model. `tools` are the names it was told of, `results` what the tools gave it, one for each call."""

    url: str = ""
    tools: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    pictures: int = 0
    base64: bool = False
    """True once a text held a picture, in the result of a tool or beside it."""

    def take(self, tools: list[str], results: list[object], everything: object) -> tuple[str, Json] | None:
        """Note one request; return the name and the arguments of the call to make, None when all were made."""
        self.tools = tools or self.tools
        self.results = ["\n".join(texts(each)) for each in results]
        self.pictures = max(self.pictures, sum(1 for _ in images(everything)))
        self.base64 = self.base64 or any(BASE64.search(text) for text in texts(everything))
        if len(results) >= len(CALLS):
            return None
        wanted, arguments = CALLS[len(results)]
        return min((name for name in self.tools if name.endswith(wanted)), key=len), arguments

    def verdicts(self) -> Iterator[tuple[str, str]]:
        """Steps and what is wrong with each, "" where it is right."""
        listed = [wanted for wanted, _ in CALLS if any(name.endswith(wanted) for name in self.tools)]
        yield "list tools", "" if len(listed) == len(CALLS) else f"the model was told of {self.tools}"
        for number, (name, _) in enumerate(CALLS):
            result = self.results[number] if number < len(self.results) else ""
            yield name, "" if "history_id" in result else f"the model read {result[:200]!r}"
        yield "picture", "a text holds a picture as base64" if self.base64 else ""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat completion."""
        body = await request.json()
        tools = [each["function"]["name"] for each in body.get("tools", [])]
        results = [each["content"] for each in body["messages"] if each["role"] == "tool"]
        call = self.take(tools, results, body["messages"])
        message: Json = {"role": "assistant", "content": None if call else DONE}
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            message["tool_calls"] = [
                {"index": 0, "id": f"call_{len(results)}", "type": "function", "function": function}
            ]
        ending = {"index": 0, "finish_reason": "tool_calls" if call else "stop"}
        shell = {"id": "x", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            whole = {"object": "chat.completion", "choices": [{**ending, "message": message}], "usage": usage}
            return web.json_response(shell | whole)
        chunk = {"object": "chat.completion.chunk", "choices": [{**ending, "delta": message}]}
        events = f"data: {json.dumps(shell | chunk)}\n\ndata: [DONE]\n\n"
        return web.Response(text=events, content_type="text/event-stream")

    async def generate_content(self, request: web.Request) -> web.Response:
        """Answer Gemini's generateContent."""
        body = await request.json()
        tools = [each["name"] for group in body.get("tools", []) for each in group.get("functionDeclarations", [])]
        parts = [part for content in body["contents"] for part in content["parts"]]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        call = self.take(tools, results, parts)
        part: Json = {"functionCall": {"name": call[0], "args": call[1]}} if call else {"text": DONE}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        return web.json_response({"candidates": [candidate]})


def images(value: object) -> Iterator[object]:
    """The parts of a message that a model sees as pictures."""
    match value:
        case {"type": "image_url" | "input_image"} | {"inlineData": _}:
            yield value
        case dict():
            for each in value.values():
                yield from images(each)
        case list():
            for each in value:
                yield from images(each)


def texts(value: object) -> Iterator[str]:
    """The parts of a message that a model reads."""
    match value:
        case str():
            yield value
        case {"type": "image_url" | "input_image"} | {"inlineData": _}:
            pass
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)


@asynccontextmanager
async def model_service() -> AsyncIterator[ModelService]:
    """Run a model on a free port of loopback."""
    model = ModelService()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", model.complete)
    app.router.add_post("/{version:v1.*}/models/{model:.*}:generateContent", model.generate_content)
    async with serving(app) as url:
        model.url = url
        yield model
