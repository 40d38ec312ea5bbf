"""The storage of a service, opened part by part and closed in the reverse order.

Without other `Places` all of it lies in the data folder.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from service.bounds.limits import UNLIMITED, Allowances
from service.storage.arrivals import DiskArrivals
from service.storage.data_folder import make_private
from service.storage.disk import DiskFiles
from service.storage.file_system import share_of
from service.storage.files import Arrivals, Files
from service.storage.lease import Lease
from service.storage.records.engine import Records
from service.storage.secret import Secret
from service.storage.sqlite.records import open_records as open_sqlite_records

logger = logging.getLogger(__name__)


Arrive: TypeAlias = Callable[[Secret], Awaitable[Arrivals]]
"""Opens what has arrived for the jobs of a database, by its identity: a secret that it has of its own."""

OpenRecords: TypeAlias = Callable[[Path, Lease, Arrive, Allowances, contextlib.AsyncExitStack], Awaitable[Records]]
"""Opens the records, for the process of this lease in its data folder, and has the stack close them."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of parts that lie elsewhere than in the data folder: what opens each, and None for the others.

    Files and arrivals are opened with the key that their names are made with. `claim` has the place of the files belong
    to the database of a fingerprint, before anything there is taken for its own or for left over.
    """

    files: Callable[[bytes], Awaitable[Files]] | None = None
    claim: Callable[[str], Awaitable[None]] | None = None
    arrivals: Callable[[bytes], Arrivals] | None = None
    records: OpenRecords | None = None


IN_THE_FOLDER: Final = Places()


@dataclass(frozen=True, kw_only=True)
class Storage(Records):
    """The opened parts, each as its contract."""

    secret: Secret
    files: Files


async def open_storage(
    data: Path,
    stack: contextlib.AsyncExitStack,
    allowances: Allowances = UNLIMITED,
    places: Places = IN_THE_FOLDER,
    secret: Secret | None = None,
) -> Storage:
    """Open the data folder and the other places, and have `stack` close them. New work begins within the allowances.

    Without a `secret` that of the folder counts. Raises `DataFolderError`, and what the places raise.
    """
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    await asyncio.to_thread(make_private, data)
    if share := await asyncio.to_thread(share_of, data):
        logger.warning(
            "EASEL_DATA_DIR lies on %s: processes of one machine may use it together if its locks hold, those of two "
            "machines may not. A folder on a disk of this machine is safer.", share,
        )  # fmt: skip
    own = await asyncio.to_thread(Secret.open, data, lease.folder)  # also beside another: a backup is whole with it
    secret = own if secret is None else secret
    key = secret.derive("picture names")
    files = await (places.files(key) if places.files else DiskFiles.open(data / "files", lease.folder, key))

    async def arrive(identity: Secret) -> Arrivals:
        if places.claim:
            await places.claim(identity.fingerprint)
        if places.arrivals:  # by a key that a new EASEL_SECRET leaves as it is: what arrived before is found
            return places.arrivals(identity.derive("arrivals"))
        return await DiskArrivals.open(data / "arrived", lease.folder)

    records = await (places.records or open_sqlite_records)(data, lease, arrive, allowances, stack)
    arrived = await records.arrivals.listing()  # before the rows: a job works before its pictures arrive
    await records.arrivals.remove_ended(arrived, await records.store.working())
    return Storage(secret=secret, files=files, **vars(records))
