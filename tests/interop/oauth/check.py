"""The official clients sign in at `oidc-provider`, a certified authorization server, and draw."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.interop.environments import UnavailableError, node, node_environment
from tests.interop.report import explain
from tests.paths import ROOT
from tests.scale.ports import free_port
from tests.signing_in import signing_in

HERE: Final = Path(__file__).parent
START_S: Final = 30.0
CLIENT_S: Final = 120.0

KNOWN: Final = {
    "step up": "it registers with the scopes of the first challenge, and this server then refuses it any other",
}
"""Steps that fail by the doing of client and server together, and why."""

Line = tuple[str, str, str]


async def check(data: Path) -> AsyncIterator[Line]:
    """Yield a line for each step of each client: client and step, outcome, why."""
    try:
        packages = await node(HERE)
    except UnavailableError as reason:
        yield "install", "FAIL", str(reason)
        return
    environment = os.environ | node_environment(packages)
    async with authorization_server(packages, environment) as issuer, easel(issuer, data) as endpoint:
        url = f"{endpoint}?client=inspector"  # the resource has no query, and the clients must find that the same one
        for mode in ("legacy", "2026-07-28"):
            yield await sign_in_with_python(url, mode)
        for name, which in (("TypeScript 1", "sdk"), ("TypeScript 2", "client")):
            command = (interpreter(packages), str(HERE / "sign_in.mjs"), which, url)
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(CLIENT_S):
                out, err = await process.communicate()
            for line in out.decode().splitlines():
                step, outcome, why = (*line.split("\t"), "", "")[:3]
                if outcome == "FAIL" and step in KNOWN:
                    outcome, why = "known", KNOWN[step]
                yield f"{name} {step}", outcome, why
            if not out:
                yield f"{name} end", "FAIL", err.decode()[-300:]


async def sign_in_with_python(url: str, mode: str) -> Line:
    """Connect and draw with the Python client; return its line."""
    name = f"Python {mode} sign in"
    try:
        async with signing_in(url, mode) as client:
            made = await client.call_tool("generate", {"prompt": "a lighthouse"})
            return name, "FAIL" if made.is_error else "ok", ""
    except Exception as error:  # noqa: BLE001 - the finding
        return name, "FAIL", explain(error)


@asynccontextmanager
async def authorization_server(packages: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    """Run the server; yields its issuer."""
    async with printing(
        interpreter(packages), str(HERE / "provider.mjs"), str(free_port()), environment=environment, mark="http://"
    ) as line:
        yield line.strip()


@asynccontextmanager
async def easel(issuer: str, data: Path) -> AsyncIterator[str]:
    """Run the service with this issuer; yields the URL of its endpoint."""
    settings = {"EASEL_OAUTH_ISSUER": issuer, "EASEL_DATA_DIR": str(data), "EASEL_TOKENS": "", "EASEL_LOG": "warning"}
    command = (sys.executable, "-u", "-m", "service", "--port", "0")
    async with printing(*command, environment=os.environ | settings, mark="/mcp") as line:
        yield line.split()[-1]


@asynccontextmanager
async def printing(*command: str, environment: dict[str, str], mark: str) -> AsyncIterator[str]:
    """Run a server; yields the first line that it prints with `mark` in it."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while mark not in (line := (await process.stdout.readline()).decode()):
                assert line, f"{command[1]} ended before it listened"
        yield line
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def interpreter(packages: Path) -> str:
    return str(packages / "node_modules" / ".bin" / "node")
