"""PgBouncer before a PostgreSQL server, in transaction mode: the next message may go to another server process."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from yarl import URL

from tests.debian import program
from tests.scale.ports import free_port
from tests.scale.postgres import ACCOUNT, PASSWORD, USER, Server

PROCESSES: Final = 3
"""Server processes for all clients, so that these take turns."""

READY_S: Final = 30.0
SETTINGS: Final = """
[databases]
* = host=127.0.0.1 port={server} user={user} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {processes}
max_client_conn = 200
"""


@contextlib.contextmanager
def running(server: Server, folder: Path) -> Iterator[int]:
    """Run it before a server; the value is its port."""
    port = free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(server=server.port, user=USER, password=PASSWORD, port=port, processes=PROCESSES)
    )
    command = [program("pgbouncer", "pgbouncer"), "--quiet", "/dev/stdin"]
    # The account that it runs as may not enter the folder of a test.
    with settings.open("rb") as given:
        process = subprocess.Popen(command, stdin=given, stderr=subprocess.DEVNULL, cwd="/", **ACCOUNT)
    try:
        _wait(process, port)
        yield port
    finally:
        process.kill()
        process.wait()


def behind(url: str, port: int) -> str:
    """The URL of a database of the server, by way of PgBouncer."""
    return str(URL(url).with_port(port))


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    ends = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, "PgBouncer ended"
        assert time.monotonic() < ends, "PgBouncer does not start"
        time.sleep(0.05)
