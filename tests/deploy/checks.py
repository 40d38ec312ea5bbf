"""The lines of a check that runs real programs: `ok` or `FAIL` with the reason, and a count at the end."""

import subprocess
from dataclasses import dataclass
from typing import Final

COMMAND_S: Final = 900.0


class CannotRunError(Exception):
    """A program is missing or does not start here, so nothing can be said of the product."""


@dataclass
class Checks:
    """The outcome of one run."""

    passed: int = 0
    failed: int = 0
    left: int = 0

    def that(self, statement: str, true: object, why: object = "") -> None:
        """Print one line; `why` is shown where the statement is false."""
        if true:
            self.passed += 1
            print(f"ok    {statement}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {statement}: {' '.join(str(why).split())}", flush=True)

    def not_tried(self, what: str, why: str) -> None:
        """Print that one part could not be run here: that must not look like success."""
        self.left += 1
        print(f"----  {what} was not tried: {why}", flush=True)

    def summary(self) -> int:
        """Print the counts. Returns the exit status: 1 when something failed, 2 when something was not tried."""
        print(f"{self.passed} passed, {self.failed} failed, {self.left} not tried")
        return 1 if self.failed else 2 if self.left else 0


def run(*command: str, fails: bool = False, env: dict[str, str] | None = None) -> str:
    """Run a program and return its output and errors. With `fails`, its exit status does not matter."""
    try:
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotRunError(f"{command[0]} is not installed") from error
    if ended.returncode and not fails:
        raise CannotRunError(f"{' '.join(command[:3])} … ended with {ended.returncode}: {tail(ended.stdout)}")
    return ended.stdout


def tail(text: str, lines: int = 3) -> str:
    """Return the last lines in one, for a reason."""
    return " | ".join(text.strip().splitlines()[-lines:])
