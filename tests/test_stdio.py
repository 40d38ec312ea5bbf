"""MCP over standard input and output: the real command, driven line by line and by the official client."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import PROMPTS, TOOLS, Hub
from service.stdio import StdioServer
from tests.emulators import flow2api
from tests.protocol.samples import KEYS, said, server
from tests.stdio_process import easel, environment, generate, hello
from tests.wire import LEGACY, modern_params, request, until


@pytest.mark.parametrize("mode", ["2026-07-28", "auto", "legacy"])
async def test_the_official_client_draws_a_picture_that_is_served_on_loopback(tmp_path: Path, mode: str) -> None:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "service", "--stdio"], env=environment(tmp_path), cwd=tmp_path
    )
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with Client(stdio_client(command), mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools][:2] == ["generate", "history"]
        made = await client.call_tool("generate", {"prompt": "a red fox"}, progress_callback=hear)
        assert made.structured_content is not None
        url = made.structured_content["images"][0]["url"]
        size = await asyncio.to_thread(lambda: len(urlopen(url).read()))  # noqa: S310 - our own, on loopback
    assert size == made.structured_content["images"][0]["bytes"]
    assert heard == sorted(set(heard))
    assert heard


async def test_both_eras_may_be_mixed_on_one_stream(tmp_path: Path) -> None:
    async with easel(tmp_path) as lines:
        lines.send(hello())
        assert (await lines.answer_to(0))["result"]["protocolVersion"] == LEGACY
        lines.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, request("ping", id_="legacy"))
        assert (await lines.answer_to("legacy"))["result"] == {}
        lines.send(request("server/discover", modern_params(), "modern"))
        assert (await lines.answer_to("modern"))["result"]["resultType"] == "complete"


@pytest.mark.usefixtures("real_starts")
async def test_standard_output_holds_nothing_but_messages(tmp_path: Path) -> None:
    """Spec 2026-07-28, stdio: the server MUST NOT write anything to its stdout that is not a valid MCP message."""
    async with easel(tmp_path, EASEL_LOG="debug") as lines:
        lines.send(hello(), generate(1))
        await lines.answer_to(1)
        status, out, err = await lines.end()
    assert (status, out) == (0, b"")
    assert b"generate" in err


@pytest.mark.parametrize(
    ("line", "code", "id_"),
    [
        pytest.param(b"{", -32700, None, id="no JSON"),
        pytest.param([request("ping")], -32600, None, id="batch"),
        pytest.param(request("ping", id_=3), -32600, 3, id="before initialize"),
        pytest.param(request("nope", modern_params(), 4), -32601, 4, id="unknown method"),
        pytest.param(b"x" * (17 * 1024 * 1024), -32700, None, id="line without end"),
    ],
)
async def test_a_wrong_line_is_answered_and_the_next_one_too(
    tmp_path: Path, line: object, code: int, id_: object
) -> None:
    async with easel(tmp_path) as lines:
        lines.send(line, b"", hello(9))
        refusal = await lines.next()
        assert (refusal["error"]["code"], refusal.get("id")) == (code, id_)
        assert (await lines.answer_to(9))["result"]


async def test_a_call_is_cancelled_by_notification(tmp_path: Path) -> None:
    """Spec 2026-07-28, Cancellation: over stdio `notifications/cancelled` does it, and nothing more is sent for it."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with easel(tmp_path, **env) as lines:
            lines.send(hello(), generate("call-1", "a fox [detect-disconnect]"))
            async with asyncio.timeout(60):
                await upstream.silent.wait()
                cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "call-1"}}
                lines.send(cancelled)
                await upstream.disconnected.wait()
            lines.send(request("tools/call", {"name": "history", "arguments": {"history_id": 1}}, 2))
            entry = (await lines.answer_to(2))["result"]["structuredContent"]["entries"][0]
            _, out, _ = await lines.end()
    assert (entry["state"], entry["failure"]["kind"]) == ("failed", "cancelled")
    assert b"call-1" not in out


async def test_a_modern_call_is_cancelled_by_a_notification_without_meta(tmp_path: Path) -> None:
    """Bug: it was taken for a legacy message before `initialize`, answered with an error, and the call ran on."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with easel(tmp_path, **env) as lines:
            params = {"name": "generate", "arguments": {"prompt": "a fox [detect-disconnect]"}}
            lines.send(request("tools/call", modern_params(params), 1))
            async with asyncio.timeout(60):
                await upstream.silent.wait()
                lines.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
                await upstream.disconnected.wait()
            _, out, _ = await lines.end()
    assert out == b""


async def test_what_runs_when_the_input_ends_is_still_answered(tmp_path: Path) -> None:
    async with easel(tmp_path) as lines:
        lines.send(hello(), generate(1))
        status, out, _ = await lines.end()
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert any(answer.get("id") == 1 and "result" in answer for answer in answers)


async def test_a_taken_port_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """Ours: each client starts a process of its own, and all are configured alike."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, easel(tmp_path, EASEL_PORT=str(port)) as lines:
        lines.send(hello())
        assert (await lines.answer_to(0))["result"]


async def test_a_setting_that_cannot_be_used_ends_it_with_one_line(tmp_path: Path) -> None:
    async with easel(tmp_path, EASEL_LOG="loud") as lines:
        status, out, err = await lines.end()
    assert (status, out) == (2, b"")
    assert err.startswith(b"easel: EASEL_LOG: ")


class Drawing:
    """A tool over pipes of this process: it waits to be let go, and writes down what becomes of its answer."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.delivered = 0
        self.reasons: list[str | None] = []
        self.server = server(self.draw)

    async def draw(self, call: Call, _: Mapping[str, Any]) -> Result:
        call.on_delivered(self.deliver)
        call.channel.open()
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.reasons.append(call.cancel_reason)
            raise
        return said("Drawn.")

    def deliver(self) -> None:
        self.delivered += 1

    @asynccontextmanager
    async def serving(self, grace_s: float = 10) -> AsyncIterator[tuple[int, int]]:
        """Serve; yields where lines go in and where they come out. The input ends with the block."""
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        with BufferedReader(FileIO(read_in)) as source, FileIO(write_out, "wb") as output:
            stdio = StdioServer(server=self.server, keys=KEYS, owner="anna", output=output)
            served = asyncio.create_task(stdio.serve(source, grace_s))
            yield write_in, read_out
            os.close(write_in)
            async with asyncio.timeout(60):
                await served
        os.close(read_out)


def line_of(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


DRAW = line_of(request("tools/call", modern_params({"name": "draw"}), 1))


async def test_an_answer_is_delivered_when_its_line_was_written() -> None:
    drawing = Drawing()
    async with drawing.serving() as (to, back):
        os.write(to, DRAW)
        await drawing.began.wait()
        assert drawing.delivered == 0
        drawing.go_on.set()
        line = await asyncio.to_thread(os.read, back, 100_000)
        assert json.loads(line)["result"]["content"] == said("Drawn.")["content"]
    assert drawing.delivered == 1


async def test_an_answer_that_cannot_be_written_is_not_delivered() -> None:
    drawing = Drawing()
    read_in, write_in = os.pipe()
    with BufferedReader(FileIO(read_in)) as source, FileIO(os.devnull, "rb") as output:  # which takes no writing
        stdio = StdioServer(server=drawing.server, keys=KEYS, owner="anna", output=output)
        served = asyncio.create_task(stdio.serve(source, 10))
        os.write(write_in, DRAW)
        drawing.go_on.set()
        await drawing.began.wait()
        os.close(write_in)
        await served
    assert drawing.delivered == 0


@pytest.mark.parametrize(("params", "reason"), [({"reason": "enough"}, "enough"), ({}, "")], ids=["a reason", "none"])
async def test_a_cancelled_call_can_read_why(params: dict[str, Any], reason: str) -> None:
    """Spec 2026-07-28, Cancellation: over stdio in both eras, and `reason` is optional."""
    drawing = Drawing()
    async with drawing.serving() as (to, _):
        os.write(to, DRAW)
        await drawing.began.wait()
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, **params}}
        os.write(to, line_of(cancelled))
    assert (drawing.reasons, drawing.delivered) == ([reason], 0)


async def test_a_call_that_ends_with_the_server_was_cancelled_by_nobody() -> None:
    drawing = Drawing()
    async with drawing.serving(grace_s=0) as (to, _):
        os.write(to, DRAW)
        await drawing.began.wait()
    assert drawing.reasons == [None]


async def test_a_notification_is_never_answered_however_wrong() -> None:
    """JSON-RPC 2.0, Notification. Bug: one that was refused was answered with an error."""
    drawing = Drawing()
    async with drawing.serving() as (to, back):
        os.write(to, line_of({"jsonrpc": "2.0", "method": "notifications/x", "params": []}) + line_of(hello(9)))
        line = await asyncio.to_thread(os.read, back, 100_000)
    assert json.loads(line)["id"] == 9


async def test_the_session_hears_what_concerns_its_owner_alone() -> None:
    drawing = Drawing()
    async with drawing.serving() as (to, back):
        os.write(to, line_of(hello(9)))
        await asyncio.to_thread(os.read, back, 100_000)
        await until(lambda: drawing.server.hub != Hub())  # the answer is out before the stream is open
        drawing.server.hub.publish(PROMPTS, "ben")
        drawing.server.hub.publish(TOOLS, "anna")
        line = await asyncio.to_thread(os.read, back, 100_000)
    assert json.loads(line)["method"] == "notifications/tools/list_changed"
