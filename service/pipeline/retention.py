"""Retention: removes kept pictures beyond the limits, and those that an owner deletes.

The history keeps its rows, and says of a picture that it is gone.

1. Limits hold for each owner and for all together. Files that nothing uses go first, then the oldest of the owner who
   holds most (`Store.files_over_limits`): nobody loses a picture because another owner keeps many. Three kinds are
   spared: a picture that is being written, which the index does not know yet; one that a working job refers to; and,
   for want of room, the newest.
2. A file goes first, then its entry in the index. After a crash between the two the index names a file that is gone,
   still as one of the oldest: the next round, or the check at the next start, sets it right. In the other order a file
   would stay that no entry names.
3. A job that is deleted goes first, then its files, which are the oldest of all in the index until they are gone: after
   a crash the next round removes them.
4. A file that the index does not know is entered without an owner: a crash before its row left it, or an older history
   was put back, and chats still show it. From then on the limits apply to it as to any other.
5. Ages count only while the clock runs evenly (`clock_watch.py`): a leap of a year makes no picture old.
6. Of several replicas the one that leads makes room for all. The others ask it by a notice (`Room`), `NOTICE_PAUSE_S`
   after the first that needs room, for all that come meanwhile. Where a notice is lost, the next one does, or the
   hourly round.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.images import WorkError
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.running_jobs import finish_despite_cancel
from service.settings import Limits
from service.storage.files import Files, ListedFile
from service.storage.notices import Notice, Notices, RoomWanted
from service.storage.replicas import Replica
from service.storage.store import Store

logger = logging.getLogger(__name__)

ROUND_S: Final = 3600.0
"""Seconds between two looks for pictures that have become too old."""

SETTLED_S: Final = 3600.0
"""Age in seconds of a file that surely has its row; of a younger one another process may be about to write it."""

DAY_S: Final = 86_400.0
LEFT_OVER: Final = 1.0
"""Time of keeping (seconds since the epoch) before which only files of deleted jobs are."""

NOBODY: Final = ""
"""Owner of files that no history knows."""

BATCH: Final = 100
"""Files that are removed before the index is told."""

NOTICE_PAUSE_S: Final = 1.0


@dataclass(frozen=True)
class Retention:
    """Keeps to the limits, and removes the pictures that an owner deletes.

    `removed` is called with the owner whose pictures went.
    """

    store: Store
    files: Files
    limits: Limits
    removed: Callable[[str], None]
    clock: ClockWatch
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    replica: Replica = field(default_factory=Replica)
    ask_leader: Callable[[], None] = lambda: None
    """Asks the replica that leads to keep to the limits. It neither waits nor raises."""

    async def watch(self) -> None:
        """Reconcile index and disk once, then keep to the limits every `ROUND_S` seconds, until cancelled."""
        if self._is_to_make_room:
            await _trying(self._check())
        await _trying(self._compare_clock())
        while True:
            await self.enforce()
            await self.pause(ROUND_S)

    async def enforce(self, spare: Collection[str] = ()) -> None:
        """Remove the pictures over the limits, but none of `spare`. One query while there are none. Never raises.

        Of several replicas one does so for all, as soon as it hears that it should.
        """
        if self._is_to_make_room:
            await _trying(self._enforce(spare))
        else:
            self.ask_leader()

    @property
    def _is_to_make_room(self) -> bool:
        return not self.replica.shares or self.replica.leads

    async def keep_newest(self, owner: str, count: int) -> int:
        """Remove all but the `count` newest of an owner's pictures. Returns how many went."""
        removed = 0
        while names := await self.store.files_beyond_newest(owner, count):
            gone = await self._remove(names, owner)
            removed += gone
            if gone < len(names):  # the disk does not let them go, and the log says so
                break
        return removed

    async def delete(self, owner: str, history_id: int) -> bool:
        """Delete one job with those of its files that no other job uses. Returns False when there is no such job."""
        names = await self.store.delete(owner, history_id)
        if names is not None:
            await self._remove(names, owner)
            self.removed(owner)
        return names is not None

    async def drop(self, owner: str, names: Collection[str]) -> None:
        """Remove those of these files that nothing uses: the import they came by was given up. Never raises."""
        await _trying(self._drop(owner, names))

    async def delete_ended(self, owner: str, keep: int) -> None:
        """Delete all jobs of an owner that have ended, but the `keep` newest, with the files that no job uses."""
        await self._remove(await self.store.clear(owner, keep), owner)
        self.removed(owner)

    async def _drop(self, owner: str, names: Collection[str]) -> None:
        await self._remove(await self.store.unused_files(owner, names), owner)

    async def _enforce(self, spare: Collection[str]) -> None:
        before = LEFT_OVER
        if self.limits.days and self.clock.is_even():
            before = self.clock.now() - self.limits.days * DAY_S
        while over := await self.store.files_over_limits(self.limits, before, spare):
            of_owner: dict[str, list[str]] = defaultdict(list)
            for file in over:
                of_owner[file.owner].append(file.name)
            removed = 0
            for owner, names in of_owner.items():  # each owner is notified of their own files alone
                removed += await self._remove(names, owner)
                logger.info("%d files of %s are removed to make room", len(names), owner or "nobody")
            if removed < len(over):  # the disk does not let them go, and the log says so
                return

    async def _compare_clock(self) -> None:
        self.clock.compare_with(await self.store.newest_file())

    async def _remove(self, names: Sequence[str], owner: str) -> int:
        removed = 0
        for start in range(0, len(names), BATCH):
            removed += await finish_despite_cancel(self._remove_some(names[start : start + BATCH]))
        if removed:
            self.removed(owner)
        return removed

    async def _remove_some(self, names: Sequence[str]) -> int:
        gone = await self.files.remove(names)
        await self.store.forget_files(gone)
        return len(gone)

    async def _check(self) -> None:
        """Enter the files that the index does not know, and drop the entries whose file is gone."""
        indexed = [name async for name in self.store.every_file()]
        listed = await self.files.listing()  # after the index: what was in it had its file before
        absent, strange = await asyncio.to_thread(_compare, indexed, listed, self.clock.now() - SETTLED_S)
        # Another process may have kept one of them again since it was not seen.
        gone = [name for name in absent if await self.files.find(name) is None]
        await self.store.forget_files(await self.files.remove(gone))  # their derivatives may be left
        for each in strange:
            await self.store.add_file(NOBODY, each.name, each.size)
        if gone or strange:
            logger.info("%d files are gone from the disk, %d are entered again", len(gone), len(strange))


def _compare(indexed: list[str], listed: list[ListedFile], settled: float) -> tuple[list[str], list[ListedFile]]:
    """Return the names in the index without a file, and the settled files that it does not name, oldest first.

    Both lists are empty then: a hundred thousand entries take the loop thirty milliseconds to throw away.
    """
    known, there = set(indexed), {each.name for each in listed}
    strange = [each for each in listed if each.name not in known and each.written_at < settled]
    absent = [name for name in indexed if name not in there]
    indexed.clear()
    listed.clear()
    return absent, sorted(strange, key=lambda each: each.written_at)


async def _trying(work: Awaitable[None]) -> None:
    """Do the work; a failure is logged, and the next round tries again: no call waits for room to be made."""
    try:
        await work
    except WorkError as error:
        logger.info("No room could be made: %s", error)  # the log has the trouble already, with what mends it
    except OSError as error:
        logger.warning("No room could be made: %s", error)


class Room:
    """Asks the leader for room; in the leader, hears that it is wanted."""

    def __init__(self, notices: Notices, replica: Replica, pause_s: float = NOTICE_PAUSE_S) -> None:
        """Hear and ask by `notices`."""
        self._notices = notices
        self._replica = replica
        self._pause_s = pause_s
        self._asking: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        notices.hear(self._hear)

    def ask(self) -> None:
        """Ask the leader soon. Never waits and never raises."""
        if self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(self._pause_s, self._tell)

    async def keep(self, make: Callable[[], Awaitable[None]]) -> None:
        """Make room whenever it is wanted here, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await make()
            await asyncio.sleep(self._pause_s)

    def _tell(self) -> None:
        self._asking = None
        self._notices.tell(RoomWanted())

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, RoomWanted) and self._replica.leads:
            self._wanted.set()
