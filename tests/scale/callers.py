"""Callers of `generate` who behave as clients of MCP do, and what each of them was told in the end.

A call that breaks off, by a lost connection or an answer of the proxy, is asked again with the same arguments. One that
is answered before its picture is there goes on by `history`. A third of the callers keep a session of the legacy era,
which they opened at one replica and use at all; of the others every second one asks for progress.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.wire import ANNA, BEN, LEGACY, Heard, WireClient, request

OWNERS: Final = {"anna": ANNA, "ben": BEN}
AGAIN_S: Final = 0.2
"""Seconds until a call that broke off is asked again."""

LONGEST_S: Final = 180.0
"""For one request with all its tries. Longer than a replica is halted, and another needs to take its work over."""


@dataclass(frozen=True)
class Asked:
    """One request: all with the same values are one picture."""

    owner: str
    prompt: str
    model: str

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of `generate`."""
        return {"prompt": self.prompt, "model": self.model}


@dataclass
class Told:
    """The answers to one caller. `entry` is the last structured one; without any the caller gave up."""

    asked: Asked
    entry: dict[str, Any] = field(default_factory=dict)
    tries: int = 0

    @property
    def pictures(self) -> list[str]:
        """The URLs of the pictures."""
        return [image["url"] for image in self.entry.get("images", [])] if self.state == "done" else []

    @property
    def state(self) -> str:
        """The state of the generation as it was told."""
        return str(self.entry.get("state", ""))

    @property
    def failure(self) -> str:
        """The word for why it failed, or nothing."""
        return str(self.entry.get("failure", {}).get("kind", "")) if self.state != "done" else ""


class BrokenOffError(Exception):
    """No answer of the service came."""


class Callers:
    """All callers of a run, at most `at_once` requests of them at the same time."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], at_once: int) -> None:
        """Share one session of HTTP; without a proxy the callers take the replicas in turn."""
        self.told: list[Told] = []
        self.broken: Counter[str] = Counter()
        """Tries that came to no answer, by what came instead."""

        self._session = session
        self._urls: Iterator[str] = itertools.cycle(urls)
        self.free = asyncio.Semaphore(at_once)
        """Holds back whoever would be one too many at once."""

        self._numbers = itertools.count(1)

    async def ask(self, asked: Asked) -> Told:
        """Ask until an answer comes, and until the generation has ended."""
        told = Told(asked)
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._until_ended(told, next(self._numbers))
        except TimeoutError:
            self.broken["no answer in all tries"] += 1
        self.told.append(told)
        return told

    async def _until_ended(self, told: Told, number: int) -> None:
        client = self._client(told.asked.owner)
        tool: str = "generate"
        arguments: dict[str, Any] = told.asked.arguments
        while told.state not in ("done", "failed"):
            told.tries += 1
            try:
                result = await self._result(client, tool, arguments, number)
            except (aiohttp.ClientError, BrokenOffError) as error:
                self.broken[str(error) if isinstance(error, BrokenOffError) else type(error).__name__] += 1
                await asyncio.sleep(AGAIN_S)
                client = self._client(told.asked.owner)
                continue
            entry = result.get("structuredContent", {})
            entry = entry["entries"][0] if entry.get("entries") else entry
            if "history_id" not in entry:
                self.broken[str(result["content"][0].get("text"))[:160]] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            told.entry, tool, arguments = entry, "history", {"history_id": entry["history_id"]}

    def _client(self, owner: str) -> WireClient:
        return WireClient(self._session, next(self._urls), {"Authorization": f"Bearer {OWNERS[owner]}"})

    async def _result(self, client: WireClient, tool: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
        heard = await self._heard(client, {"name": tool, "arguments": arguments}, number)
        if heard.status >= 500 or not heard.message:
            raise BrokenOffError(f"HTTP {heard.status}")
        if "error" in heard.message:
            raise BrokenOffError(f"error: {heard.message['error']}"[:160])
        return heard.result

    async def _heard(self, client: WireClient, params: dict[str, Any], number: int) -> Heard:
        if number % 3:
            meta = {"progressToken": number} if number % 2 else {}
            return await client.modern("tools/call", params, **meta)
        opened = await client.open(LEGACY)
        if not client.session_id:
            return opened
        client.url = next(self._urls)
        return await client.post(request("tools/call", params), {"Mcp-Session-Id": client.session_id})
