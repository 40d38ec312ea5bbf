"""The whole service with its records in PostgreSQL: alone, with a second replica, and while the database is away."""

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.app import running
from service.images import ImageRequest
from service.settings import Settings
from service.settings_reader import SettingsError
from service.stores import open_stores
from tests.conftest import Serve
from tests.scale.postgres import Server, database_of
from tests.stores import make_tables
from tests.wire import WireClient, wire_client

FOX = ImageRequest(model="m", prompt="a fox")


@pytest.fixture
async def url(postgres_server: Server) -> AsyncIterator[str]:
    async with postgres_server.database(make_tables) as url:
        yield url


def shared(url: str, secret: str = "0123456789abcdef" * 4) -> dict[str, str]:
    """The settings that all replicas have."""
    return {"EASEL_DATABASE_URL": url, "EASEL_SECRET": secret}


async def status_of(client: WireClient, url: str) -> int:
    async with client.session.get(url) as answer:
        return answer.status


async def test_a_picture_is_in_the_database_and_not_in_the_data_folder(
    serve: Serve, url: str, tmp_path: Path, postgres_server: Server
) -> None:
    async with serve(**shared(url)) as easel, wire_client(easel.mcp_url) as client:
        drawn = await client.call("generate", {"prompt": "a fox"})
        assert not drawn.get("isError")
        assert "1 picture" in (await client.call("cache", {}))["content"][0]["text"]
    async with serve(**shared(url)) as easel, wire_client(easel.mcp_url) as client:
        shown = await client.call("history", {"history_id": 1})
        assert not shown.get("isError"), "it outlives the process"
    assert not (tmp_path / "data" / "easel.db").exists()
    async with postgres_server.connected(database_of(url)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM jobs WHERE state = 'done'") == 1
        assert await connection.fetchval("SELECT count(*) FROM leases") == 0, "who ends lets go of the lease"


async def test_two_replicas_have_one_history(serve: Serve, url: str, tmp_path: Path) -> None:
    async with serve(**shared(url)) as one, wire_client(one.mcp_url) as first:
        await first.call("generate", {"prompt": "a fox"})
        env = {"EASEL_PORT": "0", "EASEL_LOG": "error", "EASEL_DRAIN_S": "0", **shared(url)}
        settings = Settings.from_env(env | {"EASEL_DATA_DIR": str(tmp_path / "data")})
        async with running(settings) as two, wire_client(two.mcp_url) as second:
            assert "a fox" in (await second.call("history", {}))["content"][0]["text"]
            await second.call("generate", {"prompt": "a hen"})
        assert "a hen" in (await first.call("history", {}))["content"][0]["text"]


async def test_while_the_database_is_away_calls_say_so(serve: Serve, url: str, postgres_server: Server) -> None:
    """Ours: the service is up, and not ready; nobody has to start it anew."""
    async with serve(**shared(url)) as easel, wire_client(easel.mcp_url) as client:
        await client.call("generate", {"prompt": "a fox"})
        postgres_server.stop()
        try:
            assert await status_of(client, f"{easel.origin}/readyz") == 503
            assert await status_of(client, f"{easel.origin}/healthz") == 200
            refused = await client.call("generate", {"prompt": "a hen"})
            assert refused["isError"]
            assert "the database does not answer" in refused["content"][0]["text"]
        finally:
            postgres_server.start()
        assert not (await client.call("generate", {"prompt": "a hen"})).get("isError")
        assert await status_of(client, f"{easel.origin}/readyz") == 200


async def test_a_database_that_cannot_be_used_stops_the_start(serve: Serve, url: str) -> None:
    with pytest.raises(SettingsError, match=r"EASEL_DATABASE_URL: .*refuses this server") as stopped:
        async with serve(**shared(url.replace("test_", "other_"))):
            pass
    assert "password" not in str(stopped.value).partition("refuses")[0]


async def test_without_the_driver_the_start_names_its_package(
    serve: Serve, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "service.storage.postgresql.records", raising=False)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for name in [each for each in sys.modules if each.startswith("service.storage.postgresql.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"EASEL_DATABASE_URL: .*requirements-scale"):
        async with serve(**shared(url)):
            pass


async def test_without_a_secret_for_all_the_start_says_how_to_make_one(serve: Serve, url: str) -> None:
    with pytest.raises(SettingsError, match=r"^EASEL_SECRET: must be set with EASEL_DATABASE_URL.*openssl rand"):
        async with serve(EASEL_DATABASE_URL=url):
            pass


@pytest.mark.parametrize(
    ("folder", "secret", "complaint"),
    [
        (
            "data",
            "fedcba9876543210" * 4,
            r"^EASEL_SECRET: the replicas that run on postgresql://.* have another secret",
        ),
        ("other", "0123456789abcdef" * 4, r"^EASEL_FILES_URL: .* have another place of pictures"),
    ],
)
async def test_a_replica_that_would_not_find_what_others_made_is_refused(  # noqa: PLR0917 - fixtures and a table
    serve: Serve, url: str, tmp_path: Path, folder: str, secret: str, complaint: str
) -> None:
    """Ours: half of all links, sessions or pictures would be dead, by turns."""
    async with serve(**shared(url)):
        settings = Settings.from_env(
            {"EASEL_PORT": "0", "EASEL_LOG": "error", "EASEL_DATA_DIR": str(tmp_path / folder), **shared(url, secret)}
        )
        with pytest.raises(SettingsError, match=complaint) as refused:
            async with running(settings):
                pass
        assert secret not in str(refused.value)


async def test_a_replica_that_was_taken_for_dead_takes_the_next_call(
    serve: Serve, url: str, postgres_server: Server
) -> None:
    """Bug: calls at a replica that had just woken were told to look into the history, where nothing was."""
    async with serve(**shared(url)) as easel, wire_client(easel.mcp_url) as client:
        await postgres_server.run("DELETE FROM leases", database_of(url))
        drawn = await client.call("generate", {"prompt": "a fox"})
        assert not drawn.get("isError"), drawn


async def test_a_replica_that_was_killed_and_starts_again_takes_its_work_up_at_once(url: str, tmp_path: Path) -> None:
    """Ours: alone, it was waited for until its lease was dead by the clock, though everybody could know better."""
    settings = Settings.from_env({"EASEL_DATA_DIR": str(tmp_path), **shared(url)})
    async with contextlib.AsyncExitStack() as stack:
        before = await open_stores(settings, stack)
        task = (await before.store.begin("ann", FOX, "kiln", "")).job
        await before.store.remember_task(task, "task-7")
        lost = (await before.store.begin("ann", FOX, "kiln", "")).job
        shutil.copytree(tmp_path / "running", tmp_path / "as it was")
        stack.pop_all()  # nothing of it says goodbye
    shutil.rmtree(tmp_path / "running")
    (tmp_path / "as it was").rename(tmp_path / "running")  # a lock of this process would count as its own
    async with contextlib.AsyncExitStack() as stack:
        after = await open_stores(settings, stack)
        ended = await after.store.job("ann", lost.history_id)
        assert ended is not None
        assert ended.failure is not None
        assert [job.history_id for job in await after.store.claim()] == [task.history_id]
