"""`backup` and `restore` as a person types them, beside a service that runs; and the parser of all these commands."""

import asyncio
import shutil
from pathlib import Path

import aiohttp
import pytest

from service.commands.operations import COMMANDS, parser
from tests.command_process import banner_of, easel, said, value_of
from tests.wire import wire_client


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(tmp_path: Path, command: str) -> None:
    assert f"usage: easel {command}" in said(tmp_path, command, "--help")


def test_the_help_of_the_whole_names_them(tmp_path: Path) -> None:
    assert all(command in said(tmp_path, "--help") for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup",), "the following arguments are required: TARGET"),
        (("token",), "the following arguments are required: step"),
        (("token", "make", "anna"), "invalid choice: 'make'"),
        (("move",), "the following arguments are required: --to"),
        (("history", "give", "anna"), "the following arguments are required: NEW"),
        (("usage", "--month", "november"), "--month: 'november' is no month such as 2026-11"),
        (("token", "add", "a name"), "'a name' is no name: up to 64 letters of a to z, digits, and _ . -"),
    ],
)
def test_a_wrong_word_is_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in said(tmp_path, *arguments, status=2)


def test_every_command_has_its_work() -> None:
    """Ours: a command without would end with a trace."""
    for words in (
        ["backup", "x"],
        ["restore", "x"],
        ["token", "list"],
        ["history", "delete", "x"],
        ["usage"],
        ["move", "--to", "x"],
    ):
        assert callable(parser().parse_args(words).run)


TOKENS = "alice:a-token-of-alice"
ALICE = "a-token-of-alice"


async def test_a_backup_of_a_running_service_brings_links_and_history_back(tmp_path: Path) -> None:
    """Ours: the disk is lost, the backup is put into an empty folder, and chats of before show their pictures."""
    with easel(tmp_path, EASEL_TOKENS=TOKENS) as process:
        banner = banner_of(process)
        async with wire_client(value_of(banner, "MCP endpoint"), ALICE) as client:
            result = await client.call("generate", {"prompt": "a fox"})
            link = result["structuredContent"]["images"][0]["url"]
            async with aiohttp.ClientSession() as session, session.get(link) as response:
                picture = await response.read()
            output = said(tmp_path, "backup", "disk/backup")
            assert "Backed up data to disk/backup: the history and 1 picture (1 MB), of which 1 were new.\n" in output
            assert "`python -m service restore disk/backup` brings it back" in output
    (tmp_path / "data").rename(tmp_path / "lost")
    assert "Restored disk/backup to data: the history and 1 picture" in said(tmp_path, "restore", "disk/backup")
    with easel(tmp_path, EASEL_TOKENS=TOKENS) as process:
        banner = banner_of(process)
        async with wire_client(value_of(banner, "MCP endpoint"), ALICE) as client:
            [entry] = (await client.call("history"))["structuredContent"]["entries"]
            assert (entry["history_id"], entry["prompt"]) == (1, "a fox")
        restored = value_of(banner, "Pictures").removesuffix("<name>") + link.rsplit("/", 1)[1]
        async with aiohttp.ClientSession() as session, session.get(restored) as response:
            assert await response.read() == picture


@pytest.mark.usefixtures("real_starts")
async def test_a_copy_of_the_one_file_of_an_idle_service_has_the_history(tmp_path: Path) -> None:
    """Bug: everybody who copies `easel.db` alone got an empty history, since all of it stood in the log beside it."""
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    with easel(tmp_path) as process:
        async with wire_client(value_of(banner_of(process), "MCP endpoint")) as client:
            await client.call("generate", {"prompt": "a fox"})
            log = tmp_path / "data" / "easel.db-wal"
            async with asyncio.timeout(60):
                while log.stat().st_size:  # noqa: ASYNC110 - another process empties it
                    await asyncio.sleep(0.1)
            shutil.copy(tmp_path / "data" / "easel.db", other / "data")
    with easel(other) as process:
        async with wire_client(value_of(banner_of(process), "MCP endpoint")) as client:
            [entry] = (await client.call("history"))["structuredContent"]["entries"]
            assert entry["prompt"] == "a fox"


def test_a_refusal_is_one_line_and_a_status(tmp_path: Path) -> None:
    text = said(tmp_path, "backup", "target", status=2)
    assert text == "easel: data/easel.db is not there: EASEL_DATA_DIR names the data folder of the service\n"
    assert said(tmp_path, "restore", "target", status=2).startswith("easel: target is no backup: ")
    assert not (tmp_path / "target").exists()


def test_lost_pictures_are_named_and_told_by_the_status(tmp_path: Path) -> None:
    said(tmp_path, "demo")
    [picture] = (tmp_path / "data" / "files").glob("*/*")
    picture.unlink()
    text = said(tmp_path, "backup", "target", status=1)
    assert f"Not there, and left out: {picture.name}. The data folder has lost them." in text


def test_damaged_pictures_are_left_out_when_that_is_asked_for(tmp_path: Path) -> None:
    said(tmp_path, "demo")
    said(tmp_path, "backup", "target")
    [picture] = (tmp_path / "target" / "files").glob("*/*")
    picture.write_bytes(b"rotten")
    (tmp_path / "data").rename(tmp_path / "old")
    assert "--skip-damaged" in said(tmp_path, "restore", "target", status=2)
    text = said(tmp_path, "restore", "target", "--skip-damaged")
    assert f"Damaged, and left out: {picture.name}. The history says that they are gone." in text
