"""The clients that the vendors publish, against the emulators of their services.

An emulator that takes what its vendor's client sends, and refuses what that vendor refuses, is one to try Easel on. A
script that ends well may be followed by a look at what came in: Easel has to send the same.
"""

import asyncio
import base64
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from PIL import Image

from service.images import ImageRequest, Reference
from service.settings import Endpoint
from service.upstreams.gemini import GeminiUpstream
from service.upstreams.openai import OpenAiUpstream
from service.upstreams.openrouter import OpenRouterUpstream
from tests.emulators import gateway, gemini, gemini_rules, openai_images, openrouter
from tests.emulators.emulated import Emulated
from tests.emulators.gateway import Gateway
from tests.emulators.gemini import Gemini
from tests.emulators.openai_images import OpenAiImages
from tests.emulators.openai_images_rules import Asked
from tests.emulators.openrouter import OpenRouter
from tests.interop.environments import UnavailableError, node, node_environment, python
from tests.paths import ROOT

HERE: Final = Path(__file__).parent
SIZE: Final = (64, 32)
COMPARED: Final = "[compared]"
"""Marks the request of a script that is compared with ours."""

Line = tuple[str, str, str]
"""Step, outcome, why."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A client in an environment of its own, the emulator it is sent to, and a look at what came in.

    A script of Python has its `packages`, one of Node those of `package.json` here.
    """

    name: str
    script: str
    packages: tuple[str, ...] = ()
    emulator: Callable[[], AbstractAsyncContextManager[Any]]
    compare: Callable[[Any], Awaitable[Sequence[Line]]]


async def check(vendors: Sequence[Vendor]) -> AsyncIterator[tuple[str, Line]]:
    """Yield the lines of each client."""
    for vendor in vendors:
        try:
            command, environment = await _prepared(vendor)
        except UnavailableError as reason:
            yield vendor.name, ("install", "FAIL", str(reason))
            continue
        async with vendor.emulator() as emulator:
            for line in await _lines(command, environment, emulator):
                yield vendor.name, line
            for line in await vendor.compare(emulator):
                yield vendor.name, line


async def _prepared(vendor: Vendor) -> tuple[tuple[str, str], dict[str, str]]:
    """The command that runs a script, and what its environment has to say."""
    script = str(HERE / vendor.script)
    if vendor.script.endswith(".py"):
        return (str(await python(*vendor.packages)), script), {"PYTHONPATH": str(ROOT)}
    packages = await node(HERE)
    return (str(packages / "node_modules" / ".bin" / "node"), script), node_environment(packages)


async def _lines(command: tuple[str, str], environment: dict[str, str], emulator: Emulated) -> list[Line]:
    """Run a script; it finds the emulator in its environment, and prints a line a step."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | environment | {"INTEROP_URL": emulator.url, "INTEROP_KEY": emulator.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    lines = []
    for line in out.decode().splitlines():
        step, outcome, why = (*line.split("\t"), "", "")[:3]
        lines.append((step, outcome, why))
    if process.returncode or not lines:
        lines.append(("end", "FAIL", f"status {process.returncode}: {err.decode()[-300:]}"))
    return lines


async def as_openai_sends_edits(emulator: OpenAiImages) -> list[Line]:
    """Compare the form of the last edit of OpenAI's client with that of Easel: parts, types, and the mask's alpha."""
    theirs = _parts(emulator, next(each for each in emulator.requests if len(each.files) == 2))
    first, mask = (Reference(data=_png(mode), media_type="image/png") for mode in ("RGB", "RGBA"))
    request = ImageRequest(model="gpt-image-1.5", prompt="a red sky", references=(first,), mask=mask)
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=emulator.url, key=emulator.key)
        upstream = OpenAiUpstream(session, endpoint, max_file_bytes=10_000_000, streams=False)
        await upstream.generate(request, _silent)
    ours = _parts(emulator, emulator.requests[-1])
    why = "" if ours == theirs else f"theirs {theirs}, ours {ours}"
    return [("the same form", "ok" if ours == theirs else "FAIL", why)]


async def as_google_asks(emulator: Gemini) -> list[Line]:
    """Compare the request of Google's client for a picture from three others with that of Easel."""
    [theirs] = [each for each in emulator.requests if COMPARED in each.prompt]
    references = tuple(Reference(data=data, media_type=kind) for kind, data in theirs.pictures)
    request = ImageRequest(
        model=f"gemini/{theirs.model}",
        prompt=theirs.prompt,
        references=references,
        aspect_ratio="16:9",
        resolution="2K",
    )
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=emulator.url, key=emulator.key)
        upstream = GeminiUpstream(session, endpoint, max_file_bytes=10_000_000)
        await upstream.generate(request, _silent)
    ours = emulator.requests[-1]
    same = _form(ours) == _form(theirs)
    return [("the same form", "ok" if same else "FAIL", "" if same else f"theirs {_form(theirs)}, ours {_form(ours)}")]


async def as_openrouter_asks(emulator: OpenRouter) -> list[Line]:
    """Compare the request of OpenRouter's client for a picture from another one with that of Easel."""
    [theirs] = [each for each in emulator.requests if COMPARED in each.prompt]
    [reference] = theirs.body["input_references"]
    data = base64.b64decode(reference["image_url"]["url"].partition(",")[2])
    request = ImageRequest(
        model=f"openrouter/{theirs.body['model']}",
        prompt=theirs.prompt,
        references=(Reference(data=data, media_type="image/png"),),
        aspect_ratio="16:9",
        resolution="2K",
        seed=7,
    )
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url=emulator.url, key=emulator.key)
        upstream = OpenRouterUpstream(session, endpoint, max_file_bytes=10_000_000)
        await upstream.generate(request, _silent)
    ours = emulator.requests[-1]
    same = (ours.path, ours.body) == (theirs.path, theirs.body)
    return [("the same form", "ok" if same else "FAIL", "" if same else f"theirs {theirs.body}, ours {ours.body}")]


def _form(asked: gemini_rules.Asked) -> list[object]:
    """The content of a request, whatever the alphabet of its base64."""
    parts = [sorted(part) for part in asked.parts]
    key = {name: value for name, value in asked.headers.items() if name.lower() == "x-goog-api-key"}
    return [asked.model, asked.method, dict(asked.query), key, sorted(asked.body), asked.config, parts, asked.pictures]


def _parts(emulator: OpenAiImages, asked: Asked) -> list[tuple[str, ...]]:
    assert emulator.requests
    files = [(each.name, each.content_type, Image.open(io.BytesIO(each.data)).mode) for each in asked.files]
    return [(asked.path,), *sorted(files), *sorted((name, str(value)) for name, value in asked.parameters.items())]


def _png(mode: str) -> bytes:
    out = io.BytesIO()
    Image.new(mode, SIZE).save(out, "PNG")
    return out.getvalue()


async def _silent(message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
    """Report to nobody."""


async def once_for_each_task(emulator: Gateway) -> list[Line]:
    """Tell whether each task was charged once, however often it was asked about."""
    once = emulator.charges.total() == len(emulator.tasks) and len(emulator.asked_at) > len(emulator.tasks)
    return [("one charge for each task", "ok" if once else "FAIL", "" if once else str(emulator.charges))]


VENDORS: Final = (
    Vendor(
        name="OpenRouter, Python",
        script="openrouter_sdk.py",
        packages=("openrouter==1.3.84",),
        emulator=openrouter.running,
        compare=as_openrouter_asks,
    ),
    Vendor(
        name="OpenRouter, Node",
        script="openrouter_sdk.mjs",
        emulator=openrouter.running,
        compare=as_openrouter_asks,
    ),
    Vendor(
        name="OpenAI tasks",
        script="openai_tasks.py",
        packages=("openai==3.57.0",),
        emulator=gateway.running,
        compare=once_for_each_task,
    ),
    Vendor(
        name="OpenAI edits",
        script="openai_edits.py",
        packages=("openai==3.57.0", "pillow==13.0.0"),
        emulator=openai_images.running,
        compare=as_openai_sends_edits,
    ),
    Vendor(
        name="Gemini images, Python",
        script="gemini_images.py",
        packages=("google-genai==3.6.1", "pillow==13.0.0"),
        emulator=gemini.running,
        compare=as_google_asks,
    ),
    Vendor(
        name="Gemini images, Node",
        script="gemini_images.mjs",
        emulator=gemini.running,
        compare=as_google_asks,
    ),
)
