"""The command `doctor` as a process, and what it found."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from tests.command_process import easel
from tests.scale.ports import free_port


@dataclass(frozen=True)
class Found:
    """The findings of one run, as states and messages by the name of the check."""

    lines: dict[str, list[tuple[str, str]]]
    text: str
    """All that was printed."""

    def state(self, check: str) -> str:
        """The worst state of a check."""
        states = [state for state, _ in self.lines[check]]
        return next(each for each in ("fail", "warn", "ok") if each in states)

    def message(self, check: str) -> str:
        """All that was said about a check."""
        return "\n".join(message for _, message in self.lines[check])

    @property
    def failed(self) -> list[str]:
        """The checks that failed."""
        return [check for check in self.lines if self.state(check) == "fail"]


async def doctor(folder: Path, *arguments: str, **env: str) -> Found:
    """Run it in a folder, on this machine and in no container unless `env` says so."""
    # aiohttp leaves a connection whose body was refused half sent to the end of the process, which warns of it.
    quiet = {"PYTHONWARNINGS": "default,ignore::ResourceWarning"}
    settings = {"container": "", "EASEL_PORT": str(free_port()), **quiet, **env}
    out, error, status = await asyncio.to_thread(_run, folder, arguments, settings)
    assert not error, error
    report = json.loads(out)
    lines: dict[str, list[tuple[str, str]]] = {}
    for each in report["findings"]:
        lines.setdefault(each["check"], []).append((each["state"], each["message"]))
    found = Found(lines, out)
    assert (status, report["ok"]) == ((1, False) if found.failed else (0, True))
    return found


def _run(folder: Path, arguments: tuple[str, ...], env: dict[str, str]) -> tuple[str, str, int]:
    with easel(folder, "doctor", "--json", *arguments, **env) as process:
        out, error = process.communicate()
    return out, error, process.returncode
