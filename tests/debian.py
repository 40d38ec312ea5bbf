"""Programs of Debian's packages that a few tests run: looked for once, and installed where that can be.

Root with apt-get installs a missing one, as in continuous integration. Others skip the test; under CI it fails.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SYSTEM = "/usr/sbin"
"""Servers lie there, which is on the path of root alone."""


@functools.cache
def program(package: str, *names: str) -> str:
    """The path of a program by any of its names; skips the test without one, or fails it under CI."""
    path = _find(names)
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(package, names)
        path = _find(names)
    if path is None:
        reason = f"NO {package.upper()}: install one of {', '.join(names)} (apt-get install {package}) for this test"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def _find(names: tuple[str, ...]) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), SYSTEM])
    return next(filter(None, (shutil.which(name, path=path) for name in names)), None)


def _install(package: str, names: tuple[str, ...]) -> None:
    """One process at a time; whoever comes second finds it there. What apt-get says is shown when it fails."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "easel-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _find(names) is not None:
            return
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *command], env=quiet, timeout=900, check=False)  # noqa: S607 - wherever it is
