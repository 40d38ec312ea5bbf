"""The PostgreSQL server of the tests: what it leaves behind, and how it is halted."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.paths import ROOT
from tests.scale.pooler import pooled
from tests.scale.postgres import Server, database_of

LONG_S = 30.0
HELD = """
import time
from tests.scale import postgres
with postgres.running() as server:
    print(server.folder, flush=True)
    time.sleep(60)
"""


async def _make_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE rows (id integer)")
    await connection.close()


async def test_each_database_is_empty_and_has_the_tables_that_were_prepared_once(postgres_server: Server) -> None:
    """Ours: a test sees no row of another one."""
    names = set()
    for _ in range(2):
        async with postgres_server.database(_make_table) as url:
            names.add(database_of(url))
            async with postgres_server.connected(database_of(url)) as connection:
                assert await connection.fetch("SELECT * FROM rows") == []
                await connection.execute("INSERT INTO rows VALUES (1)")
    async with postgres_server.connected() as connection:
        left = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    assert len(names) == 2
    assert not names & left


async def test_a_halted_server_answers_nothing_until_it_goes_on(postgres_server: Server) -> None:
    """Ours: a network that drops everything looks the same to the service."""
    async with postgres_server.database() as url:
        async with postgres_server.connected(database_of(url)) as connection:
            await postgres_server.pause()
            asked = asyncio.ensure_future(connection.fetchval("SELECT 1"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asked), 0.2)
            postgres_server.resume()
            assert await asked == 1


async def test_a_stopped_server_is_at_its_port_again_after_a_start(postgres_server: Server) -> None:
    """Ours: the service reconnects without a restart of its own."""
    async with postgres_server.database(_make_table) as url:
        postgres_server.stop()
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncpg.connect(url)
        postgres_server.start()
        async with postgres_server.connected(database_of(url)) as connection:
            assert await connection.fetchval("SELECT count(*) FROM rows") == 0


def test_a_server_whose_tests_were_killed_stops_and_leaves_no_folder() -> None:
    """Ours: a worker that is killed must not leave a server on every machine that it ran on."""
    process = subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    with process, process.stdout:
        folder = Path(process.stdout.readline().strip())
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        process.kill()
    until = time.monotonic() + LONG_S
    while folder.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


async def test_a_pooler_passes_all_on_but_notices_and_the_process(postgres_server: Server) -> None:
    """Bug: a remark of the server, which is an N as well, was taken for the answer to a request for TLS."""
    async with postgres_server.database() as url, pooled(url) as behind:
        connection = await asyncpg.connect(behind, timeout=5, command_timeout=5)
        await connection.execute("CREATE TABLE IF NOT EXISTS a (b int); CREATE TABLE IF NOT EXISTS a (b int)")
        assert await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
        await connection.close()
