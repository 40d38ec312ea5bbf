"""The command `move`: an installation goes to another database and another place of its pictures, or back.

1. The settings name the old place, a file of settings the new one: it is the `.env` of the service from then on, and no
   password stands on a command line. Both may be a data folder, or PostgreSQL and a bucket, or anything between.
2. Ids, links, owners, tokens, tasks, uploads and sessions go on: both places have one secret.
3. It is refused while a service runs on either place, and can be begun again whenever it was cut short.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from service.commands.environment import read_settings
from service.commands.progress import ProgressLine
from service.images import WorkError
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.arrivals import DiskArrivals
from service.storage.backup_folder import SECRET
from service.storage.data_folder import PRIVATE_FOLDER, DataFolderError
from service.storage.disk import DiskFiles
from service.storage.files import Arrivals
from service.storage.lease import Lease
from service.storage.moving.mover import Moved, Place, move
from service.storage.moving.records import MoveError, Records
from service.storage.moving.sqlite_records import FolderRecords, check_idle
from service.storage.s3 import ownership
from service.storage.s3.arrivals import S3Arrivals
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage.secret import SECRET_BYTES, Secret
from service.storage_urls import DATABASE_URL, FILES_URL, NO_DRIVER
from service.stores import ANOTHERS, START_PATIENCE_S, once_it_answers, secret_of
from service.upstreams.connector import client_session

TELL_IT: Final = "give it that of now, as EASEL_SECRET (`xxd -p -c 64 {}/secret` prints the one of a data folder)"


def run(settings: Settings, target: Path) -> int:
    """Move the installation of the settings to the place that a file of settings names. Returns the exit status.

    Raises `MoveError`.
    """
    new = _settings_in(target)
    difference = _Difference(settings, new)
    if not difference.records and not difference.files:
        raise MoveError(f"{target} names the places where everything is; change EASEL_DATABASE_URL or EASEL_FILES_URL")
    moved = asyncio.run(_move(settings, new, difference))
    _tell(new, target, moved)
    return 1 if moved.pictures.missing else 0


@dataclass(frozen=True)
class _Difference:
    """The parts of two installations that are not in the same place."""

    old: Settings
    new: Settings

    @property
    def records(self) -> bool:
        return _place_of_records(self.old) != _place_of_records(self.new)

    @property
    def files(self) -> bool:
        return _place_of_files(self.old) != _place_of_files(self.new)


def _place_of_records(settings: Settings) -> str:
    return settings.database.url if settings.database is not None else str(settings.data_dir.resolve())


def _place_of_files(settings: Settings) -> str:
    return f"{settings.s3.url}/{settings.s3.prefix}" if settings.s3 is not None else str(settings.data_dir.resolve())


def _settings_in(file: Path) -> Settings:
    try:
        return Settings.from_env(read_settings(file, file.read_bytes()))
    except OSError as error:
        raise MoveError(f"--to: {file} cannot be read: {error.strerror}; name the settings of the new place") from error
    except SettingsError as error:
        raise MoveError(f"--to: {file}: {error}") from error


async def _move(old: Settings, new: Settings, difference: _Difference) -> Moved:
    try:
        async with contextlib.AsyncExitStack() as stack:
            folders = dict.fromkeys(each.data_dir.resolve() for each in (old, new))
            for folder in folders:
                await asyncio.to_thread(check_idle, folder)
            secret = await asyncio.to_thread(_one_secret, old, new)
            scratch = {}
            for folder in folders:
                lease = await asyncio.to_thread(Lease.claim, folder)
                stack.callback(lease.release)
                scratch[folder] = lease.folder
            source, target = [
                await _open_place(each, secret, scratch[each.data_dir.resolve()], stack) for each in (old, new)
            ]
            await target.check_folder(source)
            progress = ProgressLine("Copied", sys.stderr)
            places = source.place, target.place
            moved = await move(*places, progress, records=difference.records, files=difference.files)
            await target.take_folder()  # from the old database, where only that is another one now
            return moved
    except (DataFolderError, WorkError) as error:
        raise MoveError(str(error).replace("\n", " ")) from error


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """One of the places, opened. Where its pictures lie in a bucket: that, and the fingerprint of its database."""

    place: Place
    settings: Settings
    bucket: Bucket | None = None
    database: str = ""

    async def check_folder(self, old: "_Opened") -> None:
        """Claim a folder that is nobody's, or raise `MoveError` where it belongs neither to this nor to the old one."""
        if self.bucket is None or self.settings.s3 is None:
            return
        owner = await ownership.owner_of(self.bucket)
        if owner is None:
            await ownership.claim(self.bucket, self.database)
        elif owner not in {self.database, old.database}:
            raise MoveError(f"--to: {FILES_URL}: {self.settings.s3.shown} {ANOTHERS}")

    async def take_folder(self) -> None:
        """Have the folder belong to this place's database."""
        if self.bucket is not None:
            await ownership.take_over(self.bucket, self.database)


async def _open_place(settings: Settings, secret: Secret, scratch: Path, stack: contextlib.AsyncExitStack) -> _Opened:
    key = secret.derive("picture names")
    records: Records = FolderRecords(settings.data_dir)
    identity: Callable[[], Awaitable[Secret]] = partial(asyncio.to_thread, Secret.open, settings.data_dir, scratch)
    if settings.database is not None:
        try:
            from service.storage.moving.postgresql_records import PostgresRecords  # noqa: PLC0415 - its driver is an extra
        except ImportError as missing:
            raise MoveError(f"{DATABASE_URL} {NO_DRIVER}") from missing

        records = PostgresRecords(settings.database)
        identity = records.identity
    if settings.s3 is None:
        files = await DiskFiles.open(settings.data_dir / "files", scratch, key)
        on_disk = await DiskArrivals.open(settings.data_dir / "arrived", scratch)
        return _Opened(place=Place(records=records, files=files, arrivals=on_disk), settings=settings)
    session = await stack.enter_async_context(client_session(settings.proxies, "easel"))
    bucket = Bucket(session, settings.s3)
    of_bucket = await once_it_answers(START_PATIENCE_S, S3Files.open, bucket, key)
    own = await identity()
    arrivals: Arrivals
    if settings.database is not None:
        arrivals = S3Arrivals(bucket, own.derive("arrivals"))
    else:
        arrivals = await DiskArrivals.open(settings.data_dir / "arrived", scratch)
    place = Place(records=records, files=of_bucket, arrivals=arrivals)
    return _Opened(place=place, settings=settings, bucket=bucket, database=own.fingerprint)


def _one_secret(old: Settings, new: Settings) -> Secret:
    """Return the secret of the old place, which the new one has or gets. Raises `MoveError` for another one there."""
    written = secret_of(old)
    secret = written or _secret_in(old.data_dir)
    if secret is None:
        raise MoveError(
            f"{old.data_dir / SECRET} is not there: let EASEL_DATA_DIR or EASEL_SECRET name the secret of now"
        )
    there = secret_of(new)
    if there is None and new.database is not None:
        raise MoveError(f"the new settings have no EASEL_SECRET, which replicas share: {TELL_IT.format(old.data_dir)}")
    if there is None and (there := _secret_in(new.data_dir)) is None:
        new.data_dir.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        secret.write(new.data_dir)
        return secret
    if there.fingerprint != secret.fingerprint:
        raise MoveError(
            "the new place has another secret, with which every link and session would be lost: "
            f"{TELL_IT.format(old.data_dir)}"
        )
    return secret


def _secret_in(data: Path) -> Secret | None:
    file = data / SECRET
    if not file.is_file():
        return None
    value = file.read_bytes()
    if len(value) < SECRET_BYTES:
        raise MoveError(f"{file} is not whole: put it back from a backup")
    return Secret.read(value.hex())


def _tell(new: Settings, target: Path, moved: Moved) -> None:
    """Print the outcome, and what is to be done now."""
    if moved.rows:
        listed = ", ".join(f"{name.replace('_', ' ')} {rows}" for name, rows in moved.rows.items() if rows)
        print(f"Moved to {new.database.shown if new.database else new.data_dir}: {listed or 'no rows'}.")
        print("The numbers of rows are those of the old place.")
    pictures = moved.pictures
    where = f"the bucket {new.s3.bucket}" if new.s3 is not None else str(new.data_dir / "files")
    print(f"In {where}: {pictures.pictures} pictures, of which {pictures.copied} were new.")
    if pictures.missing:
        listed = ", ".join(pictures.missing[:5])
        print(
            f"Not there, and left out: {len(pictures.missing)}, such as {listed}. The history says that they are gone."
        )
    print(f"Start the service with the settings of {target}. The old place is as it was; remove it when all is well.")
