"""A decoder process by itself, at its pipes: its limits, and what it has of the service."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.pictures.decoders import COMMAND
from service.pictures.messages import Examined, read_answer, read_head, read_strings, write_message
from service.pictures.previews import examine
from tests.paths import ROOT
from tests.pictures.samples import encoded, photo

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems accept the limit and do not keep it")
PNG = encoded(photo())


class Pipes:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def ask(
        self, work: str, data: bytes, *, memory: int = 400_000_000, cpu_s: float = 20, **arguments: Any
    ) -> tuple[dict[str, Any], list[bytes]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        task = {"work": work, "arguments": arguments, "memory_bytes": memory, "cpu_s": cpu_s}
        write_message(self.process.stdin, task, data)
        answer = read_head(self.process.stdout)
        return answer, read_strings(self.process.stdout, answer)


@contextmanager
def decoder() -> Iterator[Pipes]:
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield Pipes(process)
        finally:
            process.kill()


def test_an_answer_is_that_of_the_function() -> None:
    with decoder() as pipes:
        for _ in range(2):
            answer, strings = pipes.ask("examine", PNG)
            assert read_answer(Examined, answer, strings, PNG) == examine(PNG)


def test_it_ends_with_its_pipe() -> None:
    """Ours: a service that was killed leaves no decoder behind."""
    with decoder() as pipes:
        pipes.ask("examine", PNG)
        assert pipes.process.stdin is not None
        pipes.process.stdin.close()
        assert pipes.process.wait(10) == 0


@LINUX
def test_a_picture_that_takes_more_memory_than_allowed_is_refused() -> None:
    """Ours: the decoder goes on, and the next picture has its answer. 4096×4096 take 67 MB as RGBA."""
    large = encoded(Image.new("RGBA", (4096, 4096)))
    with decoder() as pipes:
        answer, _ = pipes.ask("examine", large, memory=80_000_000)
        assert answer["refusal"] == ["picture", "takes more than 80 MB of memory to decode", "too_complex"]
        assert "values" in pipes.ask("examine", large)[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of processor time")
def test_a_picture_that_takes_more_processor_time_than_allowed_ends_it() -> None:
    """Attack: a small valid file held a thread, and everybody behind it, for 29 seconds."""
    slow = encoded(photo(2048, 2048), "image/jpeg")
    with decoder() as pipes:
        pipes.ask("examine", PNG, cpu_s=20)
        with pytest.raises(EOFError):
            for _ in range(100):
                pipes.ask("convert", slow, cpu_s=0.1, accepted=["image/png"])
        assert pipes.process.wait(10) == -signal.SIGXCPU


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_it_leaves_signals_to_the_service() -> None:
    """Ours: Ctrl-C goes to all processes of a terminal; a picture that is paid for is decoded all the same."""
    with decoder() as pipes:
        pipes.ask("examine", PNG)
        for number in (signal.SIGINT, signal.SIGTERM):
            pipes.process.send_signal(number)
        assert "values" in pipes.ask("examine", PNG)[0]


@LINUX
def test_the_system_ends_it_before_the_service_and_it_writes_no_file() -> None:
    """proc(5): the process with the highest score goes when memory is short."""
    with decoder() as pipes:
        pipes.ask("examine", PNG)
        process = Path(f"/proc/{pipes.process.pid}")
        assert (process / "oom_score_adj").read_text() == "1000\n"
        limits = (process / "limits").read_text().splitlines()
        assert [line.split()[-3:-1] for line in limits if "file size" in line or "core file" in line] == [
            ["0", "0"]
        ] * 2


@LINUX
def test_it_leaves_the_processor_to_the_service() -> None:
    """Ours: where both want it, a call that waits for an answer in a millisecond goes before a picture."""
    with decoder() as pipes:
        pipes.ask("examine", PNG)
        assert os.getpriority(os.PRIO_PROCESS, pipes.process.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_a_mistake_of_ours_arrives_with_its_traceback() -> None:
    with decoder() as pipes:
        answer, strings = pipes.ask("no such work", PNG)
        with pytest.raises(RuntimeError, match="KeyError: 'no such work'"):
            read_answer(Examined, answer, strings, PNG)
