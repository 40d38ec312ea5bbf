"""Troubles of the database: which errors are told as one, and which are mistakes of ours."""

import ssl

import asyncpg
import pytest

from service.images import WorkError
from service.storage.postgresql.troubles import of_connecting, refusal, tries_of, trouble_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (asyncpg.ConnectionDoesNotExistError("lost"), "does not answer"),
        (asyncpg.AdminShutdownError("over"), "does not answer"),
        (asyncpg.CannotConnectNowError("starting"), "does not answer"),
        (ConnectionRefusedError(), "does not answer"),
        (asyncpg.InterfaceError("connection is closed"), "does not answer"),
        (TimeoutError(), "too late"),
        (asyncpg.LockNotAvailableError("locked"), "too late"),
        (asyncpg.DeadlockDetectedError("again"), "too late"),
        (asyncpg.InvalidPasswordError("no"), "refuses this server"),
        (asyncpg.TooManyConnectionsError("many"), "no more connections"),
        (asyncpg.DiskFullError("full"), "disk of the database is full"),
        (asyncpg.ReadOnlySQLTransactionError("standby"), "read-only"),
        (asyncpg.InternalServerError("oops"), "error of its own"),
        (asyncpg.InsufficientPrivilegeError("schema public"), "may not do that"),
        (ssl.SSLError("certificate verify failed"), "no encrypted connection"),
        (asyncpg.ClientConfigurationError("`sslmode` parameter must be"), "an option that is none"),
        (asyncpg.ProtocolViolationError("server login has been failing"), "does not answer"),
        (asyncpg.ProtocolViolationError("unsupported startup parameter: foo"), "an option that is none"),
        (asyncpg.ProtocolViolationError('database "x" does not exist'), "refuses this server"),
        (asyncpg.ProtocolViolationError("no such user: easel"), "refuses this server"),
        (asyncpg.ProtocolViolationError("password authentication failed"), "refuses this server"),
    ],
)
def test_an_error_of_the_server_is_told_in_a_sentence(error: Exception, words: str) -> None:
    told = refusal(error)
    assert isinstance(told, WorkError)
    assert (told.kind, told.__cause__) == ("storage", error)
    assert words in str(told)


@pytest.mark.parametrize(
    ("error", "words", "is_away"),
    [
        (TimeoutError(), "does not answer", True),
        (ConnectionRefusedError(), "does not answer", True),
        (asyncpg.UndefinedObjectError('parameter "foo"'), 'an option that is none (parameter "foo")', False),
        (asyncpg.ClientConfigurationError("No such TLS version: 9"), "is none (No such TLS version: 9)", False),
        (asyncpg.InvalidPasswordError("no"), "refuses this server", False),
    ],
)
def test_only_a_server_that_may_be_starting_is_away(error: Exception, words: str, *, is_away: bool) -> None:
    """Ours: a start waits for one that is away. A wrong option is told by its name."""
    trouble = of_connecting(error)
    assert trouble is not None
    assert (words in trouble.fact, trouble.is_away) == (True, is_away)


@pytest.mark.parametrize(
    "error", [asyncpg.UniqueViolationError("twice"), asyncpg.PostgresSyntaxError("what"), LookupError("no")]
)
def test_a_mistake_of_ours_is_no_trouble(error: Exception) -> None:
    assert trouble_of(error) is None
    assert refusal(error) is error


def test_only_what_was_undone_wholly_is_tried_again() -> None:
    """Ours: work whose connection was lost may have been done."""
    assert tries_of(asyncpg.SerializationError("again")) > 1
    assert tries_of(asyncpg.ConnectionDoesNotExistError("lost")) == 1
