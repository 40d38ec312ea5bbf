"""Backups of a data folder in another folder, taken while services run or not, and their restoration.

1. A backup is one moment of the history: a copy of the database, and every stored picture that it names. One that was
   removed while the copy was taken is taken out of the copy's index as well, as if it had gone before. The secret is
   part of it, so that links, sessions and tokens go on working; also what arrived for jobs that still worked.
2. A second backup into the same folder copies what is new. Until its last step, the rename of the database, the folder
   holds the earlier backup, whole; what only that one needed is removed afterwards.
3. `backup.json` marks the folder, so that no other one is taken for a backup, and nothing else is ever removed.
   `SHA256SUMS` has the digest of each picture, in the form of sha256sum(1).
4. A restoration checks everything before it writes, and only writes to an empty folder; the database comes last.

All of it blocks, and may be ended at any moment by an exception.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from service.storage.arrivals import NAME as ARRIVAL
from service.storage.arrivals import arrival_name
from service.storage.backup_folder import (
    DATABASE,
    LOCK,
    MARK,
    NEW_DATABASE,
    SECRET,
    SMALL_FOLDERS,
    BackupError,
    copy_picture,
    copy_small,
    forget,
    is_there,
    locked,
    place,
    read_sums,
    reading,
    size_of,
    stored_in,
    telling,
    write,
    write_sums,
)
from service.storage.data_folder import PRIVATE_FOLDER, sync_folder
from service.storage.files import NAME as PICTURE
from service.storage.secret import SECRET_BYTES
from service.storage.sqlite.jobs import SELECT_WORKING
from service.storage.sqlite.schema import VERSION, version_of
from service.storage.sqlite.upgrade import copy_database, needs_upgrade

SPARE_BYTES: Final = 16 * 1024 * 1024
"""Room for folders and small files, beside the bytes of pictures and database."""

NAMED_AT_ONCE: Final = 5

ELSEWHERE: Final = "pictures_elsewhere"
"""The key of the mark that says so."""

Advance: TypeAlias = Callable[[int, int, int, int], None]
"""Is told of the work: pictures done and their number, bytes done and their number."""


@dataclass(kw_only=True)
class Report:
    """The outcome: pictures and bytes of the whole backup, pictures that were copied now, and others by their names.

    `missing` are names of the index whose picture was not there, or was damaged and left out. `elsewhere`: pictures
    are no part of the backup.
    """

    pictures: int = 0
    size: int = 0
    copied: int = 0
    removed: int = 0
    missing: list[str] = field(default_factory=list)
    elsewhere: bool = False


def back_up(data: Path, target: Path, advance: Advance, *, elsewhere: bool = False) -> Report:
    """Back the data folder up into a folder that is not there, empty, or an earlier backup of the same data folder.

    `elsewhere`: the pictures are no part of it, and stay where they are, also when it is restored.
    Raises `BackupError`; an earlier backup is as it was then.
    """
    with telling("The backup failed, and an earlier one there is as it was"):
        _check_data(data)
        _check_target(data, target)
        target.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        with locked(target):
            return _back_up(data, target, advance, elsewhere=elsewhere)


def restore(source: Path, data: Path, advance: Advance, *, skip_damaged: bool = False) -> Report:
    """Bring a backup into a data folder that is empty or not there, after a look at all of it.

    `skip_damaged` leaves damaged pictures out, which the history then tells. Raises `BackupError`; the data folder is
    empty then.
    """
    with telling("The backup could not be restored, and the data folder is left empty"):
        stored = _check_backup(source)
        _check_empty(data)
        size = sum(stored.values())
        _check_room(data, 0, size + (source / DATABASE).stat().st_size)
        progress = _Progress(advance, 2 * len(stored), 2 * size)
        damaged = list(_damaged(source, stored, progress))
        if damaged and not skip_damaged:
            raise BackupError(
                f"{source} is not whole: {_named(damaged)} missing or changed. Take another backup, or leave them out "
                "with --skip-damaged; the history then says that they are gone."
            )
        try:
            return _restore(source, data, {name: stored[name] for name in stored if name not in damaged}, progress)
        except BaseException:
            _empty(data)
            raise


def _back_up(data: Path, target: Path, advance: Advance, *, elsewhere: bool) -> Report:
    sums = read_sums(target)
    stored = {} if elsewhere else stored_in(data / DATABASE)
    wanted = sum(size for name, size in stored.items() if name not in sums or not is_there(target, name, size))
    _check_room(target, wanted, (data / DATABASE).stat().st_size + size_of(data / f"{DATABASE}-wal"))
    _write_mark(target, None)
    copy_small(data, target)  # before the database: a job that it shows at work has its arrival here
    copy_database(data / DATABASE, target / NEW_DATABASE)
    copy_small(data, target)
    stored = {} if elsewhere else stored_in(target / NEW_DATABASE)
    report = Report(elsewhere=elsewhere)
    progress = _Progress(advance, len(stored), sum(stored.values()))
    for name, size in stored.items():
        if name not in sums or not is_there(target, name, size):
            digest = copy_picture(data, target, name, size)
            if digest is None:
                report.missing.append(name)
                progress.add(size)
                continue
            sums[name] = digest
            report.copied += 1
        progress.add(size)
    forget(target / NEW_DATABASE, report.missing)
    for name in report.missing:
        del stored[name]
    write_sums(target, sums)
    (target / NEW_DATABASE).replace(target / DATABASE)
    sync_folder(target)
    report.pictures, report.size = len(stored), sum(stored.values())
    report.removed = _remove_others(target, stored)
    write_sums(target, {name: digest for name, digest in sums.items() if name in stored})
    _write_mark(target, report)
    return report


def _restore(source: Path, data: Path, stored: dict[str, int], progress: "_Progress") -> Report:
    report = Report(pictures=len(stored), size=sum(stored.values()), copied=len(stored))
    data.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    copy_small(source, data)
    for name, size in stored.items():
        if copy_picture(source, data, name, size) is None:
            raise BackupError(f"{source} changed while it was read: {name} is gone")
        progress.add(size)
    report.missing = sorted(_stored(source).keys() - stored.keys())
    copy_database(source / DATABASE, data / NEW_DATABASE)
    forget(data / NEW_DATABASE, report.missing)
    (data / NEW_DATABASE).replace(data / DATABASE)
    sync_folder(data)
    return report


def _check_data(data: Path) -> None:
    for name in (DATABASE, SECRET):
        if not (data / name).is_file():
            raise BackupError(f"{data / name} is not there: EASEL_DATA_DIR names the data folder of the service")
    with closing(reading(data / DATABASE)) as connection:
        if version_of(connection) != VERSION:
            raise BackupError(
                f"{data / DATABASE} has tables {version_of(connection)}, this version knows {VERSION}: back it up with "
                "the version that wrote it"
            )


def _check_target(data: Path, target: Path) -> None:
    if target.resolve().is_relative_to(data.resolve()):
        raise BackupError(f"{target} is in the data folder, which it would be lost with: name a folder outside it")
    if target.exists() and not target.is_dir():
        raise BackupError(f"{target} is a file: name a folder")
    if not target.exists() or {each.name for each in target.iterdir()} <= {LOCK}:
        return
    if not (target / MARK).is_file():
        raise BackupError(f"{target} holds other files: name an empty folder, a new one, or an earlier backup")
    with suppress(FileNotFoundError):
        if (target / SECRET).read_bytes() != (data / SECRET).read_bytes():
            raise BackupError(f"{target} is the backup of another data folder: name another one")


def _check_backup(source: Path) -> dict[str, int]:
    """Return the pictures of a whole backup, with their sizes; raises `BackupError` for anything else."""
    if not (source / MARK).is_file():
        raise BackupError(
            f"{source} is no backup: {MARK} is not there. A copy of a whole data folder needs no restoration: let "
            "EASEL_DATA_DIR name it"
        )
    if not (source / DATABASE).is_file():
        raise BackupError(f"{source} is not whole: its backup was never finished. Take another one")
    if size_of(source / SECRET) < SECRET_BYTES:
        raise BackupError(f"{source} is not whole: the secret is missing or cut off. Take another backup")
    with closing(reading(source / DATABASE)) as connection:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise BackupError(f"{source} is not whole: the database is damaged ({found}). Take another backup")
        needs_upgrade(connection, source / DATABASE)
    return _stored(source)


def _stored(source: Path) -> dict[str, int]:
    """Return the pictures that belong to a backup, with their sizes: none where they are elsewhere."""
    mark = json.loads((source / MARK).read_bytes())
    return {} if mark.get(ELSEWHERE) else stored_in(source / DATABASE)


def _check_empty(data: Path) -> None:
    used = [each.name for each in data.iterdir() if each.name != "lost+found"] if data.exists() else []
    if used:
        raise BackupError(
            f"{data} is in use: it holds {min(used)}. Stop the service and move that folder away, or let "
            "EASEL_DATA_DIR name an empty one"
        )


def _check_room(folder: Path, pictures: int, others: int) -> None:
    """Raise `BackupError` where a folder that may not be there yet has no room for so many bytes."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    needed, free = pictures + others + SPARE_BYTES, shutil.disk_usage(there).free
    if free < needed:
        raise BackupError(
            f"{folder} has {free // 1_000_000} MB free, and {needed // 1_000_000 + 1} MB are needed: make room, or "
            "name a folder on another disk"
        )


def _damaged(source: Path, stored: dict[str, int], progress: "_Progress") -> Iterator[str]:
    """Yield the pictures of a backup that are missing, or whose bytes are not those that were copied."""
    sums = read_sums(source)
    for name, size in stored.items():
        whole = is_there(source, name, size)
        if whole:
            with place(source, name).open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == sums.get(name)
        progress.add(size)
        if not whole:
            yield name


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_AT_ONCE} more" if len(names) > NAMED_AT_ONCE else ""
    return f"{', '.join(names[:NAMED_AT_ONCE])}{more} {'is' if len(names) == 1 else 'are'}"


def _write_mark(folder: Path, report: Report | None) -> None:
    """Mark a folder as a backup that is begun, unless it is one already, or with a report as one that is finished."""
    if report is None and (folder / MARK).exists():
        return
    finished = None if report is None else datetime.now(UTC).isoformat(timespec="seconds")
    said = {"backup_of": "easel", "tables": VERSION, "finished": finished}
    if report is not None:
        said |= {"pictures": report.pictures, "bytes": report.size, ELSEWHERE: report.elsewhere}
    write(folder / MARK, json.dumps(said, indent=2) + "\n")


def _remove_others(target: Path, stored: dict[str, int]) -> int:
    """Remove pictures and arrivals of earlier backups that this one does not name. Return how many pictures went."""
    with closing(reading(target / DATABASE)) as connection:
        working = {arrival_name(owner, history_id) for owner, history_id in connection.execute(SELECT_WORKING)}
    for each in (target / "arrived").iterdir():
        if (found := ARRIVAL.fullmatch(each.name)) and found[1] not in working:
            each.unlink()
    removed = 0
    for each in (target / "files").glob("*/*"):
        if each.name.removesuffix(".part") not in stored and PICTURE.fullmatch(each.name.removesuffix(".part")):
            each.unlink()
            removed += 1
    return removed


def _empty(data: Path) -> None:
    """Remove all that a restoration has made in a folder that was empty."""
    for name in ("files", *SMALL_FOLDERS):
        shutil.rmtree(data / name, ignore_errors=True)
    for name in (SECRET, DATABASE, NEW_DATABASE, f"{SECRET}.part", f"{NEW_DATABASE}.part"):
        (data / name).unlink(missing_ok=True)


class _Progress:
    """Counts pictures and bytes as they are done, and tells of them."""

    def __init__(self, advance: Advance, pictures: int, size: int) -> None:
        self._advance = advance
        self._pictures, self._size = pictures, size
        self._done = self._done_bytes = 0

    def add(self, size: int) -> None:
        """Count one picture more."""
        self._done += 1
        self._done_bytes += size
        self._advance(self._done, self._pictures, self._done_bytes, self._size)
