"""Troubles of the machine: a full disk, a locked history, too few descriptors or too little memory, in one table.

An error of the system or of SQLite is no mistake of ours and none of the caller's. It becomes a `WorkError` of kind
`STORAGE`, whose first line says what is wrong and whose second what the person does who runs the server. The log has
the same in one line, at most once a minute for each trouble, however many calls meet it.
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from service.images import WorkError

logger = logging.getLogger(__name__)

STORAGE: Final = "storage"
"""The kind of a failure that may be over soon: the same is worth another try."""

SAID_EACH_S: Final = 60.0
"""Seconds between two lines of the log about the same trouble."""


class Trouble(NamedTuple):
    """One row: the fact, and the advice for the person who runs the server.

    `is_away`: nothing answers at all, as before it has started.
    """

    fact: str
    advice: str
    is_away: bool = False


class AwayError(WorkError):
    """A storage elsewhere does not answer."""


FULL: Final = Trouble("the disk is full", "make room on the disk of EASEL_DATA_DIR")
LARGE: Final = Trouble("the system limits the size of files", "raise that limit (ulimit -f)")
READ_ONLY: Final = Trouble("it is read-only", "make the disk of EASEL_DATA_DIR writable")
FORBIDDEN: Final = Trouble("this server may not write there", "give it the folder that EASEL_DATA_DIR names")
GONE: Final = Trouble(
    "the data folder, or a part of it, is gone",
    "put back the folder that EASEL_DATA_DIR names, or start the server anew, which then begins with what is there",
)
DESCRIPTORS: Final = Trouble("too many files are open", "raise the limit of open files (ulimit -n)")
MEMORY: Final = Trouble("there is too little memory", "give the server more memory, or run fewer generations at once")
BROKEN: Final = Trouble(
    "the disk does not read or write as it should", "look at the disk of EASEL_DATA_DIR and at its limits and quotas"
)
LOCKED: Final = Trouble(
    "another program has locked the history", "end the program that has easel.db in EASEL_DATA_DIR open for long"
)
DAMAGED: Final = Trouble(
    "the history is damaged",
    "stop the server, and put easel.db in EASEL_DATA_DIR back from a backup, or move it away to begin anew (with its "
    "-wal and -shm; the pictures stay)",
)
LOCKLESS: Final = Trouble(
    "its file system has no locks", "let EASEL_DATA_DIR name a folder on a disk of this machine, not on a share"
)
OTHER: Final = Trouble("the system refuses it", "look at the space and the permissions of EASEL_DATA_DIR")

OF_THE_SYSTEM: Final[Mapping[int, Trouble]] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: LARGE,
    errno.EROFS: READ_ONLY,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.ENOENT: GONE,
    errno.ENOTDIR: GONE,
    errno.EMFILE: DESCRIPTORS,
    errno.ENFILE: DESCRIPTORS,
    errno.ENOMEM: MEMORY,
    errno.EAGAIN: MEMORY,
    errno.EIO: BROKEN,
    errno.ENOSYS: LOCKLESS,
    errno.ENOLCK: LOCKLESS,
    errno.EOPNOTSUPP: LOCKLESS,
}

OF_SQLITE: Final[Mapping[int, Trouble]] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: BROKEN,
    sqlite3.SQLITE_NOMEM: MEMORY,
    sqlite3.SQLITE_PROTOCOL: LOCKLESS,
}
"""By the primary result code (sqlite.org/rescode.html). SQLite opens a file again only to shrink its log."""

NO_THREAD: Final = "can't start new thread"
"""Python's words where the system gives no memory for a thread, or no more of them."""

_said: dict[Trouble, float] = {}
"""When each trouble was last written to the log, by the monotonic clock."""


def trouble_of(error: BaseException) -> Trouble | None:
    """Return the trouble of the machine that an error tells of; None for any other error."""
    match error:
        case sqlite3.Error():
            return OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, OTHER)
        case MemoryError():
            return MEMORY
        case OSError(errno=int(number)):
            return OF_THE_SYSTEM.get(number, OTHER)
        case RuntimeError() if NO_THREAD in str(error):
            return MEMORY
        case _:
            return None


def storage_error(what: str, trouble: Trouble, error: BaseException | None = None) -> WorkError:
    """Return the error of something that failed by a trouble, such as "The picture could not be stored", and log it."""
    words = _words(error)
    now = time.monotonic()
    if now - _said.get(trouble, -SAID_EACH_S) >= SAID_EACH_S:
        _said[trouble] = now
        logger.error("%s: %s%s. To mend it: %s.", what, trouble.fact, words, trouble.advice)
    kind = AwayError if trouble.is_away else WorkError
    return kind(f"{what}: {trouble.fact}{words}.\nWhoever runs this server should {trouble.advice}.", kind=STORAGE)


def described(error: BaseException) -> str:
    """Return the trouble of an error with its advice, for a start that it ends, or else its own words."""
    trouble = trouble_of(error)
    if trouble is None:
        return str(error)
    words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno is not None else str(error)
    return f"{words}: {trouble.fact}; {trouble.advice}"


def _words(error: BaseException | None) -> str:
    """Return the words of the system in brackets; no path of this machine is among them."""
    match error:
        case OSError(errno=int(number)):
            return f" ({os.strerror(number)})"
        case sqlite3.Error():
            return f" ({error})"
        case _:
            return ""
