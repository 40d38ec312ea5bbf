"""How the service over standard input and output ends: a picture that is being made is not lost by it."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.emulators import flow2api, modelscope
from tests.stdio_process import easel, generate, hello
from tests.wire import request

STOP_SIGNALS = [pytest.param(signal.SIGINT, id="SIGINT"), pytest.param(signal.SIGTERM, id="SIGTERM")]


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, bytes]:
    """Wait for the end of a process whose input stays open; returns its status, and what it complained of."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        complaint = await process.stderr.read()
        await process.wait()
    return process.returncode, complaint


def show(history_id: int, id_: object) -> dict[str, Any]:
    return request("tools/call", {"name": "history", "arguments": {"history_id": history_id}}, id_)


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_an_idle_one_stops_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    """Bug: the thread that reads the input made the interpreter abort, with a trace."""
    async with easel(tmp_path, EASEL_LOG="warning") as lines:
        lines.send(hello())
        await lines.answer_to(0)
        lines.process.send_signal(number)
        assert await ended(lines.process) == (0, b"")


async def test_a_stop_signal_waits_for_what_is_being_made(tmp_path: Path) -> None:
    """Bug: the picture was cancelled and its answer lost."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_LOG": "warning"}
        async with easel(tmp_path, **env) as lines:
            lines.send(hello(), generate(1, "a boat [slow]"))
            async with asyncio.timeout(60):
                await upstream.silent.wait()
            lines.process.send_signal(signal.SIGTERM)
            upstream.go_on.set()
            answer = await lines.answer_to(1)
            assert await ended(lines.process) == (0, b"")
    assert not answer["result"].get("isError")
    assert upstream.charges.total() == 1


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with easel(tmp_path, **env) as lines:
            lines.send(hello(), generate(1, "a boat [slow]"))
            async with asyncio.timeout(60):
                await upstream.silent.wait()
                while lines.process.returncode is None:  # one of them is the second, however slow it is
                    lines.process.send_signal(signal.SIGTERM)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(lines.process.wait(), 0.1)
            assert lines.process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("how", ["signal", "end of input"])
async def test_what_goes_on_at_the_image_service_is_taken_up_by_the_next(tmp_path: Path, how: str) -> None:
    """Bug: closing the chat program cancelled the picture, and asking again paid for another."""
    async with modelscope.running() as upstream:
        env = {
            "MODELSCOPE_BASE_URL": upstream.url,
            "MODELSCOPE_API_KEY": upstream.key,
            "EASEL_MODELSCOPE_POLL_S": "0.05",
            "EASEL_DRAIN_S": "0",
        }
        async with easel(tmp_path, **env) as lines:
            lines.send(hello(), generate(1, "a boat [slow]"))
            async with asyncio.timeout(60):
                await upstream.polled.wait()
            if how == "signal":
                lines.process.send_signal(signal.SIGTERM)
            else:
                assert lines.process.stdin is not None
                lines.process.stdin.close()
            answer = await lines.answer_to(1)
            assert (await ended(lines.process))[0] == 0
        assert answer["result"]["structuredContent"]["state"] == "working"
        upstream.go_on.set()
        async with easel(tmp_path, **env) as lines:
            lines.send(hello(), show(1, 2))
            shown = (await lines.answer_to(2))["result"]["structuredContent"]
    assert shown["entries"][0]["state"] == "done"
    assert upstream.charges.total() == 1
