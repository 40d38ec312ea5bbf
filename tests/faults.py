"""Real faults of a machine for a service process: full, read-only and locked disks, and limits of the system.

Everything here works for an ordinary user and for root: limits are those of `setrlimit`, which another process may
change (prlimit(2)); a service that root starts gives up the capability to ignore modes; a file system of a few
megabytes is mounted in a user namespace of its own, where the system allows that.
"""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.emulators import openai_images
from tests.emulators.openai_images import OpenAiImages
from tests.service_process import launched
from tests.wire import WireClient

SOON_S: Final = 90
"""The longest that a caller waits for the news of a fault."""

SERVICE: Final = (sys.executable, "-m", "service")
OBEYING_MODES: Final = (
    () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-sys_resource")
)
"""Before a command: root's processes ignore the modes of files, and what of a disk is reserved, unless told not to."""

TMPFS: Final = 'mount -t tmpfs -o size=12m,mode=700 tmpfs "$EASEL_DATA_DIR" && exec "$@"'
ON_TMPFS: Final = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", TMPFS, "sh")
"""Before a command: its data folder is a file system of twelve megabytes, which it alone sees."""


@dataclass
class Faulty:
    """A service that draws at an emulated service, its client, and its log."""

    process: asyncio.subprocess.Process
    client: WireClient
    upstream: OpenAiImages
    data: Path
    log_pipe: int
    _log: bytes = b""

    @property
    def log(self) -> str:
        """All that it has logged. It goes to a pipe, which takes it when no file does."""
        with suppress(BlockingIOError):
            while piece := os.read(self.log_pipe, 65536):
                self._log += piece
        return self._log.decode()

    @property
    def seen_data(self) -> Path:
        """Its data folder, also where only its own namespace has it."""
        return Path(f"/proc/{self.process.pid}/root{self.data}")

    async def draw(self, prompt: str = "a fox") -> str:
        """Call `generate`; returns the text of the answer, which comes soon."""
        async with asyncio.timeout(SOON_S):
            text: str = (await self.client.call("generate", {"prompt": prompt}))["content"][0]["text"]
            return text

    async def state(self, prompt: str) -> str:
        """The state of the newest row of this prompt, or "absent"; a row that works is waited for."""
        rows = (await self.client.call("history"))["structuredContent"]["entries"]
        row = next((each for each in rows if each["prompt"] == prompt), None)
        if row is not None and row["state"] == "working":
            shown = await self.client.call("history", {"history_id": row["history_id"]})
            row = shown["structuredContent"]["entries"][0]
        return str(row["state"]) if row is not None else "absent"

    def limit(self, kind: int, most: int) -> None:
        """Set a limit of the process; the hard one stays, so that it can be lifted."""
        _, hard = resource.prlimit(self.process.pid, kind)
        resource.prlimit(self.process.pid, kind, (most if most >= 0 else hard, hard))

    @contextmanager
    def limited(self, kind: int, most: int) -> Iterator[None]:
        self.limit(kind, most)
        try:
            yield
        finally:
            self.limit(kind, -1)


@asynccontextmanager
async def faulty(folder: Path, before: Sequence[str] = OBEYING_MODES, **settings: str) -> AsyncIterator[Faulty]:
    """A service that can be given faults; `before` stands before its command."""
    data = folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    async with openai_images.running() as upstream:
        own = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": upstream.key, "EASEL_LOG": "warning"}
        given = own | {"EASEL_DISK_FREE_MB": "0"} | settings
        with os.fdopen(write_end, "wb") as log, os.fdopen(read_end, "rb"):
            async with launched([*before, *SERVICE], data, given, stderr=log, deadline_s=180) as (process, client):
                yield Faulty(process, client, upstream, data, read_end)


@cache
def may_mount() -> bool:
    """Tell whether this system lets us mount in a namespace of our own."""
    try:
        return subprocess.run([*ON_TMPFS[:4], "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def fill(folder: Path) -> Path:
    """Take all that is left of a small disk; returns the file that holds it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path
