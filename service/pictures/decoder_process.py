"""A decoder process: reads tasks from its standard input, decodes, and answers on its standard output.

`decoders.py` starts it as `python -m service.pictures.decoder_process`, and may kill it at any moment. A picture that
takes it over finds little: no settings and no keys, since its environment is empty, and no file that it may write.
Limits, each set before the bytes of a task are read:

- processor time: the system ends a process that needs more (Linux, macOS);
- memory: the system gives no more, and the picture is refused (Linux alone: macOS does not keep such a limit, Windows
  has none; there the pixels of the header bound the memory);
- when the machine or the container runs out of memory, this process is ended, and not the service (Linux);
- where there are fewer processors than processes at work, the service goes first, which everybody waits for (not on
  Windows).

The time that a task takes by the clock is limited by the service. Signals are left to it as well: it may still need the
answer of a decoder when a terminal or a system sends all processes the signal to stop.
"""

import contextlib
import math
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from PIL import AvifImagePlugin, Image, PngImagePlugin

from service.pictures.colour import LARGEST_PROFILE
from service.pictures.conversion import convert
from service.pictures.masks import alpha_mask, marked_copy, read_mask
from service.pictures.messages import BadPictureError, Value, read_head, read_strings, write_message
from service.pictures.previews import copy, derive, examine, shrink, take_in

if sys.platform != "win32":
    import resource

WORK: Final[Mapping[str, Callable[..., Value]]] = {
    "examine": examine,
    "take_in": take_in,
    "copy": copy,
    "shrink": shrink,
    "convert": convert,
    "derive": derive,
    "read_mask": read_mask,
    "alpha_mask": alpha_mask,
    "marked_copy": marked_copy,
}

AVIF_THREADS: Final = 2
"""Each costs memory for a stack; by default there is one for each core of the machine."""

KILLED_FIRST: Final = "1000"
"""See proc(5), `oom_score_adj`."""

NICE: Final = 5
"""See nice(2). A process of usual priority has three times as much of a processor that both want."""


def main() -> None:
    """Answer tasks until the service closes the pipe."""
    tasks, answers = _isolate()
    _prepare_pillow()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = read_head(tasks)
            limit(int(task["memory_bytes"]), float(task["cpu_s"]))
            strings = read_strings(tasks, task)
            write_message(answers, *answer(task, *strings))
            del task, strings


def answer(task: Mapping[str, Any], data: bytes, *others: bytes) -> tuple[Any, ...]:
    """Do the work of a task on a picture, or on one and others; return the answer and its strings."""
    try:
        values, strings = WORK[task["work"]](data, *others, **task["arguments"]).to_message(data)
    except BadPictureError as error:
        return ({"refusal": [error.subject, error.problem, error.code]},)
    except MemoryError:
        problem = f"takes more than {task['memory_bytes'] // 1_000_000} MB of memory to decode"
        return ({"refusal": ["picture", problem, "too_complex"]},)
    except Exception:  # noqa: BLE001 - the service raises it again, with this traceback
        return ({"error": traceback.format_exc()},)
    return ({"values": values}, *strings)


def limit(memory_bytes: int, cpu_s: float) -> None:
    """Set the limits of the next task."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {resource.RLIMIT_CPU: math.ceil(used.ru_utime + used.ru_stime + cpu_s)}
    if sys.platform == "linux":
        limits[resource.RLIMIT_DATA] = memory_bytes
    for each, value in limits.items():
        _, most = resource.getrlimit(each)
        resource.setrlimit(each, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _isolate() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes of tasks and answers; what else is written by libraries goes nowhere from here on."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(KILLED_FIRST)
        for each in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            resource.setrlimit(each, (0, 0))
        os.nice(NICE)
    return tasks, answers


def _prepare_pillow() -> None:
    """Make Pillow refuse what it would only warn of: its documentation gives the second line."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    PngImagePlugin.MAX_TEXT_CHUNK = LARGEST_PROFILE  # of texts and profiles; texts are left out before
    AvifImagePlugin.DEFAULT_MAX_THREADS = AVIF_THREADS


if __name__ == "__main__":
    main()
