"""The contract of notices: hints by which the processes of one storage hear of each other at once.

1. A notice says that something has changed, and perhaps what; the records are the truth. One that is lost costs its
   hearer the seconds until the records are read again, so nothing may depend on one.
2. A process hears those of others alone. `AnythingChanged` stands for all that may have been missed, as after a
   connection that broke, and for storages which tell that somebody wrote and not what.
3. Notices travel as JSON of at most `MOST_BYTES`, the most that PostgreSQL takes: they name things, and carry no more
   of a text than a person reads in a line.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace
from typing import Final, TypeAlias

import orjson

CHANNEL: Final = "easel"
"""The channel of PostgreSQL on which notices travel."""

MOST_BYTES: Final = 7_999
"""The longest payload that PostgreSQL takes (postgresql.org/docs/current/sql-notify.html: shorter than 8000 bytes)."""

MOST_TEXT: Final = 300
"""Characters of a line of progress in a notice."""


@dataclass(frozen=True)
class JobChanged:
    """A job has begun, has more pictures, or has ended."""

    owner: str
    history_id: int
    ended: bool = False


@dataclass(frozen=True)
class JobAwaited:
    """A call in another process waits for a job: its progress is wanted for some seconds."""

    owner: str
    history_id: int


@dataclass(frozen=True)
class JobProgress:
    """A step of a job that calls in other processes wait for. `picture` is the name of one that is ready, or ""."""

    owner: str
    history_id: int
    message: str
    percent: float | None = None
    picture: str = ""


@dataclass(frozen=True)
class StopWanted:
    """A job is to be cancelled where it is at work: unless a call waits for it there, or `for_good`, whoever waits."""

    owner: str
    history_id: int
    for_good: bool = False


@dataclass(frozen=True)
class HistoryChanged:
    """The history of an owner, or its pictures, have changed in a way that no other notice tells.

    Not `surely` where it was looked at for the first time: a page that was read just before may be older.
    """

    owner: str
    surely: bool = True


@dataclass(frozen=True)
class TaskMoved:
    """A task has another status."""

    owner: str
    task_id: str


@dataclass(frozen=True)
class TaskMessaged:
    """A message was left for the process that runs a task."""

    task_id: str


@dataclass(frozen=True)
class CallCancelled:
    """A call of a session was cancelled by its client. `session` is a digest of the session's id."""

    session: str
    request_id: int | str
    reason: str = ""


@dataclass(frozen=True)
class SessionEnded:
    """A session was ended."""


@dataclass(frozen=True)
class RoomWanted:
    """The replica that leads should see whether pictures have to go."""


@dataclass(frozen=True)
class Echo:
    """A notice to oneself, which shows that notices come."""


@dataclass(frozen=True)
class AnythingChanged:
    """Anything may have changed: what is shown has to be read again."""


Notice: TypeAlias = (
    JobChanged
    | JobAwaited
    | JobProgress
    | StopWanted
    | HistoryChanged
    | TaskMoved
    | TaskMessaged
    | CallCancelled
    | SessionEnded
    | RoomWanted
    | Echo
    | AnythingChanged
)

KINDS: Final = {
    each.__name__: each
    for each in (
        JobChanged, JobAwaited, JobProgress, StopWanted, HistoryChanged, TaskMoved, TaskMessaged, CallCancelled,
        SessionEnded, RoomWanted, Echo, AnythingChanged,
    )
}  # fmt: skip

Hearer: TypeAlias = Callable[[Notice], None]
"""Takes a notice. It neither waits nor raises."""


def encode(notice: Notice, sender: str) -> str:
    """Return a notice as it travels; `sender` is the lease of the process that tells it."""
    told = replace(notice, message=notice.message[:MOST_TEXT]) if isinstance(notice, JobProgress) else notice
    payload = orjson.dumps([sender, type(told).__name__, *astuple(told)])
    return payload.decode() if len(payload) <= MOST_BYTES else encode(AnythingChanged(), sender)


def decode(payload: str) -> tuple[Notice | None, str]:
    """Return a notice and its sender. One of a form that is not known here, as of a newer release, is None."""
    try:
        sender, kind, *values = orjson.loads(payload)
        of = KINDS[kind]
        return of(*values[: len(fields(of))]), str(sender)
    except (ValueError, TypeError, KeyError):
        return None, ""


class Notices(ABC):
    """Tells the other processes of a storage what happens here, and hears what happens there."""

    def __init__(self) -> None:
        """Begin without hearers."""
        self._hearers: list[Hearer] = []
        self._interests: list[Callable[[], Iterable[str]]] = []

    @property
    @abstractmethod
    def look_s(self) -> float:
        """The seconds after which records that a call waits for are read again, notice or none."""

    @abstractmethod
    def tell(self, notice: Notice) -> None:
        """Tell the others soon. Never waits and never raises; equal notices at once are one."""

    @abstractmethod
    async def ask_to_stop(self, wanted: StopWanted) -> bool:
        """Leave word with the process that works on a job, which reaches it for sure; False where there is no way."""

    @abstractmethod
    async def run(self) -> None:
        """Carry notices both ways until cancelled."""

    def hear(self, hearer: Hearer, interest: Callable[[], Iterable[str]] = tuple) -> None:
        """Have `hearer` called with each notice of another process, from now on.

        `interest` names the owners of whose history it has to hear, at each moment.
        """
        self._hearers.append(hearer)
        self._interests.append(interest)

    @property
    def interesting(self) -> frozenset[str]:
        """The owners whose history is of interest here now."""
        return frozenset(owner for interest in self._interests for owner in interest())

    def _heard(self, notice: Notice) -> None:
        for hearer in self._hearers:
            hearer(notice)


class Silence(Notices):
    """No notices, where no other process is."""

    look_s = 1.0

    def tell(self, notice: Notice) -> None:
        """Tell nobody."""

    async def ask_to_stop(self, wanted: StopWanted) -> bool:  # noqa: ARG002 - there is nobody
        """Find nobody to stop it."""
        return False

    async def run(self) -> None:
        """Have nothing to carry."""
