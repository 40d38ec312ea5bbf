"""The official suite against the fixture: both requirement sets, whole and without a warning.

1. The suite and the Node that it needs are installed beside this file by `npm ci`, once for a lock file.
2. Each set runs twice: plainly, and with an empty list of expected failures, by which warnings count as failures.
3. What the exit codes do not say is read from what the suite wrote: that every scenario of a set ran, and ran clean.

Without npm the tests are skipped, and say so; where `CI` is set they fail instead.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from tests.conformance.server import running

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node_modules"
SUITE: Final = "@modelcontextprotocol/conformance"

SCORED: Final = {"2026-07-28": 37, "2025-11-25": 30}
UNSCORED: Final = {"2026-07-28": 13, "2025-11-25": 3}
"""The sets are frozen: another count means that scenarios did not run, or that another suite did."""

INSTALL_S: Final = 300
RUN_S: Final = 120
"""A set takes 12 seconds; one scenario is given 30 by the suite."""

REVISIONS: Final = pytest.mark.parametrize("revision", SCORED)


@dataclass(frozen=True)
class Run:
    """One run of one set: how it ended, what it printed, and the checks of each scenario."""

    exit_code: int
    printed: str
    checks: dict[str, list[dict[str, Any]]]

    def with_status(self, *statuses: str) -> list[str]:
        """The checks of these statuses, readable."""
        return [
            f"{scenario}: {check['id']}: {check.get('errorMessage', check['description'])}"
            for scenario, checks in self.checks.items()
            for check in checks
            if check["status"] in statuses
        ]


Runs = dict[tuple[str, str], Run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All four runs, side by side: they mostly wait."""
    if not is_installed():
        install()
    folder = tmp_path_factory.mktemp("conformance")
    baseline = folder / "expected.yml"
    baseline.write_text("server: []\n")
    kinds: dict[str, list[str]] = {"plain": [], "strict": ["--expected-failures", str(baseline)]}
    return asyncio.run(run_all(folder, kinds))


def is_installed() -> bool:
    """True where the packages here are those of the lock file."""
    try:
        present = json.loads((MODULES / ".package-lock.json").read_text())["packages"]
    except (OSError, ValueError):
        return False
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    same = all(locked.get(name, {}).get("version") == each["version"] for name, each in present.items())
    return same and all(f"node_modules/{name}" in present for name in (SUITE, "node"))


def install() -> None:
    """Install the suite, or say why it cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        did_not_run("npm is not there: install Node.js, of any version that has npm")
    command = [npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        did_not_run(f"npm ci did not end in {INSTALL_S} s")
    if done.returncode != 0:
        did_not_run(f"npm ci failed: {done.stderr.strip()[-500:]}")


def did_not_run(reason: str) -> NoReturn:
    """Skip with a reason that the summary shows; where tests must be complete, fail."""
    message = f"THE CONFORMANCE SUITE DID NOT RUN: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


async def run_all(folder: Path, kinds: Mapping[str, Sequence[str]]) -> Runs:
    pairs = [(revision, kind) for revision in SCORED for kind in kinds]
    runs = (run(revision, folder / f"{revision}-{kind}", *kinds[kind]) for revision, kind in pairs)
    return dict(zip(pairs, await asyncio.gather(*runs), strict=True))


async def run(revision: str, results: Path, *options: str) -> Run:
    """Run one set against a fixture server of its own."""
    async with running() as url:
        process = await asyncio.create_subprocess_exec(
            *(str(MODULES / ".bin" / "node"), str(MODULES / SUITE / "dist" / "index.js")),
            *("server", "--url", url.replace("127.0.0.1", "localhost")),
            *("--requirements", revision, "-o", str(results), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(RUN_S):
                printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    return Run(process.returncode or 0, printed.decode(), dict(read_checks(results)))


def read_checks(results: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The output of the suite: a folder for each scenario, named by it and the time."""
    for file in sorted(results.glob("*/checks.json")):
        yield re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", file.parent.name), json.loads(file.read_text())


def scored_by(revision: str) -> set[str]:
    """The scenarios that the set names as required of a server."""
    text = (MODULES / SUITE / "requirements" / f"{revision}.yaml").read_text()
    section = re.search(r"^server:\n((?:  - .*\n)+)", text, re.MULTILINE)
    assert section is not None
    return {line.removeprefix("  - ") for line in section[1].splitlines()}


@REVISIONS
@pytest.mark.parametrize("kind", ["plain", "strict"])
def test_the_suite_is_satisfied(runs: Runs, revision: str, kind: str) -> None:
    """Ours: the exit code is the suite's own verdict; the strict one counts warnings as well."""
    done = runs[revision, kind]
    assert done.exit_code == 0, done.printed


@REVISIONS
def test_every_scenario_of_the_set_ran(runs: Runs, revision: str) -> None:
    """Bug: a scenario that does not apply, or whose name is misspelt, is skipped with exit code 0."""
    scored, ran = scored_by(revision), set(runs[revision, "plain"].checks)
    assert (len(scored), scored - ran) == (SCORED[revision], set())
    assert len(ran - scored) == UNSCORED[revision]


@REVISIONS
def test_no_check_fails_or_warns_in_any_scenario_scored_or_not(runs: Runs, revision: str) -> None:
    """Ours: what is not scored yet will be."""
    for kind in ("plain", "strict"):
        assert runs[revision, kind].with_status("FAILURE", "WARNING") == []


def test_the_scenarios_of_tasks_checked_something(runs: Runs) -> None:
    """Bug: without tasks their scenarios end early, with nothing failed; one of them skips itself for everybody."""
    checks = runs["2026-07-28", "plain"].checks
    empty = [name for name in checks if not any(check["status"] == "SUCCESS" for check in checks[name])]
    assert empty == ["tasks-status-notifications"]
    assert len([name for name in checks if name.startswith("tasks-")]) == 10
