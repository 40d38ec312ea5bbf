"""Tests of tests/emulators/by_hand.py."""

import asyncio
import re
import sys

import aiohttp
import pytest

from tests.paths import ROOT


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        ("flow2api", "FLOW2API", "slow"),
        ("chat", "FLOW2API", "hangs"),
        ("modelscope", "MODELSCOPE", "slow"),
        ("openai_images", "OPENAI", "slow"),
        ("gemini", "GEMINI", "slow"),
        ("gateway", "OPENAI", "slow"),
        ("openrouter", "OPENROUTER", "slow"),
    ],
)
async def test_an_emulator_is_run_by_hand_and_says_how_to_reach_it(name: str, settings: str, word: str) -> None:
    command = (sys.executable, "-m", f"tests.emulators.{name}", "--port", "0", "--silence", "1")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            told = (await process.stdout.readuntil(b"/_charges")).decode()
        url = re.search(r"http://127\.0\.0\.1:[0-9]+\S*/_charges", told)
        assert url is not None
        async with aiohttp.ClientSession() as session, session.get(url[0]) as response:
            assert await response.json() == {}
    finally:
        process.terminate()
        await process.wait()
    assert f"{settings}_BASE_URL=http://127.0.0.1:" in told
    assert f"{settings}_API_KEY=" in told
    assert f"[{word}]" in told
