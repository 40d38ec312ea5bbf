"""The writer of the log: nobody waits for standard error, and what it does not take is counted."""

import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from service import log_writer
from service.log_writer import LogWriter
from service.logs import SecretFilter, settle
from tests.paths import ROOT
from tests.service_process import service_process
from tests.wire import modern_headers, modern_params, request

PIPE_BYTES = 4096
"""The smallest pipe that Linux gives."""

DEADLINE_S = 20


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """A small pipe: its end to read from, and that to write to."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(ends[0]) as source, os.fdopen(ends[1], "w") as target:
        yield source, target


@pytest.fixture
def log(pipe: tuple[TextIO, TextIO]) -> Iterator[logging.Logger]:
    """A logger that writes into that pipe."""
    logger = logging.getLogger("tests.log_writer")
    handler = LogWriter(pipe[1], settle, SecretFilter([]).filter)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def writer_of(log: logging.Logger) -> LogWriter:
    [handler] = log.handlers
    assert isinstance(handler, LogWriter)
    return handler


def read_until(source: TextIO, last: str) -> list[str]:
    lines = [source.readline().rstrip("\n")]
    while lines[-1] != last:
        lines.append(source.readline().rstrip("\n"))
    return lines


def test_lines_that_nobody_reads_are_dropped_and_said_in_their_place(
    pipe: tuple[TextIO, TextIO], log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the service stopped when the pipe behind its standard error was full; a client may leave that alone."""
    monkeypatch.setattr(log_writer, "ROOM", 200_000)
    for number in range(2000):
        log.info("line %d %s", number, "x" * 50)
    writer = writer_of(log)
    assert 0 < writer.dropped < 2000
    log.warning("a warning")
    heard = read_until(pipe[0], "a warning")
    kept = [int(line.split()[1]) for line in heard if line.startswith("line")]
    assert kept == list(range(len(kept)))
    assert heard[-2] == (
        f"{2000 - len(kept)} lines of the log are missing here: standard error did not take them fast enough."
    )
    assert writer.dropped == 2000 - len(kept)
    log.info("it flows again")
    assert read_until(pipe[0], "it flows again") == ["it flows again"]


def test_a_gap_is_said_also_when_nothing_is_logged_after_it(
    pipe: tuple[TextIO, TextIO], log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "ROOM", 200_000)
    for _ in range(2000):
        log.info("x" * 60)
    while not (line := pipe[0].readline()).endswith("fast enough.\n"):
        assert line == "x" * 60 + "\n"
    assert line.startswith(f"{writer_of(log).dropped} lines")


def test_a_line_is_kept_as_it_was_when_it_was_logged(pipe: tuple[TextIO, TextIO], log: logging.Logger) -> None:
    """Ours: the thread formats later, and what a line was given may have changed by then."""
    names = ["anna"]
    log.info("%s", names)
    names.append("bob")
    log.info("end")
    assert read_until(pipe[0], "end")[0] == "['anna']"


def test_a_pipe_that_does_not_wait_gets_all_lines(pipe: tuple[TextIO, TextIO], log: logging.Logger) -> None:
    """Ours: whoever started the process may have opened it so; then a write beyond its room is an error."""
    os.set_blocking(pipe[1].fileno(), False)
    for number in range(1000):
        log.info("%d", number)
    log.info("end")
    assert read_until(pipe[0], "end") == [*map(str, range(1000)), "end"]


def test_a_standard_error_that_is_gone_costs_the_lines_alone(pipe: tuple[TextIO, TextIO], log: logging.Logger) -> None:
    pipe[0].close()
    log.warning("nobody hears this")
    writer = writer_of(log)
    writer.flush()
    assert writer.dropped == 1
    until = time.monotonic() + DEADLINE_S
    while not vars(writer._changed)["_waiters"] and time.monotonic() < until:
        time.sleep(0.001)  # the thread is about to wait for lines
    log.info("nor this")
    while writer.dropped == 1 and time.monotonic() < until:
        time.sleep(0.001)
    assert writer.dropped > 1
    assert not writer._lines


def test_a_forked_process_writes_its_own_lines_and_not_those_of_its_parent(
    pipe: tuple[TextIO, TextIO], log: logging.Logger
) -> None:
    log.info("of the parent")
    child = os.fork()
    if not child:
        log.info("of the child")
        writer_of(log).flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.info("end")
    assert sorted(read_until(pipe[0], "end")) == ["end", "of the child", "of the parent"]


START = "import logging, sys; from service import logs; logs.set_up('info', 'text', ['s3cr3t'])\n"
MANY = START + "for each in range(3000): logging.getLogger('service.x').info('line %d s3cr3t', each)\n"


def process(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=ROOT, text=True)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param("", 0, id="at its end"),
        pytest.param("sys.exit(3)", 3, id="by exit"),
        pytest.param("raise ValueError('ours')", 1, id="by a mistake of ours"),
    ],
)
def test_a_process_that_ends_writes_all_lines_in_order(end: str, status: int) -> None:
    run = process(MANY + end)
    _, heard = run.communicate(timeout=DEADLINE_S)
    assert run.returncode == status
    assert re.findall(r"line (\d+) \[hidden\]", heard) == [str(each) for each in range(3000)]


def test_lines_are_seen_of_a_process_that_is_killed_later() -> None:
    """Ours: an error is written at once, also while the process computes, and other lines soon after."""
    with process(START + "logging.getLogger('service.x').error('it breaks')\nwhile True: pass") as run:
        assert run.stderr is not None
        assert run.stderr.readline().endswith("it breaks\n")
        run.send_signal(signal.SIGKILL)


def test_a_process_ends_though_nobody_reads_its_log() -> None:
    with process(MANY + "from service import log_writer; log_writer.FLUSH_S = 0.2") as run:
        assert run.wait(DEADLINE_S) == 0


async def test_calls_are_answered_though_nobody_reads_the_log(tmp_path: Path, pipe: tuple[TextIO, TextIO]) -> None:
    """Bug: no call was answered any more from the 942nd on, and nothing else either."""
    body = request("tools/call", modern_params({"name": "cache", "arguments": {}}))
    with os.fdopen(os.dup(pipe[1].fileno()), "wb") as stderr:
        async with service_process(tmp_path / "data", stderr, EASEL_LOG="info") as (_, client):
            for _ in range(3 * PIPE_BYTES // 60):
                answer = await client.post(body, modern_headers("tools/call", "cache"))
                assert answer.status == 200
