"""The steps that every Python client takes, over a `Talk`: what a client must be able to say, in plain values.

`walk_fixture` wants the interop fixture, `walk_service` Easel with the sketch, `walk_slow` Easel with an image service
that takes longer than the client waits. Standard library alone: see `report`.
"""

import asyncio
import json
import os
import urllib.request
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.interop.report import Report

WATCHED = "test://watched-resource"
ANSWERS: Mapping[str, Any] = {"string": "Ada", "boolean": True, "integer": 7, "number": 7.5}
ROOT = "file:///pictures"
GIVE_UP_S = 2.5

Wait = Callable[[], Awaitable[object]]


@dataclass
class Outcome:
    """A tool's result."""

    text: str
    structured: Any = None
    failed: bool = False
    kinds: list[str] = field(default_factory=list)


class Talk(ABC):
    """One connected client. `told` collects progress as it comes, `logged` log messages."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.logged: list[str] = []

    @abstractmethod
    async def tools(self) -> list[str]:
        """Names of the tools."""

    @abstractmethod
    async def call(
        self, name: str, arguments: Mapping[str, Any] | None = None, give_up_s: float | None = None
    ) -> Outcome:
        """Call a tool; its progress goes into `told`. After `give_up_s` by the client's own timeout it raises."""

    @abstractmethod
    async def resources(self) -> list[str]:
        """URIs of the resources."""

    @abstractmethod
    async def templates(self) -> list[str]:
        """URI templates."""

    @abstractmethod
    async def read(self, uri: str) -> str:
        """The text or Base64 of a resource."""

    @abstractmethod
    async def prompts(self) -> list[str]:
        """Names of the prompts."""

    @abstractmethod
    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The text of a prompt's first message."""

    @abstractmethod
    async def complete(self, prompt: str, argument: str, value: str) -> list[str]:
        """Completions of a prompt's argument."""

    @abstractmethod
    def watch_resource(self, uri: str) -> AbstractAsyncContextManager[Wait]:
        """Subscribe to a resource inside; what it gives waits for an update."""

    @abstractmethod
    def watch_tools(self) -> AbstractAsyncContextManager[Wait]:
        """Listen for changes of the list of tools inside; what it gives waits for one."""


def answer_form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The person's answers to a form: something of the right type everywhere."""
    return {name: ANSWERS[each["type"]] for name, each in schema.get("properties", {}).items()}


async def walk_fixture(talk: Talk, report: Report) -> None:
    """Take every step against the interop fixture."""
    for name, run in (
        ("list tools", tools_are_listed), ("call", call), ("failed call", failed_call), ("unknown tool", unknown_tool),
        ("structured output", structured), ("picture", picture), ("progress", progress), ("log", log),
        ("cancel", cancel), ("ask the person", ask_person), ("ask the model", ask_model), ("ask for roots", ask_roots),
        ("ask twice", ask_twice), ("list resources", resources), ("read resource", read), ("template", template),
        ("missing resource", missing), ("subscribe", subscribe), ("list prompts", prompts), ("get prompt", prompt),
        ("complete", complete), ("change notice", notice),
    ):  # fmt: skip
        await report.step(name, lambda run=run: run(talk))  # type: ignore[misc]  # mypy infers no lambda with a default


async def walk_service(talk: Talk, report: Report) -> None:
    """Take every step against Easel itself."""
    for name, run in (
        ("list tools", service_tools), ("generate", generate), ("structured output", cache),
        ("history", history), ("wrong arguments", wrong_arguments),
    ):  # fmt: skip
        await report.step(name, lambda run=run: run(talk))  # type: ignore[misc]  # mypy infers no lambda with a default


async def walk_slow(talk: Talk, report: Report) -> None:
    """Take every step against Easel, where a picture takes longer than the client waits."""
    for name, run in (("give up, ask again", ask_again), ("twice at once", at_once)):
        await report.step(name, lambda run=run: run(talk))  # type: ignore[misc]  # mypy infers no lambda with a default


STEPS = {"fixture": walk_fixture, "service": walk_service, "slow": walk_slow}


async def tools_are_listed(talk: Talk) -> None:
    assert {"greet", "add", "json_schema_2020_12_tool"} <= set(await talk.tools())


async def call(talk: Talk) -> None:
    expect((await talk.call("greet", {"name": "Ada"})).text, "Hello, Ada!")


async def failed_call(talk: Talk) -> None:
    assert (await talk.call("test_error_handling")).failed


async def unknown_tool(talk: Talk) -> None:
    await refused(talk.call("no_such_tool"), "no_such_tool")


async def structured(talk: Talk) -> None:
    expect((await talk.call("add", {"a": 2, "b": 3})).structured, {"sum": 5})


async def picture(talk: Talk) -> None:
    expect((await talk.call("test_image_content")).kinds, ["image"])


async def progress(talk: Talk) -> None:
    talk.told.clear()
    await talk.call("test_tool_with_progress")
    expect(talk.told, [0, 50, 98])


async def log(talk: Talk) -> None:
    talk.logged.clear()
    await talk.call("test_tool_with_logging")
    expect(len(talk.logged), 3)


async def cancel(talk: Talk) -> None:
    """The server's work ends with the client's wish: the tool itself counts."""
    key = uuid.uuid4().hex
    talk.told.clear()
    waiting = asyncio.create_task(talk.call("wait", {"key": key}))
    while not talk.told:  # noqa: ASYNC110 - each client tells progress in its own way
        await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait({waiting})
    while (await talk.call("was_cancelled", {"key": key})).text != "yes":  # noqa: ASYNC110 - the tool only answers
        await asyncio.sleep(0.05)


async def ask_person(talk: Talk) -> None:
    expect((await talk.call("test_input_required_result_elicitation")).text, "Hello, Ada!")


async def ask_model(talk: Talk) -> None:
    assert "Paris" in (await talk.call("test_input_required_result_sampling")).text


async def ask_roots(talk: Talk) -> None:
    expect((await talk.call("test_input_required_result_list_roots")).text, "1 roots")


async def ask_twice(talk: Talk) -> None:
    expect((await talk.call("test_input_required_result_multi_round")).text, "{'name': 'Ada'} {'color': 'Ada'}")


async def resources(talk: Talk) -> None:
    assert WATCHED in await talk.resources()


async def read(talk: Talk) -> None:
    expect(await talk.read("test://static-text"), "This is the content of the static text resource.")


async def template(talk: Talk) -> None:
    expect(await talk.templates(), ["test://template/{id}/data"])
    assert "Data of 42" in await talk.read("test://template/42/data")


async def missing(talk: Talk) -> None:
    await refused(talk.read("test://no-such-resource"), "no-such-resource")


async def subscribe(talk: Talk) -> None:
    async with talk.watch_resource(WATCHED) as update:
        await talk.call("touch")
        await update()


async def prompts(talk: Talk) -> None:
    assert "test_prompt_with_arguments" in await talk.prompts()


async def prompt(talk: Talk) -> None:
    expect(await talk.prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"}), "arg1=a arg2=b")


async def complete(talk: Talk) -> None:
    expect(await talk.complete("test_prompt_with_arguments", "arg1", "testi"), ["testing"])


async def notice(talk: Talk) -> None:
    async with talk.watch_tools() as change:
        await talk.call("test_trigger_tool_change")
        await change()


async def service_tools(talk: Talk) -> None:
    assert {"generate", "history", "cache"} <= set(await talk.tools())


async def generate(talk: Talk) -> None:
    """The picture arrives, and opens under the URL that the text gives."""
    talk.told.clear()
    made = await talk.call("generate", {"prompt": "a red fox in snow"})
    assert not made.failed, made.text
    assert "image" in made.kinds, made.kinds
    assert talk.told, "no progress was told"
    url = next(word for word in made.text.replace("(", " ").replace(")", " ").split() if "/mcp-cache/" in word)
    kept = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read())  # noqa: S310 - our own URL
    assert kept[:4] in (b"\x89PNG", b"RIFF", b"\xff\xd8\xff\xe0"), kept[:16]


async def cache(talk: Talk) -> None:
    assert (await talk.call("cache", {})).structured["done"] >= 1


async def history(talk: Talk) -> None:
    assert "red fox" in (await talk.call("history", {"limit": 1})).text


async def wrong_arguments(talk: Talk) -> None:
    refusal = await talk.call("generate", {"prompt": ""})
    assert refusal.failed
    assert "prompt" in refusal.text


async def ask_again(talk: Talk) -> None:
    """The picture arrives though the client gave up, and is charged once."""
    prompt = f"a boat {uuid.uuid4().hex} [slow]"
    try:
        await talk.call("generate", {"prompt": prompt}, GIVE_UP_S)
    except Exception:  # noqa: BLE001 - each client has its own
        talk.told.clear()
    else:
        raise AssertionError("it did not give up")
    while "image" not in (made := await talk.call("generate", {"prompt": prompt})).kinds:
        assert "Still being drawn" in made.text, made.text
    expect(await charges_of(prompt), 1)


async def at_once(talk: Talk) -> None:
    """Both calls show the one picture."""
    prompt = f"a boat {uuid.uuid4().hex} [slow]"
    made = await asyncio.gather(*(talk.call("generate", {"prompt": prompt}) for _ in range(2)))
    expect([each.kinds for each in made], [["text", "image"]] * 2)
    expect(len({each.structured["history_id"] for each in made}), 1)
    expect(await charges_of(prompt), 1)


async def charges_of(prompt: str) -> int:
    """How often the image service charged for a prompt."""
    url = os.environ["INTEROP_CHARGES"]
    book = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read())  # noqa: S310 - our own URL
    return int(json.loads(book).get(prompt, 0))


def expect(found: object, wanted: object) -> None:
    """Raise unless they are equal, and say both."""
    if found != wanted:
        raise AssertionError(f"{found!r}, and not {wanted!r}")


async def refused(attempt: Awaitable[object], word: str) -> None:
    """Raise unless the attempt fails with an error that names what was asked for."""
    try:
        result = await attempt
    except Exception as error:  # noqa: BLE001 - each client has its own
        said = f"{error} {getattr(error, 'error', '')!r}"
    else:
        raise AssertionError(f"was not refused: {result!r}")
    if word not in said:
        raise AssertionError(f"the error says {said}")
