"""The records of one engine, opened: what the data folder, or a database, keeps beside the bytes of pictures."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from service.protocol.task_records import TaskKeeper
from service.storage.ended_sessions import EndedSessions
from service.storage.files import Arrivals
from service.storage.imports import Imports
from service.storage.notices import Notices
from service.storage.people import People
from service.storage.replicas import Replica
from service.storage.store import Store
from service.storage.upload_records import UploadKeeper


@dataclass(frozen=True, kw_only=True)
class Records:
    """The parts that keep records, each as its contract. `upkeep` is work that goes on as long as they are open.

    `arrivals` are those of their working jobs.
    """

    store: Store
    arrivals: Arrivals
    tasks: TaskKeeper
    uploads: UploadKeeper
    imports: Imports
    ended_sessions: EndedSessions
    people: People
    notices: Notices
    replica: Replica
    upkeep: Callable[[], Coroutine[Any, Any, None]]
