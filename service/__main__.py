"""`python -m service`, and the commands `easel`, `flow2api-mcp` and `modelscope-image-mcp`.

The latter two are those of the programs before it: their entries in a client go on working.

A stop signal is obeyed from the first moment: process 1 of a container has no default action for it, and importing
the service takes longer than an impatient engine waits. So the handlers are set before anything else is imported. At
that point nothing is open yet, and the process just ends: an exception in the middle of an import leaves a trace.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_at_once)
    return _command()()


def main_over_stdio() -> int:
    """Serve one client on standard input and output: the command `modelscope-image-mcp`, which had no data folder.

    Its clients start it in a folder of their own choice, where nothing may be written perhaps.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_at_once)
    return _command()(["--stdio", *sys.argv[1:]], {"EASEL_DATA_DIR": "~/.easel"})


def _command() -> Callable[..., int]:
    """Import the command line. Nothing that it makes is garbage: to look through it takes a tenth of the time."""
    gc.disable()
    from service.commands.main import run  # noqa: PLC0415 - see the module's docstring

    gc.freeze()
    gc.enable()
    return run


def _stop_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
