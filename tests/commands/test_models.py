"""`python -m service models`, against emulated services and files of all kinds."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from service.commands.models import models, write_in_place
from service.settings import Settings
from service.settings_reader import SettingsError
from tests.emulators import flow2api
from tests.emulators.flow2api_models import BEFORE_ALIASES
from tests.paths import ROOT

OLD_LIST = {
    "selection_guide": "中文",
    "default_model": "gemini-2.5-flash-image-landscape",
    "models": [
        "gemini-2.5-flash-image-landscape",
        "gemini-3.1-flash-image-square",
        {"id": "q", "upstream": "elsewhere"},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "models.json").write_text(json.dumps(OLD_LIST))
    return tmp_path / "models.json"


def settings(path: Path, upstream: flow2api.Flow2Api | None = None) -> Settings:
    env = {"EASEL_MODELS_FILE": str(path)}
    if upstream is not None:
        env |= {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
    return Settings.from_env(env)


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def listed(path: Path) -> list[Any]:
    models_: list[Any] = json.loads(path.read_text())["models"]
    return models_


async def test_each_id_is_told_by_where_it_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bytes_of(path)
    async with flow2api.running() as upstream:
        assert await models(settings(path, upstream), write=False) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{path}: 3 models, default gemini-2.5-flash-image-landscape"
    assert "  in both         gemini-3.1-flash-image-square" in said
    assert "  only in file    gemini-2.5-flash-image-landscape" in said
    assert "  only upstream   gemini-3.1-flash-image" in said
    assert not [line for line in said if "veo" in line]
    assert "Not configured, so not asked: elsewhere" in said
    assert said[-1].startswith("Not written. With --write: Added: gemini-3.0-pro-image, ")
    assert any(line.startswith("+") and "gemini-3.0-pro-image-portrait" in line for line in said)
    assert bytes_of(path) == before


async def test_writing_updates_the_file_and_says_what_it_did(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with flow2api.running() as upstream:
        assert await models(settings(path, upstream), write=True) == 0
        assert listed(path)[:2] == OLD_LIST["models"][1:]
        assert len(listed(path)) == 2 + 34
        said = capsys.readouterr().out
        assert "Removed: gemini-2.5-flash-image-landscape. The default" in said
        assert json.loads(bytes_of(path))["default_model"] == "gemini-2.5-flash-image-landscape"
        await models(settings(path, upstream), write=True)
    assert capsys.readouterr().out.endswith("There is nothing to change.\n")


async def test_the_shipped_list_needs_no_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours: and on an older server it does not lose the generic names, which work there too."""
    shipped = (ROOT / "service" / "models.json").read_bytes()
    path = tmp_path / "models.json"
    path.write_bytes(shipped)
    async with flow2api.running() as upstream:
        await models(settings(path, upstream), write=True)
        assert bytes_of(path) == shipped
        upstream.catalog = BEFORE_ALIASES
        await models(settings(path, upstream), write=True)
    assert [entry["id"] for entry in listed(path)][:2] == ["gemini-3.1-flash-image", "gemini-3.0-pro-image"]
    assert {"id": "gemini-2.5-flash-image", "family": "flow2api imagen"} in listed(path)


async def test_an_upstream_that_is_down_loses_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bytes_of(path)
    async with flow2api.running() as upstream:
        upstream.lists = False
        assert await models(settings(path, upstream), write=True) == 1
    assert bytes_of(path) == before
    assert "not compared    Flow2API failed. Call again" in capsys.readouterr().out


def replace_by(path: Path, text: str | None) -> None:
    path.unlink()
    if text is not None:
        path.write_text(text)


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), (None, "No such file")])
async def test_a_file_that_cannot_be_read_is_named(path: Path, text: str | None, words: str) -> None:
    replace_by(path, text)
    with pytest.raises(SettingsError, match=words) as raised:
        await models(settings(path), write=True)
    assert raised.value.name == "EASEL_MODELS_FILE"


async def test_it_is_a_command_of_its_own(path: Path) -> None:
    async with flow2api.running() as upstream:
        env = {"EASEL_MODELS_FILE": str(path), "FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        command = [sys.executable, "-m", "service", "models", "--write"]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | env, stdout=PIPE)
        said, _ = await process.communicate()
    assert process.returncode == 0
    assert said.decode().splitlines()[-1].startswith("Written. Added: ")
    assert len(listed(path)) == 2 + 34


def test_a_file_is_replaced_in_one_step_behind_its_link_and_with_its_rights(tmp_path: Path) -> None:
    """Ours: the running service reads it at any moment, and a container mounts it by a link."""
    target, link = tmp_path / "real.json", tmp_path / "models.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_in_place(link, b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777, link.is_symlink()) == (b"new", 0o640, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.json", "real.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory|not empty|Not a directory"):
        write_in_place(tmp_path, b"new")
    assert list(tmp_path.parent.glob(f".{tmp_path.name}.*")) == []
