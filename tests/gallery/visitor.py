"""A browser as the gallery's routes see it: a session with its cookies, that says it is our own page."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientResponse, ClientSession, CookieJar

from service.app import Running

OURS: Final = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """One person at the gallery of a running service."""

    origin: str
    http: ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a route below `/gallery/api/`."""
        async with self.http.get(f"{self.origin}/gallery/api/{path}", headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """The same, for one that changes something, asked by our own page unless the headers say otherwise."""
        sent = {**OURS, "Content-Type": "application/json", **headers}
        url = f"{self.origin}/gallery/api/{path}"
        async with self.http.post(url, data=json.dumps({} if body is None else body), headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def form(self, path: str, fields: dict[str, str], **headers: str) -> ClientResponse:
        """The answer to a form of our own page; redirects are not followed."""
        url, sent = f"{self.origin}/gallery/{path}", {**OURS, **headers}
        answer = await self.http.post(url, data=fields, headers=sent, allow_redirects=False)
        await answer.read()
        return answer

    async def sign_in(self, token: str) -> int:
        """Sign in; the status of the answer."""
        return (await self.form("sign-in", {"token": token})).status

    async def draw(self, prompt: str, **arguments: Any) -> dict[str, Any]:
        """Order a picture, and wait until it is there."""
        status, begun = await self.post("generate", {"prompt": prompt, **arguments})
        assert status == 200, begun
        return await self.ended(begun["history_id"])

    async def ended(self, history_id: int) -> dict[str, Any]:
        """A job as it ended, heard of by the events."""
        async with self.http.get(f"{self.origin}/gallery/api/events") as stream:
            status, job = await self.get(f"jobs/{history_id}")
            assert status == 200
            async for line in stream.content:
                if job["state"] != "working":
                    break
                if line.startswith(b"data: "):
                    told = json.loads(line[6:])
                    job = told if told.get("history_id") == history_id else job
        ended: dict[str, Any] = job
        return ended


@asynccontextmanager
async def visitor(easel: Running, token: str = "") -> AsyncIterator[Visitor]:
    """A person with a fresh browser, signed in where a token is given."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        person = Visitor(origin=easel.origin, http=http)
        if token:
            assert await person.sign_in(token) == 303
        yield person
