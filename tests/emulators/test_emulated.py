"""Tests of tests/emulators/emulated.py: the gate and the book, on each emulator that has slow and broken scenarios."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
import pytest

from tests.emulators import flow2api, gemini, modelscope, openai_images, openrouter
from tests.emulators.emulated import Emulated

ASKED: Final[dict[str, tuple[Any, str, dict[str, object]]]] = {
    "flow2api": (flow2api.running, "/v1/chat/completions", {"model": "gemini-3.1-flash-image-square", "stream": True}),
    "openai": (openai_images.running, "/v1/images/generations", {"model": "gpt-image-1.5"}),
    "gemini": (gemini.running, "/v1beta/models/gemini-3-pro-image:generateContent", {}),
    "openrouter": (openrouter.running, "/images", {"model": "openai/gpt-image-2"}),
    "modelscope": (modelscope.running, "/v1/images/generations", {"model": "Qwen/Qwen-Image"}),
}


class Client:
    """Asks one emulator for pictures, as its own API has it, and waits until they are drawn."""

    def __init__(self, emulator: Emulated, session: aiohttp.ClientSession, path: str, asked: dict[str, object]) -> None:
        self.emulator = emulator
        self._session = session
        self._path = path
        self._asked = asked

    async def draw(self, prompt: str) -> str:
        """The last words of the answer."""
        asked = self._asked | {"prompt": prompt, "messages": [{"role": "user", "content": prompt}]}
        if isinstance(self.emulator, gemini.Gemini):
            asked = {"contents": [{"parts": [{"text": prompt}]}]}
        if isinstance(self.emulator, openai_images.OpenAiImages | openrouter.OpenRouter):
            del asked["messages"]
        async with self._session.post(self.emulator.url + self._path, json=asked) as response:
            text = await response.text()
            assert response.status == 200
        return await self._polled(await response.json()) if "task_id" in text else text

    async def _polled(self, task: dict[str, object]) -> str:
        while True:
            async with self._session.get(f"{self.emulator.url}/v1/tasks/{task['task_id']}") as response:
                text = await response.text()
            if "SUCCEED" in text:
                return text
            await asyncio.sleep(0)

    async def charged(self) -> object:
        async with self._session.get(f"{self.emulator.url}/_charges") as response:
            return await response.json()


@pytest.fixture(params=list(ASKED))
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    running, path, asked = ASKED[request.param]
    serving: AbstractAsyncContextManager[Emulated] = running()
    async with serving as emulator:
        headers = {
            "Authorization": f"Bearer {emulator.key}",
            "x-goog-api-key": emulator.key,
            "X-ModelScope-Async-Mode": "true",
            "X-ModelScope-Task-Type": "image_generation",
        }
        async with aiohttp.ClientSession(headers=headers) as session:
            yield Client(emulator, session, path, asked)


async def test_the_gate_holds_answers_until_it_is_opened(client: Client) -> None:
    """Ours: so that a test needs no sleep to look at work that goes on."""
    drawing = asyncio.create_task(client.draw("a boat [slow]"))
    await client.emulator.silent.wait()
    assert not drawing.done()
    client.emulator.go_on.set()
    assert await drawing


async def test_a_slow_one_takes_the_set_seconds(client: Client) -> None:
    client.emulator.silence_s = 0.2
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await client.draw("a boat [slow]")
    assert loop.time() - began >= 0.2


async def test_each_generation_is_charged_by_its_prompt(client: Client) -> None:
    """Ours: the proof that somebody paid once."""
    for prompt in ("a boat", "a boat", "a [error-quota] [quota] [credits]", "a lighthouse"):
        try:
            await client.draw(prompt)
        except AssertionError:
            continue
    assert client.emulator.charges == {"a boat": 2, "a lighthouse": 1}
    assert await client.charged() == {"a boat": 2, "a lighthouse": 1}


async def test_an_answer_that_is_lost_is_charged_all_the_same(client: Client) -> None:
    for scenario in ("submit-dropped", "submit-dropped", "submit-dropped-once"):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.draw(f"a [{scenario}]")
    assert await client.draw("a [submit-dropped-once]")
    assert client.emulator.charges == {"a [submit-dropped]": 2, "a [submit-dropped-once]": 2}
