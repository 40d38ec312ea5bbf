"""People and their clients: each does one thing after another, chosen by chance, as a team does over a day.

What a client is answered with an error of ours (5xx, an internal error, a connection that breaks) is a fault; a refusal
and a picture that an image service fails to draw are part of the day.
"""

import asyncio
import random
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from benchmarks.drawings import drawing
from benchmarks.upstream import MODEL, prompt
from tests.gallery.visitor import OURS, Visitor
from tests.wire import ACCEPT, LEGACY, Heard, WireClient, modern_headers, modern_params, request

FLOW: Final = "gemini-3.1-flash-image"
FAILURES: Final = (
    "error-policy",
    "error-empty",
    "error-html",
    "error-string",
    "download-flaky",
    "download-html",
    "drop-mid-stream",
    "never-done",
    "ok-inline-data-uri",
    "json-for-stream",
)
NAME: Final = re.compile(r"/mcp-cache/([0-9a-f]{32}\.\w+)")
UPLOAD: Final = re.compile(r"/upload/([\w.~-]+)")
WORDS: Final = ("lake", "湖", "a lake 1", "boat", "狐狸")
MOMENT_S: Final = 1.0


@dataclass
class Day:
    """State that all people share: pictures they have seen, counts of their actions, and faults."""

    names: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    numbers: int = 0
    ended: int = 0
    """Sessions whose end was told."""

    def number(self) -> int:
        """A number that no prompt has had."""
        self.numbers += 1
        return self.numbers


@dataclass
class Person:
    """One person with a chat client and a browser."""

    day: Day
    origin: str
    token: str
    http: aiohttp.ClientSession
    chance: random.Random
    client: WireClient = field(init=False)
    visitor: Visitor = field(init=False)
    signed_in: bool = False
    last_id: int = 0

    def __post_init__(self) -> None:
        self.client = WireClient(self.http, f"{self.origin}/mcp", {"Authorization": f"Bearer {self.token}"})
        self.visitor = Visitor(origin=self.origin, http=self.http)

    async def live(self, until: float) -> None:
        """Do one thing after another until that time of the loop's clock."""
        loop = asyncio.get_running_loop()
        names, weights = [*ACTIONS], [weight for _, weight in ACTIONS.values()]
        while loop.time() < until:
            [name] = self.chance.choices(names, weights)
            try:
                async with asyncio.timeout(60):
                    await ACTIONS[name][0](self)
                self.day.done[name] += 1
            except (aiohttp.ClientError, TimeoutError, FaultError, AssertionError) as error:
                self.day.faults.append(f"{name}: {type(error).__name__}: {error}"[:500])

    # Calls of a chat client.

    async def call(self, tool: str, arguments: Mapping[str, Any], **meta: Any) -> dict[str, Any]:
        """Call a tool in the modern era."""
        params = {"name": tool, "arguments": dict(arguments)}
        return self._result(await self.client.modern("tools/call", params, **meta))

    def _result(self, heard: Heard) -> dict[str, Any]:
        error = heard.message.get("error", {})
        if heard.status >= 500 or error.get("code") == -32603 or not heard.message:
            raise FaultError(f"{heard.status} {heard.message}")
        result: dict[str, Any] = heard.message.get("result", {})
        text = str(result)
        self.day.names.extend(NAME.findall(text))
        if found := re.search(r"history_id\W+(\d+)", text):
            self.last_id = int(found[1])
        return result

    async def draw(self, words: str, model: str, **meta: Any) -> dict[str, Any]:
        """Draw a picture."""
        return await self.call("generate", {"prompt": words, "model": model}, **meta)

    async def draw_by_url(self) -> None:
        await self.draw(prompt(self.day.number(), "200 kB", "by URL"), MODEL)

    async def draw_base64(self) -> None:
        await self.draw(prompt(self.day.number(), "200 kB", "base64"), MODEL)

    async def draw_with_progress(self) -> None:
        number = self.day.number()
        await self.draw(f"a boat {number} [slow]", FLOW, progressToken=number)

    async def draw_in_vain(self) -> None:
        await self.draw(f"a boat {self.day.number()} [{self.chance.choice(FAILURES)}]", FLOW)

    async def give_up(self) -> None:
        """Leave before the picture is there."""
        call = asyncio.create_task(self.draw(f"a boat {self.day.number()} [slow]", FLOW, progressToken=1))
        await asyncio.sleep(0.3)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    async def look_back(self) -> None:
        await self.call("history", {})
        await self.call("history", {"query": self.chance.choice(WORDS), "limit": 10})
        if self.last_id:
            await self.call("history", {"history_id": self.last_id})

    async def tidy_up(self) -> None:
        await self.call("cache", {"action": self.chance.choice(("status", "models"))})
        if self.last_id and self.chance.random() < 0.3:
            await self.call("delete", {"history_id": self.last_id, "confirm": True})

    async def hold_session(self) -> None:
        """A client of an earlier version: a session, its stream, calls, and an end that one in two clients tells."""
        client = WireClient(self.http, self.client.url, dict(self.client.headers))
        await client.open(LEGACY)
        sent = {**client.headers, "Mcp-Session-Id": client.session_id, "Accept": ACCEPT}
        async with self.http.get(client.url, headers={**sent, "Accept": "text/event-stream"}) as stream:
            if stream.status >= 500:
                raise FaultError(str(stream.status))
            params = {"name": "history", "arguments": {}, "_meta": {"progressToken": 1}}
            self._result(await client.legacy("tools/list"))
            self._result(await client.legacy("tools/call", params))
            words = prompt(self.day.number(), "200 kB", "by URL")
            params = {"name": "generate", "arguments": {"prompt": words, "model": MODEL}}
            self._result(await client.legacy("tools/call", params))
        if self.chance.random() < 0.5:
            async with self.http.delete(client.url, headers=sent) as answer:
                await answer.read()
            self.day.ended += 1

    async def listen(self) -> None:
        """A modern client that is told of changes for a moment."""
        message = request("subscriptions/listen", modern_params({"notifications": {"toolsListChanged": True}}), 1)
        headers = modern_headers("subscriptions/listen") | self.client.headers
        async with self.http.post(self.client.url, json=message, headers=headers) as stream:
            if stream.status >= 500:
                raise FaultError(str(stream.status))
            with suppress(TimeoutError):
                async with asyncio.timeout(MOMENT_S):
                    async for _ in stream.content:
                        pass

    # Browsers.

    async def _get(self, path: str, **headers: str) -> bytes:
        async with self.http.get(self.origin + path, headers=headers) as answer:
            if answer.status >= 500 and answer.status != 503:
                raise FaultError(f"{path}: {answer.status}")
            return await answer.read()

    async def look_at_pictures(self) -> None:
        """Some that were just drawn and some older ones, whole, in part, small, and once more."""
        for name in [*list(self.day.names)[-3:], *self.chance.choices([*self.day.names] or [""], k=3)]:
            await self._get(f"/mcp-cache/{name}")
            await self._get(f"/mcp-cache/{name}?w=320&f=webp")
            await self._get(f"/mcp-cache/{name}", Range="bytes=1000-64999")
            await self._get(f"/mcp-cache/{name}", **{"If-None-Match": f'"{name}"'})

    async def browse(self) -> None:
        """The gallery: its page, its list, its events for a moment, a picture drawn there."""
        if not self.signed_in:
            self.signed_in = await self.visitor.sign_in(self.token) == 303
        await self._get("/gallery")
        async with self.http.get(f"{self.origin}/gallery/api/events") as events:
            await self.visitor.get("jobs")
            await self.visitor.get(f"jobs?query={self.chance.choice(WORDS)}")
            words = prompt(self.day.number(), "200 kB", "base64")
            status, begun = await self.visitor.post("generate", {"prompt": words, "model": MODEL})
            with suppress(TimeoutError):
                async with asyncio.timeout(MOMENT_S):
                    async for _ in events.content:
                        pass
        if status == 200 and self.chance.random() < 0.3:
            await self.visitor.post("zip", {"history_ids": [begun["history_id"]]})

    async def send_pictures(self) -> None:
        """A picture of one's own: through the gallery, and by a one-time link."""
        if not self.signed_in:
            self.signed_in = await self.visitor.sign_in(self.token) == 303
        await self._send("/gallery/api/references")
        asked = {"prompt": f"a boat {self.day.number()}", "model": FLOW, "use_upload": True}
        answer = str(await self.call("generate", asked))
        link = UPLOAD.search(answer)
        if link is None:
            raise FaultError(f"a call that wants an upload was given no link: {answer}")
        await self._get(f"/upload/{link[1]}")
        await self._send(f"/upload/{link[1]}")
        await self.call("generate", asked)

    async def _send(self, path: str) -> None:
        headers = {**OURS, "Content-Type": "image/png"}
        async with self.http.post(self.origin + path, data=drawing("200 kB"), headers=headers) as answer:
            if answer.status >= 500:
                raise FaultError(f"{path}: {answer.status} {await answer.text()}")


class FaultError(Exception):
    """An answer that no client should get."""


ACTIONS: Final[Mapping[str, tuple[Callable[[Person], Awaitable[None]], int]]] = {
    "a picture by URL": (Person.draw_by_url, 8),
    "a picture in base64": (Person.draw_base64, 8),
    "a slow picture with progress": (Person.draw_with_progress, 3),
    "a picture that fails, or nearly": (Person.draw_in_vain, 4),
    "a call that is given up": (Person.give_up, 2),
    "history and search": (Person.look_back, 8),
    "cache and delete": (Person.tidy_up, 3),
    "a session of an earlier client": (Person.hold_session, 4),
    "a stream of changes": (Person.listen, 2),
    "pictures in a browser": (Person.look_at_pictures, 10),
    "the gallery": (Person.browse, 4),
    "uploads": (Person.send_pictures, 3),
}
"""Actions of a person, each with its weight: how often it is chosen, compared with the others."""
