"""Pictures from memory, by real sockets, compared with the same pictures from their files."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient

from service.images import WorkError
from service.storage.disk import DiskFiles
from service.storage.files import Derivative, OpenRange, StoredFile
from service.troubles import STORAGE
from service.web.hot_pictures import HotPictures
from service.web.images import add_routes
from service.web.picture_response import Served
from service.web.response import name_the_server
from tests.conftest import Serve
from tests.wire import wire_client

PICTURE = bytes(range(256)) * 400
SMALL = Derivative(width=320, extension="webp")

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]
Serving = Callable[..., Awaitable[Client]]


class CountedFiles(DiskFiles):
    """Counts the files that are opened to be sent."""

    opens = 0

    async def open_range(self, name: str, span: range) -> OpenRange | None:
        self.opens += 1
        return await super().open_range(name, span)


class SharedFiles(CountedFiles):
    """Files on a share, where a look may have to wait."""

    def stamp(self, name: str) -> None:  # noqa: ARG002 - as the others take
        return None


Kind = TypeVar("Kind", bound=CountedFiles)


@pytest.fixture
async def files(tmp_path: Path) -> CountedFiles:
    return await open_files(tmp_path, CountedFiles)


async def open_files(tmp_path: Path, kind: type[Kind]) -> Kind:
    (tmp_path / "scratch").mkdir()
    return await kind.open(tmp_path / "files", tmp_path / "scratch", b"k" * 32)


@pytest.fixture
def serving(aiohttp_client: MakeClient) -> Serving:
    async def serve(files: DiskFiles, hot_bytes: int = 1_000_000) -> Client:
        app = web.Application()
        app.on_response_prepare.append(name_the_server)
        add_routes(app, files, hot_bytes=hot_bytes)
        return await aiohttp_client(app)

    return serve


async def ask(client: Client, target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Ask with these header lines, and return the whole answer, its date left out."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = [f"{method} /mcp-cache/{target} HTTP/{version}", "Host: localhost", *lines, "Connection: close", "", ""]
    writer.write("\r\n".join(head).encode())
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return re.sub(rb"Date: [^\r]+\r\n", b"", answer)


def parts(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, sorted(lines), body


FORMS = [
    [],
    ["Range: bytes=10-19"],
    ["Range: bytes=-5"],
    ["Range: bytes=99990-"],
    ["Range: bytes=0-1,5-6"],
    ["Range: bytes=999999-"],
    ["Range: bytes=10-19", 'If-Range: "{tag}"'],
    ["Range: bytes=10-19", 'If-Range: "other"'],
    ['If-None-Match: "{tag}"'],
    ['If-None-Match: W/"other", W/"{tag}"'],
    ["If-None-Match: *"],
    ['If-None-Match: "other"'],
    ['If-Match: "other"'],
    ['If-Match: "{tag}"', "Origin: https://chat.example"],
]


@pytest.mark.parametrize("query", ["", "?utm_source=chat", "?w=320&f=webp", "?w=320"])
async def test_the_answer_is_the_same_from_memory_as_from_the_file(
    files: CountedFiles, serving: Serving, query: str
) -> None:
    """Ours: all status lines, headers and bytes, for every form of a request (RFC 9110, 13 to 15)."""
    name = await files.keep("local", PICTURE, "image/png")
    await files.keep_derived(name, SMALL, PICTURE[::-1])
    from_file, from_memory = await serving(files, 0), await serving(files)
    accept = "Accept: image/webp"
    for _ in range(2):
        await ask(from_memory, name + query, accept)
    tag = re.search(rb'Etag: "(.+)"', await ask(from_memory, name + query, accept))
    assert tag is not None
    for form in FORMS:
        lines = [accept, *(line.replace("{tag}", tag[1].decode()) for line in form)]
        for method, version in [("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")]:
            expected = await ask(from_file, name + query, *lines, method=method, version=version)
            opens = files.opens
            found = await ask(from_memory, name + query, *lines, method=method, version=version)
            assert parts(found) == parts(expected), (method, version, lines)
            assert files.opens == opens, "it came from memory"


async def test_the_second_question_takes_it_into_memory(files: CountedFiles, serving: Serving) -> None:
    """Ours: looking once through a history takes no memory."""
    name, client = await files.keep("local", PICTURE, "image/png"), await serving(files)
    counts = []
    for _ in range(4):
        assert (await ask(client, name)).endswith(PICTURE)
        counts.append(files.opens)
    assert counts == [1, 1, 1, 1]


async def test_a_removed_picture_is_gone_at_once_whoever_removed_it(files: CountedFiles, serving: Serving) -> None:
    """Ours: another process on the folder, or the person by hand, deletes files without a word."""
    name, client = await files.keep("local", PICTURE, "image/png"), await serving(files)
    await files.keep_derived(name, SMALL, PICTURE[::-1])
    for query in ("", "?w=320&f=webp"):
        for _ in range(3):
            assert b" 200 OK" in await ask(client, name + query)
    files.path(name).unlink()
    for query in ("", "?w=320&f=webp"):
        assert b" 404 Not Found" in await ask(client, name + query)
    assert await files.keep("local", PICTURE, "image/png") == name
    assert (await ask(client, name)).endswith(PICTURE)


async def test_a_link_in_its_place_is_not_followed(files: CountedFiles, serving: Serving) -> None:
    """Attack: a planted link is no picture, though one of that name was in memory."""
    name, client = await files.keep("local", PICTURE, "image/png"), await serving(files)
    for _ in range(3):
        await ask(client, name)
    path = files.path(name)
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))
    assert b" 404 Not Found" in await ask(client, name)


async def test_a_storage_that_cannot_tell_at_once_is_asked(tmp_path: Path, serving: Serving) -> None:
    """Ours: it gives no bytes a second time, and what is removed there is gone here."""
    files = await open_files(tmp_path, SharedFiles)
    name, client = await files.keep("local", PICTURE, "image/png"), await serving(files)
    for _ in range(4):
        assert (await ask(client, name)).endswith(PICTURE)
    assert files.opens == 1
    files.path(name).unlink()
    assert b" 404 Not Found" in await ask(client, name)


class RemoteFiles(SharedFiles):
    """Files elsewhere: a look holds for a minute, and the way there may be closed."""

    look_holds_s = 60.0
    looks = 0
    is_away = False

    async def find(self, name: str) -> StoredFile | None:
        self.looks += 1
        if self.is_away:
            raise WorkError("The storage cannot be reached.", kind=STORAGE)
        return await super().find(name)

    async def remove(self, names: Collection[str]) -> list[str]:
        self.removals += 1
        return await super().remove(names)


async def test_a_storage_elsewhere_is_asked_once_in_a_while(tmp_path: Path, serving: Serving) -> None:
    files = await open_files(tmp_path, RemoteFiles)
    name, other = [await files.keep("local", PICTURE + end, "image/png") for end in (b"1", b"2")]
    client = await serving(files)
    for _ in range(6):
        assert b" 200 OK" in await ask(client, name)
    assert files.looks == 3, "two until it was in memory, and one that holds"
    await files.remove([other])
    assert b" 200 OK" in await ask(client, name)
    assert files.looks == 4, "after a removal here nothing is taken for granted"
    await files.remove([name])
    assert b" 404 Not Found" in await ask(client, name)


async def test_what_is_in_memory_is_shown_while_the_storage_is_away(tmp_path: Path, serving: Serving) -> None:
    files = await open_files(tmp_path, RemoteFiles)
    name, cold = [await files.keep("local", PICTURE + end, "image/png") for end in (b"1", b"2")]
    client = await serving(files)
    for _ in range(2):
        await ask(client, name)
    files.is_away = True
    looks = files.looks
    for _ in range(3):
        assert b" 200 OK" in await ask(client, name)
    assert files.looks == looks + 1, "a storage that says nothing is left alone for a moment"
    assert b" 503 Service Unavailable" in await ask(client, cold)


async def test_the_memory_has_its_bound(files: CountedFiles) -> None:
    """Ours: the least recently used goes, one that is being sent stays, and a large one is never taken."""
    hot = HotPictures(files, 8_000)
    names = [await files.keep("local", bytes([each]) * 1_000, "image/png") for each in range(12)]
    for name in names[:8]:
        await warmed(hot, files, name)
    assert [hot.find(name, varies=False) is not None for name in names[:8]] == [True] * 8
    first, second = hot.find(names[0], varies=False), names[1]
    assert first is not None
    hot.find(second, varies=False)
    with hot.sending(first):
        for name in names[8:]:
            await warmed(hot, files, name)
        there = [hot.find(name, varies=False) is not None for name in names]
        assert there == [True, True, *[False] * 4, *[True] * 6]
    large = await files.keep("local", bytes(1_001), "image/png")
    assert (await warmed(hot, files, large)).held is None
    assert (await warmed(HotPictures(files, 0), files, names[0])).held is None


async def test_looks_through_more_than_memory_holds_take_no_memory(files: CountedFiles) -> None:
    """Bug: of a gallery that does not fit, each picture was read whole at every second look, for nothing."""
    hot = HotPictures(files, 8_000)
    often, *names = [await files.keep("local", bytes([each]) * 1_000, "image/png") for each in range(10)]
    await warmed(hot, files, often)
    for name in names * 3:
        assert (await asked(hot, files, name)).held is None
        assert hot.find(often, varies=False) is not None
    assert (await warmed(hot, files, names[0])).held is not None


async def asked(hot: HotPictures, files: DiskFiles, name: str) -> Served:
    """Ask for a picture that is found in its file."""
    stored = await files.find(name)
    assert stored is not None
    return await hot.warm(Served(stored=stored, tag=name, shown_as=name, source=name))


async def warmed(hot: HotPictures, files: DiskFiles, name: str) -> Served:
    """Ask for a picture twice."""
    await asked(hot, files, name)
    return await asked(hot, files, name)


async def test_the_setting_turns_it_off(serve: Serve) -> None:
    """Ours: EASEL_HOT_PICTURES_MB=0 serves from files alone, and the answers are the same."""
    async with serve(EASEL_HOT_PICTURES_MB="0") as easel, wire_client(easel.mcp_url) as client:
        drawn = await client.call("generate", {"prompt": "a lighthouse in the snow"})
        [url] = re.findall(r"\((http\S+)\)", drawn["content"][0]["text"])[:1]
        async with ClientSession() as session:
            for _ in range(3):
                async with session.get(url) as answer:
                    assert (answer.status, answer.headers["Server"]) == (200, "easel")
                    assert len(await answer.read()) == int(answer.headers["Content-Length"])
