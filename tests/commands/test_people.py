"""`token`, `history` and `usage`: they work on services that run, and leave nobody's pictures to the wrong person."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.command_process import Process, banner_of, easel, said, value_of
from tests.wire import wire_client

TOKENS = "alice:a-token-of-alice"
SOON_S = 60
"""A service looks every two seconds; the machine of the tests may be busy."""


def token_of(output: str) -> str:
    """The token that `token add` printed."""
    [token] = re.findall(r"^  (easel_\S{32})$", output, re.MULTILINE)
    return str(token)


async def status_of(url: str, token: str = "") -> int:
    """The status of a request with this token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with aiohttp.ClientSession() as session, session.post(url, json=ping, headers=headers) as response:
        return response.status


async def becomes(url: str, token: str, refused: bool) -> None:
    """Wait until a token is refused, or taken."""
    async with asyncio.timeout(SOON_S):
        while (await status_of(url, token) == 401) is not refused:  # noqa: ASYNC110 - another process knows when
            await asyncio.sleep(0.1)


async def draw(url: str, token: str, *prompts: str) -> None:
    async with wire_client(url, token) as client:
        for prompt in prompts:
            await client.call("generate", {"prompt": prompt})


async def history(url: str, token: str) -> list[tuple[int, str]]:
    async with wire_client(url, token) as client:
        entries = (await client.call("history"))["structuredContent"]["entries"]
    return [(entry["history_id"], entry["prompt"]) for entry in entries]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    with easel(tmp_path, EASEL_TOKENS=TOKENS) as process:
        yield process


async def test_a_token_counts_on_every_running_service_until_it_is_revoked(tmp_path: Path) -> None:
    """Ours: several processes on one folder, none of which is started anew."""
    with ExitStack() as stack:
        processes = [stack.enter_context(easel(tmp_path, EASEL_TOKENS=TOKENS)) for _ in range(2)]
        urls = [value_of(banner_of(process), "MCP endpoint") for process in processes]
        output = said(tmp_path, "token", "add", "ben", EASEL_TOKENS=TOKENS)
        token = token_of(output)
        assert "The token of ben, good until it is revoked, with the id " in output
        assert "first one" not in output, "a token was needed before"
        for url in urls:
            await becomes(url, token, refused=False)
        await draw(urls[0], token, "a fox")
        assert await history(urls[1], token) == [(1, "a fox")]
        assert await history(urls[1], "a-token-of-alice") == []
        assert "Revoked: 1 token of ben." in said(tmp_path, "token", "revoke", "ben")
        for url in urls:
            await becomes(url, token, refused=True)
        assert await status_of(urls[0], "a-token-of-alice") != 401


async def test_the_first_token_closes_a_service_that_was_open(tmp_path: Path) -> None:
    """Ours: and its revocation does not open it again, which would let everybody in."""
    with easel(tmp_path) as process:
        url = value_of(banner_of(process), "MCP endpoint")
        assert await status_of(url) != 401
        output = said(tmp_path, "token", "add", "ben")
        assert "It is the first one: from now on every request needs a token." in output
        await becomes(url, "", refused=True)
        await becomes(url, token_of(output), refused=False)
        said(tmp_path, "token", "revoke", "ben")
        await becomes(url, token_of(output), refused=True)
        assert await status_of(url) == 401
    with easel(tmp_path) as process:
        assert await status_of(value_of(banner_of(process), "MCP endpoint")) == 401
    assert "nobody can be asked here; add --yes" in said(tmp_path, "token", "reset", status=2)
    assert "Removed: 1 tokens." in said(tmp_path, "token", "reset", "--yes")
    with easel(tmp_path) as process:
        assert await status_of(value_of(banner_of(process), "MCP endpoint")) != 401


async def test_a_token_of_the_folder_lets_a_service_listen_beyond_this_machine(tmp_path: Path) -> None:
    """Ours: a container starts with no other setting than its address."""
    refused = said(tmp_path, "serve", status=2, EASEL_HOST="0.0.0.0")
    assert "EASEL_TOKENS: must be set to listen on 0.0.0.0" in refused
    token = token_of(said(tmp_path, "token", "add", "ben", EASEL_HOST="0.0.0.0"))
    with easel(tmp_path, EASEL_HOST="0.0.0.0") as process:
        url = value_of(banner_of(process), "MCP endpoint")
        assert await status_of(url) == 401
        assert await status_of(url, token) != 401


async def test_a_second_name_closes_the_image_folder_of_the_first(tmp_path: Path) -> None:
    """Ours: the folder is one person's, and the service is not started anew for another one."""
    (tmp_path / "images").mkdir()
    flow2api = {"FLOW2API_BASE_URL": "http://127.0.0.1:9", "FLOW2API_API_KEY": "never-asked"}
    with easel(tmp_path, EASEL_TOKENS=TOKENS, EASEL_IMAGE_DIR="images", **flow2api) as process:
        url = value_of(banner_of(process), "MCP endpoint")
        token = token_of(said(tmp_path, "token", "add", "ben"))
        await becomes(url, token, refused=False)
        async with wire_client(url, token) as client:
            wanted = {"prompt": "like it", "use_latest_user_image": True}
            result = await client.call("generate", wanted)
    assert "several people have tokens here" in result["content"][0]["text"]


def test_who_tries_the_demo_needs_no_token(tmp_path: Path) -> None:
    """Bug: the demo is its own client, and was refused once the folder had tokens."""
    said(tmp_path, "token", "add", "ben")
    assert "5. result" in said(tmp_path, "demo")


async def test_an_expired_token_says_so(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    token = token_of(said(tmp_path, "token", "add", "ben", "--expires", "3s"))
    await becomes(url, token, refused=True)
    async with asyncio.timeout(SOON_S):
        while "expired" not in said(tmp_path, "token", "list"):  # noqa: ASYNC110 - time alone tells
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("end", ["9999-12-31T23:59-05:00", "2020-01-01", "soon", "0d"])
def test_an_end_that_cannot_be_is_refused(tmp_path: Path, end: str) -> None:
    assert f"--expires: '{end}' is " in said(tmp_path, "token", "add", "ben", "--expires", end, status=2)
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("real_starts")
def test_the_list_shows_every_name_and_no_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("cat a-token-of-cat-0123 2027-06-30\n")
    tokens = [token_of(said(tmp_path, "token", "add", "ben", *more)) for more in ((), ("--expires", "2099-06-30"))]
    listed = said(tmp_path, "token", "list", EASEL_TOKENS=TOKENS, EASEL_TOKENS_FILE="tokens")
    assert re.search(r"^ben +[0-9a-f]{8} +20\S+ \S+ UTC +2099-07-01 00:00 UTC +valid$", listed, re.MULTILINE)
    assert re.search(r"^ben +[0-9a-f]{8} +20\S+ \S+ UTC +- +valid$", listed, re.MULTILINE)
    assert re.search(r"^alice .*of EASEL_TOKENS$", listed, re.MULTILINE)
    assert re.search(r"^cat .*2027-07-01 00:00 UTC +of EASEL_TOKENS_FILE$", listed, re.MULTILINE)
    assert not [token for token in (*tokens, "a-token-of-alice", "a-token-of-cat") if token in listed]
    assert not [token for token in tokens if token.encode() in (tmp_path / "data" / "easel.db").read_bytes()]
    [id_] = re.findall(r"^ben +(\S+) .* +-  +valid$", listed, re.MULTILINE)
    assert "Revoked: 1 token of ben." in said(tmp_path, "token", "revoke", "ben", id_)
    assert "ben has no valid token of `token add` with the id" in said(
        tmp_path, "token", "revoke", "ben", id_, status=1
    )


async def test_a_person_is_renamed_with_all_that_is_theirs(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    token = token_of(said(tmp_path, "token", "add", "anna"))
    await becomes(url, token, refused=False)
    await draw(url, token, "a fox")
    output = said(tmp_path, "token", "rename", "anna", "anne")
    assert "anna is anne now, with 1 token and 1 entry of the history and 1 picture." in output
    async with asyncio.timeout(SOON_S):
        while await history(url, token) != [(1, "a fox")]:  # noqa: ASYNC110 - another process knows when
            await asyncio.sleep(0.1)
    assert re.search(r"anne +1 +0", said(tmp_path, "usage"))
    assert "anne is somebody else" in said(tmp_path, "token", "rename", "bob", "anne", status=2)
    assert "alice has a token of EASEL_TOKENS: write ally there, then `history give alice ally`" in said(
        tmp_path, "token", "rename", "alice", "ally", status=2, EASEL_TOKENS=TOKENS
    )


async def test_the_history_of_a_name_without_a_token_goes_to_another(tmp_path: Path, service: Process) -> None:
    """Ours: a person has left, and another goes on with their pictures."""
    url = value_of(banner_of(service), "MCP endpoint")
    token = token_of(said(tmp_path, "token", "add", "ben"))
    await becomes(url, token, refused=False)
    await draw(url, "a-token-of-alice", "an owl")
    await draw(url, token, "a fox", "a tree")
    assert "ben has a token: revoke it first" in said(
        tmp_path, "history", "give", "ben", "alice", status=2, EASEL_TOKENS=TOKENS
    )
    assert "`history give ben NEW` gives it to somebody" in said(
        tmp_path, "token", "revoke", "ben", EASEL_TOKENS=TOKENS
    )
    assert "nobody has the name alcie; known are alice, ben" in said(
        tmp_path, "history", "give", "ben", "alcie", status=2, EASEL_TOKENS=TOKENS
    )
    output = said(tmp_path, "history", "give", "ben", "alice", EASEL_TOKENS=TOKENS)
    assert "Given to alice: 2 entries of the history and 2 pictures of ben." in output
    assert "to each history_id of ben, 1 was added. 1 is 2 now." in output
    assert await history(url, "a-token-of-alice") == [(3, "a tree"), (2, "a fox"), (1, "an owl")]
    assert "there is nothing of ben" in said(tmp_path, "history", "give", "ben", "alice", status=2, EASEL_TOKENS=TOKENS)


def pictures_of(folder: Path) -> int:
    """Count the pictures in the files of the service, without the tiles that it makes of them meanwhile."""
    return len([each for each in (folder / "data" / "files").glob("*/*") if "~" not in each.name])


async def test_the_history_of_a_name_without_a_token_can_be_deleted(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    token = token_of(said(tmp_path, "token", "add", "ben"))
    await becomes(url, token, refused=False)
    await draw(url, "a-token-of-alice", "an owl")
    await draw(url, token, "a fox")
    assert pictures_of(tmp_path) == 2
    assert "ben has a token" in said(tmp_path, "history", "delete", "ben", "--yes", status=2)
    said(tmp_path, "token", "revoke", "ben")
    question = "Delete 1 entry of the history and 1 picture of ben, for good? A backup may still have them: nobody can"
    assert question in said(tmp_path, "history", "delete", "ben", status=2)
    assert "Deleted: 1 entry of the history and 1 picture" in said(tmp_path, "history", "delete", "ben", "--yes")
    assert pictures_of(tmp_path) == 1
    assert await history(url, "a-token-of-alice") == [(1, "an owl")]
    assert re.search(r"ben +1 +0", said(tmp_path, "usage")), "what was drawn was drawn"


@pytest.mark.usefixtures("real_starts")
async def test_usage_is_a_table_or_json(tmp_path: Path, service: Process) -> None:
    url = value_of(banner_of(service), "MCP endpoint")
    assert said(tmp_path, "usage") == "Nothing was drawn.\n"
    await draw(url, "a-token-of-alice", "a fox", "an owl")
    table = said(tmp_path, "usage").splitlines()
    assert table[0].split() == ["month", "name", "pictures", "failed", "seconds", "cost"]
    assert table[1].split()[1:4] == ["alice", "2", "0"]
    [use] = json.loads(said(tmp_path, "usage", "--json"))
    assert (use["owner"], use["pictures"], use["failed"], use["costs"]) == ("alice", 2, 0, {})
    assert use["seconds"] > 0
    assert json.loads(said(tmp_path, "usage", "--json", "--month", "1999-12")) == []


@pytest.mark.parametrize("arguments", [("token", "list"), ("usage",), ("history", "delete", "ben", "--yes")])
def test_a_folder_that_is_none_is_not_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "data/easel.db is not there: name the data folder of the service" in said(tmp_path, *arguments, status=2)
    assert not (tmp_path / "data").exists()
