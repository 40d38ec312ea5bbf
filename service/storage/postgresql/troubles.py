"""Troubles of the database, by SQLSTATE: what is wrong, what to do, and which of them are worth another try.

An error of the server or of the network is no mistake of ours and none of the caller's: it becomes the `WorkError` of
`service/troubles.py`. One that a wrong statement or value causes stays as it is.
"""

import ssl
from collections.abc import Mapping
from typing import Final

import asyncpg

from service.troubles import Trouble, storage_error

UNUSABLE: Final = "The history could not be read or written"

AWAY: Final = Trouble(
    "the database does not answer",
    "look whether the PostgreSQL of EASEL_DATABASE_URL runs and can be reached",
    is_away=True,
)
BUSY: Final = Trouble(
    "the database answers too late", "look at the load of the PostgreSQL of EASEL_DATABASE_URL, and at its locks"
)
REFUSED: Final = Trouble(
    "the database refuses this server", "correct the user, the password or the database in EASEL_DATABASE_URL"
)
FORBIDDEN: Final = Trouble(
    "the user of the database may not do that there",
    "make the user in EASEL_DATABASE_URL the owner of the database, or grant it CREATE on the schema",
)
UNSAFE: Final = Trouble(
    "no encrypted connection to the database comes about",
    "set up TLS at PostgreSQL, or correct sslmode and sslrootcert in EASEL_DATABASE_URL",
)
MISWRITTEN: Final = Trouble(
    "the database's URL has an option that is none",
    "correct what stands behind the ? in EASEL_DATABASE_URL",
)
CROWDED: Final = Trouble(
    "the database takes no more connections", "raise max_connections of PostgreSQL, or put PgBouncer before it"
)
FULL: Final = Trouble("the disk of the database is full", "make room on the disk of PostgreSQL")
READ_ONLY: Final = Trouble(
    "the database is read-only", "let EASEL_DATABASE_URL name the primary server, not a copy that follows it"
)
BROKEN: Final = Trouble("the database has an error of its own", "look into the log of PostgreSQL")

BY_STATE: Final[Mapping[str, Trouble]] = {
    "25006": READ_ONLY,
    "53100": FULL,
    "53300": CROWDED,
    "3D000": REFUSED,
    "42501": FORBIDDEN,
    "55P03": BUSY,
    "57014": BUSY,
}
"""Codes of five characters (postgresql.org/docs/current/errcodes-appendix.html)."""

BY_CLASS: Final[Mapping[str, Trouble]] = {
    "08": AWAY,
    "40": BUSY,
    "28": REFUSED,
    "53": BROKEN,
    "57": AWAY,
    "58": BROKEN,
    "XX": BROKEN,
}
"""The first two characters of a code. Classes that are not here are mistakes of ours."""

TRIES: Final[Mapping[str, int]] = {
    "40001": 5,
    "40P01": 5,
    "0A000": 2,
}
"""How often work is done that was undone wholly: it met another transaction, and may find its way free now.

The last one stands for a statement that is kept prepared and whose tables a later release has changed: asyncpg prepares
it anew.
"""

POOLER: Final = "08P01"
"""The code that PgBouncer gives to all that it refuses, beside the network's errors of other servers."""

BY_WORDS: Final[Mapping[str, Trouble]] = {
    "unsupported startup parameter": MISWRITTEN,
    "does not exist": REFUSED,
    "no such": REFUSED,
    "authentication failed": REFUSED,
}
"""PgBouncer's refusals by words in them: they stay as they are, however long somebody waits."""

NO_OPTION: Final = (
    asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError, asyncpg.CantChangeRuntimeParamError
)  # fmt: skip
"""Errors by which a server refuses to connect for an option of the URL. Of a statement they are mistakes of ours."""

NO_TLS: Final = "rejected SSL upgrade"
"""asyncpg's words where the server has no TLS and the URL demands it."""


def tries_of(error: BaseException) -> int:
    """Return how often work that ends with this error is done at most."""
    return TRIES.get(_state(error), 1)


def trouble_of(error: BaseException) -> Trouble | None:
    """Return the trouble that an error tells of; None for a mistake of ours."""
    match error:
        case asyncpg.PostgresError():
            state = _state(error)
            if state == POOLER:
                return next((found for words, found in BY_WORDS.items() if words in str(error)), AWAY)
            return BY_STATE.get(state) or BY_CLASS.get(state[:2])
        case asyncpg.ClientConfigurationError():
            return MISWRITTEN
        case TimeoutError():
            return BUSY
        case ssl.SSLError():
            return UNSAFE
        case ConnectionError() if NO_TLS in str(error):
            return UNSAFE
        case OSError() | asyncpg.InternalClientError():
            return AWAY
        case asyncpg.InterfaceError() if "closed" in str(error):  # an idle connection, as the network sees it first
            return AWAY
        case _:
            return None


def of_connecting(error: BaseException) -> Trouble | None:
    """Return the trouble of an error by which no connection came about; None for a mistake of ours.

    A server that says nothing is none that has much to do: nothing else was asked of it.
    """
    if isinstance(error, TimeoutError):
        return AWAY
    trouble = MISWRITTEN if isinstance(error, NO_OPTION) else trouble_of(error)
    return trouble._replace(fact=f"{trouble.fact} ({error})") if trouble == MISWRITTEN else trouble


def refusal(error: BaseException) -> BaseException:
    """Return the error for the caller: of a trouble the `WorkError`, of a mistake of ours itself."""
    trouble = trouble_of(error)
    if trouble is None:
        return error
    told = storage_error(UNUSABLE, trouble)
    told.__cause__ = error
    return told


def _state(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""
