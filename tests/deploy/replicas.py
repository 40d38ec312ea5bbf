"""The pod of `deploy/easel-scale.kube.yaml` without containers: the same programs, arguments and settings on loopback.

Its ports, folders and secrets are replaced, and PostgreSQL is that of the tests. A person who draws and looks through
Caddy goes on while one replica is killed.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.checks import Checks
from tests.deploy.proxies import DEPLOY
from tests.paths import ROOT
from tests.scale import postgres
from tests.scale.ports import free_ports
from tests.wire import ANNA, LEGACY, WireClient, wire_client

POD: Final = DEPLOY / "easel-scale.kube.yaml"
READY_S: Final = 60.0
SECRETS: Final = {
    "EASEL_SECRET": "5e" * 32,
    "EASEL_TOKENS": f"anna:{ANNA}",
    "AWS_ACCESS_KEY_ID": "easel",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-this-check",
}
"""The members of the secret that the pod reads, but for those of the database."""

SHIPPED: Final = ("8866", "8867", "8868", "8333", "8081", "8888", "9333")
"""The ports of Caddy, the replicas, and SeaweedFS: S3, volumes, files, and its master."""

HIDDEN: Final = ("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=8")
"""Options of SeaweedFS for what would meet another one of this machine."""


@dataclass
class Pod:
    """The programs that run, by the name of their container."""

    folder: Path
    ports: dict[str, str]
    database_url: str
    programs: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address that people use."""
        return f"http://127.0.0.1:{self.ports['8866']}"

    def moved(self, text: str) -> str:
        """Return a text with the ports of this run in place of the shipped ones."""
        return re.sub("|".join(rf"\b{port}\b" for port in SHIPPED), lambda found: self.ports[found[0]], text)

    async def start(self, container: dict[str, Any]) -> None:
        """Start the program of a container."""
        name = container["name"]
        own = {entry["name"]: self.moved(entry["value"]) for entry in container.get("env", ())}
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.folder), **own}
        if "envFrom" in container:
            env |= SECRETS | {"EASEL_DATABASE_URL": self.database_url}
        if "EASEL_DATA_DIR" in env:
            env["EASEL_DATA_DIR"] = str(self.folder / name)
        arguments = [self.moved(each) for each in container.get("args", ())]
        log = self.folder / f"{name}.log"
        with log.open("ab") as told:
            self.programs[name] = await asyncio.create_subprocess_exec(
                *self._command(name, arguments), env=env, cwd=ROOT, stdout=told, stderr=told
            )

    def _command(self, name: str, arguments: list[str]) -> list[str]:
        if name == "caddy":
            site = self.folder / "Caddyfile"
            options = "{\n\tadmin off\n}\n"
            site.write_text(options + self.moved((DEPLOY / "Caddyfile.scale").read_text(encoding="utf-8")))
            return ["caddy", "run", "--adapter", "caddyfile", "--config", str(site)]
        if name == "s3":
            data = self.folder / "s3"
            data.mkdir()
            ports = [
                f"-{part}.port={self.ports[port]}"
                for part, port in (("s3", "8333"), ("filer", "8888"), ("master", "9333"))
            ]
            grpc = [
                f"-{part}.port.grpc={port}"
                for part, port in zip(("s3", "filer", "master", "volume"), free_ports(4), strict=True)
            ]
            moved = [each.replace("-dir=/data", f"-dir={data}") for each in arguments]
            return ["weed", "-logtostderr=true", *moved, *ports, *grpc, *HIDDEN]
        return [sys.executable, "-m", "service"]

    def log(self, name: str) -> str:
        """Return the end of what a program said."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-600:]

    async def ready(self, url: str) -> bool:
        """Wait until an address answers 200."""
        async with wire_client(url) as client:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READY_S):
                    while True:
                        with contextlib.suppress(OSError):
                            async with client.session.get(url) as answer:
                                if answer.status == 200:
                                    return True
                        await asyncio.sleep(0.2)  # nothing tells when a program has started
        return False


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Pod]:
    """Run every container of the pod, S3 and the database first: in a pod, replicas begin anew until those answer."""
    containers = {each["name"]: each for each in yaml.safe_load(POD.read_text(encoding="utf-8"))["spec"]["containers"]}
    ports = dict(zip(SHIPPED, map(str, free_ports(len(SHIPPED))), strict=True))
    async with AsyncExitStack() as stack:
        server = stack.enter_context(postgres.running())
        pod = Pod(folder, ports, await stack.enter_async_context(server.database()))
        try:
            await pod.start(containers["s3"])
            s3 = f"http://127.0.0.1:{ports['8333']}/healthz"
            assert await pod.ready(s3), pod.log("s3")
            for name in ("replica-1", "replica-2", "caddy"):
                await pod.start(containers[name])
            yield pod
        finally:
            for process in pod.programs.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def check_replicas(checks: Checks) -> None:
    """Draw, look, and go on while a replica is killed."""
    with tempfile.TemporaryDirectory(prefix="easel-replicas-") as folder:
        async with running(Path(folder)) as pod:
            ready = [await pod.ready(f"http://127.0.0.1:{pod.ports[port]}/readyz") for port in ("8867", "8868")]
            checks.that("both replicas of the pod are ready", all(ready), pod.log("replica-1") + pod.log("replica-2"))
            leads = await pod.ready(f"{pod.url}/readyz")
            checks.that("Caddy leads to them", leads, pod.log("caddy"))
            if all(ready) and leads:
                async with wire_client(f"{pod.url}/mcp", ANNA) as client:
                    await _goes_on(pod, client, checks)


async def _goes_on(pod: Pod, client: WireClient, checks: Checks) -> None:
    drawn = [await client.call("generate", {"prompt": f"a fox {number}"}) for number in range(4)]
    urls = [each["structuredContent"]["images"][0]["url"] for each in drawn]
    checks.that("links begin with the public URL", all(each.startswith(f"{pod.url}/mcp-cache/") for each in urls), urls)
    ids = [each["structuredContent"]["history_id"] for each in drawn]
    checks.that("both replicas count one history", ids == [1, 2, 3, 4], ids)
    await client.open(LEGACY)
    pod.programs["replica-1"].send_signal(signal.SIGKILL)
    after = await client.call("generate", {"prompt": "a fox after all"})
    checks.that("a killed replica is passed over", after.get("structuredContent", {}).get("history_id") == 5, after)
    statuses = []
    for url in urls:
        async with client.session.get(url) as answer:
            statuses.append(answer.status)
    checks.that("its pictures are still shown", statuses == [200] * 4, statuses)
    heard = await client.legacy("tools/list")
    checks.that("sessions of the older protocol go on", "tools" in heard.result, heard)
