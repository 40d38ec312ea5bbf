"""The common part of all emulated image services: an address, a key, a gate that holds answers, a book of charges."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(eq=False)
class Emulated:
    """One running emulator."""

    url: str = ""
    key: str = ""
    charges: Counter[str] = field(default_factory=Counter)
    """Generations that have to be paid for, by prompt, whether or not the answers arrive. By hand: `GET /_charges`."""
    expired: bool = False
    """All pictures are gone from the URLs at which they could be downloaded, as after some hours."""

    silence_s: float | None = None
    """Seconds for which `[slow]` is silent; None: until `go_on` is set."""
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as an answer is held."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets go of all answers that are held, and of those to come."""
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client leaves while it is waiting."""

    met: Counter[str] = field(default_factory=Counter)
    """Requests for a prompt with `[refused-once]`."""

    def refuses(self, prompt: str) -> bool:
        """Tell whether this is the first request for a prompt with `[refused-once]`."""
        if "[refused-once]" not in prompt:
            return False
        self.met[prompt] += 1
        return self.met[prompt] == 1

    async def hold(self) -> None:
        """Be silent until `go_on`, or for as long as is set."""
        self.silent.set()
        try:
            await asyncio.wait_for(self.go_on.wait(), self.silence_s)
        except TimeoutError:
            return
        except asyncio.CancelledError:
            self.disconnected.set()
            raise

    async def list_charges(self, _: web.Request) -> web.Response:
        return web.json_response(self.charges)


def hung_up(request: web.Request) -> web.StreamResponse:
    """Break the connection, in the place of an answer or of the rest of one."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
