"""The command `doctor`: each broken set-up is named with its cure, a right one has no faults, and no secret shows."""

import ast
import ctypes
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from service.commands.environment import in_container
from tests.command_process import said
from tests.doctor_run import doctor
from tests.emulators import flow2api, gemini, modelscope, openai_images, openrouter
from tests.emulators.emulated import Emulated
from tests.emulators.loopback import serving
from tests.paths import ROOT, SERVICE
from tests.scale.ports import free_port
from tests.service_process import service_process
from tests.wire import ANNA

Emulate = Callable[[], AbstractAsyncContextManager[Emulated]]

OTHER_UID = 10001
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
as_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")


async def test_a_laptop_without_settings_has_no_faults(tmp_path: Path) -> None:
    found = await doctor(tmp_path)
    assert found.failed == []
    assert "built-in sketch draws: set FLOW2API_API_KEY" in found.message("image services")


async def test_lines_for_people_begin_with_the_state(tmp_path: Path) -> None:
    text = said(tmp_path, "doctor", container="", EASEL_PORT=str(free_port()))
    assert all(line.split()[0] in ("ok", "warn") for line in text.split("\n\n")[0].splitlines())
    assert "0 failed, 1 warning." in text


async def test_every_wrong_setting_is_named_and_not_the_first_alone(tmp_path: Path) -> None:
    found = await doctor(tmp_path, EASEL_RETRIES="often", EASEL_PUBLIC_URL="pictures.example.com", EASEL_PRT="1")
    message = found.message("settings")
    assert "EASEL_RETRIES: 'often' is not a whole number" in message
    assert "write https://pictures.example.com" in message
    assert "EASEL_PRT is no setting; did you mean EASEL_PORT?" in message
    assert found.failed == ["settings"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EASEL_PROFILES", "nobody:preview=off", "'nobody' is no client"),
        ("EASEL_TOKENS_FILE", "nowhere", "EASEL_TOKENS_FILE: nowhere: No such file"),
        ("FLOW2API_MCP_ENV_FILE", "nowhere", "name the file of your settings"),
    ],
)
async def test_a_wrong_file_of_the_settings_is_named(tmp_path: Path, name: str, value: str, words: str) -> None:
    found = await doctor(tmp_path, **{name: value})
    assert words in found.message("settings")
    assert "settings" in found.failed


# The data folder.


async def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    found = await doctor(tmp_path)
    assert "is a file; name a folder" in found.message("data folder")


@as_root
@pytest.mark.parametrize("part", ["", "easel.db"])
def test_a_data_folder_of_another_uid_is_named_with_the_cure(tmp_path: Path, part: str) -> None:
    """Ours: a folder that is mounted from the host belongs to another user than that of the container."""
    data = tmp_path / "data"
    data.mkdir(0o700)
    if part:
        (data / part).touch(0o600)
    os.chown(data / part, OTHER_UID, OTHER_UID)
    ran = subprocess.run(
        [sys.executable, "-m", "service", "doctor"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "container": "podman"}, preexec_fn=without_rights_of_root,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    [line] = [line for line in ran.stdout.splitlines() if "data folder" in line]
    assert f"chown -R 0 {data / part}, or mount it with :U in podman" in line
    assert (line.split()[0], ran.returncode) == ("fail", 1)


def without_rights_of_root() -> None:
    """Give up the capabilities by which root reads and writes the files of others (capabilities(7))."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


async def test_a_full_disk_is_named_with_the_setting(tmp_path: Path) -> None:
    found = await doctor(tmp_path, EASEL_DISK_FREE_MB="999999999")
    assert "less than EASEL_DISK_FREE_MB=999999999: nothing is drawn" in found.message("disk")
    assert found.failed == ["disk"]


async def test_a_damaged_history_is_named_with_the_way_back(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "easel.db").write_bytes(b"SQLite format 3\0" + b"x" * 8000)
    found = await doctor(tmp_path)
    assert "is damaged" in found.message("history")
    assert "`python -m service restore BACKUP`" in found.message("history")


async def test_nothing_in_the_data_folder_changes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with service_process(data):
        pass
    before = sorted(path for path in data.rglob("*"))
    await doctor(tmp_path)
    assert sorted(path for path in data.rglob("*") if path.name not in ("easel.db-shm", "easel.db-wal")) == [
        path for path in before if path.name not in ("easel.db-shm", "easel.db-wal")
    ]


async def test_a_history_that_is_written_to_can_be_looked_at(tmp_path: Path) -> None:
    """Ours: the service runs on the same folder, and is not disturbed."""
    async with service_process(tmp_path / "data") as (_, client):
        found = await doctor(tmp_path)
        await client.call("generate", {"prompt": "a lighthouse"})
    assert (found.state("history"), found.state("file system")) == ("ok", "ok")
    with sqlite3.connect(tmp_path / "data" / "easel.db") as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


# Image services.


async def test_a_right_image_service_is_not_charged(tmp_path: Path) -> None:
    async with flow2api.running() as emulator:
        found = await doctor(tmp_path, FLOW2API_BASE_URL=emulator.url, FLOW2API_API_KEY=emulator.key)
    assert (found.failed, found.state("flow2api"), found.state("clock")) == ([], "ok", "ok")
    assert not emulator.charges


@pytest.mark.parametrize(
    "emulate",
    [flow2api.running, modelscope.running, gemini.running, openrouter.running],
    ids=["flow2api", "modelscope", "gemini", "openrouter"],
)
async def test_a_wrong_key_is_named_with_its_setting(tmp_path: Path, emulate: Emulate) -> None:
    """Spec ModelScope: the list of models is public, so that the key is tried elsewhere."""
    key = "wrong-key-0123456789"
    async with emulate() as emulator:
        name = type(emulator).__name__.lower()
        found = await doctor(tmp_path, **{f"{name.upper()}_BASE_URL": emulator.url, f"{name.upper()}_API_KEY": key})
    assert found.failed == [name]
    assert f"{name.upper()}_API_KEY" in found.message(name)
    assert key not in found.text


async def test_an_image_service_that_is_not_there_is_named(tmp_path: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    found = await doctor(tmp_path, FLOW2API_BASE_URL=url, FLOW2API_API_KEY="k" * 20)
    assert found.failed == ["flow2api"]
    assert url in found.message("flow2api")
    assert "container" not in found.message("flow2api")


async def test_an_image_service_whose_list_fails_is_warned_of(tmp_path: Path) -> None:
    """Ours: a relay without a list draws all the same, so that this is no failure."""
    async with flow2api.running() as emulator:
        emulator.lists = False
        found = await doctor(tmp_path, FLOW2API_BASE_URL=emulator.url, FLOW2API_API_KEY=emulator.key)
    assert (found.failed, found.state("flow2api")) == ([], "warn")


async def test_a_model_that_is_gone_is_named_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text('{"models": [{"id": "imagen-old"}], "default_model": "imagen-old"}')
    async with flow2api.running() as emulator:
        settings = {"FLOW2API_BASE_URL": emulator.url, "FLOW2API_API_KEY": emulator.key}
        found = await doctor(tmp_path, EASEL_MODELS_FILE="models.json", **settings)
    assert found.message("models") == "flow2api has no longer: imagen-old; `python -m service models --write` mends it"


async def test_a_models_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    async with openai_images.running() as emulator:
        settings = {"OPENAI_BASE_URL": emulator.url, "OPENAI_API_KEY": "k" * 20, "EASEL_MODELS_FILE": "nowhere"}
        found = await doctor(tmp_path, **settings)
    assert "EASEL_MODELS_FILE: nowhere: No such file" in found.message("models")


@asynccontextmanager
async def early_service(off_s: float) -> AsyncIterator[str]:
    """A service whose clock is off."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Date": formatdate(time.time() + off_s, usegmt=True)}
        return web.json_response({"data": [{"id": "gpt-image-2"}]}, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with serving(app) as url:
        yield url


@pytest.mark.parametrize(("off_s", "words"), [(3600, "behind that of openai"), (-3600, "ahead of that of openai")])
async def test_a_clock_that_is_wrong_is_named(tmp_path: Path, off_s: float, words: str) -> None:
    async with early_service(off_s) as url:
        found = await doctor(tmp_path, OPENAI_BASE_URL=url, OPENAI_API_KEY="k" * 20)
    assert words in found.message("clock")
    assert "timedatectl set-ntp true" in found.message("clock")
    assert "clock" in found.failed


# Tokens, names, the image folder.


async def test_a_public_url_without_tokens_is_named(tmp_path: Path) -> None:
    found = await doctor(tmp_path, EASEL_PUBLIC_URL="http://easel.invalid")
    assert "no tokens, so that every call is refused: set EASEL_TOKENS" in found.message("tokens")
    assert "its name is not known" in found.message("public URL")


async def test_listening_beyond_this_machine_without_tokens_is_named(tmp_path: Path) -> None:
    found = await doctor(tmp_path, EASEL_HOST="0.0.0.0")
    assert "EASEL_TOKENS: must be set to listen on 0.0.0.0" in found.message("tokens")


async def test_tokens_of_the_data_folder_count(tmp_path: Path) -> None:
    said(tmp_path, "token", "add", "anna")
    found = await doctor(tmp_path, EASEL_HOST="0.0.0.0")
    assert found.state("tokens") == "ok"
    assert "get HTTP 421: set EASEL_PUBLIC_URL" in found.message("hosts")


@pytest.mark.parametrize(("folder", "state"), [("pictures", "ok"), ("nowhere", "fail")])
async def test_the_image_folder_is_looked_into(tmp_path: Path, folder: str, state: str) -> None:
    (tmp_path / "pictures").mkdir()
    found = await doctor(tmp_path, EASEL_IMAGE_DIR=folder)
    assert found.state("image folder") == state
    assert ("EASEL_IMAGE_DIR" in found.message("image folder")) == (state == "fail")


# Containers.


async def test_listening_on_loopback_in_a_container_is_named(tmp_path: Path) -> None:
    found = await doctor(tmp_path, container="podman")
    assert found.failed == ["address"]
    assert "set EASEL_HOST=0.0.0.0 and EASEL_TOKENS" in found.message("address")


async def test_an_image_service_at_loopback_in_a_container_is_named(tmp_path: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    found = await doctor(tmp_path, container="podman", FLOW2API_BASE_URL=url, FLOW2API_API_KEY="k" * 20)
    assert "FLOW2API_BASE_URL: inside a container 127.0.0.1 is the container itself" in found.message("flow2api")
    assert "host.containers.internal" in found.message("flow2api")


@pytest.mark.parametrize(
    ("env", "inside"),
    [({"container": "podman"}, True), ({"container": ""}, False), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True)],
)
def test_a_container_is_known_by_its_variables(env: dict[str, str], *, inside: bool) -> None:
    assert in_container(env) is inside


# Secrets.


async def test_no_line_holds_a_secret(tmp_path: Path) -> None:
    """Ours: people paste these lines into issues."""
    key, password = "sk-a0b1c2d3e4f5a6b7c8d9", "proxy-pass-word-77"
    settings = {
        "OPENAI_API_KEY": key,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "EASEL_TOKENS": f"anna:{ANNA}",
        "HTTPS_PROXY": f"http://me:{password}@127.0.0.1:9",
        "EASEL_PUBLIC_URL": f"https://easel.invalid/{ANNA}",
    }
    found = await doctor(tmp_path, **settings)
    assert found.failed
    assert not [each for each in (key, password, ANNA) if each in found.text]


# The page about it.

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
VALUES = re.compile(r"…|[();]|https?://\S+|[0-9]+|\b[A-Z0-9]+_[A-Z_]+\b|/\S*")
"""Values within a line, names of settings, and ends of sentences: the texts of the service stand between them."""


@pytest.fixture(scope="module")
def words() -> str:
    """All texts of the service; of those with values in them the parts between."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SERVICE.rglob("*.py"))]
    texts = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize("line", re.findall(r"^(?:ok|warn|fail) .*$", PAGE, re.MULTILINE))
def test_a_line_that_the_page_shows_is_one_that_is_printed(line: str, words: str) -> None:
    """Ours: people look for the line that they see."""
    _, _, message = re.split(r"  +", line, maxsplit=2)
    parts = [part.strip(" .:,;=") for part in VALUES.split(message)]
    assert not [part for part in parts if part not in words]
