"""The peers' own packages, in `.cache/bench`: installed when first needed, in the versions that are pinned here.

A peer that cannot be installed is left out, and the run says so.
"""

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.serving import CACHE

PACKAGES: Final = ("fastmcp==4.1.6", "mcp==2.3.0", "starlette==1.10.0", "uvicorn==0.54.0")
NPM: Final = Path(__file__).parent / "npm"


class UnavailableError(Exception):
    """A peer cannot run here, and why."""


@cache
def python() -> str:
    """The interpreter that has the Python peers: of this version, in an environment of its own."""
    folder = CACHE / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = folder / "bin" / "python"
    mark, wanted = folder / "installed", "\n".join(PACKAGES)
    if not _is(mark, wanted):
        print("Installing the Python peers", file=sys.stderr, flush=True)
        _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
        _run(sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", *PACKAGES)
        mark.write_text(wanted)
    return str(interpreter)


@cache
def npm() -> Path:
    """The folder that has the npm peers, and their servers beside the packages that they import."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"there is no {program}")
    folder = CACHE / "npm"
    mark, wanted = folder / "installed", hashlib.sha256((NPM / "package-lock.json").read_bytes()).hexdigest()
    if not _is(mark, wanted):
        print("Installing the npm peers", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NPM / name, folder)
        _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
        mark.write_text(wanted)
    for server in NPM.glob("*.mjs"):
        shutil.copy(server, folder)
    return folder


@cache
def nginx() -> str:
    """The program, which is taken as it is installed on this machine."""
    found = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if found is None:
        raise UnavailableError("there is no nginx; on Debian and Ubuntu: apt install nginx-light")
    return found


def _is(mark: Path, wanted: str) -> bool:
    return mark.exists() and mark.read_text() == wanted


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        raise UnavailableError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
