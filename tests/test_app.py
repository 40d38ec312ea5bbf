"""The whole service: what ends its start, what its addresses are, and that its end leaves nothing behind."""

import asyncio
import logging
import socket
import threading
import tomllib
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import pytest

from service import logs
from service.app import VERSION, Running
from service.settings_reader import SettingsError
from service.web.sockets import listen
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.paths import ROOT
from tests.wire import ANNA, TWO_TOKENS, WireClient, modern_headers, modern_params, request, wire_client

STOP_S = 8
"""An idle service that has not stopped by then waits for what it need not: `ENGINE_KILLS_S`, say."""

ENGINE_KILLS_S = 10
"""Podman, Docker and Kubernetes kill a container that has not stopped by then, or later."""

DRAW = {"name": "generate", "arguments": {"prompt": "a red fox in snow"}}


def test_the_version_is_said_in_one_voice() -> None:
    """Ours: clients are told `VERSION`, packagers read pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


# What ends the start.


async def refusal(serve: Serve, **env: str) -> SettingsError:
    with pytest.raises(SettingsError) as stopped:
        async with serve(**env):
            pass
    assert "\n" not in str(stopped.value)
    return stopped.value


async def test_a_port_in_use_is_named_before_anything_is_touched(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = await refusal(serve, EASEL_PORT=str(port))
    assert error.name == "EASEL_PORT"
    assert f"port {port} of 127.0.0.1 is in use" in str(error)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("nowhere.invalid", id="unknown name"),
        pytest.param("192.0.2.1", id="address of another machine"),
        pytest.param("fox..example", id="name with an empty part"),
        pytest.param(f"{'x' * 64}.example", id="name with a part too long"),
    ],
)
async def test_a_host_that_is_not_ours_is_named(serve: Serve, host: str) -> None:
    """Bug: a name that IDNA cannot encode raises UnicodeError, which is no OSError, and ended in a traceback."""
    error = await refusal(serve, EASEL_HOST=host, EASEL_TOKENS="auto")
    assert error.name == "EASEL_HOST"
    assert host in str(error)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        pytest.param({"EASEL_DATA_DIR": "{here}/file"}, "File exists", id="data folder is a file"),
        pytest.param({"EASEL_DATA_DIR": "{here}/file/data"}, "Not a directory", id="data folder in a file"),
        pytest.param({"EASEL_DATA_DIR": "{here}/odd"}, "file is not a database", id="history is no database"),
        pytest.param(
            {"EASEL_MODELS_FILE": "{here}/none.json", "FLOW2API_API_KEY": "k"}, "No such file", id="no models file"
        ),
        pytest.param({"EASEL_MODELS_FILE": "{here}", "FLOW2API_API_KEY": "k"}, "Is a directory", id="models folder"),
        pytest.param({"EASEL_MODELS_FILE": "{here}/file", "FLOW2API_API_KEY": "k"}, "not JSON", id="broken models"),
        pytest.param(
            {"EASEL_MODELS_FILE": "{here}/other.json", "FLOW2API_API_KEY": "k"}, "flow2api", id="models of another"
        ),
    ],
)
async def test_a_file_that_cannot_be_used_is_named(
    serve: Serve, tmp_path: Path, env: dict[str, str], said: str
) -> None:
    (tmp_path / "file").write_text("{")
    (tmp_path / "other.json").write_text('{"models": [{"id": "qwen", "upstream": "modelscope"}]}')
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "easel.db").write_text("no database, and more than a header would be. " * 3)
    error = await refusal(serve, **{name: value.format(here=tmp_path) for name, value in env.items()})
    assert error.name == next(iter(env))
    assert said in str(error)
    assert str(tmp_path) in str(error)


async def test_a_start_that_fails_late_gives_back_what_it_took(serve: Serve, tmp_path: Path) -> None:
    """Ours: the port and the place in the data folder; a supervisor tries again at once."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    await refusal(serve, EASEL_PORT=str(port), EASEL_MODELS_FILE=str(tmp_path / "none"), FLOW2API_API_KEY="k")
    assert [path.name for path in (tmp_path / "data" / "running").iterdir()] == ["gate"]
    async with serve(EASEL_PORT=str(port)):
        pass


# Where it listens.


async def test_a_free_port_is_told(easel: Running) -> None:
    assert easel.settings.port > 0
    assert easel.mcp_url == f"http://127.0.0.1:{easel.settings.port}/mcp"
    assert easel.pictures_url == f"http://127.0.0.1:{easel.settings.port}/mcp-cache/"


async def test_pictures_are_named_by_the_public_url(serve: Serve) -> None:
    async with serve(EASEL_PUBLIC_URL="https://easel.example.com/art/", EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as client:
            made = await client.call("generate", {"prompt": "a fox"})
    assert easel.mcp_url.startswith("http://127.0.0.1:")
    assert made["structuredContent"]["images"][0]["url"].startswith("https://easel.example.com/art/mcp-cache/")


async def test_every_address_of_a_name_listens_on_one_port(serve: Serve) -> None:
    """Ours: `localhost` is two addresses on most machines, and clients disagree on which to try."""
    addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    async with serve(EASEL_HOST="localhost") as easel:
        for address in addresses:
            _, writer = await asyncio.open_connection(str(address), easel.settings.port)
            writer.close()
            await writer.wait_closed()


async def test_listening_everywhere_is_told_as_an_address_that_can_be_opened(serve: Serve) -> None:
    async with serve(EASEL_HOST="0.0.0.0", EASEL_TOKENS=TWO_TOKENS) as easel:
        async with wire_client(easel.mcp_url, ANNA) as client:
            assert (await client.modern("tools/list")).result["tools"]
    assert easel.origin.startswith("http://127.0.0.1:")


def has_ipv6() -> bool:
    try:
        for each in listen("::1", 0):
            each.close()
    except SettingsError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "::"])
async def test_ipv6_is_served_and_written_in_brackets(serve: Serve, host: str) -> None:
    async with serve(EASEL_HOST=host, EASEL_TOKENS=TWO_TOKENS) as easel:
        assert easel.origin == f"http://[::1]:{easel.settings.port}"
        async with wire_client(easel.mcp_url, ANNA) as client:
            made = await client.call("generate", {"prompt": "a fox"})
            async with client.session.get(made["structuredContent"]["images"][0]["url"]) as answer:
                assert answer.status == 200


# Who is let in.


async def test_the_token_made_here_is_the_same_at_every_start_and_lets_nobody_else_in(serve: Serve) -> None:
    """Ours: a token that changed with each start would have to be pasted into each client each time."""
    tokens = []
    for _ in range(2):
        async with serve(EASEL_TOKENS="auto") as easel:
            [token] = easel.settings.tokens.values()
            tokens.append(token)
            for tried, status in ((token, 200), (None, 401), (token[:-1], 401), (token.upper() + "0", 401)):
                async with wire_client(easel.mcp_url, tried) as client:
                    assert (await client.modern("tools/list")).status == status
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) == 64


async def test_what_was_made_without_tokens_is_there_with_the_token_made_here(serve: Serve) -> None:
    """Ours: who first tries it and then opens it to the network keeps the history."""
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        made = await client.call("generate", {"prompt": "a fox"})
    async with serve(EASEL_TOKENS="auto") as easel:
        async with wire_client(easel.mcp_url, *easel.settings.tokens.values()) as client:
            listed = await client.call("history")
    assert listed["structuredContent"]["entries"][0]["history_id"] == made["structuredContent"]["history_id"]


async def test_two_services_share_one_data_folder(serve: Serve) -> None:
    """Ours: what one makes, the other shows; no id is given twice."""
    async with (
        serve() as one,
        serve() as other,
        wire_client(one.mcp_url) as first,
        wire_client(other.mcp_url) as second,
    ):
        calls = enumerate((first, second) * 3)
        made = await asyncio.gather(*[each.call("generate", {"prompt": f"fox {n}"}) for n, each in calls])
        listed = [await each.call("history", {"limit": 50}) for each in (first, second)]
    ids = [each["structuredContent"]["history_id"] for each in made]
    assert len(set(ids)) == 6
    for each in listed:
        assert {entry["history_id"] for entry in each["structuredContent"]["entries"]} == set(ids)


# How it ends.


async def stopped_in_time(stack: AsyncExitStack, seconds: float = STOP_S) -> None:
    async with asyncio.timeout(seconds):
        await stack.aclose()


async def test_it_stops_promptly_when_nobody_is_there(serve: Serve) -> None:
    stack = AsyncExitStack()
    await stack.enter_async_context(serve())
    await stopped_in_time(stack)


async def test_it_stops_promptly_with_an_idle_connection_open(serve: Serve) -> None:
    """Bug: servers that wait for keep-alive connections to go hang for as long as the client lives."""
    stack = AsyncExitStack()
    easel = await stack.enter_async_context(serve())
    async with wire_client(easel.mcp_url) as client:
        await client.call("history")
        await stopped_in_time(stack)


async def test_it_stops_promptly_with_a_request_begun_and_never_ended(serve: Serve) -> None:
    """Ours: a connection that is opened ahead of need, as browsers do, is no running call."""
    stack = AsyncExitStack()
    easel = await stack.enter_async_context(serve())
    for begun in (b"", b"POST /mcp HTT", b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", easel.settings.port)
        writer.write(begun)
        await writer.drain()
        stack.callback(writer.close)
    await stopped_in_time(stack)


async def test_it_stops_promptly_with_a_stream_open_and_ends_the_stream_properly(serve: Serve) -> None:
    """Ours: the stream of a call that is nearly done is awaited, and the client has the whole result."""
    stack = AsyncExitStack()
    easel = await stack.enter_async_context(serve(EASEL_DRAIN_S=str(ENGINE_KILLS_S)))
    async with aiohttp.ClientSession() as session:
        message = request("tools/call", modern_params(DRAW, progressToken=1))
        async with session.post(
            easel.mcp_url, json=message, headers=modern_headers("tools/call", "generate")
        ) as answer:
            assert answer.content_type == "text/event-stream"
            stopping = asyncio.create_task(stopped_in_time(stack))
            assert '"state":"done"' in await answer.text()
            await stopping


async def test_a_call_that_hangs_is_ended_before_an_engine_kills_us(serve: Serve) -> None:
    """Ours: the row says how it ended, and the upstream request is not left running."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_DRAIN_S": "1"}
        stack = AsyncExitStack()
        easel = await stack.enter_async_context(serve(**env))
        async with wire_client(easel.mcp_url) as client:
            silent = {"name": "generate", "arguments": {"prompt": "a fox [detect-disconnect]"}}
            call = asyncio.create_task(client.modern("tools/call", silent, progressToken=1))
            await upstream.silent.wait()
            await stopped_in_time(stack, ENGINE_KILLS_S - 1)
            told = (await call).result["structuredContent"]
        async with asyncio.timeout(STOP_S):
            await upstream.disconnected.wait()
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        [entry] = (await client.call("history"))["structuredContent"]["entries"]
    assert (entry["state"], entry["failure"]["kind"]) == ("failed", "interrupted")
    assert "may have charged" in entry["failure"]["reason"]
    assert told["failure"]["reason"].startswith(entry["failure"]["reason"])
    assert entry["seconds"] >= 1


async def test_a_stopped_service_takes_no_connection(serve: Serve) -> None:
    async with serve() as easel:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", easel.settings.port)


def open_sockets() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which this folder is read
            found.add(str(link.readlink()))
    return {target for target in found if target.startswith("socket:")}


async def used(client: WireClient) -> None:
    """Everything that could leave something behind: a session, a stream, JSON, a picture, a refusal."""
    await client.open()
    made = (await client.modern("tools/call", DRAW, progressToken=1)).result
    async with client.session.get(made["structuredContent"]["images"][0]["url"]) as answer:
        await answer.read()
    await client.post(b"{")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open sockets are counted as Linux shows them")
async def test_nothing_is_left_after_the_end(serve: Serve, tmp_path: Path) -> None:
    """Ours: no task, no socket, no thread of ours, no place in the data folder."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        await used(client)
    assert asyncio.all_tasks() == tasks
    assert open_sockets() == sockets
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(("store", "preview"))]
    for thread in ours:
        thread.join(STOP_S)
    assert not [thread.name for thread in ours if thread.is_alive()]
    assert [path.name for path in (tmp_path / "data" / "running").iterdir()] == ["gate"]


async def test_a_token_that_is_made_at_the_start_stays_out_of_the_log(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: only chosen tokens were among the secrets of the log, which is set up before this one is made."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("service").level
    logs.set_up("info", "text", [])
    try:
        async with serve(EASEL_TOKENS="auto") as easel:
            [token] = easel.settings.tokens.values()
            logging.getLogger("service.x").info("somebody sent %s", token)
    finally:
        root.handlers[0].close()
        root.handlers[:], level, ours = before
        root.setLevel(level)
        logging.getLogger("service").setLevel(ours)
    written = capsys.readouterr().err
    assert "somebody sent [hidden]" in written
    assert token not in written
