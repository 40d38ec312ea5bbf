"""The tokens of `token add`: kept as digests, and their rows stay when they are revoked."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.storage.sqlite import tokens as sqlite_tokens
from service.storage.sqlite.schema import create_tables
from service.tokens import MAX_TOKENS, TokensError, digest_of

NOW = 1_795_000_000.0
TOKEN = "a-token-of-anna-0123456789"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "easel.db", isolation_level=None)) as connected:
        create_tables(connected)
        yield connected


def states(connection: sqlite3.Connection, now: float = NOW) -> list[tuple[str, str]]:
    return [(each.name, each.state(now)) for each in sqlite_tokens.all_tokens(connection)]


def test_only_the_digest_of_a_token_is_kept(connection: sqlite3.Connection, tmp_path: Path) -> None:
    """Ours: whoever reads the file, or a backup of it, cannot call with what stands there."""
    added = sqlite_tokens.add(connection, "anna", TOKEN, NOW, NOW + 60)
    [found] = sqlite_tokens.stored_tokens(connection)
    assert (found.name, found.digest, found.expires) == ("anna", digest_of(TOKEN), NOW + 60)
    assert added.id == digest_of(TOKEN).hex()[:8]
    assert TOKEN.encode() not in (tmp_path / "easel.db").read_bytes()
    assert states(connection) == [("anna", "valid")]
    assert states(connection, NOW + 60) == [("anna", "expired")]


def test_all_tokens_of_a_name_are_revoked_or_one_by_its_id(connection: sqlite3.Connection) -> None:
    """Ours: a token is replaced without a gap by adding the second one first."""
    first = sqlite_tokens.add(connection, "anna", TOKEN, NOW, None)
    sqlite_tokens.add(connection, "anna", TOKEN + "2", NOW + 1, None)
    sqlite_tokens.add(connection, "ben", TOKEN + "3", NOW, None)
    assert sqlite_tokens.revoke(connection, "anna", first.id.upper(), NOW) == 1
    assert states(connection) == [("anna", "revoked"), ("anna", "valid"), ("ben", "valid")]
    assert sqlite_tokens.revoke(connection, "anna", "", NOW) == 1
    assert sqlite_tokens.revoke(connection, "anna", "", NOW) == 0
    assert states(connection) == [("anna", "revoked"), ("anna", "revoked"), ("ben", "valid")]
    assert [each.revoked for each in sqlite_tokens.stored_tokens(connection)] == [True, True, False]


def test_a_name_is_changed_for_the_tokens_that_are_good(connection: sqlite3.Connection) -> None:
    sqlite_tokens.add(connection, "anna", TOKEN, NOW, None)
    sqlite_tokens.revoke(connection, "anna", "", NOW)
    sqlite_tokens.add(connection, "anna", TOKEN + "2", NOW, None)
    assert sqlite_tokens.rename(connection, "anna", "anne") == 1
    assert states(connection) == [("anna", "revoked"), ("anne", "valid")]


def test_there_are_only_so_many(connection: sqlite3.Connection) -> None:
    """Ours: each request is compared with all of them."""
    for number in range(MAX_TOKENS):
        sqlite_tokens.add(connection, "anna", f"{TOKEN}{number}", NOW, None)
    with pytest.raises(TokensError, match="1000 tokens already"):
        sqlite_tokens.add(connection, "anna", TOKEN, NOW, None)
    assert sqlite_tokens.forget(connection) == MAX_TOKENS
    assert states(connection) == []
