"""The whole service, killed in the middle of its work again and again: what a client was told stays true."""

import asyncio
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from service.storage.files import NAME
from tests.service_process import service_process
from tests.wire import WireClient, messages_of, modern_headers, modern_params, request

CALLS = 5
"""Calls that run at once: with two threads that draw, a kill meets some of them at each step."""

KILLS = [(answers, more) for answers in (0, 1, 2) for more in (0, 1, 2, 3)]
"""A kill comes after so many answers, and then after so many messages more, progress or answer."""


@dataclass
class Told:
    """The answers to clients before a kill."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    """Prompts of which some progress was told."""

    messages: int = 0
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self, prompt: str, message: dict[str, Any]) -> None:
        """Note one message about one prompt."""
        async with self.heard:
            self.messages += 1
            if "result" in message:
                self.answers.append(message["result"]["structuredContent"])
            else:
                self.begun.add(prompt)
            self.heard.notify_all()

    async def enough(self, answers: int, more: int) -> None:
        """Wait for so many answers, and then for so many messages more."""
        async with self.heard:
            await self.heard.wait_for(lambda: len(self.answers) >= answers)
            wanted = self.messages + more
            # On a quick machine the last answers may come at once: then nothing follows any more.
            await self.heard.wait_for(lambda: self.messages >= wanted or len(self.answers) == CALLS)


async def ask(client: WireClient, prompt: str, told: Told) -> None:
    """Ask for one picture and note what is told of it, until the connection breaks."""
    params = modern_params({"name": "generate", "arguments": {"prompt": prompt}}, progressToken=1)
    headers = modern_headers("tools/call", "generate")
    try:
        async with client.session.post(client.url, json=request("tools/call", params), headers=headers) as answer:
            async for message in messages_of(answer):
                await told.hear(prompt, message)
    except aiohttp.ClientError:
        pass


async def told_before_a_kill(
    process: asyncio.subprocess.Process, client: WireClient, prompts: list[str], enough: tuple[int, int]
) -> Told:
    """Ask for pictures, kill once enough was told; what arrives after the kill counts as well."""
    told = Told()
    async with asyncio.TaskGroup() as calls:
        for prompt in prompts:
            calls.create_task(ask(client, prompt, told))
        await told.enough(*enough)
        process.kill()
    return told


async def whole_history(client: WireClient) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    while True:
        page = (await client.call("history", {"scope": "all", "limit": 50, **before}))["structuredContent"]
        entries += page["entries"]
        if "next_before" not in page:
            return entries
        before = {"before": page["next_before"]}


async def check(client: WireClient, data: Path, tales: list[Told]) -> None:
    """After a restart everything that was told is true, and of what was cut short nothing lies about."""
    await check_history(client, tales)
    if tales:
        await check_served(client, tales[-1])
    check_folder(data)


async def check_history(client: WireClient, tales: list[Told]) -> None:
    """Compare what is known after a restart with everything that was ever told."""
    entries = {entry["history_id"]: entry for entry in await whole_history(client)}
    answered = [answer for told in tales for answer in told.answers]
    ids = [answer["history_id"] for answer in answered]
    assert len(ids) == len(set(ids)), "an id was used twice"
    for answer in answered:
        assert without_origin(entries[answer["history_id"]]) == without_origin(answer)
        assert answer["state"] == "done"
    assert {prompt for told in tales for prompt in told.begun} <= {entry["prompt"] for entry in entries.values()}
    for entry in entries.values():
        if entry["state"] != "done":
            assert (entry["state"], entry["failure"]["kind"]) == ("failed", "interrupted")
            assert "Nothing was charged" in entry["failure"]["reason"]  # the sketch costs nothing


def without_origin(entry: dict[str, Any]) -> dict[str, Any]:
    """The port differs at each start; `history` names pictures by the port of now, and its list advises nothing."""
    images = [{**image, "url": image["url"].rpartition("/")[2], "markdown": ""} for image in entry["images"]]
    return {name: value for name, value in entry.items() if name != "message"} | {"images": images}


async def check_served(client: WireClient, told: Told) -> None:
    for answer in told.answers:
        shown = await client.call("history", {"history_id": answer["history_id"]})
        [image] = shown["structuredContent"]["entries"][0]["images"]
        async with client.session.get(image["url"]) as served:
            data = await served.read()
        assert (served.status, served.content_type, len(data)) == (200, image["media_type"], image["bytes"])
        assert whole_size(data) == (image["width"], image["height"])
        assert [block["type"] for block in shown["content"]] == ["text", "image"]


def whole_size(data: bytes) -> tuple[int, int]:
    """The pixels of a picture, all of which are there."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.size


def check_folder(data: Path) -> None:
    for path in (data / "files").rglob("*"):
        if path.is_file():
            assert NAME.fullmatch(path.name)
            assert path.parent.name == path.name[:2]
            whole_size(path.read_bytes())
    [lease] = [path for path in (data / "running").iterdir() if path.name != "gate"]
    assert {path.name for path in lease.iterdir()} == {"boot", "lock"}


async def test_a_kill_at_any_moment_loses_nothing_that_was_answered_for(tmp_path: Path) -> None:
    """Ours: machines lose power, and engines kill what they think is stuck."""
    data = tmp_path / "data"
    tales: list[Told] = []
    for kill, enough in enumerate(KILLS):
        async with service_process(data) as (process, client):
            await check(client, data, tales)
            prompts = [f"kill {kill}, picture {n}" for n in range(CALLS)]
            tales.append(await told_before_a_kill(process, client, prompts, enough))
    async with service_process(data) as (_, client):
        await check(client, data, tales)
    answered = sum(len(told.answers) for told in tales)
    assert answered >= sum(answers for answers, _ in KILLS)
    assert sum(len(told.begun) for told in tales) > answered, "no kill met a running call"
