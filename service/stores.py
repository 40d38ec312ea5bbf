"""Opens the storage that the settings name: data folder, pictures in it or in a bucket, and secret; or people alone."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import aiohttp

from service import logs
from service.bounds.limits import UNLIMITED, Allowances
from service.images import WorkError
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.data_folder import DataFolderError
from service.storage.lease import Lease
from service.storage.opened import Arrive, Places, Storage, open_storage
from service.storage.people import People
from service.storage.records.engine import Records
from service.storage.s3 import ownership
from service.storage.s3.arrivals import S3Arrivals
from service.storage.s3.bucket import Bucket
from service.storage.s3.files import S3Files
from service.storage.secret import MAKE_ONE, Secret, SecretError
from service.storage.sqlite.people import SqlitePeople
from service.storage_urls import DATABASE_URL, FILES_URL, LISTEN_URL, NO_DRIVER, DatabaseUrl
from service.troubles import AwayError
from service.upstreams.connector import client_session

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

START_PATIENCE_S: Final = 30.0
"""Seconds to wait for a database or a bucket that does not answer: all may begin with the machine."""

PAUSE_S: Final = 0.5
"""Seconds between two tries to reach a storage that may be starting."""

SECRET: Final = "secret"  # noqa: S105 - its name
FOLDER: Final = "place of pictures"
"""The facts that replicas agree upon, in the words of a complaint."""

ANOTHERS: Final = (
    "belongs to another database, and each would remove the pictures of the other: name another folder, or, where that "
    "database is gone for good, run `python -m service claim` with these settings"
)
"""The complaint about a folder of a bucket."""


async def open_stores(  # noqa: PLR0913 - a start and the commands have each their own
    settings: Settings,
    stack: contextlib.AsyncExitStack,
    session: aiohttp.ClientSession | None = None,
    *,
    allowances: Allowances = UNLIMITED,
    patience_s: float = 0,
    takes_over: bool = False,
) -> Storage:
    """Open the storage of the settings, and have `stack` close it. A command has no `session`, and gets one.

    A database or a bucket that does not answer may be about to start as well: it is waited for so long. A folder of a
    bucket that belongs to another database is refused, or belongs to this one from now on (`takes_over`). Raises
    `SettingsError` where one of them cannot be used.
    """
    secret = await asyncio.to_thread(secret_of, settings)
    bucket = claim = None
    if settings.s3 is not None:
        if session is None:
            session = await stack.enter_async_context(client_session(settings.proxies, "easel"))
        bucket = Bucket(session, settings.s3)
        way = ownership.take_over if takes_over else ownership.claim
        claim = partial(once_it_answers, patience_s, partial(_claim, way, bucket, settings.s3.shown))
    records = None
    if settings.database is not None:
        if secret is None:
            raise SettingsError("EASEL_SECRET", no_secret(settings))
        records = partial(once_it_answers, patience_s, partial(_open_database, settings, settings.database, secret))
    places = Places(
        files=partial(once_it_answers, patience_s, partial(_open_bucket, bucket)) if bucket else None,
        claim=claim,
        # Of a replica that died any other one finishes what arrived there.
        arrivals=partial(S3Arrivals, bucket) if bucket and records else None,
        records=records,
    )
    if records and not bucket:
        logger.warning(
            "Pictures stay in %s: all replicas have to share that folder, or use a bucket (%s).",
            settings.data_dir, FILES_URL,
        )  # fmt: skip
    try:
        return await open_storage(settings.data_dir, stack, allowances, places, secret)
    except (DataFolderError, WorkError) as error:  # the latter: a history that is damaged beyond its first page
        raise SettingsError("EASEL_DATA_DIR", f"cannot be used: {error}") from error


async def once_it_answers(patience_s: float, opened: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Open a storage elsewhere, again and again while it does not answer."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + patience_s
    while True:
        try:
            return await opened(*args, **kwargs)
        except (SettingsError, AwayError) as error:
            is_away = isinstance(error, AwayError) or isinstance(error.__cause__, AwayError)
            if not is_away or loop.time() >= ends:
                raise
            await asyncio.sleep(PAUSE_S)  # nothing tells when it has started


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


async def _claim(way: Callable[[Bucket, str], Awaitable[None]], bucket: Bucket, shown: str, database: str) -> None:
    try:
        await way(bucket, database)
    except ownership.TakenError as error:
        raise SettingsError(FILES_URL, f"{shown} {ANOTHERS}") from error
    except WorkError as error:
        raise SettingsError(FILES_URL, f"cannot be used: {error}") from error


async def _open_database(  # noqa: PLR0913, PLR0917 - as the records of any engine are opened
    settings: Settings,
    place: DatabaseUrl,
    secret: Secret,
    data: Path,
    lease: Lease,
    arrive: Arrive,
    allowances: Allowances,
    stack: contextlib.AsyncExitStack,
) -> Records:
    try:
        from service.storage.postgresql.agreement import DisagreementError  # noqa: PLC0415 - its driver is an extra
        from service.storage.postgresql.records import Ways, open_records  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise SettingsError(DATABASE_URL, NO_DRIVER) from missing
    if settings.s3 is None:  # each data folder has a secret of its own, also where another one counts
        folder = (await asyncio.to_thread(Secret.open, data, lease.folder)).fingerprint
    else:
        folder = settings.s3.shown
    direct = settings.listen or place
    ways = Ways(
        url=place.url,
        listen_url=direct.url,
        setting=LISTEN_URL,
        facts={SECRET: secret.fingerprint, FOLDER: folder},
    )
    try:
        return await open_records(ways, data, lease, arrive, allowances, stack)
    except DisagreementError as error:
        setting = "EASEL_SECRET" if error.name == SECRET else FILES_URL
        raise SettingsError(
            setting,
            f"the replicas that run on {place.shown} have another {error.name}: give this one the same, or stop them "
            "all first, and wait ten seconds",
        ) from error
    except WorkError as error:
        raise SettingsError(DATABASE_URL, f"{place.shown} cannot be used: {error}") from error


def no_secret(settings: Settings) -> str:
    """Return the advice for settings of replicas without EASEL_SECRET, which they have to share."""
    return (
        f"must be set with {DATABASE_URL}, to the same text for all replicas; make one with: {MAKE_ONE}, or take that "
        f"of a data folder along: xxd -p -c 64 {settings.data_dir / 'secret'}"
    )


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
