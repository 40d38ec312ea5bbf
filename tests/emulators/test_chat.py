"""Tests of tests/emulators/chat.py: what its bytes look like."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulators.chat import Chat, running


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with running() as emulator:
        yield emulator


async def ask(emulator: Chat, words: str, *, stream: bool = True) -> tuple[int, str, str]:
    """Status, content type and body of one answer."""
    body = {"model": "demo", "stream": stream, "messages": [{"role": "user", "content": f"a {words}"}]}
    headers = {"Authorization": f"Bearer {emulator.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{emulator.url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, response.content_type, await response.text()


@pytest.mark.parametrize(
    ("words", "kind", "part"),
    [
        ("[f5]", "text/event-stream", '"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,'),
        ("[comments]", "text/event-stream", ": OPENROUTER PROCESSING\n\ndata: {"),
        ("[crlf]", "text/event-stream", "\r\n\r\ndata: [DONE]"),
        ("[no-space]", "text/event-stream", "data:{"),
        ("[no-choices]", "text/event-stream", '"choices": null'),
        ("[f8]", "text/event-stream", '"message": {"role": "assistant", "content"'),
        ("[f9]", "application/json", '"message": {"role": "assistant", "content"'),
        ("[f10]", "text/event-stream", '"candidates"'),
        ("[html-200]", "text/html", "Sign in"),
    ],
)
async def test_a_scenario_is_what_it_is_called(chat: Chat, words: str, kind: str, part: str) -> None:
    """Ours: a test that passes on the plain answer proves nothing about the odd one."""
    status, content_type, body = await ask(chat, words)
    assert (status, content_type) == (200, kind)
    assert part in body


async def test_one_body_joins_what_a_stream_says_in_pieces(chat: Chat) -> None:
    _, kind, body = await ask(chat, "[split-100]", stream=False)
    assert kind == "application/json"
    assert json.loads(body)["choices"][0]["message"]["content"].startswith("![image](data:image/png;base64,")
