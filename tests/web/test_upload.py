"""The upload route over real sockets, behind the guard of a service that has tokens; the page is in the other file."""

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer
from PIL import Image

from service.bounds.limits import REQUEST_MEGABYTES, InUse
from service.references.uploads import MAX_PICTURES, MAX_TOTAL_BYTES, mask_request
from service.storage.upload_records import OPEN_S, UploadRequest
from tests.emulators.pictures import jpeg, png
from tests.limited import limited
from tests.pictures.samples import encoded, exif_segment, jpeg_with, photo, tiff
from tests.reference_fixture import (
    MAX_BYTES,
    MAX_ENTRIES,
    REQUEST,
    ReferenceFixture,
    path_of,
    reference_fixture,
    serving,
)

SMALL = png(1, (8, 8))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BOMB = png(2, (20_000, 20_000))
"""Fifty kilobytes, 400 million pixels."""


@dataclass(frozen=True, kw_only=True)
class Open:
    """The fixture, served, and a client for it."""

    fixture: ReferenceFixture
    server: BaseTestServer
    session: aiohttp.ClientSession

    async def link(self, owner: str = "anna", most: int = 3) -> str:
        path = path_of(await self.fixture.uploads.link(owner, REQUEST, most))
        return str(self.server.make_url(path.partition("?")[0]))

    async def post(self, url: str, *pictures: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send pictures as the page does, and return status and answer."""
        sizes = ",".join(str(len(each)) for each in pictures)
        async with self.session.post(f"{url}?sizes={sizes}", data=b"".join(pictures), headers=headers) as answer:
            assert_closed(answer.headers)
            return answer.status, await answer.json()


def assert_closed(headers: Any) -> None:
    """The headers of every answer of this route: kept nowhere, framed nowhere, its address told to nobody."""
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Open]:
    async with (
        reference_fixture(tmp_path) as opened,
        serving(opened.upload_handler) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Open(fixture=opened, server=server, session=session)


async def test_pictures_that_are_sent_are_there_for_their_owner(at: Open) -> None:
    """Ours: no token is asked for, the link is the key; the files are the owner's and in the index."""
    url = await at.link()
    status, answer = await at.post(url, SMALL, jpeg(2, (8, 8)))
    assert (status, answer["pictures"]) == (200, 2)
    upload = await at.fixture.uploads.ready("anna", REQUEST)
    assert upload is not None
    stored = [await at.fixture.files.find(name) for name in upload.names]
    assert [each and each.media_type for each in stored] == ["image/png", "image/jpeg"]
    assert [await at.fixture.store.owns_file("anna", name) for name in upload.names] == [True, True]
    assert await at.fixture.uploads.ready("ben", REQUEST) is None


async def test_one_picture_needs_no_sizes(at: Open) -> None:
    """Ours: curl --data-binary @cat.png, as the tool's answer says."""
    url = await at.link()
    async with at.session.post(
        url, data=SMALL, headers={"Content-Type": "application/x-www-form-urlencoded"}
    ) as answer:
        assert (answer.status, (await answer.json())["pictures"]) == (200, 1)


async def test_metadata_is_left_out_of_what_is_kept(at: Open) -> None:
    """Ours: a photo says where it was taken."""
    exif = Image.Exif()
    exif[0x010E] = "at home"
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    assert b"at home" in out.getvalue()
    assert (await at.post(await at.link(), out.getvalue()))[0] == 200
    upload = await at.fixture.uploads.ready("anna", REQUEST)
    assert upload is not None
    stored = await at.fixture.files.read(upload.names[0])
    assert stored is not None
    assert b"at home" not in stored


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(b"just words", "not_a_picture", "plain text", id="text"),
        pytest.param(SVG, "not_a_picture", "SVG", id="SVG"),
        pytest.param(b"<!doctype html><script>alert(1)</script>", "not_a_picture", "HTML", id="HTML"),
        pytest.param(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "heic", "HEIC", id="HEIC"),
        pytest.param(jpeg(1, (64, 64))[:-200], "damaged", "cut short", id="cut short"),
        pytest.param(BOMB, "too_many_pixels", "70 million", id="bomb"),
        pytest.param(b"", "empty", "empty", id="empty"),
    ],
)
async def test_what_is_no_picture_is_named_and_the_link_still_works(
    at: Open, data: bytes, code: str, said: str
) -> None:
    """Ours: all pictures or none, so that the person mends what is wrong and sends again."""
    url = await at.link()
    status, answer = await at.post(url, SMALL, data, SMALL)
    assert (status, answer["error"]["code"]) == (422, "bad_pictures")
    assert [(each["file"], each["code"]) for each in answer["files"]] == [(1, code)]
    assert said in answer["error"]["message"]
    assert "upstream" not in answer["error"]["message"]
    assert await at.fixture.uploads.ready("anna", REQUEST) is None
    assert (await at.post(url, SMALL))[0] == 200


@pytest.mark.parametrize("end", [b"just words", jpeg(1, (64, 64))[:-200]], ids=["no picture", "a damaged one"])
async def test_a_sending_that_is_refused_leaves_nothing_behind(at: Open, tmp_path: Path, end: bytes) -> None:
    """Attack: sent again and again by one link, with a last picture that is none, it filled the disk."""
    url = await at.link()
    assert (await at.post(url, SMALL, jpeg(2, (8, 8)), end))[0] == 422
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    assert (await at.fixture.store.files_total("anna")).entries == 0


async def test_a_sending_that_breaks_off_leaves_nothing_behind(at: Open, tmp_path: Path) -> None:
    url = await at.link()
    path = url.partition("//")[2].partition("/")[2]
    head = f"POST /{path}?sizes={len(SMALL)},9 HTTP/1.1", f"Content-Length: {len(SMALL) + 9}"
    async with serving(replace(at.fixture.upload_handler, idle_s=0.05)) as server:
        status, _ = await raw(replace(at, server=server), *head, body=SMALL)
    assert status == 408
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


async def test_what_the_history_has_stays_when_a_sending_is_refused(at: Open) -> None:
    """Ours: the same bytes have one name."""
    job = await at.fixture.job("anna", SMALL)
    assert (await at.post(await at.link(), SMALL, b"just words"))[0] == 422
    assert await at.fixture.files.find(job.pictures[0].name) is not None


async def test_what_was_there_before_stays_when_a_sending_is_refused(at: Open) -> None:
    """Bug: a picture that a person had sent before, and that no job used any more, went with the second sending."""
    importer = at.fixture.importer
    there = await importer.import_picture("anna", png(1, (8, 8)))
    status, _ = await at.post(await at.link(), png(1, (8, 8)), png(2, (8, 8)), b"no picture")
    assert status == 422
    assert [name async for name in at.fixture.store.every_file()] == [there.name]
    assert await at.fixture.files.find(there.name) is not None


async def test_what_is_sent_takes_its_place_within_the_limits(at: Open) -> None:
    """Bug: room was made only when the next picture was drawn."""
    for number in range(MAX_ENTRIES):
        await at.fixture.job("anna", png(number + 10, (8, 8)))
    assert (await at.post(await at.link(), SMALL, jpeg(2, (8, 8))))[0] == 200
    assert (await at.fixture.store.files_total(None)).entries == MAX_ENTRIES
    upload = await at.fixture.uploads.ready("anna", REQUEST)
    assert upload is not None
    assert [await at.fixture.files.find(name) is not None for name in upload.names] == [True, True]


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param("5", id="less than the body"),
        pytest.param("9999999", id="more than the body"),
        pytest.param("-1,11", id="negative"),
        pytest.param("٣", id="digits of another script"),
        pytest.param("", id="no number"),
        pytest.param(",".join(["1"] * (MAX_PICTURES + 1)), id="too many"),
    ],
)
async def test_a_body_that_is_not_as_said_is_refused(at: Open, sizes: str) -> None:
    url = await at.link()
    async with at.session.post(url, params={"sizes": sizes}, data=b"0123456789") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "failed")
        assert_closed(answer.headers)
    assert (await at.post(url, SMALL))[0] == 200


async def raw(at: Open, *lines: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    """The answer of the service to a request as it stands, before its body is complete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.server.port)
    head = [*lines, "Host: localhost", "Connection: close", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    try:
        async with asyncio.timeout(60):
            status = int((await reader.readline()).split()[1])
            length = 0
            while line := (await reader.readline()).strip().lower():
                length = int(line.partition(b":")[2]) if line.startswith(b"content-length:") else length
            answer = json.loads(await reader.readexactly(length))
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return status, answer


@pytest.mark.parametrize(
    ("size", "sizes", "code"),
    [
        pytest.param(MAX_BYTES + 1, "", "too_large", id="one picture"),
        pytest.param(10**12, "", "failed", id="a number of no file"),
        pytest.param(MAX_BYTES + 5, f"?sizes=4,{MAX_BYTES + 1}", "too_large", id="the second"),
    ],
)
async def test_what_is_too_large_is_refused_before_it_is_read(at: Open, size: int, sizes: str, code: str) -> None:
    path = (await at.link()).partition("//")[2].partition("/")[2]
    status, answer = await raw(at, f"POST /{path}{sizes} HTTP/1.1", f"Content-Length: {size}")
    assert (status in {400, 413}, answer["error"]["code"]) == (True, code)


async def test_pictures_that_are_too_large_together_are_refused(tmp_path: Path, at: Open) -> None:
    """Ours: what no call could take must not wait for one."""
    upload_handler = replace(at.fixture.upload_handler, max_bytes=MAX_TOTAL_BYTES)
    async with serving(upload_handler) as server:
        half = MAX_TOTAL_BYTES // 2 + 1
        path = path_of(await at.fixture.uploads.link("anna", REQUEST, 2)).partition("?")[0]
        status, answer = await raw(
            replace(at, server=server), f"POST {path}?sizes={half},{half} HTTP/1.1", f"Content-Length: {2 * half}"
        )
    assert (status, answer["error"]["code"]) == (413, "too_large_together")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(["Transfer-Encoding: chunked"], 411, id="no length"),
        pytest.param(["Content-Length: 5", "Content-Encoding: gzip"], 415, id="compressed"),
    ],
)
async def test_what_cannot_be_counted_beforehand_is_not_read(at: Open, headers: list[str], expected: int) -> None:
    path = (await at.link()).partition("//")[2].partition("/")[2]
    status, _ = await raw(at, f"POST /{path} HTTP/1.1", *headers, body=b"1\r\nx\r\n")
    assert status == expected


async def test_a_body_that_stops_is_given_up(at: Open) -> None:
    """Ours: and the next sending by that link is not told that another one runs."""
    async with serving(replace(at.fixture.upload_handler, idle_s=0.05)) as server:
        stalled = replace(at, server=server)
        path = (await stalled.link()).partition("//")[2].partition("/")[2]
        status, answer = await raw(stalled, f"POST /{path} HTTP/1.1", f"Content-Length: {len(SMALL)}", body=SMALL[:9])
        assert (status, answer["error"]["code"]) == (408, "network")
        assert (await stalled.post(await stalled.link(), SMALL))[0] == 200


async def test_a_body_that_dribbles_is_given_up(at: Open) -> None:
    async with serving(replace(at.fixture.upload_handler, total_s=0.05)) as server:
        stalled = replace(at, server=server)
        path = (await stalled.link()).partition("//")[2].partition("/")[2]
        status, answer = await raw(stalled, f"POST /{path} HTTP/1.1", f"Content-Length: {len(SMALL)}", body=SMALL[:9])
        assert (status, answer["error"]) == (408, {"code": "network", "message": "It took too long."})


async def test_a_sender_who_goes_away_leaves_the_link_open(at: Open) -> None:
    url = await at.link()
    path = url.partition("//")[2].partition("/")[2]
    _, writer = await asyncio.open_connection("127.0.0.1", at.server.port)
    head = f"POST /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(SMALL)}\r\n\r\n"
    writer.write(head.encode() + SMALL[:9])
    await writer.drain()
    async with asyncio.timeout(60):
        while not at.fixture.upload_handler.arriving:  # noqa: ASYNC110 - nothing announces that it has begun
            await asyncio.sleep(0.001)
        assert (await at.post(url, SMALL))[1]["error"]["code"] == "busy"
        writer.close()
        while at.fixture.upload_handler.arriving:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    assert (await at.post(url, SMALL))[0] == 200


@pytest.mark.parametrize("state", ["unknown", "used", "expired"])
async def test_a_link_that_does_not_work_says_why_and_takes_nothing(at: Open, state: str) -> None:
    """Ours: as a page to a person, as JSON to a program, and as a status to a proxy."""
    url = await at.link()
    match state:
        case "unknown":
            url = url[:-1] + ("A" if url[-1] != "A" else "B")
        case "used":
            assert (await at.post(url, SMALL))[0] == 200
        case _:
            at.fixture.clock.now += OPEN_S
    expected = 404 if state == "unknown" else 410
    status, answer = await at.post(url, SMALL)
    assert (status, answer["error"]["code"]) == (expected, state)
    assert "new one in the chat" in answer["error"]["message"]
    async with at.session.get(url) as page:
        assert page.status == expected
        assert f'data-state="{state}"' in await page.text()
        assert_closed(page.headers)


async def test_looking_at_the_page_uses_nothing_up(at: Open) -> None:
    """Ours: chat programs fetch links before people do."""
    url = await at.link()
    for method in ("GET", "HEAD", "GET"):
        async with at.session.request(method, f"{url}?most=3") as page:
            assert (page.status, page.content_type) == (200, "text/html")
            assert_closed(page.headers)
            shown = await page.text()
    assert 'data-state="open" data-most="3" data-megabytes="1" data-together="64"' in shown
    assert (await at.post(url, SMALL))[0] == 200


@pytest.mark.parametrize(("most", "shown"), [("0", "1"), ("999", "16"), ("x", "1"), ('"><script>', "1"), ("٣", "1")])
async def test_nothing_from_the_address_gets_into_the_page(at: Open, most: str, shown: str) -> None:
    async with at.session.get(await at.link(), params={"most": most}) as page:
        text = await page.text()
    assert f'data-most="{shown}"' in text
    assert text.count("<script>") == 1


async def test_the_policy_names_the_script_and_the_style_of_the_page_and_nothing_else(at: Open) -> None:
    async with at.session.get(await at.link()) as page:
        policy = page.headers["Content-Security-Policy"]
        text = await page.text()
    assert len(re.findall(r"(?:script|style)-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)) == 2
    assert "http" not in policy
    assert not re.search(r"""(?:src|href)=["'](?!data:,)""", text), "the page loads nothing"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://evil.example.com"}, 403, id="foreign page"),
        pytest.param({"Origin": "null"}, 403, id="sandbox"),
        pytest.param({"Host": "evil.example.com"}, 421, id="rebound name"),
        pytest.param({"Origin": "https://easel.example.com", "Host": "easel.example.com"}, 200, id="our own page"),
    ],
)
async def test_the_link_opens_nothing_to_pages_of_others(
    at: Open, method: str, headers: dict[str, str], status: int
) -> None:
    """Ours: a link that leaked still lets no foreign page send in the person's name."""
    async with at.session.request(method, await at.link(), data=SMALL if method == "POST" else None,
                                  headers=headers) as answer:  # fmt: skip
        assert answer.status == status


async def test_a_full_disk_is_said_and_the_link_still_works(at: Open, tmp_path: Path) -> None:
    """Ours: what the operator must do goes to the person who sees it, without a path."""
    url = await at.link()
    folder = tmp_path / "files"
    (tmp_path / "scratch").rename(tmp_path / "elsewhere")
    status, answer = await at.post(url, SMALL)
    assert (status, answer["error"]["code"]) == (507, "failed")
    assert str(folder) not in json.dumps(answer)
    (tmp_path / "elsewhere").rename(tmp_path / "scratch")
    assert (await at.post(url, SMALL))[0] == 200


async def test_of_two_at_once_by_one_link_one_arrives(at: Open) -> None:
    url = await at.link()
    answers = await asyncio.gather(*(at.post(url, png(number, (256, 256))) for number in range(4)))
    statuses = sorted(status for status, _ in answers)
    assert (statuses.count(200), set(statuses) <= {200, 409, 410}) == (1, True)
    upload = await at.fixture.uploads.ready("anna", REQUEST)
    assert upload is not None
    assert len(upload.names) == 1


async def test_pictures_that_would_be_too_much_at_once_are_refused_before_they_are_read(at: Open) -> None:
    """Ours: they count with all other requests that are being received, of their owner and of all."""
    at.fixture.upload_handler.in_use = in_use = InUse(REQUEST_MEGABYTES, limited(REQUEST_MEGABYTES, 1), unit=1_000_000)
    url = await at.link()
    in_use.take("anna", 1_000_000)
    async with at.session.post(url, data=SMALL) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
        assert "EASEL_REQUEST_MEGABYTES" in (await answer.json())["error"]["message"]
    in_use.give_back("anna", 1_000_000)
    assert (await at.post(url, SMALL))[0] == 200
    assert in_use.of("anna") == 0


# Masks

BOARD = encoded(photo(80, 40))
HELD = jpeg_with(photo(80, 40).transpose(Image.Transpose.ROTATE_90), exif_segment(tiff(6)))
REGION = Image.new("L", (160, 80))
REGION.paste(255, (0, 0, 40, 40))
PAINTED = encoded(REGION)


async def painting(at: Open, data: bytes = BOARD, owner: str = "anna") -> tuple[str, UploadRequest]:
    """The link by which a mask is painted over a picture of an owner, and its request."""
    taken = await at.fixture.importer.import_picture(owner, data)
    request = mask_request(REQUEST, taken.name)
    return str(at.server.make_url(path_of(await at.fixture.uploads.link(owner, request)))), request


async def test_a_painted_mask_is_there_for_its_call(at: Open) -> None:
    """Ours: kept as it is read, so that the same painting has the same name."""
    url, request = await painting(at)
    status, answer = await at.post(url, PAINTED)
    assert (status, answer["pictures"], "paint" in answer) == (200, 1, False)
    upload = await at.fixture.uploads.ready("anna", request)
    assert upload is not None
    mask = await at.fixture.files.read(upload.names[0])
    assert mask is not None
    with Image.open(io.BytesIO(mask)) as image:
        assert (image.size, image.convert("L").getbbox()) == ((80, 40), (0, 0, 20, 20))
    assert await at.fixture.store.owns_file("anna", upload.names[0])
    assert await at.fixture.uploads.ready("anna", REQUEST) is None, "it is no picture to start from"


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(encoded(Image.new("L", (80, 40))), "mask_empty", "The mask marks nothing", id="empty"),
        pytest.param(encoded(Image.new("L", (80, 40), 255)), "mask_full", "the whole picture", id="full"),
        pytest.param(encoded(Image.new("L", (40, 80))), "mask_shape", "40×80", id="another shape"),
        pytest.param(b"words", "not_a_picture", "plain text", id="text"),
    ],
)
async def test_what_is_no_mask_is_named_and_the_link_still_works(at: Open, data: bytes, code: str, said: str) -> None:
    url, _ = await painting(at)
    before = [name async for name in at.fixture.store.every_file()]
    status, answer = await at.post(url, data)
    assert (status, answer["files"][0]["code"]) == (422, code)
    assert said in answer["error"]["message"]
    assert [name async for name in at.fixture.store.every_file()] == before
    assert (await at.post(url, PAINTED))[0] == 200


async def test_a_mask_is_one_picture(at: Open) -> None:
    url, _ = await painting(at)
    status, answer = await at.post(url, PAINTED, PAINTED)
    assert (status, answer["error"]["message"]) == (
        400,
        "`sizes` must be numbers of bytes with commas between, 1 at most.",
    )


async def shown(at: Open, url: str) -> tuple[int, Any]:
    """The picture that the page loads to paint over."""
    async with at.session.get(f"{url}/picture") as answer:
        assert_closed(answer.headers)
        return answer.status, await (answer.read() if answer.ok else answer.json())


async def test_the_link_shows_its_picture_as_a_person_sees_it(at: Open) -> None:
    """Ours: a phone's photo stands upright under the brush, and whoever has the link needs no token."""
    url, _ = await painting(at, HELD)
    status, data = await shown(at, url)
    with Image.open(io.BytesIO(data)) as image:
        assert (status, image.format, image.size, dict(image.getexif())) == (200, "JPEG", (80, 40), {})
    async with at.session.head(f"{url}/picture") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("state", ["unknown", "used", "expired", "gone", "for pictures"])
async def test_a_picture_is_shown_as_long_as_its_link_works(at: Open, state: str) -> None:
    """Ours: a link that was left in a chat shows the picture to nobody later."""
    url, request = await painting(at)
    match state:
        case "unknown":
            url = url[:-1] + ("A" if url[-1] != "A" else "B")
        case "used":
            assert (await at.post(url, PAINTED))[0] == 200
        case "expired":
            at.fixture.clock.now += OPEN_S
        case "gone":
            at.fixture.files.path(request.picture).unlink()
        case _:
            url = await at.link()
    status, answer = await shown(at, url)
    code = "unknown" if state == "for pictures" else state
    assert (status, answer["error"]["code"]) == (404 if code == "unknown" else 410, code)
    if state == "gone":
        status, answer = await at.post(url, PAINTED)
        assert (status, answer["error"]["code"]) == (410, "gone")


async def test_a_picture_that_is_shown_counts_among_what_its_owner_has_in_memory(at: Open) -> None:
    """Attack: a link that was given away, opened again and again, filled the memory with copies of a large picture."""
    url, _ = await painting(at)
    in_use = InUse(REQUEST_MEGABYTES, limited(REQUEST_MEGABYTES, 100))  # bytes, since the unit is one
    async with serving(replace(at.fixture.upload_handler, in_use=in_use)) as server:
        path = url.partition("//")[2].partition("/")[2]
        status, answer = await shown(at, str(server.make_url(f"/{path}")))
    assert (status, answer["error"]["code"]) == (429, "failed")
    assert in_use.overall == 0


async def test_a_picture_that_is_to_be_painted_over_leads_on_to_its_brush(at: Open) -> None:
    """Ours: one link, one visit: the person sends the picture and paints over it."""
    request = replace(REQUEST, paints=True)
    url = str(at.server.make_url(path_of(await at.fixture.uploads.link("anna", request))))
    _, answer = await at.post(url.partition("?")[0], BOARD)
    next_url = str(at.server.make_url(f"/upload/{answer['paint']}"))
    assert (await shown(at, next_url))[0] == 200
    assert (await at.post(next_url, PAINTED))[0] == 200
    upload = await at.fixture.uploads.ready("anna", request)
    assert upload is not None
    assert await at.fixture.uploads.ready("anna", mask_request(request, upload.names[0])) is not None


async def test_the_page_of_a_mask_has_the_brush(at: Open) -> None:
    url, _ = await painting(at)
    async with at.session.get(url) as page:
        text = await page.text()
        assert_closed(page.headers)
    assert 'data-state="open"' in text
    assert "function maskPainter(" in text
    assert "export " not in text
    async with at.session.get(await at.link()) as page:
        assert "maskPainter" not in await page.text()
