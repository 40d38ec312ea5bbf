"""The progress of a command that copies pictures, as a line for the person who waits."""

import time
from typing import Final, TextIO

EVERY_S: Final = 10.0
"""Seconds between two lines of progress in a file; a terminal has one line that changes."""

EVERY_ON_A_TERMINAL_S: Final = 0.2
MEGABYTE: Final = 1_000_000


class ProgressLine:
    """Writes how far the work is: one line that changes on a terminal, else a line now and then."""

    def __init__(self, verb: str, output: TextIO) -> None:
        """Write such lines as "Copied: 12 of 130 pictures, 40 of 450 MB" with this verb."""
        self._verb = verb
        self._output = output
        self._is_terminal = output.isatty()
        self._every_s = EVERY_ON_A_TERMINAL_S if self._is_terminal else EVERY_S
        self._said = time.monotonic()

    def __call__(self, done: int, number: int, done_bytes: int, size: int) -> None:
        """Write that so many of the pictures, and of their bytes, are done, unless that was said a moment ago."""
        now, is_end = time.monotonic(), done == number
        if now - self._said < self._every_s and not (is_end and self._is_terminal):
            return
        self._said = now
        line = f"{self._verb}: {done} of {number} pictures, {done_bytes // MEGABYTE} of {-(-size // MEGABYTE)} MB"
        end = "\n" if is_end or not self._is_terminal else ""
        print(f"\r{line}" if self._is_terminal else line, end=end, file=self._output, flush=True)
