"""Opens the storage that the settings name: data folder, pictures in it or in a bucket, and secret; or people alone."""

import asyncio
import contextlib
import logging
from functools import partial
from pathlib import Path

import aiohttp

from service import logs
from service.images import WorkError
from service.limits import UNLIMITED, Allowances
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.data_folder import DataFolderError
from service.storage.files import Arrivals
from service.storage.lease import Lease
from service.storage.opened import Places, Storage, open_storage
from service.storage.people import People
from service.storage.records.engine import Records
from service.storage.s3.arrivals import S3Arrivals
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage.secret import Secret, SecretError
from service.storage.sqlite.people import SqlitePeople
from service.storage_urls import DATABASE_URL, FILES_URL, NO_DRIVER, DatabaseUrl
from service.upstreams.connector import client_session

logger = logging.getLogger(__name__)


async def open_stores(
    settings: Settings,
    stack: contextlib.AsyncExitStack,
    session: aiohttp.ClientSession | None = None,
    *,
    allowances: Allowances = UNLIMITED,
) -> Storage:
    """Open the storage of the settings, and have `stack` close it. A command has no `session`, and gets one.

    Raises `SettingsError` where it cannot be used.
    """
    secret = await asyncio.to_thread(secret_of, settings)
    bucket = None
    if settings.s3 is not None:
        if session is None:
            session = await stack.enter_async_context(client_session(settings.proxies, "easel"))
        bucket = Bucket(session, settings.s3)
    records = None if settings.database is None else partial(_open_database, settings.database, settings.listen)
    places = Places(
        files=partial(_open_bucket, bucket) if bucket else None,
        # Of a replica that died any other one finishes what arrived there.
        arrivals=partial(S3Arrivals, bucket) if bucket and records else None,
        records=records,
    )
    if records and not bucket:
        logger.warning(
            "EASEL_DATABASE_URL is set without EASEL_FILES_URL: pictures stay in the data folder, where replicas that "
            "have another one do not find them."
        )
    try:
        return await open_storage(settings.data_dir, stack, allowances, places, secret)
    except (DataFolderError, WorkError) as error:  # the latter: a history that is damaged beyond its first page
        raise SettingsError("EASEL_DATA_DIR", f"cannot be used: {error}") from error


async def open_people(settings: Settings) -> People:
    """Open the people of a service, for a command. A database that is not there is not made: it would be another one.

    Raises `SettingsError`.
    """
    if settings.database is not None:
        return await _open_people(settings.database)
    path = settings.data_dir / "easel.db"
    if not path.is_file():
        raise SettingsError("EASEL_DATA_DIR", f"{path} is not there: name the data folder of the service")
    try:
        return await SqlitePeople.open(path)
    except DataFolderError as error:
        raise SettingsError("EASEL_DATA_DIR", f"cannot be used: {error}") from error


async def _open_people(place: DatabaseUrl) -> People:
    try:
        from service.storage.postgresql.people import PostgresPeople  # noqa: PLC0415 - its driver is an extra
    except ImportError as error:
        raise SettingsError(DATABASE_URL, NO_DRIVER) from error
    try:
        return await PostgresPeople.open(place.url)
    except WorkError as error:
        raise SettingsError(DATABASE_URL, f"{place.shown} cannot be used: {error}") from error


async def _open_bucket(bucket: Bucket, key: bytes) -> S3Files:
    try:
        return await S3Files.open(bucket, key)
    except WorkError as error:
        raise SettingsError(FILES_URL, f"cannot be used: {error}") from error


async def _open_database(  # noqa: PLR0913, PLR0917 - as the records of any engine are opened
    place: DatabaseUrl,
    listen: DatabaseUrl | None,
    data: Path,
    lease: Lease,
    arrivals: Arrivals,
    allowances: Allowances,
    stack: contextlib.AsyncExitStack,
) -> Records:
    try:
        from service.storage.postgresql.records import open_records  # noqa: PLC0415 - its driver is an extra
    except ImportError as missing:
        raise SettingsError(DATABASE_URL, NO_DRIVER) from missing
    try:
        return await open_records(place, listen, data, lease, arrivals, allowances, stack)
    except WorkError as error:
        raise SettingsError(DATABASE_URL, f"{place.shown} cannot be used: {error}") from error


def secret_of(settings: Settings) -> Secret | None:
    """Return the secret of the settings, which no log shows from then on; None where that of the data folder counts.

    A file is read, without a thread. Raises `SettingsError`.
    """
    name, text = "EASEL_SECRET", settings.secret
    if settings.secret_file is not None:
        name = "EASEL_SECRET_FILE"
        try:
            text = settings.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text; hexadecimal digits are"
            raise SettingsError(name, f"{settings.secret_file} cannot be read: {why}") from error
    elif not text:
        return None
    logs.hide(text)
    try:
        return Secret.read(text)
    except SecretError as error:
        raise SettingsError(name, str(error)) from error
