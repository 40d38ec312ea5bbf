"""The demo as a newcomer runs it: a process in an empty folder, whatever else is configured."""

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.emulators import flow2api
from tests.paths import ROOT


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The output of a demo, and how it ended."""

    status: int | None
    text: str
    complaint: str


async def demo(folder: Path, **env: str) -> Shown:
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "demo",
        cwd=folder, env=base | env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    text, complaint = await process.communicate()
    return Shown(status=process.returncode, text=text.decode(), complaint=complaint.decode())


@pytest.mark.usefixtures("real_starts")
async def test_every_step_is_shown_and_the_picture_is_where_it_says(tmp_path: Path) -> None:
    shown = await demo(tmp_path)
    assert (shown.status, shown.complaint) == (0, "")
    assert re.findall(r"^(\d)\. (\S+)", shown.text, re.MULTILINE) == [
        ("1", "started"),
        ("2", "initialize"),
        ("3", "tools/list"),
        ("4", "tools/call"),
        ("5", "result"),
        ("6", "GET"),
        ("7", "history"),
    ]
    steps = shown.text.partition("\n\nThe picture: ")[0].splitlines()
    assert all(re.match(r"\d\. | {18}|$", line) for line in steps), "what belongs to a step stands under it"
    percents = [int(number) for number in re.findall(r"(\d+) % ", shown.text)]
    assert len(percents) > 2
    assert percents == sorted(set(percents))
    path = Path(shown.text.rpartition("The picture: ")[2].strip())
    assert path.is_absolute()
    assert path.is_relative_to(tmp_path / "data")
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) >= 512


async def test_it_costs_nothing_and_reaches_nobody_whatever_is_set(tmp_path: Path) -> None:
    """Ours: trying it out may not spend anybody's quota, and needs no network, token or public name."""
    async with flow2api.running() as upstream:
        shown = await demo(
            tmp_path,
            FLOW2API_BASE_URL=upstream.url,
            FLOW2API_API_KEY=upstream.key,
            EASEL_DATABASE_URL="postgresql://127.0.0.1:1/easel",
            EASEL_SECRET="5e" * 32,
            EASEL_FILES_URL="s3://pictures",
            EASEL_S3_ENDPOINT="http://127.0.0.1:1",
            EASEL_S3_KEY_ID="k",
            EASEL_S3_SECRET_KEY="s",
            MODELSCOPE_API_KEY="made-up",
            MODELSCOPE_BASE_URL=upstream.url,
            OPENAI_API_KEY="made-up",
            OPENAI_BASE_URL=upstream.url,
            EASEL_HOST="0.0.0.0",
            EASEL_TOKENS="anna:topsecret-0123456789",
            EASEL_PUBLIC_URL="https://easel.example.com",
        )
        assert not upstream.requests
    assert (shown.status, shown.complaint) == (0, "")
    assert "sketch" in shown.text
    assert re.search(r"1\. started +http://127\.0\.0\.1:\d+/mcp", shown.text)


async def test_it_can_be_run_again(tmp_path: Path) -> None:
    """Ours: the second picture is the same and the history says so with a new id."""
    first, second = await demo(tmp_path), await demo(tmp_path)
    assert (first.status, second.status) == (0, 0)
    assert "history_id 1*" in first.text
    assert "history_id 2*" in second.text
    assert first.text.rpartition("The picture: ")[2] == second.text.rpartition("The picture: ")[2]


async def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    shown = await demo(tmp_path)
    assert (shown.status, shown.text, shown.complaint.count("\n")) == (2, "", 1)
    assert shown.complaint.startswith("easel: EASEL_DATA_DIR: ")
