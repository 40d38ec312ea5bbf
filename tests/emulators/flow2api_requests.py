"""Requests to the Flow2API emulator, and the refusals of Flow2API's web framework."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.emulators.flow2api_scenarios import SCENARIOS, TMP, Scenario

ACCEPTED_URIS: Final = ("data:image/", "http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came in; `target` is its path and query, byte for byte."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def json(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


async def received(request: web.Request) -> Received:
    return Received(
        method=request.method, target=request.raw_path, headers=request.headers.copy(), body=await request.read()
    )


def chosen(asked: dict[str, object]) -> Scenario | None:
    """The scenario that the model id or a word in brackets in the last message names."""
    by_model = SCENARIOS.get(str(asked["model"]))
    named = (SCENARIOS.get(word) for word in re.findall(r"\[([a-z0-9-]+)\]", prompt(asked)))
    return by_model or next(filter(None, named), None)


def prompt(asked: dict[str, object]) -> str:
    """Spec Flow2API, routes.py: only the last message counts, its text parts are joined."""
    match asked.get("messages"):
        case [*_, {"content": str(text)}]:
            return text
        case [*_, {"content": [*parts]}]:
            return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
        case _:
            return ""


def references(asked: dict[str, object]) -> Iterator[object]:
    """Return the URLs of the `image_url` parts of the last message."""
    match asked.get("messages"):
        case [*_, {"content": [*parts]}]:
            yield from (part["image_url"] for part in parts if isinstance(part, dict) and "image_url" in part)


def data_of(uri: object) -> tuple[str, bytes] | None:
    """Media type and bytes of a data URI; None for what is none."""
    found = re.fullmatch(r"data:(image/[a-z]+);base64,(.*)", str(uri))
    try:
        return (found[1], base64.b64decode(found[2], validate=True)) if found else None
    except ValueError:
        return None


def refusal(incoming: Received) -> web.Response | None:
    """Spec Flow2API, routes.py, and FastAPI: what the web framework answers before anything is generated."""
    asked = incoming.json
    if not isinstance(asked.get("model"), str):
        return answer(422, {"detail": [missing("model", asked)]})
    match asked.get("messages"):
        case [*_, {"content": None}]:
            return answer(422, {"detail": [missing("messages", asked)]})
        case None | []:
            return answer(400, {"detail": "Messages or contents cannot be empty"})
    for reference in references(asked):
        match reference:
            case {"url": str(url)} if not url:
                return answer(400, {"detail": "Image URI cannot be empty"})
            case {"url": str(url)} if not url.startswith(ACCEPTED_URIS) and TMP not in url:
                return answer(400, {"detail": f"Unsupported image URI: {url}"})
            case {"url": str(url)} if url.startswith("data:") and data_of(url) is None:
                return answer(400, {"detail": "Invalid data URL"})
            case str():
                return answer(500, {"detail": "'str' object has no attribute 'get'"})
    return None if prompt(asked).strip() else answer(400, {"detail": "Prompt cannot be empty"})


def missing(name: str, asked: object) -> dict[str, object]:
    """FastAPI echoes the whole request."""
    return {"type": "missing", "loc": ["body", name], "msg": "Field required", "input": asked}


def answer(status: int, body: object) -> web.Response:
    """A body as the framework writes it: no spaces, raw UTF-8."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "application/json"})


def bad_key() -> web.Response:
    return answer(401, {"detail": "Invalid API key"})
