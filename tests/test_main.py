"""The command as people run it: a process with its own folder and environment, signals, and what it prints."""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from service.settings_table import SETTINGS
from tests.command_process import HANGS_S, Process, banner_of, easel, value_of
from tests.emulators import flow2api
from tests.wire import modern_params, wire_client

STOP_S = 15
"""An idle service that has not stopped by then waits for what only a busy one has: 20 s for a picture."""

STOP_SIGNALS = [
    pytest.param(signal.SIGINT, id="SIGINT"),
    pytest.param(signal.SIGTERM, id="SIGTERM"),
]


def stop(process: Process, number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """Send a stop signal and return what was still printed, to both streams."""
    process.send_signal(number)
    return process.communicate(timeout=STOP_S)


def refusal(folder: Path, *arguments: str, **env: str) -> str:
    """The one line with which a start ends that cannot be."""
    with easel(folder, *arguments, **env) as process:
        said, complaint = process.communicate()
    assert (process.returncode, said) == (2, "")
    assert complaint.startswith("easel: ")
    assert complaint.count("\n") == 1
    assert complaint.endswith("\n")
    return complaint.removeprefix("easel: ").rstrip()


@pytest.mark.usefixtures("real_starts")
def test_help_lists_every_setting(tmp_path: Path) -> None:
    with easel(tmp_path, "--help") as process:
        said, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    for setting in SETTINGS:
        [line] = [line for line in said.splitlines() if line.split()[:1] == [setting.name]]
        assert setting.meaning in line
        assert setting.default in line


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_it_says_where_it_is_and_stops_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    """Ours: Ctrl-C at a terminal and SIGTERM from an engine end it alike, and no traceback frightens anybody."""
    with easel(tmp_path) as process:
        banner = banner_of(process)
        said, complaint = stop(process, number)
    assert (process.returncode, said, complaint) == (0, "Stopping.\n", "")
    url = value_of(banner, "MCP endpoint")
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/mcp")
    assert value_of(banner, "Pictures") == url.removesuffix("/mcp") + "/mcp-cache/<name>"
    assert value_of(banner, "Data folder") == "data"
    assert value_of(banner, "Image service").startswith("sketch")
    pasted = json.loads(banner.partition("Paste into your client:\n")[2].splitlines()[0])
    assert pasted["mcpServers"]["easel"]["url"] == url
    assert f"claude mcp add --transport http easel {url}\n" in banner
    assert (tmp_path / "data" / "secret").is_file()


def test_a_value_that_was_mended_is_told_at_the_start(tmp_path: Path) -> None:
    """Ours: it works, and the person learns what to write."""
    with easel(tmp_path, EASEL_PUBLIC_URL="https://easel.example.com/mcp") as process:
        assert value_of(banner_of(process), "Pictures") == "https://easel.example.com/mcp-cache/<name>"
        _, complaint = stop(process)
    assert complaint == "easel: EASEL_PUBLIC_URL should end before /mcp; https://easel.example.com is used.\n"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def reading(folder: Path) -> Iterator[tuple[Process, BinaryIO]]:
    """A start that has come as far as `.env`, a pipe here, and goes on once the pipe is closed."""
    os.mkfifo(folder / ".env")
    writers: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # ENXIO: nobody has it open for reading yet
            writers.append(os.open(folder / ".env", os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    with easel(folder) as process:
        wait_until(is_read)
        with os.fdopen(writers[0], "wb") as pipe:
            yield process, pipe


@pytest.mark.usefixtures("real_starts")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_is_obeyed_before_it_listens(tmp_path: Path, number: signal.Signals) -> None:
    """Bug: importing takes longer than an impatient engine waits, and an interrupted import shows a traceback.

    The pipe is closed after the signal: one that comes just before a read begins does not interrupt it.
    """
    with reading(tmp_path) as (process, pipe):
        process.send_signal(number)
        pipe.close()
        assert process.communicate(timeout=STOP_S) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("seen", [pytest.param(".env", id="among imports"), pytest.param("data/running", id="later")])
def test_a_stop_signal_is_obeyed_wherever_the_start_is(tmp_path: Path, number: signal.Signals, seen: str) -> None:
    """Ours: whichever step the signal meets, the end is the same."""
    with reading(tmp_path) as (process, pipe):
        pipe.close()
        wait_until((tmp_path / seen).exists)
        _, complaint = stop(process, number)
    assert (process.returncode, complaint) == (0, "")


@pytest.mark.usefixtures("real_starts")
async def test_a_second_signal_ends_it_without_waiting_for_a_call(tmp_path: Path) -> None:
    """Ours: a stop waits for what is being paid for; who cannot wait says so twice."""
    async with flow2api.running() as upstream:
        with easel(tmp_path, FLOW2API_BASE_URL=upstream.url, FLOW2API_API_KEY=upstream.key) as process:
            banner = await asyncio.to_thread(banner_of, process)
            async with wire_client(value_of(banner, "MCP endpoint")) as client:
                silent = {"name": "generate", "arguments": {"prompt": "a fox [detect-disconnect]"}}
                call = asyncio.create_task(client.modern("tools/call", modern_params(silent), progressToken=1))
                await upstream.silent.wait()
                process.send_signal(signal.SIGINT)
                assert process.stdout is not None
                assert "up to 20 s for a picture" in await asyncio.to_thread(process.stdout.readline)
                process.send_signal(signal.SIGINT)
                assert await asyncio.to_thread(process.wait, STOP_S) == -signal.SIGINT
                await asyncio.wait({call})
                assert call.exception() is not None


@pytest.mark.parametrize(
    ("env", "said"),
    [
        pytest.param({"EASEL_PORT": "http"}, "EASEL_PORT: 'http' is not a whole number", id="no number"),
        pytest.param({"EASEL_HOST": "0.0.0.0"}, "EASEL_TOKENS: must be set to listen on 0.0.0.0", id="no tokens"),
        pytest.param({"EASEL_HOST": "fox..example", "EASEL_TOKENS": "auto"}, "EASEL_HOST: ", id="host"),
        pytest.param({"EASEL_DATA_DIR": ".env"}, "EASEL_DATA_DIR: cannot be used: ", id="data folder"),
        pytest.param(
            {"EASEL_MODELS_FILE": "none.json", "FLOW2API_API_KEY": "k"}, "EASEL_MODELS_FILE: none.json: ", id="models"
        ),
        pytest.param({"FLOW2API_MCP_GENERATE_RETRY_COUNT": "x"}, "FLOW2API_MCP_GENERATE_RETRY_COUNT: ", id="older"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line(tmp_path: Path, env: dict[str, str], said: str) -> None:
    (tmp_path / ".env").write_text("")
    assert refusal(tmp_path, **env).startswith(said)


@pytest.mark.usefixtures("real_starts")
def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert refusal(tmp_path, "--port", port).startswith(f"EASEL_PORT: port {port} of 127.0.0.1 is in use")


def test_an_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EASEL_PATH=file\n")
    assert refusal(tmp_path).startswith("EASEL_PATH: 'file'")
    assert refusal(tmp_path, EASEL_PATH="environment").startswith("EASEL_PATH: 'environment'")
    assert refusal(tmp_path, "--path", "option", EASEL_PATH="environment").startswith("EASEL_PATH: 'option'")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EASEL_PATH=odd", id="plain"),
        pytest.param("# a comment\n\nexport EASEL_PATH='odd'  # and another\r\n", id="as shells write it"),
        pytest.param("\ufeffEASEL_PATH=odd", id="byte order mark"),
        pytest.param("EASEL_LOG\nEASEL_RETRIES=\nEASEL_PATH=odd\nEASEL_PROMPT_SUFFIX=${HOME}", id="empty values"),
    ],
)
def test_every_usual_form_of_the_file_is_read(tmp_path: Path, text: str) -> None:
    """Bug: a byte order mark became part of the first name, and its setting was lost in silence."""
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert refusal(tmp_path).startswith("EASEL_PATH: 'odd'")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Bug: a line that python-dotenv cannot parse was skipped, and a service meant to have tokens had none."""
    file = tmp_path / ".env"
    file.write_bytes(b"EASEL_PROMPT_SUFFIX=\xe9\n")
    assert refusal(tmp_path).startswith(".env: cannot be read: it is not UTF-8 text: save it as UTF-8")
    file.write_text('EASEL_LOG=info\nEASEL_TOKENS="anna:topsecret\n')
    assert refusal(tmp_path) == ".env: line 2 is not of the form NAME=value"
    file.unlink()
    file.mkdir()
    assert refusal(tmp_path) == ".env: cannot be read: Is a directory"
