"""The files for systemd, read by systemd and by the generator of Quadlet; `container` runs those for containers."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from tests.deploy.checks import CannotRunError, Checks, run, tail
from tests.paths import ROOT

DEPLOY: Final = ROOT / "deploy"
QUADLET: Final = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")


def check_units(checks: Checks) -> None:
    """Check the unit, and the one that Quadlet makes. `QUADLET` in the environment names its generator."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        checkout = home / "easel" / ".venv" / "bin"
        checkout.mkdir(parents=True)
        (checkout / "python").symlink_to(shutil.which("true") or "/bin/true")
        unit = (DEPLOY / "easel.service").read_text(encoding="utf-8").replace("%h", str(home))
        (home / "easel.service").write_text(unit, encoding="utf-8")
        _verify(checks, "easel.service", home / "easel.service")
        generator = os.environ.get("QUADLET") or next(filter(os.path.exists, QUADLET), "")
        if not generator:
            checks.not_tried("easel.container", "Podman 4.5 or newer has the generator of Quadlet, and is not here")
            return
        (home / "units").mkdir()
        shutil.copy(DEPLOY / "easel.container", home / "units")
        env = {"PATH": os.environ["PATH"], "QUADLET_UNIT_DIRS": str(home / "units")}
        try:
            made = run(generator, "--user", "--dryrun", env=env)
            run(generator, "--user", str(home / "made"), env=env)
        except CannotRunError as error:
            checks.that("Quadlet takes easel.container", False, error)
            return
        checks.that("Quadlet takes easel.container", "--read-only" in made and "--cap-drop all" in made, tail(made))
        _verify(checks, "the unit that Quadlet makes", home / "made" / "easel.service")


def _verify(checks: Checks, name: str, unit: Path) -> None:
    try:
        told = run("systemd-analyze", "verify", "--man=no", str(unit), fails=True)
    except CannotRunError as error:
        checks.not_tried(name, str(error))
    else:
        checks.that(f"systemd takes {name}", not told.strip(), tail(told))


def compose_commands() -> list[list[str]]:
    """Return the commands of Compose that are here."""
    known = (["docker", "compose"], ["docker-compose"], ["podman-compose"])
    there = [each for each in known if shutil.which(each[0])]
    return [each for each in there if "version" in run(*each, "version", fails=True).lower()]
