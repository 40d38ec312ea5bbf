"""The fixture server: our protocol layer with the suite's tools, prompts and resources, and nothing else.

By hand: `python -m tests.conformance.server --port 3101`.
"""

import argparse
import asyncio
import contextlib
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from service.bounds.limits import UNLIMITED, Allowances
from service.protocol.admission import Keys
from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, ResourceEntry, Server
from service.protocol.client_requests import elicit
from service.protocol.jsonrpc import Result
from service.protocol.session import Sessions
from service.protocol.subscriptions import Hub
from service.protocol.tasks import Tasks
from service.settings import Settings
from service.storage.disk_sessions import DiskSessions
from service.web.guard import Guard
from service.web.mcp import BODY_DEADLINE_S, MAX_BODY_BYTES, McpEndpoint
from service.web.sessions import BEAT_S, add_routes
from service.web.sockets import listen
from service.web.stream import SILENCE_S, KeepAlive
from tests.conformance.content import embedded, image, png, text
from tests.conformance.tools import entry, tools
from tests.memory_keeper import MemoryKeeper

Arguments = Mapping[str, Any]
TEMPLATE: Final = re.compile(r"test://template/([^/]+)/data")


def message(block: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": block}


async def simple_prompt(call: Call, arguments: Arguments) -> Result:
    return {"messages": [message(text("This is a simple prompt for testing."))]}


async def prompt_with_arguments(call: Call, arguments: Arguments) -> Result:
    return {"messages": [message(text(f"arg1={arguments['arg1']} arg2={arguments['arg2']}"))]}


async def prompt_with_resource(call: Call, arguments: Arguments) -> Result:
    return {"messages": [message(embedded(arguments["resourceUri"]))]}


async def prompt_with_image(call: Call, arguments: Arguments) -> Result:
    return {"messages": [message(image())]}


async def asking_prompt(call: Call, arguments: Arguments) -> Result:
    form = {"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}
    answer = await call.ask("user_context", elicit("Which context?", form))
    return {"messages": [message(text(f"Context: {answer.get('content', {}).get('context')}"))]}


def prompt(name: str, get: Any, *arguments: str) -> tuple[str, PromptEntry]:
    declared = [{"name": each, "description": f"The {each}.", "required": True} for each in arguments]
    listing = {"name": name, "description": f"Conformance fixture: {name}.", "arguments": declared}
    return name, PromptEntry(listing=listing, get=get)


PROMPTS: Final = dict(
    [
        prompt("test_simple_prompt", simple_prompt),
        prompt("test_prompt_with_arguments", prompt_with_arguments, "arg1", "arg2"),
        prompt("test_prompt_with_embedded_resource", prompt_with_resource, "resourceUri"),
        prompt("test_prompt_with_image", prompt_with_image),
        prompt("test_input_required_result_prompt", asking_prompt),
    ]
)


def resource(uri: str, mime_type: str, **contents: str) -> tuple[str, ResourceEntry]:
    async def read(call: Call, asked: str) -> Sequence[Result]:
        return [{"uri": uri, "mimeType": mime_type, **contents}]

    listing = {"uri": uri, "name": uri.rpartition("/")[2], "mimeType": mime_type}
    return uri, ResourceEntry(listing=listing, read=read)


async def read_template(call: Call, uri: str) -> Sequence[Result] | None:
    matched = TEMPLATE.fullmatch(uri)
    if matched is None:
        return None
    words = f'{{"id": "{matched[1]}", "templateTest": true, "data": "Data of {matched[1]}"}}'
    return [{"uri": uri, "mimeType": "application/json", "text": words}]


async def completions(call: Call, ref: Arguments, argument: Arguments) -> Sequence[str]:
    return [word for word in ("test", "testing", "tester") if word.startswith(str(argument.get("value", "")))]


def server(allowances: Allowances = UNLIMITED) -> Server:
    """The fixture, on a hub of its own, within these limits."""
    fixture = Server(
        name="easel-conformance",
        version="1",
        title="Conformance fixture",
        instructions="A fixture for the conformance suite.",
        hub=Hub(allowances),
        prompts=PROMPTS,
        resources=dict(
            [
                resource("test://static-text", "text/plain", text="This is the content of the static text resource."),
                resource("test://static-binary", "image/png", blob=png()),
                resource("test://watched-resource", "text/plain", text="Watched."),
            ]
        ),
        templates={
            "test://template/{id}/data": ResourceEntry(
                listing={
                    "uriTemplate": "test://template/{id}/data",
                    "name": "template",
                    "description": "Data by id.",
                    "mimeType": "application/json",
                },
                read=read_template,
            )
        },
        complete=completions,
    )
    fixture.tools = tools(fixture.hub)
    fixture.tasks = Tasks(keeper=MemoryKeeper(), clock=time.time, hub=fixture.hub)
    return fixture


def with_tool(
    name: str, run: Any, schema: Mapping[str, Any] | None = None, allowances: Allowances = UNLIMITED
) -> Server:
    """The fixture with one more tool."""
    fixture = server(allowances)
    fixture.tools = {**fixture.tools, name: entry(name, run, schema or {"type": "object", "properties": {}})}
    return fixture


@contextlib.asynccontextmanager
async def running(
    port: int = 0,
    fixture: Server | None = None,
    *,
    tokens: str = "",
    folder: Path | None = None,
    key: bytes = b"",
    beat_s: float = BEAT_S,
    silence_s: float = SILENCE_S,
    body_deadline_s: float = BODY_DEADLINE_S,
) -> AsyncIterator[str]:
    """Serve a fixture until the block ends; yields the URL of its endpoint.

    Those that have `folder` and `key` in common share their sessions.
    """
    settings = Settings.from_env({"EASEL_TOKENS": tokens})
    key = key or secrets.token_bytes(32)
    with tempfile.TemporaryDirectory() as own:
        ended = DiskSessions(folder or Path(own), time.time)
        keys = Keys(
            sessions=Sessions(key),
            request_state=key,
            is_ended=ended.contains,
        )
        endpoint = McpEndpoint(
            server=fixture or server(), keys=keys, body_deadline_s=body_deadline_s, keep_alive=KeepAlive(silence_s)
        )
        app = web.Application(middlewares=[Guard(settings).middleware()], client_max_size=MAX_BODY_BYTES)
        add_routes(app, "/mcp", endpoint, ended, beat_s)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1, auto_decompress=False
        )
        await runner.setup()
        socket = listen("127.0.0.1", port)[0]
        try:
            await web.SockSite(runner, socket).start()
            yield f"http://127.0.0.1:{socket.getsockname()[1]}/mcp"
        finally:
            await endpoint.close(0)
            await runner.cleanup()


async def serve(port: int) -> None:
    async with running(port) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The conformance fixture, on loopback.")
    parser.add_argument("--port", type=int, default=3101)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().port))
