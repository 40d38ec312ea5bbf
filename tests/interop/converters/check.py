"""Try every converter on the tool list of a running service, with and without output schemas."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.interop.environments import UnavailableError, node, node_environment, python, source_file
from tests.paths import ROOT
from tests.wire import modern_headers, modern_params, request

HERE: Final = Path(__file__).parent
PACKAGES: Final = ("google-genai==3.6.1", "openai-agents==0.24.0", "anthropic==2.14.0")
LLAMA: Final = "llama-cpp-python==0.3.16"

EVERYTHING: Final = {
    "FLOW2API_API_KEY": "none",
    "OPENAI_API_KEY": "none",
    "GEMINI_API_KEY": "none",
    "OPENROUTER_API_KEY": "none",
    "MODELSCOPE_API_KEY": "none",
    "EASEL_IMAGE_DIR": ".",
}
"""Settings with which every tool and every argument is listed. No image service is asked for anything."""


async def check(url: str) -> AsyncIterator[tuple[str, str, str]]:
    """Yield a line for each converter: its name, ok or FAIL, why."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tools.json"
        file.write_text(json.dumps(await list_tools(url)))
        try:
            interpreter = await python(*PACKAGES)
            grammar = await source_file(LLAMA, "llama_cpp/llama_grammar.py", interpreter)
            packages, own = await node(HERE), await node()
        except UnavailableError as reason:
            yield "install", "FAIL", str(reason)
            return
        environment = node_environment(own) | {"INTEROP_MODULES": str(packages)}
        commands = (
            (str(interpreter), str(HERE / "convert.py"), str(file), str(grammar)),
            (str(own / "node_modules" / ".bin" / "node"), str(HERE / "convert.mjs"), str(file)),
        )
        for command in commands:
            async for line in lines_of(command, environment):
                yield line


async def list_tools(url: str) -> list[dict[str, Any]]:
    """The tools as a client of the modern era gets them."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=request("tools/list", modern_params()), headers=modern_headers("tools/list")) as answer,
    ):
        tools: list[dict[str, Any]] = (await answer.json())["result"]["tools"]
        return tools


async def lines_of(command: tuple[str, ...], environment: dict[str, str]) -> AsyncIterator[tuple[str, str, str]]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    for line in out.decode().splitlines():
        name, outcome, why = (*line.split("\t"), "", "")[:3]
        yield name, outcome, why
    if process.returncode or not out:
        yield "end", "FAIL", f"status {process.returncode}: {err.decode()[-300:]}"
