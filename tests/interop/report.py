"""How a client's process says what worked: a line a step, `<step>\t<ok, FAIL or skip>\t<why>`, and its exit status.

The standard library alone: this runs in every client's own environment.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

STEP_S = 30.0


class NotInThisClientError(Exception):
    """The client has no such feature: nothing of ours to try."""


class Report:
    """The steps of one client."""

    def __init__(self) -> None:
        self.failed = False

    async def step(self, name: str, run: Callable[[], Awaitable[object]]) -> None:
        """Try one step; what goes wrong is told, and the next step follows."""
        try:
            async with asyncio.timeout(STEP_S):
                await run()
        except NotInThisClientError as reason:
            self.say(name, "skip", str(reason))
        except Exception as error:  # noqa: BLE001 - whatever a client raises is the finding
            self.failed = True
            self.say(name, "FAIL", explain(error))
        else:
            self.say(name, "ok")

    def say(self, name: str, outcome: str, why: str = "") -> None:
        """Print one line."""
        print(f"{name}\t{outcome}\t{why}", flush=True)


def explain(error: BaseException) -> str:
    """An error in one line, those inside a group first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, AssertionError) and not str(error):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"not so: {frame.line}"
    return f"{type(error).__name__}: {error}".replace("\n", " ").replace("\t", " ")[:600]
