"""axe-core, the checks of accessibility, in the pages of the tests' browser.

`npm ci` installs what the lock file beside this names, once. Without npm these tests are skipped, and say so; where
`CI` is set they fail instead.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.browser import Tab

HERE: Final = Path(__file__).parent
SCRIPT: Final = HERE / "node_modules/axe-core/axe.min.js"
INSTALL_S: Final = 120

LOOK: Final = """axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`))"""


@cache
def script() -> str:
    """The text of axe-core, installed if need be."""
    if not _is_installed():
        _install()
    return SCRIPT.read_text(encoding="utf-8")


def _is_installed() -> bool:
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]["node_modules/axe-core"]["version"]
    package = SCRIPT.with_name("package.json")
    return SCRIPT.exists() and json.loads(package.read_text())["version"] == locked


def _install() -> None:
    """One process at a time; whoever comes second finds it there."""
    npm = shutil.which("npm")
    if npm is None:
        _did_not_run("npm is not there: install Node.js, of any version that has npm")
        return
    with (Path(tempfile.gettempdir()) / "easel-axe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_installed():
            return
        command = [npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode != 0:
        _did_not_run(f"npm ci failed: {done.stderr.strip()[-300:]}")


def _did_not_run(reason: str) -> None:
    message = f"AXE DID NOT RUN: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


async def faults_of(tab: Tab) -> list[str]:
    """The violations that axe finds in the page as it is now."""
    await tab.send("Runtime.evaluate", expression=script())
    found: list[str] = await tab.run(LOOK)
    return found
