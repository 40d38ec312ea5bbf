"""The Inspector's command line: one process a question, legacy or modern, over HTTP or stdio.

It has no progress, cancelling, asking or subscribing: those steps are not here. `--strict` has it judge our schemas.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from tests.interop.report import Report
from tests.interop.walk import WATCHED, expect


class Inspector:
    """Asks by `mcp-inspector --cli`."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._target = [asked.url, "--transport", "http"] if asked.url is not None else asked.command
        self._era = asked.mode

    async def ask(self, method: str, *options: str) -> Any:
        """The result of one method; raises with what the Inspector says."""
        # Options with several values take all that follows, up to the next option: --quiet ends them.
        arguments = ["--protocol-era", self._era, "--format", "json", "--method", method, *options, "--quiet"]
        process = await asyncio.create_subprocess_exec(
            "mcp-inspector", "--cli", *arguments, *self._target,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"status {process.returncode}: {err.decode()[-400:]} {out.decode()[-400:]}")
        return json.loads(out)


def names(listed: Any, member: str, key: str) -> list[str]:
    found = listed.get(member, listed.get("result", {}).get(member))
    return [each[key] for each in found]


def text(result: Any) -> str:
    return " ".join(each.get("text", "") for each in (result.get("content") or result["result"]["content"]))


async def walk(inspector: Inspector, report: Report, service: bool) -> None:
    """Take every step."""

    async def tools() -> None:
        found = names(await inspector.ask("tools/list", "--strict"), "tools", "name")
        assert {"generate", "history", "cache"} <= set(found) if service else "greet" in found

    async def call() -> None:
        result = await inspector.ask("tools/call", "--tool-name", "greet", "--tool-arg", "name=Ada")
        expect(text(result), "Hello, Ada!")

    async def structured() -> None:
        result = await inspector.ask("tools/call", "--tool-name", "add", "--tool-args-json", '{"a":2,"b":3}')
        expect((result.get("structuredContent") or result["result"]["structuredContent"]), {"sum": 5})

    async def resources() -> None:
        assert WATCHED in names(await inspector.ask("resources/list"), "resources", "uri")

    async def read() -> None:
        assert "static text" in str(await inspector.ask("resources/read", "--uri", "test://static-text"))

    async def templates() -> None:
        listed = await inspector.ask("resources/templates/list")
        expect(names(listed, "resourceTemplates", "uriTemplate"), ["test://template/{id}/data"])

    async def prompts() -> None:
        assert "test_simple_prompt" in names(await inspector.ask("prompts/list"), "prompts", "name")

    async def prompt() -> None:
        options = ("--prompt-name", "test_prompt_with_arguments", "--prompt-args", "arg1=a", "arg2=b")
        assert "arg1=a arg2=b" in str(await inspector.ask("prompts/get", *options))

    async def generate() -> None:
        result = await inspector.ask("tools/call", "--tool-name", "generate", "--tool-arg", "prompt=a red fox in snow")
        assert "/mcp-cache/" in text(result)

    async def cache() -> None:
        assert "History: " in text(await inspector.ask("tools/call", "--tool-name", "cache"))

    fixture: list[tuple[str, Callable[[], Any]]] = [
        ("list tools", tools), ("call", call), ("structured output", structured), ("list resources", resources),
        ("read resource", read), ("template", templates), ("list prompts", prompts), ("get prompt", prompt),
    ]  # fmt: skip
    for name, run in [("list tools", tools), ("generate", generate), ("cache", cache)] if service else fixture:
        await report.step(name, run)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", choices=("fixture", "service"), default="fixture", help="what answers")
    parser.add_argument("--mode", default="legacy", choices=("legacy", "auto", "modern"))
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*", help="what serves over stdio, where there is no URL")
    arguments, reported = parser.parse_args(), Report()
    asyncio.run(walk(Inspector(arguments), reported, arguments.steps == "service"))
    sys.exit(1 if reported.failed else 0)
