"""The whole service on a machine whose clock leaps a year ahead and back: nothing is lost, and nobody is locked out.

The clock is that of libfaketime (https://github.com/wolfcw/libfaketime), which the process asks instead of the
system's; the clock that counts from the start of the machine stays as it is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faked_clock import clock_of
from tests.faults import Faulty, faulty

YEAR = 365


@dataclass
class Leaping:
    """A service, the clock of its machine, and the links of all pictures that it has drawn."""

    service: Faulty
    clock: Path
    links: dict[str, str]

    def leap(self, days: int) -> None:
        """Set the clock so many days ahead of the right time."""
        self.clock.write_text(f"{days:+}d\n")

    async def draw(self, prompt: str) -> None:
        result = await self.service.client.call("generate", {"prompt": prompt})
        self.links[prompt] = result["structuredContent"]["images"][0]["url"].rpartition("/")[2]

    async def lost(self) -> list[str]:
        """Prompts whose pictures are not served any more."""
        base = self.service.client.url.replace("/mcp", "/mcp-cache/")
        lost = []
        for prompt, name in self.links.items():
            async with self.service.client.session.get(base + name) as answer:
                lost += [prompt] if answer.status != 200 else []
        return lost


@asynccontextmanager
async def leaping(folder: Path, links: dict[str, str] | None = None) -> AsyncIterator[Leaping]:
    """A service that keeps pictures for thirty days."""
    clock = folder / "clock"
    if not clock.exists():
        clock.write_text("+0d\n")
    settings = {
        **clock_of(clock),
        "EASEL_CACHE_MAX_DAYS": "30",
        "EASEL_PICTURES_PER_DAY": "4",
    }
    async with faulty(folder, **settings) as service:
        yield Leaping(service, clock, {} if links is None else links)


@pytest.mark.parametrize("leap", [YEAR, -YEAR], ids=["ahead and back", "back and ahead"])
async def test_a_leap_loses_no_picture_and_locks_nobody_out(tmp_path: Path, leap: int) -> None:
    async with leaping(tmp_path) as machine:
        client = machine.service.client
        await machine.draw("before")
        await client.open()
        before = client.session_id
        machine.leap(leap)
        await machine.draw("by the wrong clock")
        assert await machine.lost() == []
        await client.open()
        assert (await client.legacy("ping")).status == 200
        machine.leap(0)
        await machine.draw("after")
        # A session of last year has expired: its client hears that it has to initialize, which it does by itself.
        assert (await client.legacy("ping")).status == (200 if leap > 0 else 404)
        client.session_id = before
        assert (await client.legacy("ping")).status == 200
        assert await machine.lost() == []
        assert machine.service.log.count("was set from") == 2


@pytest.mark.parametrize("leap", [YEAR, -YEAR], ids=["ahead and back", "back and ahead"])
async def test_a_leap_while_nothing_runs_loses_no_picture_either(tmp_path: Path, leap: int) -> None:
    links: dict[str, str] = {}
    for number, days in enumerate((0, leap, 0)):
        (tmp_path / "clock").write_text(f"{days:+}d\n")
        async with leaping(tmp_path, links) as machine:
            machine.service.upstream.drawn = 10 * number  # each picture is another
            await machine.draw(f"life {number}")
            assert await machine.lost() == []
