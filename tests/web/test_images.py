"""Pictures over HTTP, by real sockets."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from service.bounds.limits import DERIVATIVES, Allowances, InUse
from service.images import EXTENSIONS
from service.pictures.decoders import Decoders
from service.pictures.derivatives import Derivatives
from service.storage.disk import DiskFiles
from service.storage.files import OpenRange, StoredFile
from service.web.images import NOT_KEPT, NOT_SMALLER, TRY_AGAIN, add_routes, read_range
from service.web.response import name_the_server
from tests.browser import browser
from tests.conftest import Serve
from tests.pictures.samples import corner_marked, difference, encoded, opened
from tests.stores import Clock, open_sqlite
from tests.wire import TWO_TOKENS, wire_client

PICTURE = bytes(range(256)) * 400
SIZE = len(PICTURE)

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


class RemoteRange(OpenRange):
    """A range that shows no file of a disk."""

    def __init__(self, inner: OpenRange) -> None:
        self._inner = inner

    def chunks(self) -> AsyncIterator[bytes]:
        return self._inner.chunks()

    async def close(self) -> None:
        await self._inner.close()


class RemoteFiles(DiskFiles):
    """Gives pictures only in pieces, as a storage beyond the network does."""

    async def open_range(self, name: str, span: range) -> OpenRange | None:
        opened = await super().open_range(name, span)
        return opened and RemoteRange(opened)


@pytest.fixture(params=[pytest.param(DiskFiles, id="disk"), pytest.param(RemoteFiles, id="remote")])
async def files(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> DiskFiles:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    kind: type[DiskFiles] = request.param
    return await kind.open(folder, scratch, b"k" * 32)


@pytest.fixture
async def client(files: DiskFiles, aiohttp_client: MakeClient) -> Client:
    app = web.Application()
    app.on_response_prepare.append(name_the_server)
    add_routes(app, files)
    return await aiohttp_client(app)


@pytest.fixture
async def name(files: DiskFiles) -> str:
    return await files.keep("local", PICTURE, "image/png")


@pytest.mark.parametrize("media_type", EXTENSIONS)
async def test_a_picture_comes_whole_and_with_every_header(files: DiskFiles, client: Client, media_type: str) -> None:
    """Ours: shown by any chat page, kept by its browser, and never run as a page of ours."""
    name = await files.keep("local", PICTURE, media_type)
    async with client.get(f"/mcp-cache/{name}") as response:
        assert (response.status, await response.read()) == (200, PICTURE)
        assert response.headers.getall("Content-Type") == [media_type]
        assert response.headers["Content-Length"] == str(SIZE)
        assert response.headers["Content-Disposition"] == f'inline; filename="{name}"'
        assert response.headers["Accept-Ranges"] == "bytes"
        assert_lasting(response.headers, name)


def assert_lasting(headers: Mapping[str, str], name: str) -> None:
    """The headers that 200, 206 and 304 share."""
    assert headers["ETag"] == f'"{name}"'
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert_safe(headers)


def assert_safe(headers: Mapping[str, str]) -> None:
    """The headers of every answer."""
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_head_says_the_same_without_the_bytes(client: Client, name: str) -> None:
    """RFC 9110, 9.3.2: the same fields as GET; and 14.2: ranges are for GET alone."""
    async with (
        client.get(f"/mcp-cache/{name}") as got,
        client.head(f"/mcp-cache/{name}", headers={"Range": "bytes=0-9"}) as head,
    ):
        assert (head.status, await head.read()) == (200, b"")
        assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}


async def test_an_empty_file_is_an_empty_answer(client: Client, files: DiskFiles) -> None:
    """Ours: sending no bytes must not fail."""
    name = await files.keep("local", b"", "image/png")
    async with client.get(f"/mcp-cache/{name}") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(("condition", "status"), [
    pytest.param({"If-None-Match": '"{name}"'}, 304, id="same"),
    pytest.param({"If-None-Match": 'W/"{name}"'}, 304, id="weak, as a proxy makes it"),
    pytest.param({"If-None-Match": '"other", "{name}"'}, 304, id="one of several"),
    pytest.param({"If-None-Match": "*"}, 304, id="any"),
    pytest.param({"If-None-Match": '"other"'}, 200, id="other"),
    pytest.param({"If-None-Match": "{name}"}, 200, id="not quoted"),
    pytest.param({"If-None-Match": '"{name}"', "Range": "bytes=0-9"}, 304, id="before a range"),
    pytest.param({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200, id="dates are not ours"),
    pytest.param({"If-Match": '"{name}"'}, 200, id="must be this"),
    pytest.param({"If-Match": "*"}, 200, id="must be any"),
    pytest.param({"If-Match": '"other"'}, 412, id="must be other"),
    pytest.param({"If-Match": 'W/"{name}"'}, 412, id="must be this, weakly"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_conditions(client: Client, name: str, method: str, condition: dict[str, str], status: int) -> None:
    """RFC 9110, 13.1 and 13.2.2; 304 repeats what a cache needs (15.4.5)."""
    headers = {field: value.format(name=name) for field, value in condition.items()}
    async with client.request(method, f"/mcp-cache/{name}", headers=headers) as response:
        assert response.status == status
        assert_safe(response.headers)
        if status == 304:
            assert_lasting(response.headers, name)
            assert await response.read() == b""
            assert "Content-Length" not in response.headers


@pytest.mark.parametrize(("asked", "span"), [
    pytest.param("bytes=0-0", range(1), id="the first byte"),
    pytest.param("bytes=10-19", range(10, 20), id="some"),
    pytest.param("bytes=100-", range(100, SIZE), id="from somewhere on"),
    pytest.param("bytes=-5", range(SIZE - 5, SIZE), id="the last"),
    pytest.param(f"bytes=-{SIZE + 1}", range(SIZE), id="more of the last than there are"),
    pytest.param("bytes=5-99999999999999999999", range(5, SIZE), id="beyond the end"),
    pytest.param("bytes=0-", range(SIZE), id="all, as a range"),
    pytest.param("BYTES=0-0", range(1), id="unit in upper case"),
])  # fmt: skip
async def test_a_range_is_206(client: Client, name: str, asked: str, span: range) -> None:
    """RFC 9110, 14.1.2 and 15.3.7: the same fields as 200, and which part this is."""
    async with client.get(f"/mcp-cache/{name}", headers={"Range": asked}) as response:
        assert (response.status, await response.read()) == (206, PICTURE[span.start : span.stop])
        assert response.headers["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/{SIZE}"
        assert response.headers["Content-Length"] == str(len(span))
        assert response.headers["Content-Type"] == "image/png"
        assert_lasting(response.headers, name)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=99999999999999-"])
async def test_a_range_of_nothing_is_416(client: Client, name: str, asked: str) -> None:
    """RFC 9110, 15.5.17: with the size, so that the client can ask again."""
    async with client.get(f"/mcp-cache/{name}", headers={"Range": asked}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{SIZE}"
        assert response.headers["Cache-Control"] == "no-store"
        assert_safe(response.headers)


@pytest.mark.parametrize("asked", [
    "", "bytes", "bytes=", "bytes=-", "bytes=9-5", "bytes=a-b", "bytes=0x1-", "bytes=+1-2", "bytes=1_0-2_0",
    "items=0-5", "bytes=0-1,5-6", "bytes=\u0661-\u0662", "byte\u017f=0-1", "bytes=" + "9" * 5000 + "-",
])  # fmt: skip
def test_a_range_of_another_form_is_ignored(asked: str) -> None:
    """RFC 9110, 14.2: malformed MUST be ignored, other units and several ranges MAY be. No number is too long."""
    assert read_range(asked, SIZE) is None


@pytest.mark.parametrize(("if_range", "status"), [
    pytest.param('"{name}"', 206, id="same"),
    pytest.param('"other"', 200, id="other"),
    pytest.param('W/"{name}"', 200, id="weak never matches"),
    pytest.param("Fri, 01 Jan 2100 00:00:00 GMT", 200, id="a date never matches"),
])  # fmt: skip
async def test_a_range_holds_only_for_the_bytes_meant(client: Client, name: str, if_range: str, status: int) -> None:
    """RFC 9110, 13.1.5: else a client would join parts of two pictures."""
    headers = {"Range": "bytes=0-9", "If-Range": if_range.format(name=name)}
    async with client.get(f"/mcp-cache/{name}", headers=headers) as response:
        assert response.status == status
        assert len(await response.read()) == (10 if status == 206 else SIZE)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_405(client: Client, name: str, method: str) -> None:
    """Ours: this path gives, and takes nothing."""
    async with client.request(method, f"/mcp-cache/{name}") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD"


async def raw_get(client: Client, target: bytes) -> bytes:
    """Ask for a target as it stands, which clients would tidy up, and return the whole answer."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("form", [
    "/mcp-cache/", "/mcp-cache/.", "/mcp-cache/..", "/mcp-cache/../secret", "/mcp-cache/%2e%2e%2fsecret",
    "/mcp-cache/..%2fsecret", "/mcp-cache/..%2f..%2f..%2fetc%2fpasswd", "/mcp-cache/%2e%2e%5csecret",
    "/mcp-cache/%252e%252e%252fsecret", "/mcp-cache//etc/passwd", "/mcp-cache/%2fetc%2fpasswd", "//etc/passwd",
    "/mcp-cache/{sub}/{name}", "/mcp-cache/{sub}%2f{name}", "/mcp-cache/{name}/", "/mcp-cache/{name}%00",
    "/mcp-cache/{name}%00.png", "/mcp-cache/%00{name}", "/mcp-cache/{name}.", "/mcp-cache/{name}%2e",
    "/mcp-cache/{name}%20", "/mcp-cache/{name}%0a", "/mcp-cache/{name}%0d%0aX-Planted:%201",
    "/mcp-cache/{name}.gz", "/mcp-cache/{upper}",
    "/mcp-cache/{name}%3a%3a$DATA", "/mcp-cache/{name};v=1", "/mcp-cache/%ff%fe", "/mcp-cache/{linked}",
    "/MCP-CACHE/{name}",
])  # fmt: skip
async def test_no_other_form_of_a_name_reaches_a_file(
    client: Client, name: str, folder: Path, tmp_path: Path, form: str
) -> None:
    """Attack: traversal, encoded in every way, and planted links. Refused alike, without a word of what was asked."""
    (tmp_path / "secret").write_bytes(b"SECRET")
    (folder / name[:2] / f"{name}.gz").write_bytes(b"SECRET")
    linked = f"{name[:2]}{'0' * 30}.png"
    (folder / name[:2] / linked).symlink_to(tmp_path / "secret")
    target = form.format(name=name, sub=name[:2], upper=name[:-4].upper() + ".png", linked=linked)
    answer = await raw_get(client, target.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in {b"404", b"400"}
    assert body in {NOT_KEPT.encode(), b"404: Not Found"}
    assert b"X-Planted" not in head


async def test_compressed_siblings_are_never_served(client: Client, name: str, folder: Path) -> None:
    """Bug: aiohttp's own file answer sends `<name>.gz` to whoever accepts gzip."""
    for extension in ("gz", "br"):
        (folder / name[:2] / f"{name}.{extension}").write_bytes(b"planted")
    async with client.get(f"/mcp-cache/{name}", headers={"Accept-Encoding": "gzip, br"}) as response:
        assert await response.read() == PICTURE
        assert "Content-Encoding" not in response.headers


async def test_an_unknown_name_is_a_plain_404(client: Client) -> None:
    """Ours: not to be kept, since the picture may come; and no page that could be made to show something."""
    async with client.get(f"/mcp-cache/{'0' * 32}.png") as response:
        assert (response.status, await response.text()) == (404, NOT_KEPT)
        assert response.content_type == "text/plain"
        assert response.headers["Cache-Control"] == "no-store"
        assert_safe(response.headers)


class Removed(DiskFiles):
    """Finds what somebody removes a moment later."""

    async def find(self, name: str) -> StoredFile | None:
        found = await super().find(name)
        self.path(name).unlink()
        return found


async def test_a_picture_removed_after_it_was_found_is_404(
    folder: Path, tmp_path: Path, files: DiskFiles, name: str, aiohttp_client: MakeClient
) -> None:
    """Ours: deleting goes on while others look."""
    app = web.Application()
    add_routes(app, await Removed.open(folder, tmp_path / "scratch", b"k" * 32))
    client = await aiohttp_client(app)
    async with client.get(f"/mcp-cache/{name}") as response:
        assert response.status == 404


class Shortened(DiskFiles):
    """Finds more bytes than there are."""

    async def find(self, name: str) -> StoredFile | None:
        found = await super().find(name)
        return found and replace(found, size=found.size + 1)


class ShortenedRemote(Shortened, RemoteFiles):
    """Does so without a file of a disk."""


@pytest.mark.parametrize("kind", [Shortened, ShortenedRemote])
async def test_a_file_shorter_than_promised_ends_the_connection(
    folder: Path, tmp_path: Path, name: str, aiohttp_client: MakeClient, kind: type[DiskFiles]
) -> None:
    """Ours: on a connection kept alive, the next answer would be read as the rest of this picture."""

    app = web.Application()
    add_routes(app, await kind.open(folder, tmp_path / "scratch", b"k" * 32))
    client = await aiohttp_client(app)
    with pytest.raises(ClientError):
        async with asyncio.timeout(60), client.get(f"/mcp-cache/{name}") as response:
            await response.read()


async def test_a_reader_who_leaves_halfway_is_no_error(
    client: Client, files: DiskFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: people close tabs; that is no traceback, and the next request is served."""
    big = await files.keep("local", bytes(20_000_000), "image/png")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET /mcp-cache/{big} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readexactly(1000)
    writer.transport.abort()
    async with client.get(f"/mcp-cache/{big}") as response:
        assert len(await response.read()) == 20_000_000
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_many_readers_on_kept_connections_get_whole_pictures(client: Client, files: DiskFiles) -> None:
    """Ours: answers to many at once do not mix."""
    pictures = [bytes([number]) * 300_000 for number in range(8)]
    names = [await files.keep("local", data, "image/png") for data in pictures]

    async def read(name: str) -> bytes:
        async with client.get(f"/mcp-cache/{name}") as response:
            return await response.read()

    assert await asyncio.gather(*(read(name) for name in names * 4)) == pictures * 4


# Derivatives.

PHOTO = encoded(corner_marked(1000, 500))
WEBP = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


@dataclass
class Maker:
    """A client of pictures that have derivatives, and what they are made with."""

    client: Client
    files: DiskFiles
    made: Derivatives
    in_use: InUse

    async def get(self, query: str, name: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        async with self.client.get(f"/mcp-cache/{name}{query}", headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()


@pytest.fixture
async def maker(files: DiskFiles, aiohttp_client: MakeClient, tmp_path: Path, clock: Clock) -> AsyncIterator[Maker]:
    store, decoders = await open_sqlite(tmp_path, clock), Decoders()

    async def make_room(_: object) -> None:
        """There is room."""

    in_use = InUse(DERIVATIVES, Allowances(pairs={DERIVATIVES.name: (1, 1)}))
    app, made = web.Application(), Derivatives(files, store, decoders, in_use, make_room)
    add_routes(app, files, derivatives=made)
    yield Maker(await aiohttp_client(app), files, made, in_use)
    await made.close()
    await decoders.close()
    await store.close()


async def test_a_derivative_has_all_that_a_picture_has(maker: Maker) -> None:
    """Ours: the first answer, by whoever has it made, is that of the file."""
    name = await maker.files.keep("local", PHOTO, "image/png")
    asked = f"{name}?w=320&f=webp"
    for _ in range(2):
        status, headers, data = await maker.get("", asked)
        assert (status, headers["Content-Type"], opened(data).size) == (200, "image/webp", (320, 160))
        assert headers["Content-Disposition"] == f'inline; filename="{name[:32]}-320.webp"'
        assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert "Vary" not in headers
        assert_safe(headers)
        tag = headers["ETag"]
        assert (await maker.get("", asked, **{"If-None-Match": tag}))[0] == 304
        part = await maker.get("", asked, Range="bytes=10-19", **{"If-Range": tag})
        assert (part[0], part[2]) == (206, data[10:20])
        async with maker.client.head(f"/mcp-cache/{asked}") as head:
            assert (head.status, head.headers["Content-Length"]) == (200, str(len(data)))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (WEBP["Accept"], "image/webp"),
        ("image/*", "image/jpeg"),
        ("", "image/jpeg"),
        ("image/webp;q=0, image/png", "image/jpeg"),
        ("image/webp ; q=0.0", "image/jpeg"),
        ("IMAGE/WEBP;q=0.5", "image/webp"),
        ("image/webpx", "image/jpeg"),
    ],
)
async def test_without_a_format_the_reader_says_which_it_takes(maker: Maker, accept: str, media_type: str) -> None:
    """Ours: an <img> of a browser takes WebP, and the viewer of a chat program may not (RFC 9110, 12.5.1)."""
    name = await maker.files.keep("local", PHOTO, "image/png")
    status, headers, data = await maker.get("?w=160", name, Accept=accept)
    assert (status, headers["Content-Type"], headers["Vary"]) == (200, media_type, "Accept")
    assert difference(opened(data), corner_marked(160, 80)) < 4


BAD = (
    *("?w=0", "?w=161", "?w=0160", "?w=-160", "?w=160.0", "?w=", "?w=160&w=320", "?w=160&w=160", "?w=160&f=png"),
    *("?w=160&f=", "?w=160&f=WEBP", "?f=webp", "?w=160&f=webp&f=jpeg", "?w=%D9%A1%D9%A6%D9%A0", "?w=160&f=jpg"),
)


async def test_any_other_value_is_404_and_costs_nothing(maker: Maker) -> None:
    """Ours: sizes that anybody can choose would fill a disk and keep the decoders busy."""
    name = await maker.files.keep("local", PHOTO, "image/png")
    with maker.in_use.hold(""):  # so that nothing can be begun
        for query in BAD:
            status, headers, text = await maker.get(query, name)
            assert (status, text.decode(), headers["Cache-Control"]) == (404, NOT_KEPT, "no-store"), query


async def test_other_parameters_and_unknown_names_have_no_derivative(maker: Maker) -> None:
    name = await maker.files.keep("local", PHOTO, "image/png")
    with maker.in_use.hold(""):
        assert (await maker.get("?utm_source=chat&W=9", name))[2] == PHOTO
        assert (await maker.get("?w=160", f"{'0' * 32}.png"))[0] == 404
    await maker.get("?w=160&f=webp", name)
    assert (await maker.get("~160.webp", name))[0] == 404, "it has no address but that of its picture"


async def test_whoever_comes_beyond_the_limit_is_told_when_to_come_again(maker: Maker) -> None:
    name = await maker.files.keep("local", PHOTO, "image/png")
    with maker.in_use.hold(""):
        status, headers, text = await maker.get("?w=160", name)
    assert (status, int(headers["Retry-After"]) > 0, text.decode()) == (429, True, TRY_AGAIN)
    assert_safe(headers)


async def test_what_cannot_be_decoded_is_there_in_full_alone(maker: Maker) -> None:
    name = await maker.files.keep("local", PHOTO[:100], "image/png")
    assert [(await maker.get(query, name))[0] for query in ("", "?w=160", "?w=320")] == [200, 404, 404]
    assert (await maker.get("?w=160", name))[2].decode() == NOT_SMALLER


async def test_the_service_makes_derivatives_of_what_it_draws(serve: Serve) -> None:
    async with serve() as easel, wire_client(easel.mcp_url) as client:
        drawn = await client.call("generate", {"prompt": "a lighthouse in the snow"})
        [url] = re.findall(r"\((http\S+)\)", drawn["content"][0]["text"])[:1]
        async with ClientSession() as session, session.get(f"{url}?w=160", headers=WEBP) as answer:
            assert (answer.status, answer.content_type) == (200, "image/webp")
            assert opened(await answer.read()).size[0] == 160


# In a real browser.

FRAME = r"""(() => {
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-scripts';
    frame.srcdoc = `<!doctype html><canvas id="canvas"></canvas><script>
        const load = (cors) => new Promise((resolve, reject) => {
            const image = new Image();
            if (cors) image.crossOrigin = 'anonymous';
            image.onload = () => resolve(image);
            image.onerror = () => reject(new Error('the picture does not load'));
            image.src = URL + (cors ? '' : '&plain');
        });
        (async () => {
            const found = { origin: self.origin };
            const plain = await load(false);
            found.plain = [plain.naturalWidth, plain.naturalHeight];
            const shared = await load(true);
            const context = document.getElementById('canvas').getContext('2d');
            context.drawImage(shared, 0, 0);
            found.pixel = [...context.getImageData(5, 5, 1, 1).data];
            const fetched = await fetch(URL);
            found.fetched = [fetched.status, fetched.headers.get('Content-Type'), (await fetched.blob()).size > 0];
            const probed = await fetch(URL, { headers: { Range: 'bytes=0-9', 'X-Trace': '1' } });
            found.range = [probed.status, (await probed.blob()).size];
            found.absent = (await fetch(ABSENT)).status;
            return found;
        })().catch((error) => String(error)).then((found) => parent.postMessage(found, '*'));
    <\/script>`.replaceAll('URL', JSON.stringify(%s)).replaceAll('ABSENT', JSON.stringify(%s));
    return new Promise((resolve) => {
        addEventListener('message', (event) => resolve(event.data), { once: true });
        document.body.append(frame);
    });
})()"""


async def test_in_a_browser_an_opaque_frame_shows_and_reads_a_picture(serve: Serve) -> None:
    """Ours: those of MCP Apps do. Their `Origin` is `null`, and <img crossorigin>, fetch and canvas send it."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>A chat</title><body>", content_type="text/html")

    chat = web.Application()
    chat.router.add_get("/", page)
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, TestServer(chat) as host, browser() as open_tab:
        name = await easel.context.pictures.files.keep("anna", PHOTO, "image/png")
        async with open_tab() as tab:
            await tab.open(f"http://localhost:{host.port}/")
            for query, size, media_type in (("?w=160", [160, 80], "image/jpeg"), ("?", [1000, 500], "image/png")):
                url = f"{easel.origin}/mcp-cache/{name}{query}"
                found = await tab.run(FRAME % (json.dumps(url), json.dumps(url.replace(name, "0" * 32 + ".png"))))
                assert (found["origin"], found["plain"]) == ("null", size)
                assert max(abs(a - b) for a, b in zip(found["pixel"], [255, 0, 0, 255], strict=True)) < 8
                assert found["fetched"] == [200, media_type, True]
                assert (found["range"], found["absent"]) == ([206, 10], 404)
