"""Whole conversations of both eras, replayed over real HTTP against the conformance fixture.

A file of `transcripts/` is one conversation: a title, why it goes like that, what holds for all of it, and its steps.

- `send` has `headers`, over those of the whole conversation, and a `message`; `http` where it is no POST. With `as` the
  answer stays open under that name, `on` goes on with an open answer, and `hang up` drops its connection.
- `expect` has the `status`, `headers` (null: absent), and `messages`: all of them, or with `as` and `on` the next ones;
  `ends` says that no more come. `events` are messages with their `id` and `retry`. Before what comes `eventually`
  there may be others.
- `<text:name>` in what is expected takes any text and keeps it under a name; so do `<any:name>` and `<time:name>`. From
  then on, and from `names`, `<name>` stands for what was kept; a header that stands for null is left out. An object
  with "..." may have other members as well.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Final

import aiohttp
import pytest

from tests.conformance.server import running
from tests.paths import ROOT

TRANSCRIPTS: Final = {path.stem: path.read_text() for path in sorted((ROOT / "tests" / "transcripts").glob("*.json"))}
KIND: Final = re.compile(r"<(any|text|time)(?::(\w+))?>")
NAME: Final = re.compile(r"<(\w+)>")
PATIENCE_S: Final = 30


class Conversation:
    """One client, what it was told so far, and the answers that are open."""

    def __init__(self, url: str, http: aiohttp.ClientSession, transcript: Mapping[str, Any]) -> None:
        self.url = url
        self.http = http
        self.headers: Mapping[str, str] = transcript.get("headers", {})
        self.names: dict[str, Any] = dict(transcript.get("names", {}))
        self.open: dict[str, tuple[aiohttp.ClientResponse, AsyncIterator[dict[str, Any]]]] = {}

    async def step(self, step: Mapping[str, Any]) -> None:
        """Send, and read what is expected."""
        if "hang up" in step:
            self.open.pop(step["hang up"])[0].close()
            return
        answer, events = await self.send(step["send"]) if "send" in step else self.open[step["on"]]
        expected = step["expect"]
        assert answer.status == expected.get("status", answer.status), await answer.text()
        for name, value in expected.get("headers", {}).items():
            self.match(value, answer.headers.get(name), name)
        if "eventually" in expected:
            await self.skip_to(expected["eventually"], events)
        for each in expected.get("events", []):
            self.match(each, await anext(events, None), "answer")
        for each in expected.get("messages", []):
            self.match(each, await next_message(events), "answer")
        if "as" in step:
            self.open[step["as"]] = (answer, events)
        elif "send" in step or expected.get("ends"):
            assert await anext(events, None) is None, "the answer goes on"
            answer.release()

    async def send(self, sent: Mapping[str, Any]) -> tuple[aiohttp.ClientResponse, AsyncIterator[dict[str, Any]]]:
        """Send one request with its headers; the answer is not read yet."""
        headers = {name: self.fill(value) for name, value in {**self.headers, **sent.get("headers", {})}.items()}
        message = self.fill(sent.get("message"))
        data = message if isinstance(message, str) else json.dumps(message)
        answer = await self.http.request(
            sent.get("http", "POST"),
            self.url,
            data=None if message is None else data,
            headers={name: value for name, value in headers.items() if value is not None},
        )
        return answer, events_of(answer)

    async def skip_to(self, expected: object, events: AsyncIterator[dict[str, Any]]) -> None:
        """Read until a message is as expected; says of the last one how it differed."""
        differed: AssertionError | None = None
        async for event in events:
            try:
                self.match(expected, event.get("message"), "answer")
            except AssertionError as problem:
                differed = problem
            else:
                return
        raise AssertionError("It never came.") from differed

    def fill(self, value: Any) -> Any:
        """The message that is sent, with the values of the names in it."""
        match value:
            case str() if (whole := NAME.fullmatch(value)) and whole[1] in self.names:
                return self.names[whole[1]]
            case str():
                return NAME.sub(lambda found: str(self.names.get(found[1], found[0])), value)
            case dict():
                return {name: self.fill(each) for name, each in value.items()}
            case list():
                return [self.fill(each) for each in value]
            case _:
                return value

    def match(self, expected: Any, actual: Any, path: str) -> None:
        """Fail unless `actual` is as expected, and keep what it names."""
        kind = KIND.fullmatch(expected) if isinstance(expected, str) else None
        if kind is not None:
            assert is_of(kind[1], actual), f"{path} is {actual!r}, not {expected}"
            if kind[2]:
                self.names[kind[2]] = actual
        elif isinstance(expected, dict) and isinstance(actual, dict):
            names = expected.keys() - {"..."}
            others = set() if "..." in expected else actual.keys() - names
            assert not others | (names - actual.keys()), f"{path} has {sorted(actual)}, not {sorted(names)}: {actual}"
            for name in sorted(names):
                self.match(expected[name], actual[name], f"{path}.{name}")
        elif isinstance(expected, list) and isinstance(actual, list):
            assert len(actual) == len(expected), f"{path} has {len(actual)} items, not {len(expected)}: {actual}"
            for number, (each, other) in enumerate(zip(expected, actual, strict=True)):
                self.match(each, other, f"{path}[{number}]")
        else:
            assert actual == self.fill(expected), f"{path} is {actual!r}, not {expected!r}"


def is_of(kind: str, actual: object) -> bool:
    """True where a value is of a placeholder's kind."""
    match kind, actual:
        case "any", _:
            return actual is not None
        case "text", str():
            return actual != ""
        case "time", str():
            return datetime.fromisoformat(actual).tzinfo is not None
        case _:
            return False


async def next_message(events: AsyncIterator[dict[str, Any]]) -> object:
    """The next message; None at the end."""
    async for event in events:
        if "message" in event:
            return event["message"]
    return None


async def events_of(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of an answer, comments left out; a JSON body is one event."""
    if answer.content_type == "application/json":
        yield {"message": json.loads(await answer.read())}
        return
    event: dict[str, Any] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        match name:
            case "id":
                event["id"] = value
            case "retry":
                event["retry"] = int(value)
            case "data":
                event["message"] = json.loads(value)
            case "" if event:
                yield event
                event = {}


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_a_conversation_goes_as_it_is_written_down(name: str) -> None:
    """Ours: what clients of every revision may rely on, in the words of the wire."""
    transcript = json.loads(TRANSCRIPTS[name])
    assert transcript["title"]
    assert transcript["why"]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        conversation = Conversation(url, http, transcript)
        for number, step in enumerate(transcript["steps"], 1):
            with_number = f"step {number}: {step.get('say', '')}"
            async with asyncio.timeout(PATIENCE_S):
                try:
                    await conversation.step(step)
                except AssertionError as problem:
                    raise AssertionError(f"{with_number}\n{problem}") from problem


def test_there_are_conversations_of_every_revision() -> None:
    text = "".join(TRANSCRIPTS.values())
    assert all(revision in text for revision in ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"))
