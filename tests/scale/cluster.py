"""Replicas of the service that share a PostgreSQL database and a bucket; each can be killed, and comes back by itself.

nginx stands before them with the home server of `deploy/nginx.conf`, in which the one address of the service is a group
of all replicas. Nothing else of the file is changed: it retries what could not be sent, and nothing that was.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.deploy.proxies import DEPLOY, PATH, SHIPPED_SERVICE
from tests.scale import seaweed
from tests.scale.ports import free_port, free_ports
from tests.scale.postgres import Server
from tests.service_process import launched
from tests.wire import TWO_TOKENS

COMMAND: Final = [sys.executable, "-m", "service"]
HOURS: Final = 4 * 3600.0
STARTED_S: Final = 90.0
HOME: Final = re.compile(r"^server \{\n    listen 8080;.*?^\}\n", re.MULTILINE | re.DOTALL)
"""The server without TLS in `deploy/nginx.conf`."""


@dataclass(eq=False)
class Replica:
    """One replica, in life after life. `up` is set while it takes calls."""

    port: int
    folder: Path
    up: asyncio.Event = field(default_factory=asyncio.Event)
    kills: int = 0
    halted: bool = False
    process: Process | None = None

    @property
    def url(self) -> str:
        """The URL of its MCP endpoint."""
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def log(self) -> Path:
        """All that its lives wrote to standard error."""
        return self.folder / "log"

    def kill(self) -> None:
        """Kill it as the system does that has no memory left: nothing of it can say goodbye."""
        self._signal(signal.SIGKILL)
        self.kills += 1
        self.up.clear()

    def halt(self) -> None:
        """Halt it. For everybody else it is as if the network had lost it."""
        self.halted = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self._signal(signal.SIGCONT)
        self.halted = False

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.returncode is None
        self.process.send_signal(number)

    async def live(self, settings: Mapping[str, str]) -> None:
        """Start it, and again each time that it has ended, until this is cancelled."""
        self.folder.mkdir(parents=True)
        own = {**settings, "EASEL_PORT": str(self.port)}
        with self.log.open("wb") as log:
            while True:
                data = self.folder / "data"
                async with launched(COMMAND, data, own, deadline_s=HOURS, stderr=log) as (self.process, _):
                    self.up.set()
                    await self.process.wait()
                    self.up.clear()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Running replicas, the URL of their database, and the URLs at which callers reach them."""

    replicas: list[Replica]
    database: str
    urls: list[str]


@asynccontextmanager
async def running(
    folder: Path, count: int, server: Server, bucket: str, settings: Mapping[str, str], *, proxy: bool
) -> AsyncIterator[Cluster]:
    """Run so many replicas on a database and a folder of their own, behind nginx or each by itself."""
    replicas = [Replica(port, folder / f"replica-{port}") for port in free_ports(count)]
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(server.database())
        shared = {
            "EASEL_SECRET": secrets.token_hex(32),
            "EASEL_DATABASE_URL": database,
            "EASEL_FILES_URL": f"s3://{seaweed.BUCKET}/{folder.name}",
            "EASEL_S3_ENDPOINT": bucket,
            "EASEL_S3_KEY_ID": seaweed.KEY_ID,
            "EASEL_S3_SECRET_KEY": seaweed.SECRET_KEY,
            "EASEL_TOKENS": TWO_TOKENS,
            "EASEL_CACHE_MAX_ENTRIES": "0",
            "EASEL_LOG": "warning",
        }
        urls = [replica.url for replica in replicas]
        if proxy:
            public = await stack.enter_async_context(_nginx(folder / "nginx", replicas))
            shared |= {"EASEL_PUBLIC_URL": public, "EASEL_TRUSTED_PROXIES": "127.0.0.1"}
            urls = [f"{public}/mcp"]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        lives = [group.create_task(replica.live({**shared, **settings})) for replica in replicas]
        try:
            async with asyncio.timeout(STARTED_S):
                for replica in replicas:
                    await replica.up.wait()
            yield Cluster(replicas=replicas, database=database, urls=urls)
        finally:
            for life in lives:
                life.cancel()


@asynccontextmanager
async def _nginx(folder: Path, replicas: list[Replica]) -> AsyncIterator[str]:
    folder.mkdir(parents=True)  # noqa: ASYNC240 - nothing is measured yet
    port = free_port()
    (folder / "nginx.conf").write_text(_configuration(folder, port, replicas))
    program = shutil.which("nginx", path=PATH)
    if program is None:
        raise SystemExit("nginx is not here: apt-get install nginx-light")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"), stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _configuration(folder: Path, port: int, replicas: list[Replica]) -> str:
    """The shipped server, with the group of replicas in the place of the one service."""
    found = HOME.search((DEPLOY / "nginx.conf").read_text(encoding="utf-8"))
    assert found is not None
    assert SHIPPED_SERVICE in found[0]
    site = found[0].replace(SHIPPED_SERVICE, "easel").replace("listen 8080", f"listen 127.0.0.1:{port}")
    site = site.replace("$host;", "$http_host;")  # our port is none that a browser leaves out
    group = "".join(f"server 127.0.0.1:{replica.port};" for replica in replicas)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.getuid() == 0 else ""
    return (
        f"daemon off; {user} pid {folder}/pid; error_log stderr; events {{}} "
        f"http {{ access_log off; {temporary} upstream easel {{ {group} }} {site} }}"
    )
