"""An emulator run by hand, until Ctrl-C: it shows the settings that lead to it and the words for its prompts."""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from tests.emulators.emulated import Emulated

Running = Callable[[int], AbstractAsyncContextManager[Emulated]]


def main(about: str, running: Running, port: int, settings: str, scenarios: Mapping[str, str]) -> None:
    """Read the command line and serve. `settings` is what the names of the service's settings begin with."""
    parser = argparse.ArgumentParser(description=f"{about}, with invented pictures, on loopback.")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--silence", type=float, default=90.0, help="seconds that [slow] is silent, 90 unless told")
    asked = parser.parse_args()
    try:
        asyncio.run(_serve(running(asked.port), asked.silence, settings, scenarios))
    except KeyboardInterrupt:
        return


async def _serve(
    running: AbstractAsyncContextManager[Emulated], silence_s: float, settings: str, scenarios: Mapping[str, str]
) -> None:
    async with running as emulator:
        emulator.silence_s = silence_s
        words = "\n".join(f"  [{name}]".ljust(28) + about for name, about in scenarios.items())
        print(f"{settings}_BASE_URL={emulator.url}\n{settings}_API_KEY={emulator.key}\n")
        print(f"Words for the prompt:\n{words}\n\nWhat was charged, by prompt: {emulator.url}/_charges", flush=True)
        await asyncio.Event().wait()
