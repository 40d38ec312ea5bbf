"""The homes of the clients: Python environments and npm packages in `.cache/interop`, made when first needed.

What is pinned: the versions below, and `npm/package-lock.json`. Another version here makes another environment.
"""

import asyncio
import hashlib
import os
import re
import shutil
import sys
import tarfile
import venv
from pathlib import Path
from typing import Final

from tests.paths import ROOT

CACHE: Final = ROOT / ".cache" / "interop"
NPM: Final = Path(__file__).parent / "npm"

PYTHON_1: Final = "mcp==1.30.0"
# The package of the client alone: it has no part in serving, and needs less.
FASTMCP: Final = "fastmcp-slim[client]==4.1.6"


class UnavailableError(Exception):
    """A client cannot be installed here, and why."""


async def python(*requirements: str) -> Path:
    """The interpreter of an environment that has the requirements."""
    folder = _cache() / re.sub(r"[^A-Za-z0-9.]+", "-", " ".join(requirements))
    interpreter, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        print(f"Installing {', '.join(requirements)}", file=sys.stderr, flush=True)
        await asyncio.to_thread(venv.create, folder, clear=True, with_pip=True)
        await run(str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *requirements)
        done.touch()
    return interpreter


async def source_file(requirement: str, name: str, interpreter: Path) -> Path:
    """One file out of the source of a package, which is not built: its `name` below the folder of the version."""
    folder = _cache() / re.sub(r"[^A-Za-z0-9.]+", "-", f"source {requirement}")
    file = folder / Path(name).name
    if not file.exists():
        print(f"Fetching the source of {requirement}", file=sys.stderr, flush=True)
        pip = (str(interpreter), "-m", "pip", "--disable-pip-version-check")
        await run(*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), requirement)
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            [member] = [each for each in packed.getmembers() if each.name.partition("/")[2] == name]
            read = packed.extractfile(member)
            assert read is not None
            file.write_bytes(read.read())
        archive.unlink()
    return file


async def node(packages: Path = NPM) -> Path:
    """The folder that has the npm packages of a lock file in `node_modules`; of `NPM` a recent Node is one."""
    if shutil.which("npm") is None:
        raise UnavailableError("there is no npm")
    pinned = hashlib.sha256((packages / "package-lock.json").read_bytes()).hexdigest()
    folder = _cache() / ("npm" if packages == NPM else f"npm-{packages.name}")
    done = folder / "installed"
    if not done.exists() or done.read_text() != pinned:
        print("Installing the npm packages", file=sys.stderr, flush=True)
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(packages / name, folder)
        await run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
        done.write_text(pinned)
    return folder


def node_environment(folder: Path) -> dict[str, str]:
    """Variables by which a process finds the packages; their files go into the cache too, not to the person's home."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    path = f"{folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "INTEROP_MODULES": str(folder), "HOME": str(home), "MCP_REMOTE_CONFIG_DIR": str(home)}


async def run(*command: str, folder: Path = ROOT) -> None:
    """Run an installer; raises `UnavailableError` with its last words."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise UnavailableError(f"{command[0]} ended with {process.returncode}: {said.decode()[-500:]}")


def _cache() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE
