"""The identity that the guard finds for a request, as a handler behind it reads it."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.authorization import SCOPES
from service.images import WorkError
from service.settings import Settings
from service.storage.people import StoredToken
from service.tokens import digest_of
from service.web.guard import Guard
from service.web.identity import IDENTITY, Identity, StaticTokens, TokenError

ANNA = "anna-0123456789abcdef"


async def answered(env: dict[str, str], path: str = "/mcp", authorization: str | None = None) -> tuple[int, str]:
    """The status, and the owner and the scopes that a handler behind the guard read."""

    async def tell(request: web.Request) -> web.Response:
        identity = request.get(IDENTITY)
        return web.Response(text=f"{identity.owner} {sorted(identity.scopes)}" if identity else "nobody")

    app = web.Application(middlewares=[Guard(Settings.from_env(env)).middleware()])
    for each in ("/mcp", "/healthz"):
        app.router.add_get(each, tell)
    async with TestClient(TestServer(app)) as client:
        response = await client.get(path, headers={"Authorization": authorization} if authorization else {})
        return response.status, await response.text()


async def test_without_tokens_everything_belongs_to_the_local_owner_with_every_scope() -> None:
    """Ours: a laptop with no settings just works."""
    assert await answered({}) == (200, f"local {sorted(SCOPES)}")


async def test_a_static_token_gives_its_name_and_every_scope() -> None:
    """Ours: scopes narrow access tokens of an authorization server; whoever sets a static token trusts its holder."""
    found = await answered({"EASEL_TOKENS": f"anna:{ANNA}"}, authorization=f"Bearer {ANNA}")
    assert found == (200, f"anna {sorted(SCOPES)}")


@pytest.mark.parametrize("env", [{}, {"EASEL_TOKENS": f"anna:{ANNA}"}])
async def test_a_route_that_needs_no_token_acts_for_nobody(env: dict[str, str]) -> None:
    """Ours: a handler that read an owner there would act for somebody who did not ask."""
    assert await answered(env, "/healthz") == (200, "nobody")


class Stored:
    """The tokens of `token add`, as a test has them. While `fault` is set they cannot be read."""

    def __init__(self, *tokens: StoredToken) -> None:
        self.tokens = tokens
        self.fault: WorkError | None = None

    async def __call__(self) -> list[StoredToken]:
        if self.fault is not None:
            raise self.fault
        return [*self.tokens]


def stored(name: str, *, expires: float | None = None, revoked: bool = False) -> StoredToken:
    digest, revoked_at = digest_of(f"token-of-{name}"), 0.0 if revoked else None
    return StoredToken(name=name, digest=digest, created_at=0.0, expires_at=expires, revoked_at=revoked_at)


@contextlib.asynccontextmanager
async def watched(read: Stored) -> AsyncIterator[tuple[StaticTokens, asyncio.Queue[frozenset[str]]]]:
    """The tokens while they are watched, and the names that have lost their last one, as they do."""
    tokens = await StaticTokens.open(Settings.from_env({"EASEL_TOKENS": f"anna:{ANNA}"}), read_stored=read)
    lost: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    watching = asyncio.create_task(tokens.watch(lambda names: lost.put_nowait(frozenset(names)), every_s=0.001))
    try:
        async with asyncio.timeout(60):
            yield tokens, lost
    finally:
        watching.cancel()


async def test_a_stored_token_that_is_revoked_ends_the_streams_of_its_name() -> None:
    """Ours: but not while the name has another one, here of the settings."""
    read = Stored(stored("anna"), stored("ben"))
    async with watched(read) as (tokens, lost):
        assert tokens.find("token-of-ben") == Identity(owner="ben")
        read.tokens = (stored("anna", revoked=True), stored("ben", revoked=True))
        assert await lost.get() == {"ben"}
        with pytest.raises(TokenError, match="has been revoked"):
            tokens.find("token-of-ben")
        assert tokens.find(ANNA) == Identity(owner="anna")
        assert tokens.has_stored


async def test_a_stored_token_that_expires_ends_the_streams_of_its_name() -> None:
    async with watched(Stored(stored("ben", expires=time.time() + 0.3))) as (tokens, lost):
        assert tokens.names == {"anna", "ben"}
        assert await lost.get() == {"ben"}
        with pytest.raises(TokenError, match="has expired"):
            tokens.find("token-of-ben")


async def test_a_history_that_cannot_be_read_locks_nobody_out() -> None:
    """Ours: the last tokens stay while another program holds the file."""
    read = Stored(stored("ben"))
    async with watched(read) as (tokens, lost):
        read.fault = WorkError("The history could not be read", kind="storage")
        read.tokens = (stored("cat"),)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert tokens.find("token-of-ben") == Identity(owner="ben")
        read.fault = None
        assert await lost.get() == {"ben"}
        assert tokens.find("token-of-cat") == Identity(owner="cat")


async def test_a_service_that_had_tokens_stays_closed_without_a_good_one() -> None:
    """Ours: a revocation must let nobody in."""
    settings = Settings.from_env({})
    tokens = await StaticTokens.open(settings, read_stored=Stored(stored("ben", revoked=True)))

    async def tell(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[Guard(settings, tokens=tokens).middleware()])
    app.router.add_get("/mcp", tell)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/mcp")).status == 401


async def test_followers_are_told_the_tokens_of_a_reading_and_of_the_good_one_before_it(tmp_path: Path) -> None:
    """Bug: each token that a file ever had was hidden for good. What is under way may still show the last ones."""
    path = tmp_path / "tokens"
    path.write_text(f"anna {ANNA}\n")
    told: list[Collection[str]] = []
    tokens = await StaticTokens.open(Settings.from_env({"EASEL_TOKENS_FILE": str(path)}), told.append)
    file = tokens._file
    assert file is not None
    for number, text in enumerate([f"anna {ANNA}1", f"anna {ANNA}22", "anna short", f"anna {ANNA}333"]):
        path.write_text(f"{text}\n")
        os.utime(path, (number, number))
        await file.refresh()
    assert told == [
        {ANNA},
        {ANNA, f"{ANNA}1"},
        {f"{ANNA}1", f"{ANNA}22"},
        {f"{ANNA}22"},  # the last is no token, and those before it are still good
        {f"{ANNA}22", f"{ANNA}333"},
    ]
