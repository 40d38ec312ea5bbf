"""The health check of the container: asks the service beside it, and says in one line what it heard."""

import asyncio
import os
import sys

import pytest

from service.app import Running
from tests.paths import ROOT


async def checked(port: str) -> tuple[int | None, str]:
    """Exit status and output, in an environment with a proxy that must not be asked."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "healthcheck.py"), stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "EASEL_PORT": port, "HTTP_PROXY": "http://127.0.0.1:9"},
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode, out.decode()


@pytest.mark.parametrize("quoted", ["{}", '"{}"', "'{}'"])
async def test_a_service_that_runs_is_well(easel: Running, quoted: str) -> None:
    """Bug: the quotes of a settings file, which `--env-file` passes on, made a running service unhealthy."""
    port = easel.settings.port
    assert await checked(quoted.format(port)) == (0, f"http://127.0.0.1:{port}/healthz: 200\n")


async def test_a_service_that_does_not_run_is_not_well(unused_tcp_port: int) -> None:
    status, told = await checked(str(unused_tcp_port))
    assert status == 1
    assert "refused" in told
    assert told.count("\n") == 1


def test_every_file_that_the_containerfile_copies_is_let_in() -> None:
    """Bug: the requirements of access tokens were left out by `.dockerignore`, and no image could be built."""
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    from_here = [line for line in lines if line.startswith("COPY ") and "--from=" not in line]
    copied = {name.rstrip("/") for line in from_here for name in line.split()[1:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    assert copied == let_in
