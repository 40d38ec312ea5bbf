"""The command `import PATH`, and the same at the start for what lies in the data folder: take over an earlier server.

It enters the history of one owner: of the only one there is, else of the one that `--owner` names. Progress and faults
go to standard error, since standard output may belong to a client.
"""

import asyncio
import contextlib
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, TextIO

from service.images import LOCAL_OWNER, WorkError
from service.old_data.folder import INSIDE, NAMES, PACKAGE, holds_old_data, old_folders
from service.old_data.takeover import HistoryImporter, Takeover
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.people import as_sent
from service.stores import open_stores

BAR: Final = 30
"""Characters of the progress bar."""

MOST_FAULTS: Final = 20
"""Faults that are told one by one; the rest are counted."""


class TakeoverError(Exception):
    """Nothing can be taken over: the argument, what is wrong, and what would be right. One line."""


class ProgressBar:
    """A bar on a terminal, redrawn in its line; elsewhere nothing, since a log keeps every line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """Show how many of all pictures are done."""
        if not self._stream.isatty() or not total:
            return
        if (filled := BAR * done // total) != self._shown or done == total:
            self._shown = filled
            end = "\n" if done == total else ""
            bar = "#" * filled + "-" * (BAR - filled)
            print(f"\r  [{bar}] {done} of {total} pictures", end=end, file=self._stream, flush=True)


async def take_over(settings: Settings, path: Path, owner: str) -> int:
    """Take over what lies under a path: a data folder of an earlier server, or its checkout. Returns the exit status.

    Raises `TakeoverError` where nothing lies there, or the owner is not clear.
    """
    folders = old_folders(path)
    if not folders:
        if not await asyncio.to_thread(path.exists):
            raise TakeoverError(f"{path} is not there. Name the data folder of the earlier server, or its checkout.")
        places = ", ".join(str(path / name) for name in INSIDE)
        raise TakeoverError(f"{path} holds none of {', '.join(NAMES)}; nor do {places}. Name the folder that does.")
    for outcome in await _take_over(settings, folders, owner):
        print(summary(outcome))
    return 0


async def take_over_found(settings: Settings, owner: str = "") -> None:
    """At the start: take over what an earlier server left in the data folder, or in a package in the working folder.

    An empty `owner` is the only one there is.
    """
    folders = [path for path in (settings.data_dir, Path(PACKAGE)) if holds_old_data(path)]
    if not folders:
        return
    try:
        outcomes = await _take_over(settings, folders, owner)
    except TakeoverError as error:
        _say(f"{folders[0]} holds the history of an earlier server, which is not taken over: {error}")
        return
    for outcome in outcomes:
        if not outcome.known:
            _say(summary(outcome))


def owner_of(settings: Settings, stored: Collection[str], named: str) -> str:
    """Return the owner whose history an import enters: the `named` one, else the only one there is.

    `stored` are the names of the tokens in the data folder. Raises `TakeoverError` where there may be several, or where
    no token has the name.
    """
    names = {*settings.tokens, *stored, *([LOCAL_OWNER] if settings.auto_token else [])}
    known = f" ({', '.join(sorted(names))})" if names else ""
    if named:
        if names and named not in names and not (settings.tokens_file or settings.oauth):
            raise TakeoverError(f"--owner: no token has the name {named}; name one that has{known}")
        return named
    if len(names) > 1 or settings.several_owners:
        raise TakeoverError(
            f"several people may have a history here{known}: say whose it is, with "
            "python -m service import PATH --owner NAME"
        )
    return next(iter(names), LOCAL_OWNER)


def summary(outcome: Takeover) -> str:
    """Return the lines that tell the outcome, faults included."""
    if outcome.known:
        return f"Nothing new in {outcome.path}: it was taken over before."
    imported = outcome.imported
    lines = [
        f"Taken over from {outcome.path} for {outcome.owner}: entries: {imported.jobs:,} of {outcome.entries:,}, "
        f"files: {imported.files:,}. Nothing was changed there."
    ]
    if imported.renumbered:
        was, now = next(iter(imported.renumbered.items()))
        lines.append(
            f"  Numbers that were taken here already: {len(imported.renumbered):,}. Those entries come after the "
            f"newest: history_id {was} there is {now} here, and so on."
        )
    lines += [f"  {fault}" for fault in outcome.faults[:MOST_FAULTS]]
    if len(outcome.faults) > MOST_FAULTS:
        lines.append(f"  … and {len(outcome.faults) - MOST_FAULTS} more.")
    return "\n".join(lines)


async def _take_over(settings: Settings, folders: Sequence[Path], owner: str) -> list[Takeover]:
    async with contextlib.AsyncExitStack() as stack:
        storage = await open_stores(settings, stack)
        tokens = as_sent(await storage.people.tokens())
        names = {token.name for token in tokens if not token.revoked}
        if tokens and not names and not settings.needs_token and not owner:
            raise TakeoverError(
                "all tokens are revoked, and nobody can call: run `token add NAME`, or `token reset` to need none"
            )
        owner = owner_of(settings, names, owner)
        importer = HistoryImporter(files=storage.files, imports=storage.imports, max_file_bytes=settings.max_file_bytes)
        try:
            return [await importer.take_over(folder, owner, ProgressBar(sys.stderr)) for folder in folders]
        except OSError as error:
            raise TakeoverError(f"{error.filename or folders[0]} cannot be read: {error.strerror}") from error
        except WorkError as error:  # nothing was entered, and the next start goes on
            raise SettingsError("EASEL_DATA_DIR", f"cannot take over an earlier server's data: {error.fact}") from error


def _say(text: str) -> None:
    print(f"easel: {text}", file=sys.stderr, flush=True)
