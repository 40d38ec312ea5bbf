"""The official Python client, 1.x, in an environment of its own: legacy sessions over HTTP or stdio.

The checkout's own environment has 2.x, whose names differ: hence the imports by name, which are not type-checked.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any

from tests.interop.report import Report, explain
from tests.interop.walk import ROOT, STEPS, Outcome, Talk, Wait, answer_form

mcp: Any = import_module("mcp")
http: Any = import_module("mcp.client.streamable_http")
stdio: Any = import_module("mcp.client.stdio")
types: Any = import_module("mcp.types")


class PythonTalk(Talk):
    """A `ClientSession` of mcp 1."""

    session: Any

    def __init__(self) -> None:
        super().__init__()
        self.updates: asyncio.Queue[str] = asyncio.Queue()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None = None, give_up_s: float | None = None
    ) -> Outcome:
        async def told(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(progress)

        id_ = self.session._request_id
        try:
            limit = None if give_up_s is None else timedelta(seconds=give_up_s)
            result = await self.session.call_tool(name, dict(arguments or {}), limit, progress_callback=told)
        except asyncio.CancelledError:
            params = types.CancelledNotificationParams(requestId=id_)
            notice = types.CancelledNotification(method="notifications/cancelled", params=params)
            await asyncio.shield(self.session.send_notification(types.ClientNotification(notice)))
            raise
        text = " ".join(each.text for each in result.content if each.type == "text")
        return Outcome(text, result.structuredContent, result.isError, [each.type for each in result.content])

    async def resources(self) -> list[str]:
        return [str(each.uri) for each in (await self.session.list_resources()).resources]

    async def templates(self) -> list[str]:
        return [each.uriTemplate for each in (await self.session.list_resource_templates()).resourceTemplates]

    async def read(self, uri: str) -> str:
        contents = (await self.session.read_resource(uri)).contents[0]
        return str(getattr(contents, "text", None) or contents.blob)

    async def prompts(self) -> list[str]:
        return [each.name for each in (await self.session.list_prompts()).prompts]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self.session.get_prompt(name, arguments)).messages[0].content.text)

    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        ref = types.PromptReference(type="ref/prompt", name=prompt)
        return list((await self.session.complete(ref, {"name": argument, "value": value})).completion.values)

    @contextlib.asynccontextmanager
    async def watch_resource(self, uri: str) -> AsyncIterator[Wait]:
        await self.session.subscribe_resource(uri)
        yield self.updates.get
        await self.session.unsubscribe_resource(uri)

    @contextlib.asynccontextmanager
    async def watch_tools(self) -> AsyncIterator[Wait]:
        yield self.changes.get

    async def on_log(self, params: Any) -> None:
        self.logged.append(params.level)

    async def on_message(self, message: Any) -> None:
        notice = getattr(message, "root", None)
        if isinstance(notice, types.ResourceUpdatedNotification):
            self.updates.put_nowait(str(notice.params.uri))
        elif isinstance(notice, types.ToolListChangedNotification):
            self.changes.put_nowait("tools")

    async def on_elicit(self, _context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content=answer_form(params.requestedSchema))

    async def on_sample(self, _context: Any, _params: Any) -> Any:
        content = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=content, model="interop")

    async def on_roots(self, _context: Any) -> Any:
        return types.ListRootsResult(roots=[types.Root(uri=ROOT)])


async def main(asked: argparse.Namespace) -> bool:
    """Connect and take the steps; whether all went well."""
    talk, report = PythonTalk(), Report()
    if asked.url is not None:
        transport = http.streamable_http_client(asked.url)
    else:
        command, *arguments = asked.command
        # By itself it hands on only a few variables.
        server = mcp.StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
        transport = stdio.stdio_client(server)
    callbacks = {
        "elicitation_callback": talk.on_elicit, "sampling_callback": talk.on_sample,
        "list_roots_callback": talk.on_roots, "logging_callback": talk.on_log, "message_handler": talk.on_message,
    }  # fmt: skip
    try:
        async with transport as (read, write, *_), mcp.ClientSession(read, write, **callbacks) as talk.session:
            initialized = await talk.session.initialize()
            report.say("connect", "ok", f"revision {initialized.protocolVersion}")
            await STEPS[asked.steps](talk, report)
    except Exception as error:  # noqa: BLE001 - the finding
        report.say("connect or close", "FAIL", explain(error))
        return False
    return not report.failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", choices=STEPS, default="fixture", help="what answers")
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*", help="what serves over stdio, where there is no URL")
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
