"""The commands `backup` and `restore`: a data folder copied to another folder, and back, with a line of progress."""

import sys
import time
from pathlib import Path
from typing import Final, TextIO

from service.settings import Settings
from service.storage.backup import Report, back_up
from service.storage.backup import restore as restore_backup

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


def backup(settings: Settings, target: Path) -> int:
    """Back the data folder up. Returns the exit status: 1 where pictures of the history were not there.

    Raises `BackupError`.
    """
    report = back_up(settings.data_dir, target, ProgressLine("Copied", sys.stderr))
    print(
        f"Backed up {settings.data_dir} to {target}: the history and {_counted(report)}, of which {report.copied} were "
        f"new{f'; {report.removed} that are no longer kept were removed' if report.removed else ''}."
    )
    print(f"It holds the secret of this service and everybody's pictures: keep it as safe as {settings.data_dir}.")
    print(f"`python -m service restore {target}` brings it back into an empty data folder.")
    if report.missing:
        print(f"Not there, and left out: {_listed(report)}. The data folder has lost them.")
    return 1 if report.missing else 0


def restore(settings: Settings, source: Path, *, skip_damaged: bool) -> int:
    """Bring a backup into the data folder. Returns the exit status. Raises `BackupError`."""
    progress = ProgressLine("Checked and copied", sys.stderr)
    report = restore_backup(source, settings.data_dir, progress, skip_damaged=skip_damaged)
    print(f"Restored {source} to {settings.data_dir}: the history and {_counted(report)}. Start the service.")
    if report.missing:
        print(f"Damaged, and left out: {_listed(report)}. The history says that they are gone.")
    return 0


def _counted(report: Report) -> str:
    noun = "picture" if report.pictures == 1 else "pictures"
    return f"{report.pictures} {noun} ({-(-report.size // MEGABYTE)} MB)"


def _listed(report: Report) -> str:
    return ", ".join(report.missing)
