"""The choice of files to remove, as every store makes it: which, and in what order, are beyond the limits of room.

1. First go those that are too old, whatever the limits say. Then, for want of room, go files that nothing uses, then
   the others; of both kinds the oldest of that owner who then holds most, so that nobody loses a picture to the greed
   of another.
2. What is spared never goes, nor does the newest file for want of room, however large it is.
3. The choice opens nothing: it yields `Question`s, and is sent the rows that answer them. So a store may wait for them.
"""

import heapq
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from service.settings import Limits
from service.storage.store import OwnedFile

NAMED_AT_ONCE: Final = 1000
"""Files that are named for want of room before some of them are removed: half a second with thousands of owners."""

Rows: TypeAlias = Iterable[tuple[Any, ...]]


class Kind(Enum):
    """The questions that a store can answer.

    The files of `TOO_OLD`, `UNUSED_OF` and `IDLE_OF` come oldest first, and none that a working job refers to, or that
    an earlier server brought and nobody deleted. Those of `UNUSED` are no pictures of the history either, and wait for
    no call.
    """

    TOO_OLD = "owner, name and bytes of the files that were stored before a time"
    HELD = "owner, number and bytes of the files that count for the limits"
    UNUSED = "owner, number and bytes of the files that nothing uses"
    UNUSED_OF = "name and bytes of an owner's files that nothing uses"
    IDLE_OF = "name and bytes of an owner's files"
    NEWEST = "name of the newest file"
    NEWEST_OF = "name of an owner's newest file"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question; of an owner, of files `before` a time, or for at most so many rows."""

    kind: Kind
    owner: str = ""
    before: float = 0.0
    most: int = 0


Asking: TypeAlias = Generator[Question, Rows, Any]


def files_to_remove(
    limits: Limits, before: float, spare: Collection[str]
) -> Generator[Question, Rows, list[OwnedFile]]:
    """Choose the files to remove; of very many only some are named."""
    removal = _Removal(spare)
    too_old = yield Question(kind=Kind.TOO_OLD, before=before)
    rows = list(too_old)
    held = yield Question(kind=Kind.HELD)
    removal.held = _rooms(held)
    for owner, name, size in rows:
        removal.take(owner, name, size)
    each, together = _Room(limits.owner_entries, limits.owner_size), _Room(limits.entries, limits.size)
    for owner in removal.held if each != NO_LIMIT else ():
        yield from removal.shed([owner], each, Question(kind=Kind.NEWEST_OF, owner=owner))
    yield from removal.shed(removal.held, together, Question(kind=Kind.NEWEST))
    return list(removal.named.values())


@dataclass
class _Room:
    """A number of files and their bytes; as a limit, 0 is none."""

    entries: int = 0
    size: int = 0

    def share_of(self, limit: "_Room") -> float:
        """The part of a limit that this is, by number or by bytes, whichever is more."""
        by_number = self.entries / limit.entries if limit.entries else 0.0
        return max(by_number, self.size / limit.size if limit.size else 0.0)

    def lose(self, size: int) -> None:
        """Count one file less."""
        self.entries -= 1
        self.size -= size


NO_LIMIT: Final = _Room()


def _rooms(rows: Rows) -> dict[str, _Room]:
    return {owner: _Room(*room) for owner, *room in rows}


class _Removal:
    """The files that are to be removed, by name, and the room that each owner holds without them."""

    def __init__(self, spare: Collection[str]) -> None:
        self.named: dict[str, OwnedFile] = {}
        self.held: dict[str, _Room] = {}
        self._spare = set(spare)

    def take(self, owner: str, name: str, size: int) -> bool:
        """Name a file, unless it is spared or named already."""
        if name in self._spare or name in self.named:
            return False
        self.named[name] = OwnedFile(owner=owner, name=name)
        self.held[owner].lose(size)
        return True

    def shed(self, owners: Collection[str], limit: _Room, newest: Question) -> Asking:
        """Name files of these owners until they are within a limit. The `newest` is spared, however large it is."""
        left = _Room(sum(self.held[each].entries for each in owners), sum(self.held[each].size for each in owners))
        if left.share_of(limit) <= 1:
            return
        names = yield newest
        self._spare.update(name for (name,) in names)
        own = {owner: replace(self.held[owner]) for owner in owners}
        # One owner alone need not be compared with others.
        unused = _rooms((yield Question(kind=Kind.UNUSED))) if len(owners) > 1 else own
        yield from self._shed_from(unused, left, limit, Kind.UNUSED_OF)
        yield from self._shed_from({owner: replace(self.held[owner]) for owner in owners}, left, limit, Kind.IDLE_OF)

    def _shed_from(self, held: Mapping[str, _Room], left: _Room, limit: _Room, kind: Kind) -> Asking:
        """Name one file after the other, each the oldest of the owner who then holds most of such files."""
        files: dict[str, Iterator[tuple[Any, ...]]] = {}
        most = [(-room.share_of(limit), owner) for owner, room in held.items()]
        heapq.heapify(most)
        while most and left.share_of(limit) > 1 and len(self.named) < NAMED_AT_ONCE:
            owner = heapq.heappop(most)[1]
            if owner not in files:
                wanted = NAMED_AT_ONCE + len(self.named) + len(self._spare)
                files[owner] = iter((yield Question(kind=kind, owner=owner, most=wanted)))
            taken = next((size for name, size in files[owner] if self.take(owner, name, size)), None)
            if taken is not None:
                left.lose(taken)
                held[owner].lose(taken)
                heapq.heappush(most, (-held[owner].share_of(limit), owner))
