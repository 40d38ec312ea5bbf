"""Build the image, run it as `docs/deployment.md` says, and check that it lives, draws, stops and comes back.

`python -m tests.deploy.container [build options …]`, or `make container-check`. Exit status 0: all passed, 1: a check
failed, 2: it could not be run. Without network options such as `--pull=never` let the build use a base that is there.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.checks import CannotRunError, Checks, run, tail
from tests.deploy.units import compose_commands
from tests.paths import ROOT
from tests.scale.ports import free_port
from tests.wire import ANNA, wire_client

IMAGE: Final = "localhost/easel:check"
NAME: Final = f"easel-check-{os.getpid()}"
UID: Final = 10001
MOST_MB: Final = 180
READY_S: Final = 30.0
STOP_S: Final = 30

HARDENED: Final = (
    *(
        "--init",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "all",
        "--security-opt",
        "no-new-privileges",
        "--memory",
        "1500m",
    ),
    *("--pids-limit", "256", "--stop-timeout", str(STOP_S), "--env", f"EASEL_TOKENS=anna:{ANNA}"),
)

LABELS: Final = {
    f"org.opencontainers.image.{each}" for each in ("title", "description", "licenses", "version", "revision")
}


@dataclass
class Engine:
    """Podman or Docker, and the port that its container is published on."""

    command: str
    port: int

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        return run(self.command, *arguments, fails=fails)

    def inside(self, program: str) -> str:
        """Run Python in the container; return what it prints."""
        return self("exec", NAME, "python", "-c", program, fails=True).strip()

    def inspected(self, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*what))[0]
        return found

    def start(self, *options: str) -> str:
        """Start the container; return why it is not ready, or nothing."""
        published = ("--publish", f"127.0.0.1:{self.port}:8866")
        self("run", "--detach", "--name", NAME, *HARDENED, *published, *options, IMAGE)
        return self.why_not_ready()

    def why_not_ready(self) -> str:
        """Return the end of the log of a container that is not ready in time, or nothing."""
        return why_not_ready(self.port) and tail(self("logs", NAME, fails=True), 5)

    def stop(self) -> tuple[float, int]:
        """Stop it as a person would; return the seconds it took and its exit status."""
        began = time.monotonic()
        self("stop", NAME)
        return time.monotonic() - began, self.inspected("inspect", NAME)["State"]["ExitCode"]

    def remove(self) -> None:
        self("rm", "--force", NAME, fails=True)


def main(options: Sequence[str]) -> int:
    """Check everything in turn."""
    checks = Checks()
    try:
        command = shutil.which("podman") or shutil.which("docker")
        if command is None:
            raise CannotRunError("it needs podman or docker")
        os.environ["BUILDAH_FORMAT"] = "docker"
        run(command, "build", "--file", str(ROOT / "Containerfile"), *options, "--tag", IMAGE, str(ROOT))
        engine = Engine(command, free_port())
        check_image(engine, checks)
        with volume(engine) as mounted:
            check_life(engine, checks, mounted)
        check_bind_mount(engine, checks)
        check_compose(checks)
        check_pod(engine, checks)
    except CannotRunError as error:
        print(f"container-check could not be run: {error}", file=sys.stderr)
        return 2
    return checks.summary()


def check_image(engine: Engine, checks: Checks) -> None:
    image = engine.inspected("image", "inspect", IMAGE)
    config = image["Config"]
    megabytes = image["Size"] / 1e6
    checks.that(f"the image has {megabytes:.0f} MB, {MOST_MB} at most", megabytes <= MOST_MB, f"{megabytes:.0f} MB")
    checks.that("it runs as a fixed user and group", config["User"] == f"{UID}:{UID}", config["User"])
    health = config.get("Healthcheck") or image.get("Healthcheck")
    checks.that("it keeps its HEALTHCHECK", health, "build it with --format docker")
    checks.that("it has its labels", set(config["Labels"] or {}) >= LABELS, config["Labels"])
    checks.that("its data folder is a volume", "/app/data" in (config["Volumes"] or {}), config["Volumes"])


def check_life(engine: Engine, checks: Checks, mounted: str) -> None:
    try:
        why = engine.start("--volume", mounted)
        checks.that("it starts on a read-only root without capabilities", not why, why)
        if why:
            return
        check_confinement(engine, checks)
        name, problem = asyncio.run(draw(engine.port))
        checks.that("it draws a picture, which a decoder process reads", not problem, problem)
        seconds, code = engine.stop()
        checks.that(f"it stops in {seconds:.1f} s with 0", code == 0 and seconds < STOP_S, f"{seconds:.1f} s, {code}")
        engine("start", NAME)
        why = engine.why_not_ready()
        checks.that("it starts again", not why, why)
        found = fetched(f"http://127.0.0.1:{engine.port}/mcp-cache/{name}")
        checks.that("the picture is still there", found == 200, found)
    finally:
        engine.remove()


def check_confinement(engine: Engine, checks: Checks) -> None:
    """The rights of the service's process, and what lies about for one who breaks in."""
    answer = engine("exec", NAME, "python", "/app/healthcheck.py", fails=True)
    checks.that("its health check passes", answer.strip().endswith("200"), answer)
    status = dict(line.split(":\t", 1) for line in engine.inside(STATUS).splitlines() if ":\t" in line)
    checks.that("it runs as 10001", status.get("Uid", "").split()[:1] == [str(UID)], status.get("Uid"))
    checks.that("it has no capabilities", int(status.get("CapEff", "1"), 16) == 0, status.get("CapEff"))
    checks.that("it cannot gain rights", status.get("NoNewPrivs") == "1", status.get("NoNewPrivs"))
    found = engine.inside(SETUID)
    checks.that("no program in it takes on other rights", found == "[]", found)
    found = engine.inside("import importlib.util as u; print([m for m in ('pip', 'ensurepip') if u.find_spec(m)])")
    checks.that("nothing in it installs packages", found == "[]", found)
    found = engine.inside("import os; s = os.stat('/app/data'); print(s.st_uid, oct(s.st_mode & 0o777))")
    checks.that("its data folder is its own", found == f"{UID} 0o700", found)


def check_bind_mount(engine: Engine, checks: Checks) -> None:
    """A folder of the host: `:U` gives it to the user of the container. Docker has no such option."""
    if not engine.command.endswith("podman"):
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        try:
            engine("run", "--detach", "--name", NAME, *HARDENED, "--volume", f"{folder}:/app/data", IMAGE)
            engine("wait", NAME)
            log = engine("logs", NAME)
            checks.that("a folder of another user is refused by name", "/app/data" in log, tail(log))
            engine.remove()
            why = engine.start("--volume", f"{folder}:/app/data:U")
            checks.that("a folder of the host works with :U", not why, why)
        finally:
            engine.remove()


def check_compose(checks: Checks) -> None:
    """The shipped file, under a project name and on a port of its own, so that a service that runs stays as it is."""
    commands = compose_commands()
    if not commands:
        checks.not_tried("compose.yaml", "neither docker compose nor podman-compose is installed")
    for command in commands:
        name = f"compose.yaml with {' '.join(command)}"
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            file = _moved("compose.yaml", Path(folder), port, {"context: ..": f"context: {ROOT}", "../.env": ".env"})
            (Path(folder) / ".env").touch()
            project = [*command, "--project-name", NAME, "--file", str(file)]
            try:
                run(*project, "up", "--detach", "--no-build")
                why = why_not_ready(port)
                checks.that(f"{name} starts it", not why, why and tail(run(*project, "logs", fails=True)))
                run(*project, "stop")
            except CannotRunError as error:
                checks.that(f"{name} runs", False, error)
            finally:
                run(*project, "down", "--volumes", fails=True)


def check_pod(engine: Engine, checks: Checks) -> None:
    """The shipped pod, under a name and on a port of its own."""
    if not engine.command.endswith("podman"):
        checks.not_tried("easel.kube.yaml", "podman is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        names = {"  name: easel\n": f"  name: {NAME}\n", "claimName: easel": f"claimName: {NAME}"}
        file = str(_moved("easel.kube.yaml", Path(folder), port, names))
        try:
            engine("play", "kube", file)
            why = why_not_ready(port)
            checks.that("easel.kube.yaml starts it", not why, why)
            container = next(
                name for name in engine("ps", "--format", "{{.Names}}").split() if name.endswith("-service")
            )
            told = engine("healthcheck", "run", container, fails=True)
            checks.that("its probe passes", "unhealthy" not in told, tail(told))
        finally:
            engine("play", "kube", "--down", file, fails=True)
            engine("volume", "rm", "--force", NAME, fails=True)


def _moved(name: str, folder: Path, port: int, others: dict[str, str]) -> Path:
    """Copy a shipped file with the image and the port of this run. Each of what is replaced must be in it."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    published = {"127.0.0.1:8866:8866": f"127.0.0.1:{port}:8866", "hostPort: 8866": f"hostPort: {port}"}
    here = {shipped: ours for shipped, ours in published.items() if shipped in text}
    for shipped, ours in {"localhost/easel:latest": IMAGE, **here, **others}.items():
        if shipped not in text:
            raise CannotRunError(f"deploy/{name} has no {shipped!r}")
        text = text.replace(shipped, ours)
    copied = folder / name
    copied.write_text(text, encoding="utf-8")
    return copied


STATUS: Final = """
import pathlib
for each in pathlib.Path('/proc').glob('[0-9]*'):
    words = (each / 'cmdline').read_bytes().split(b'\\0')
    if words[1:3] == [b'-m', b'service']:
        print((each / 'status').read_text())
"""
"""Print the status of the service's process."""

SETUID: Final = """
import os
print([p for d, s, fs in os.walk('/') if not d.startswith(('/proc', '/sys')) for f in fs
       if not os.path.islink(p := os.path.join(d, f)) and os.stat(p).st_mode & 0o6000])
"""


def why_not_ready(port: int) -> str:
    """Wait for the service on a port; return why it is not ready, or nothing."""
    deadline, why = time.monotonic() + READY_S, ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return ""
        except OSError as error:
            why = str(error)
        time.sleep(0.1)
    return why or "it was not asked"


async def draw(port: int) -> tuple[str, str]:
    """Draw with the built-in sketch; return the name of the picture, and why there is none."""
    async with asyncio.timeout(60), wire_client(f"http://127.0.0.1:{port}/mcp", ANNA) as client:
        result = await client.call("generate", {"prompt": "a lighthouse"})
    if result.get("isError"):
        return "", str(result["content"])[:300]
    return result["structuredContent"]["images"][0]["url"].rpartition("/")[2], ""


def fetched(url: str) -> int | str:
    """GET; return the status, or the error."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            answer.read()
            status: int = answer.status
            return status
    except OSError as error:
        return str(error)


@contextmanager
def volume(engine: Engine) -> Iterator[str]:
    """A named volume, gone afterwards; the value is the option for it."""
    try:
        yield f"{NAME}:/app/data"
    finally:
        engine("volume", "rm", "--force", NAME, fails=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
