"""The sockets that the service listens on, what is said when there can be none, and a process short of descriptors."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from service.settings import Settings
from service.settings_reader import SettingsError
from service.web.sockets import (
    MOST_DESCRIPTORS,
    RESERVE,
    bounds_of,
    listen,
    listen_beside,
    listening_error,
    room_for_connections,
)
from tests.paths import ROOT
from tests.service_process import service_process
from tests.wire import WireClient, until, wire_client


def test_a_privileged_port_is_told_apart_from_a_port_in_use() -> None:
    """Ours: who runs the tests may be allowed to listen there, so the words are asked for."""
    error = listening_error("127.0.0.1", 80, PermissionError(errno.EACCES, "Permission denied"))
    assert error.name == "EASEL_PORT"
    assert "may not listen on port 80: choose one above 1023" in str(error)


def test_a_free_port_is_taken_for_every_address_of_a_name() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
    finally:
        for each in sockets:
            each.close()


def test_a_taken_port_is_an_error_but_beside_a_client_on_standard_input() -> None:
    """Ours: each client starts a process of its own there, and all are configured alike."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="in use"):
            listen("127.0.0.1", port)
        (beside,) = listen_beside(port)
        with beside:
            assert beside.getsockname()[1] not in (0, port)
    (again,) = listen_beside(port)
    with again:
        assert again.getsockname()[1] == port


@contextlib.contextmanager
def idle_connections(url: str, count: int) -> Iterator[None]:
    """Connections that send nothing, as many as the system lets through."""
    host, port = url.split("/")[2].split(":")
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            raw = socket.socket()
            opened.append(raw)
            raw.setblocking(False)
            raw.connect_ex((host, int(port)))
        yield
    finally:
        for each in opened:
            each.close()


async def healthy(client: WireClient) -> bool:
    """Return whether the service answers a newcomer at once."""
    async with asyncio.timeout(60):
        async with client.session.get(
            client.url.replace("/mcp", "/healthz"), headers={"Connection": "close"}
        ) as answer:
            return answer.status == 200


async def test_a_service_with_few_descriptors_answers_however_many_connections_idle(tmp_path: Path) -> None:
    """Bug: with 128 descriptors, 300 idle connections ended all service, and wrote 78 MB of log in 20 s."""
    log = tmp_path / "log"
    with log.open("wb") as errors:
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))  # noqa: E731 - one call, at one place
        async with service_process(tmp_path / "data", errors, few) as (_, client):
            with idle_connections(client.url, 300):
                assert all([await healthy(client) for _ in range(10)])
    assert log.stat().st_size < 1000


async def test_a_service_without_a_descriptor_waits_for_one_and_says_so_once(tmp_path: Path) -> None:
    """Bug: asyncio logs a traceback for every attempt to take a connection, thousands in a second."""
    log = tmp_path / "log"
    with log.open("wb") as errors:
        async with service_process(tmp_path / "data", errors, EASEL_LOG="warning") as (process, client):
            assert await healthy(client)
            await client.session.close()
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            held = sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())  # noqa: ASYNC240 - no disk is behind it
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (held, hard))
            with idle_connections(client.url, 20):
                await until(lambda: b"Connections cannot be taken" in log.read_bytes())
                used = processor_s(process.pid)
                await asyncio.sleep(1)
                assert processor_s(process.pid) - used < 0.3
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            async with wire_client(client.url) as newcomer:
                assert await healthy(newcomer)
    assert log.read_bytes().count(b"Connections cannot be taken") == 1
    assert log.read_bytes().count(b"\n") < 10  # others may want a descriptor, too


def processor_s(pid: int) -> float:
    """The seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_limit_of_descriptors_is_raised_as_far_as_the_system_lets_it() -> None:
    """Ours: many systems give a process 1024 and let it take more."""
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (64, 200));"
        "from service.web.sockets import raise_descriptor_limit as rise;"
        "print(rise(), r.getrlimit(r.RLIMIT_NOFILE), rise())"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "200 (200, 200) 200\n"


def test_connections_have_the_bounds_of_the_settings_and_proxies_none_of_their_own() -> None:
    settings = Settings.from_env({"EASEL_CONNECTIONS": "20/50", "EASEL_TRUSTED_PROXIES": "10.0.0.0/8"})
    bounds = bounds_of(settings.allowances, settings.trusted_proxies)
    assert (bounds.most, bounds.per_address, bounds.exempt) == (50, 20, (ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize(
    ("most", "descriptors", "room"),
    [
        pytest.param(1000, MOST_DESCRIPTORS, 1000, id="enough"),
        pytest.param(1000, 1024, 1024 - RESERVE, id="a reserve is kept"),
        pytest.param(1000, 128, 64, id="few"),
        pytest.param(float("inf"), 1024, 1024 - RESERVE, id="without a limit"),
    ],
)
def test_connections_leave_descriptors_for_everything_else(most: float, descriptors: int, room: int) -> None:
    assert room_for_connections(most, descriptors) == room
