"""One secret for several services: what one of them signs, the others take, and no log shows it."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.app import Running, running
from service.settings import Settings
from service.settings_reader import SettingsError
from service.stores import secret_of
from tests.command_process import banner_of, easel
from tests.wire import WireClient, wire_client

SECRET = secrets.token_hex(32)


@asynccontextmanager
async def service(data: Path, **env: str) -> AsyncIterator[tuple[Running, WireClient]]:
    base = {"EASEL_PORT": "0", "EASEL_DATA_DIR": str(data), "EASEL_LOG": "error", "EASEL_DRAIN_S": "0"}
    async with running(Settings.from_env(base | env)) as one, wire_client(one.mcp_url) as client:
        yield one, client


@pytest.mark.parametrize("other", [SECRET, ""], ids=["the same secret", "one of its own"])
async def test_a_session_of_one_service_is_one_of_another_with_its_secret(tmp_path: Path, other: str) -> None:
    """Ours: a load balancer sends each request of a session where it likes."""
    async with (
        service(tmp_path / "a", EASEL_SECRET=SECRET) as (_, here),
        service(tmp_path / "b", EASEL_SECRET=other) as (_, there),
    ):
        await here.open()
        there.session_id = here.session_id
        answered = await there.legacy("tools/list")
    assert answered.status == (200 if other else 404)


async def test_the_same_picture_has_the_same_name_on_each(tmp_path: Path) -> None:
    names = []
    for each in ("a", "b"):
        async with service(tmp_path / each, EASEL_SECRET=SECRET) as (_, client):
            made = await client.call("generate", {"prompt": "a fox"})
            names.append(made["structuredContent"]["images"][0]["url"].rpartition("/")[2])
    assert names[0] == names[1]


def test_the_token_made_here_is_the_same_wherever_the_secret_is(tmp_path: Path) -> None:
    """Ours: a file of secrets, as containers have them, ends in a line break or not."""
    (tmp_path / "secret-of-all").write_text(SECRET + "\n")
    tokens, logs = [], []
    for folder, env in (("a", {"EASEL_SECRET": SECRET}), ("b", {"EASEL_SECRET_FILE": str(tmp_path / "secret-of-all")})):
        with easel(tmp_path, EASEL_TOKENS="auto", EASEL_DATA_DIR=folder, EASEL_LOG="debug", **env) as process:
            tokens += re.findall("Bearer ([0-9a-f]{64})", banner_of(process))
            process.terminate()
            logs.append("".join(process.communicate()))
    assert len(tokens) >= 2
    assert len(set(tokens)) == 1
    assert not [log for log in logs if SECRET in log]


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"EASEL_SECRET": "too short"}, "EASEL_SECRET: has 9 bytes and needs at least 32; make one with: openssl rand"),
        ({"EASEL_SECRET_FILE": "nowhere"}, "EASEL_SECRET_FILE: nowhere cannot be read: No such file"),
        ({"EASEL_SECRET_FILE": "empty"}, "EASEL_SECRET_FILE: has 0 bytes"),
        ({"EASEL_SECRET_FILE": "bytes"}, "EASEL_SECRET_FILE: bytes cannot be read: it is not UTF-8 text"),
    ],
)
def test_a_secret_that_is_none_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("bytes").write_bytes(b"\xff" * 40)
    with pytest.raises(SettingsError) as stopped:
        secret_of(Settings.from_env(env))
    assert str(stopped.value).startswith(complaint)
    assert "too short" not in str(stopped.value)


def test_two_secrets_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match=r"^EASEL_SECRET_FILE: names a second secret beside EASEL_SECRET"):
        Settings.from_env({"EASEL_SECRET": SECRET, "EASEL_SECRET_FILE": "there"})
