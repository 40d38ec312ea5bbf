"""FastMCP's client, in an environment of its own: modern, as it finds out by itself, or legacy; over HTTP or stdio.

The checkout's own environment has no fastmcp: hence the import by name, which is not type-checked.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import warnings
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import Any

from tests.interop.report import NotInThisClientError, Report, explain
from tests.interop.walk import ROOT, STEPS, Outcome, Talk, Wait, answer_form

fastmcp: Any = import_module("fastmcp")
transports: Any = import_module("fastmcp.client.transports")
warnings.simplefilter("ignore")

LOG_LEVEL = {"io.modelcontextprotocol/logLevel": "info"}


class FastTalk(Talk):
    """A `fastmcp.Client`."""

    client: Any

    def __init__(self) -> None:
        super().__init__()
        self.updates: asyncio.Queue[str] = asyncio.Queue()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None = None, give_up_s: float | None = None
    ) -> Outcome:
        async def told(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(progress)

        result = await self.client.call_tool(
            name, dict(arguments or {}), timeout=give_up_s, progress_handler=told, raise_on_error=False, meta=LOG_LEVEL
        )
        text = " ".join(each.text for each in result.content if each.type == "text")
        return Outcome(text, result.structured_content, result.is_error, [each.type for each in result.content])

    async def resources(self) -> list[str]:
        return [str(each.uri) for each in await self.client.list_resources()]

    async def templates(self) -> list[str]:
        return [each.uri_template for each in await self.client.list_resource_templates()]

    async def read(self, uri: str) -> str:
        contents = (await self.client.read_resource(uri))[0]
        return str(getattr(contents, "text", None) or contents.blob)

    async def prompts(self) -> list[str]:
        return [each.name for each in await self.client.list_prompts()]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self.client.get_prompt(name, arguments)).messages[0].content.text)

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        ref = import_module("mcp_types").PromptReference(type="ref/prompt", name=prompt)
        return list((await self.client.complete(ref, {"name": argument, "value": value})).values)

    @contextlib.asynccontextmanager
    async def watch_resource(self, uri: str) -> AsyncIterator[Wait]:
        self.needs_session()
        await self.client.session.subscribe_resource(uri)
        yield self.updates.get
        await self.client.session.unsubscribe_resource(uri)

    @contextlib.asynccontextmanager
    async def watch_tools(self) -> AsyncIterator[Wait]:
        self.needs_session()
        yield self.changes.get

    def needs_session(self) -> None:
        if self.client.session.protocol_version == "2026-07-28":
            raise NotInThisClientError("it has no subscriptions/listen")

    async def on_log(self, message: Any) -> None:
        self.logged.append(message.level)

    async def on_message(self, message: Any) -> None:
        method = getattr(message, "method", "")
        if method == "notifications/resources/updated":
            self.updates.put_nowait(str(message.params.uri))
        elif method == "notifications/tools/list_changed":
            self.changes.put_nowait("tools")

    async def on_elicit(self, _message: str, _kind: Any, params: Any, _context: Any) -> dict[str, Any]:
        return answer_form(params.requested_schema)

    async def on_sample(self, _messages: Any, _params: Any, _context: Any) -> str:
        return "Paris"


async def main(asked: argparse.Namespace) -> bool:
    """Connect and take the steps; whether all went well."""
    talk, report = FastTalk(), Report()
    if asked.url is not None:
        server: Any = asked.url
    else:
        command, *arguments = asked.command
        # By itself it hands on only a few variables.
        server = transports.StdioTransport(command=command, args=arguments, env=dict(os.environ))
    talk.client = fastmcp.Client(
        server, mode=asked.mode, roots=[ROOT], elicitation_handler=talk.on_elicit, sampling_handler=talk.on_sample,
        log_handler=talk.on_log, message_handler=talk.on_message,
    )  # fmt: skip
    try:
        async with talk.client:
            report.say("connect", "ok", f"revision {talk.client.session.protocol_version}")
            await STEPS[asked.steps](talk, report)
    except Exception as error:  # noqa: BLE001 - the finding
        report.say("connect or close", "FAIL", explain(error))
        return False
    return not report.failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", choices=STEPS, default="fixture", help="what answers")
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*", help="what serves over stdio, where there is no URL")
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
