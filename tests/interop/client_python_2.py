"""The official Python client, 2.x: modern, as it finds out by itself, or legacy; over HTTP or stdio."""

import argparse
import asyncio
import contextlib
import os
import sys
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Any

import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import FileUrl

from tests.interop.report import Report, explain
from tests.interop.walk import ROOT, STEPS, Outcome, Talk, Wait, answer_form

warnings.simplefilter("ignore")  # what 2026-07-28 deprecates is spoken all the same


class PythonTalk(Talk):
    """A `Client` of mcp 2."""

    client: Client

    def __init__(self) -> None:
        super().__init__()
        self.updates: asyncio.Queue[str] = asyncio.Queue()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None = None, give_up_s: float | None = None
    ) -> Outcome:
        async def told(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(progress)

        result = await self.client.call_tool(name, dict(arguments or {}), give_up_s, progress_callback=told)
        text = " ".join(each.text for each in result.content if isinstance(each, types.TextContent))
        return Outcome(text, result.structured_content, bool(result.is_error), [each.type for each in result.content])

    async def resources(self) -> list[str]:
        return [str(each.uri) for each in (await self.client.list_resources()).resources]

    async def templates(self) -> list[str]:
        return [each.uri_template for each in (await self.client.list_resource_templates()).resource_templates]

    async def read(self, uri: str) -> str:
        contents = (await self.client.read_resource(uri)).contents[0]
        return contents.text if isinstance(contents, types.TextResourceContents) else contents.blob

    async def prompts(self) -> list[str]:
        return [each.name for each in (await self.client.list_prompts()).prompts]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        content = (await self.client.get_prompt(name, arguments)).messages[0].content
        assert isinstance(content, types.TextContent)
        return content.text

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        ref = types.PromptReference(type="ref/prompt", name=prompt)
        return (await self.client.complete(ref, {"name": argument, "value": value})).completion.values

    @contextlib.asynccontextmanager
    async def watch_resource(self, uri: str) -> AsyncIterator[Wait]:
        if self.is_modern:
            async with self.client.listen(resource_subscriptions=[uri]) as stream:
                yield lambda: anext(aiter(stream))
        else:
            await self.client.subscribe_resource(uri)
            yield self.updates.get
            await self.client.unsubscribe_resource(uri)

    @contextlib.asynccontextmanager
    async def watch_tools(self) -> AsyncIterator[Wait]:
        if self.is_modern:
            async with self.client.listen(tools_list_changed=True) as stream:
                yield lambda: anext(aiter(stream))
        else:
            yield self.changes.get

    @property
    def is_modern(self) -> bool:
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def on_log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logged.append(params.level)

    async def on_message(self, message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            self.updates.put_nowait(str(message.params.uri))
        elif isinstance(message, types.ToolListChangedNotification):
            self.changes.put_nowait("tools")

    async def on_elicit(self, _context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content=answer_form(params.requested_schema))

    async def on_sample(self, _context: Any, _params: Any) -> types.CreateMessageResult:
        content = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=content, model="interop")

    async def on_roots(self, _context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl(ROOT))])


async def main(asked: argparse.Namespace) -> bool:
    """Connect and take the steps; whether all went well."""
    talk, report = PythonTalk(), Report()
    if asked.url is not None:
        server: Any = asked.url
    else:
        command, *arguments = asked.command
        # By itself it hands on only a few variables.
        server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    callbacks: dict[str, Any] = {
        "elicitation_callback": talk.on_elicit, "sampling_callback": talk.on_sample,
        "list_roots_callback": talk.on_roots, "logging_callback": talk.on_log, "message_handler": talk.on_message,
    }  # fmt: skip
    try:
        async with Client(server, mode=asked.mode, log_level="info", **callbacks) as talk.client:
            report.say("connect", "ok", f"revision {talk.client.protocol_version}")
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
