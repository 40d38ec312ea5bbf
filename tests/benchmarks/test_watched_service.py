"""Ours: the longest time that a callback held the loop is told, and begins anew when it was told."""

import asyncio
import json
import time
from pathlib import Path

from benchmarks.watched_service import Holds


def test_the_longest_hold_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "hold.json"
    holds = Holds(file)
    run = holds.watch(asyncio.Handle._run)
    loop = asyncio.new_event_loop()
    for seconds in (0.0, 0.02, 0.0):
        run(asyncio.Handle(time.sleep, (seconds,), loop))
    loop.close()
    holds.report(0, None)
    told = json.loads(file.read_text())
    assert told["wall"][0] >= 0.02
    assert "sleep" in told["wall"][1]
    assert told["cpu"][0] < told["wall"][0]
    holds.report(0, None)
    assert json.loads(file.read_text())["wall"][0] == 0.0
