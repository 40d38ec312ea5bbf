"""The takeover as people meet it: at the start, or by `import`; with progress, once, and a kill in the middle."""

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.commands.takeover import ProgressBar, TakeoverError, owner_of
from service.settings import Settings
from tests.command_process import banner_of, easel, value_of
from tests.emulators import flow2api
from tests.old_folder import MP4, PREFIX, contents, many, md5, newest, oldest
from tests.paths import ROOT
from tests.wire import WireClient, wire_client

PICTURES = 8


def said(folder: Path, *arguments: str, status: int = 0, **env: str) -> str:
    """All that a command prints, having ended with this status."""
    with easel(folder, *arguments, **env) as process:
        out, error = process.communicate()
    assert process.returncode == status, error
    return out + error


def rows(data: Path) -> list[tuple[Any, ...]]:
    """Return the rows of the history, as a program would see them."""
    with closing(sqlite3.connect(data / "easel.db")) as connection:
        return connection.execute(
            "SELECT owner, history_id, state, model, prompt, created_at, group_concat(name) FROM jobs "
            "LEFT JOIN pictures ON job_id = jobs.id GROUP BY jobs.id ORDER BY jobs.id"
        ).fetchall()


async def fetch(client: WireClient, name: str) -> tuple[int, str, bytes]:
    """Status, type and bytes of an old link."""
    async with client.session.get(f"{client.url.rpartition('/')[0]}/mcp-cache/{name}") as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_the_data_folder_of_the_old_server_is_taken_over_at_the_start(tmp_path: Path) -> None:
    """Ours: in the old container's volume, with nothing else to do. Old links go on in chats, as before."""
    server = newest()
    server.write(tmp_path / "data")
    before = list(contents(tmp_path / "data"))
    with easel(tmp_path) as process:
        url = value_of(banner_of(process), "MCP endpoint")
        async with wire_client(url) as client:
            for name, data in server.files.items():
                assert await fetch(client, name) == (200, _type_of(data), data)
            assert (await fetch(client, f"{md5(b'none')}.png"))[0] == 404
            listed = await client.call("history", {"limit": 50})
            assert listed["structuredContent"]["total"] == 10
            assert "user_image · given by the person, not drawn" in listed["content"][0]["text"]
            first = await client.call("history", {"history_id": 1})
            assert first["content"][1]["type"] == "image", "its preview is drawn"
            assert "seconds" not in first["structuredContent"]["entries"][0]
            gone = (await client.call("history", {"history_id": 5}))["content"][0]["text"]
            assert "Its file was removed and could not be had again." in gone
            assert "Note: The earlier server kept no file of it." in gone
            made = await client.call("generate", {"prompt": "new"})
            assert made["structuredContent"]["history_id"] == 11
        process.terminate()
        error = process.stderr.read() if process.stderr else ""
    assert f"Taken over from data for local: entries: 10 of 10, files: {PICTURES}. Nothing was changed there." in error
    assert [each for each in contents(tmp_path / "data") if each[0].startswith(("history", "url_cache"))] == before


async def test_a_picture_of_it_can_be_started_from(tmp_path: Path) -> None:
    newest().write(tmp_path / "data")
    async with flow2api.running() as upstream:
        with easel(tmp_path, FLOW2API_BASE_URL=upstream.url, FLOW2API_API_KEY=upstream.key) as process:
            async with wire_client(value_of(banner_of(process), "MCP endpoint")) as client:
                made = await client.call("generate", {"prompt": "now at night", "history_id": 3})
    assert made["structuredContent"]["parents"] == [{"history_id": 3, "picture": 1}]


async def test_films_answer_by_their_old_links_and_break_nothing(tmp_path: Path) -> None:
    oldest().write(tmp_path / "data")
    with easel(tmp_path) as process:
        async with wire_client(value_of(banner_of(process), "MCP endpoint")) as client:
            name = f"{md5(b'http://127.0.0.1:8000/tmp/wave.mp4')}.mp4"
            assert await fetch(client, name) == (200, "video/mp4", MP4)
            shown = await client.call("history", {"history_id": 2})
            assert "MP4 video" in shown["content"][0]["text"]
            assert (await client.call("history", {"limit": 50}))["structuredContent"]["total"] == 4
            assert (await client.modern("resources/list")).result["resources"]


def _type_of(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"


def test_the_next_start_says_and_changes_nothing(tmp_path: Path) -> None:
    newest().write(tmp_path / "data")
    said(tmp_path, "import")
    before = rows(tmp_path / "data")
    with easel(tmp_path) as process:
        banner_of(process)
        process.terminate()
        assert process.stderr is not None
        assert "Taken over" not in process.stderr.read()
    assert rows(tmp_path / "data") == before
    assert said(tmp_path, "import").startswith("Nothing new in data: it was taken over before.")


@pytest.mark.usefixtures("real_starts")
def test_a_checkout_is_taken_over_with_both_of_its_folders(tmp_path: Path) -> None:
    """Ours: `data/` of the newer versions, `mcp_server/` of the older ones; the checkout may be anywhere."""
    newest().write(tmp_path / "old" / "data")
    oldest().write(tmp_path / "old" / "mcp_server")
    text = said(tmp_path, "import", "old")
    assert "Taken over from old/data for local: entries: 10 of 10" in text
    assert "Taken over from old/mcp_server for local: entries: 4 of 4" in text
    assert "history_id 1 there is 11 here" in text
    assert len(rows(tmp_path / "data")) == 14


def test_a_folder_without_anything_is_refused_with_the_places_that_were_looked_at(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = said(tmp_path, "import", "empty", status=2)
    assert "empty holds none of history.json, history_archive.json, url_cache.json, url_cache; nor do" in text
    assert not (tmp_path / "data").exists()


def test_a_folder_that_is_not_there_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    """Ours: a slip in the path sends nobody to search the old folder for files."""
    assert "nowhere is not there. Name the data folder" in said(tmp_path, "import", "nowhere", status=2)
    assert not (tmp_path / "data").exists()


def test_with_tokens_of_several_people_it_asks_whose_it_is(tmp_path: Path) -> None:
    """Ours: the pictures of one person must not become those of another by a guess."""
    newest().write(tmp_path / "data")
    tokens = "alice:a-token-of-alice,ben:a-token-of-ben00"
    refused = said(tmp_path, "import", status=2, EASEL_TOKENS=tokens)
    assert "several people may have a history here (alice, ben): say whose it is" in refused
    with easel(tmp_path, EASEL_TOKENS=tokens) as process:
        banner_of(process)
        process.terminate()
        assert process.stderr is not None
        assert "which is not taken over: several people may have a history here" in process.stderr.read()
    assert "for alice: entries: 10 of 10" in said(tmp_path, "import", "data", "--owner", "alice", EASEL_TOKENS=tokens)
    assert {row[0] for row in rows(tmp_path / "data")} == {"alice"}


@pytest.mark.parametrize(("tokens", "owner"), [("", "local"), ("auto", "local"), ("zoe:a-token-of-zoe-000", "zoe")])
def test_where_only_one_can_own_it_nobody_is_asked(tokens: str, owner: str) -> None:
    assert owner_of(Settings.from_env({"EASEL_TOKENS": tokens}), (), "") == owner


def test_a_token_of_the_data_folder_counts_as_one_of_the_settings() -> None:
    assert owner_of(Settings.from_env({}), ["zoe"], "") == "zoe"
    with pytest.raises(TakeoverError, match=r"several people may have a history here \(local, zoe\)"):
        owner_of(Settings.from_env({"EASEL_TOKENS": "auto"}), ["zoe"], "")


def test_a_file_of_tokens_may_hold_several() -> None:
    with pytest.raises(TakeoverError, match="--owner NAME"):
        owner_of(Settings.from_env({"EASEL_TOKENS_FILE": "tokens"}), (), "")


def test_a_name_that_no_token_has_is_refused() -> None:
    """Ours: a slip of the pen would enter the history of nobody."""
    settings = Settings.from_env({"EASEL_TOKENS": "alice:a-token-of-alice,ben:a-token-of-ben00"})
    assert owner_of(settings, (), "ben") == "ben"
    with pytest.raises(TakeoverError, match=r"no token has the name alcie; name one that has \(alice, ben\)"):
        owner_of(settings, (), "alcie")


def test_an_old_package_in_the_working_folder_is_taken_over_once(tmp_path: Path) -> None:
    """Ours: older versions kept everything in the package, and people start this server where they started that one."""
    oldest().write(tmp_path / "mcp_server")
    for told in (True, False):
        with easel(tmp_path) as process:
            banner_of(process)
            process.terminate()
            assert process.stderr is not None
            assert ("Taken over from mcp_server for local: entries: 4 of 4" in process.stderr.read()) is told
    assert len(rows(tmp_path / "data")) == 4


def test_after_a_kill_in_the_middle_the_next_start_goes_on(tmp_path: Path) -> None:
    """Ours: files come one by one, and the rows at once; no kill leaves a half of them."""
    many(300, 300).write(tmp_path / "data")
    files = tmp_path / "data" / "files"
    with easel(tmp_path, "import") as process:
        deadline = time.monotonic() + 20
        while len(list(files.glob("*/*"))) < 20 and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
        process.wait()
    done = len(list(files.glob("*/*")))
    assert 20 <= done < 300, "it was killed in the middle"
    assert rows(tmp_path / "data") == []
    assert "entries: 300 of 300, files: 300" in said(tmp_path, "import")
    assert len(list(files.glob("*/*"))) == 300
    assert len(rows(tmp_path / "data")) == 300


def test_a_running_service_shows_what_is_imported_beside_it(tmp_path: Path) -> None:
    newest().write(tmp_path / "old")
    with easel(tmp_path) as process:
        url = value_of(banner_of(process), "MCP endpoint")
        said(tmp_path, "import", "old")

        async def count() -> int:
            async with wire_client(url) as client:
                listed = await client.call("history", {"limit": 50})
                total: int = listed["structuredContent"]["total"]
                return total

        assert asyncio.run(count()) == 10


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_a_log_nothing() -> None:
    """Ours: a container's log keeps every line."""
    terminal, log = Terminal(), io.StringIO()
    for done in range(61):
        ProgressBar(log)(done, 60)
    bar = ProgressBar(terminal)
    for done in range(61):
        bar(done, 60)
    lines = terminal.getvalue().split("\r")
    assert lines[-1] == f"  [{'#' * 30}] 60 of 60 pictures\n"
    assert len(lines) == 32, "as many as it has characters, and the whole"
    assert log.getvalue() == ""


def test_the_old_server_is_started_by_its_own_name(tmp_path: Path) -> None:
    """Ours: `python -m mcp_server --host … --port …` stands in start scripts and services."""
    command = [sys.executable, "-m", "mcp_server", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert "MCP endpoint" in banner_of(process)
        process.kill()


def test_by_default_it_listens_where_old_links_lead() -> None:
    """Ours: the links in old chats begin with the old server's address, and so need no change."""
    settings = Settings.from_env({})
    assert f"http://{settings.host}:{settings.port}" == PREFIX


def test_once_all_tokens_are_revoked_it_says_that_nobody_could_see_it(tmp_path: Path) -> None:
    """Bug: the history entered the one of `local`, whom no request could be of."""
    said(tmp_path, "token", "add", "zoe")
    said(tmp_path, "token", "revoke", "zoe")
    newest().write(tmp_path / "old")
    assert "all tokens are revoked, and nobody can call" in said(tmp_path, "import", "old", status=2)
    assert rows(tmp_path / "data") == []
    assert "for zoe: entries" in said(tmp_path, "import", "old", "--owner", "zoe")


def test_a_file_of_the_folder_may_be_named_that_is_not_there(tmp_path: Path) -> None:
    newest().write(tmp_path / "old")
    (tmp_path / "old" / "history_archive.json").unlink()
    assert "Taken over" in said(tmp_path, "import", "old/history_archive.json")
