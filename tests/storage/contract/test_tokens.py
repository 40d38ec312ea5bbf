"""The tokens of `token add`: kept as digests, and their rows stay when they are revoked."""

import asyncio

import pytest

from service.storage.people import People, as_sent
from service.tokens import MAX_TOKENS, TokensError, digest_of
from tests.engines import Engine, Process
from tests.storage.contract.conftest import Open
from tests.stores import seed

NOW = 1_795_000_000.0
TOKEN = "a-token-of-anna-0123456789"


@pytest.fixture
def people(process: Process) -> People:
    return process.people


async def states(people: People, now: float = NOW) -> list[tuple[str, str]]:
    return [(each.name, each.state(now)) for each in await people.tokens()]


async def test_only_the_digest_of_a_token_is_kept(people: People, engine: Engine) -> None:
    """Ours: whoever reads the database, or a backup of it, cannot call with what stands there."""
    added = await people.add_token("anna", TOKEN, NOW, NOW + 60)
    [found] = as_sent(await people.tokens())
    assert (found.name, found.digest, found.expires) == ("anna", digest_of(TOKEN), NOW + 60)
    assert added.id == digest_of(TOKEN).hex()[:8]
    text = await engine.text()
    assert "anna" in text
    assert TOKEN not in text
    assert await states(people) == [("anna", "valid")]
    assert await states(people, NOW + 60) == [("anna", "expired")]


async def test_all_tokens_of_a_name_are_revoked_or_one_by_its_id(people: People) -> None:
    """Ours: a token is replaced without a gap by adding the second one first."""
    first = await people.add_token("anna", TOKEN, NOW, None)
    await people.add_token("anna", TOKEN + "2", NOW + 1, None)
    await people.add_token("ben", TOKEN + "3", NOW, None)
    assert await people.revoke_tokens("anna", first.id.upper(), NOW) == 1
    assert await states(people) == [("anna", "revoked"), ("anna", "valid"), ("ben", "valid")]
    assert await people.revoke_tokens("anna", "", NOW) == 1
    assert await people.revoke_tokens("anna", "", NOW) == 0
    assert await states(people) == [("anna", "revoked"), ("anna", "revoked"), ("ben", "valid")]
    assert [each.revoked for each in as_sent(await people.tokens())] == [True, True, False]


async def test_the_names_are_in_one_order_on_every_engine(people: People) -> None:
    """Ours: a database may sort by the rules of a language; the list is the same everywhere."""
    names = ["anna", "Ben", "ben", "zoé", "Änne", "陈", "a-b", "ab"]
    for number, name in enumerate(names):
        await people.add_token(name, f"{TOKEN}{number}", NOW, None)
    assert [each.name for each in await people.tokens()] == sorted(names)


async def test_a_name_is_changed_for_the_tokens_that_are_good(people: People) -> None:
    await people.add_token("anna", TOKEN, NOW, None)
    await people.revoke_tokens("anna", "", NOW)
    await people.add_token("anna", TOKEN + "2", NOW, None)
    assert await people.rename("anna", "anne") == 1
    assert await states(people) == [("anna", "revoked"), ("anne", "valid")]


async def test_there_are_only_so_many(people: People) -> None:
    """Ours: each request is compared with all of them."""
    await seed(people.add_token("anna", f"{TOKEN}{each}", NOW, None) for each in range(MAX_TOKENS - 1))
    with pytest.raises(TokensError, match="1000 tokens already"):
        await asyncio.gather(*(people.add_token("anna", f"{TOKEN}/{each}", NOW, None) for each in range(2)))
    assert len(await people.tokens()) == MAX_TOKENS
    assert await people.forget_tokens() == MAX_TOKENS
    assert await states(people) == []


async def test_every_process_has_the_same_tokens(people: People, open_process: Open) -> None:
    await people.add_token("anna", TOKEN, NOW, None)
    other = await open_process("b")
    assert await states(other.people) == [("anna", "valid")]
