"""Run every client, print a line for each step, and end with status 1 when one failed.

`python -m tests.interop [name …]` runs those whose name holds one of the words. A client that cannot be installed is
a failure too: that it was not tried must not look like success.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from tests.emulators import flow2api
from tests.interop import inspector_app
from tests.interop.agents.run import AGENTS, Agent, steps_of
from tests.interop.converters.check import EVERYTHING, check
from tests.interop.environments import FASTMCP, PYTHON_1, UnavailableError, node, node_environment, python
from tests.interop.oauth import check as oauth
from tests.interop.vendors import check as vendors
from tests.paths import ROOT

CLIENT_S: Final = 300.0
START_S: Final = 30.0
SLOW_S: Final = 5.0
"""Longer than a client of these steps waits (`walk.GIVE_UP_S`), and far shorter than the service has it wait."""

MODERN: Final = "2026-07-28"

WHOLE: Final = {"EASEL_PROFILES": "*:structured=on"}
"""The steps look into structured content, which Easel leaves out for clients that nobody knows. Agents get it plain."""


@dataclass(frozen=True)
class Target:
    """The server that answers: its URL, or its command over stdio."""

    name: str
    url: str = ""
    command: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> str:
        """Which steps are taken there: those of the fixture, of the service, or of a slow image service behind it."""
        return self.name.split()[0]


@dataclass(frozen=True, kw_only=True)
class Client:
    """One client in one mode. `install` gives its interpreter and what its environment needs besides."""

    name: str
    module: str
    install: Callable[[], Awaitable[tuple[str, dict[str, str]]]]
    options: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    over_stdio: bool = True
    gives_up: bool = True
    """True: it has a timeout that can be set."""
    known: dict[str, str] = field(default_factory=dict)
    """Steps that fail by the client's own doing, and why."""

    def arguments(self, target: Target) -> list[str]:
        """The command line after the interpreter."""
        if self.module.endswith(".mjs"):
            script = str(Path(__file__).parent / self.module)
            return [script, target.steps, *self.options, *(target.command or [target.url])]
        arguments = ["-m", f"tests.interop.{self.module}", *self.options, "--steps", target.steps]
        if self.through:
            return [*arguments, "--", *self.through, target.url]
        return [*arguments, "--", *target.command] if target.command else [*arguments, "--url", target.url]


Named = TypeVar("Named", Client, Agent, vendors.Vendor)


async def own() -> tuple[str, dict[str, str]]:
    return sys.executable, {}


async def own_with_node() -> tuple[str, dict[str, str]]:
    return sys.executable, node_environment(await node())


async def python_1() -> tuple[str, dict[str, str]]:
    return str(await python(PYTHON_1)), {}


async def fastmcp() -> tuple[str, dict[str, str]]:
    return str(await python(FASTMCP)), {}


async def typescript() -> tuple[str, dict[str, str]]:
    folder = await node()
    return str(folder / "node_modules" / ".bin" / "node"), node_environment(folder)


CLIENTS: Final = (
    *(
        Client(name=f"Python 2 {mode}", module="client_python_2", install=own, options=("--mode", mode))
        for mode in (MODERN, "auto", "legacy")
    ),
    Client(name="Python 1", module="client_python_1", install=python_1),
    *(
        Client(name=f"FastMCP {mode}", module="client_fastmcp", install=fastmcp, options=("--mode", mode))
        for mode in (MODERN, "auto", "legacy")
    ),
    Client(name="TypeScript 1", module="client_typescript_1.mjs", install=typescript),
    *(
        Client(name=f"TypeScript 2 {mode}", module="client_typescript_2.mjs", install=typescript, options=(mode,))
        for mode in (MODERN, "auto", "legacy")
    ),
    *(
        Client(
            name=f"Inspector {mode}",
            module="client_inspector",
            install=own_with_node,
            options=("--mode", mode),
            gives_up=False,
        )
        for mode in ("legacy", "modern")
    ),
    *(
        Client(
            name=f"mcp-remote {mode}",
            module="client_python_2",
            install=own_with_node,
            options=("--mode", mode),
            through=("mcp-remote",),
            over_stdio=False,
            known=known,
        )
        for mode, known in (
            ("legacy", {}),
            # Spec 2026-07-28, Streamable HTTP, Cancellation: closing the stream is the cancellation.
            ("auto", {"cancel": "it passes the notification on, and keeps the stream of the request open"}),
        )
    ),
)


async def try_client(client: Client, target: Target, data: Path, counts: Counter[str]) -> None:
    """Run one client against one target and print its steps."""
    try:
        interpreter, env = await client.install()
    except UnavailableError as reason:
        show(client.name, target.name, ("install", "FAIL", str(reason)), counts)
        return
    process = await asyncio.create_subprocess_exec(
        interpreter, *client.arguments(target), cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | service_environment(data) | target.settings | env,
    )  # fmt: skip
    try:
        async with asyncio.timeout(CLIENT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        show(client.name, target.name, ("end", "FAIL", "took too long"), counts)
    failed = False
    for line in out.decode().splitlines():
        step, outcome, why = (*line.split("\t"), "", "")[:3]
        if outcome == "FAIL" and step in client.known:
            outcome, why = "known", client.known[step]
        failed = failed or outcome == "FAIL"
        show(client.name, target.name, (step, outcome, why), counts)
    if not out or (process.returncode and not failed and not client.known):
        show(client.name, target.name, ("end", "FAIL", f"status {process.returncode}: {err.decode()[-500:]}"), counts)


def show(client: str, target: str, line: Sequence[str], counts: Counter[str]) -> None:
    """Print one line: step, outcome, why."""
    step, outcome, why = line
    counts[outcome] += 1
    print(f"{client:<24} {target:<14} {step:<18} {outcome:<5} {why}".rstrip(), flush=True)


def service_environment(data: Path) -> dict[str, str]:
    """Easel as a newcomer starts it, whatever this shell has set."""
    return {"EASEL_DATA_DIR": str(data), "EASEL_LOG": "warning", "EASEL_TOKENS": "", "EASEL_HOST": "127.0.0.1"}


@asynccontextmanager
async def serving(data: Path, module: str, **settings: str) -> AsyncIterator[str]:
    """Run `python -m <module> --port 0`; yields the URL of its endpoint, which is the first that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", module, "--port", "0", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=os.environ | service_environment(data) | settings,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while "/mcp" not in (line := (await process.stdout.readline()).decode()):
                assert line, f"{module} ended before it listened"
        yield line.split()[-1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def slow_image_service() -> AsyncIterator[dict[str, str]]:
    """Run one; yields the settings that lead to it, and where clients find what it charged."""
    async with flow2api.running() as upstream:
        upstream.silence_s = SLOW_S
        yield {
            "FLOW2API_BASE_URL": upstream.url,
            "FLOW2API_API_KEY": upstream.key,
            "INTEROP_CHARGES": f"{upstream.url}/_charges",
        }


def chosen(all_: Sequence[Named], words: Sequence[str]) -> list[Named]:
    """Those whose name holds one of the words; all where there is no word."""
    return [each for each in all_ if not words or any(word.lower() in each.name.lower() for word in words)]


async def show_views(words: Sequence[str], folder: Path, counts: Counter[str]) -> None:
    """Look at the view in the Inspector, in each era whose name holds one of the words."""
    for era in inspector_app.ERAS:
        name = f"Inspector app {era}"
        if words and not any(word.lower() in name.lower() for word in words):
            continue
        async with flow2api.running() as upstream:
            environment = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
            async with serving(folder / name, "service", **environment) as url:
                page = Path(tempfile.mkdtemp(dir=folder))
                async for line in inspector_app.check(era, url, page):
                    show(name, "service", line, counts)


async def main(words: list[str]) -> int:
    """Run the clients whose name holds one of the words, or all."""
    counts: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        slow = await stack.enter_async_context(slow_image_service())
        targets = [
            Target("fixture", url=await stack.enter_async_context(serving(folder / "1", "tests.interop.server"))),
            Target("service", url=await stack.enter_async_context(serving(folder / "2", "service", **WHOLE))),
            Target(
                "slow service",
                url=await stack.enter_async_context(serving(folder / "3", "service", **slow, **WHOLE)),
                settings=slow | WHOLE,
            ),
            Target("fixture stdio", command=(sys.executable, "-m", "tests.interop.server", "--stdio")),
            Target("service stdio", command=(sys.executable, "-m", "service", "--stdio"), settings=WHOLE),
            Target("slow stdio", command=(sys.executable, "-m", "service", "--stdio"), settings=slow | WHOLE),
        ]
        for client in chosen(CLIENTS, words):
            for number, target in enumerate(targets):
                if (target.url or client.over_stdio) and (client.gives_up or target.steps != "slow"):
                    await try_client(client, target, folder / f"{client.name} {number}", counts)
        if not words or any(word.lower() in "converters" for word in words):
            url = await stack.enter_async_context(serving(folder / "4", "service", **EVERYTHING))
            async for name, outcome, why in check(url):
                counts[outcome] += 1
                print(f"{'converters':<24} {'service':<14} {name:<18} {outcome:<5} {why}".rstrip(), flush=True)
        async for name, line in vendors.check(chosen(vendors.VENDORS, words)):
            show(name, "emulator", line, counts)
        if not words or any(word.lower() in "oauth" for word in words):
            async for name, outcome, why in oauth.check(folder / "6"):
                counts[outcome] += 1
                print(f"{'oauth':<24} {'service':<14} {name:<18} {outcome:<5} {why}".rstrip(), flush=True)
        await show_views(words, folder, counts)
        agents = chosen(AGENTS, words)
        plain = await stack.enter_async_context(serving(folder / "5", "service")) if agents else ""
        for agent in agents:
            async for line in steps_of(agent, plain, folder):
                show(agent.name, "agent", line, counts)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts["FAIL"] or not counts["ok"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.interop", description=__doc__)
    parser.add_argument("only", nargs="*", help="words of the names of clients, such as typescript or 'python 1'")
    sys.exit(asyncio.run(main(parser.parse_args().only)))
