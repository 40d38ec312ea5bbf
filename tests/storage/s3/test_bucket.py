"""Requests to a bucket: on a real server, and on one that is busy, broken or knows less."""

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from service.images import WorkError
from service.storage.s3.bucket import PAUSES_S, Bucket
from service.storage_urls import S3
from service.troubles import STORAGE, AwayError
from tests.scale import seaweed

Answer = Callable[[web.Request], Awaitable[web.Response]]
TEXT = {"Content-Type": "text/plain"}


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Run a server that gives these answers; the value is its URL."""
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def at(session: aiohttp.ClientSession, url: str) -> Bucket:
    return Bucket(session, seaweed.place(url), pause=no_pause)


async def body(bucket: Bucket, name: str, span: range | None = None) -> bytes | None:
    answer = await bucket.open(name, span)
    if answer is None:
        return None
    async with answer:
        return await answer.read()


async def test_an_object_is_put_found_read_listed_and_deleted(bucket: Bucket) -> None:
    await bucket.put("a", b"0123456789", TEXT)
    assert (await bucket.size_of("a"), await body(bucket, "a"), await body(bucket, "a", range(2, 5))) == (
        10,
        b"0123456789",
        b"234",
    )
    [listed] = [each async for each in bucket.list()]
    assert (listed.name, listed.size) == ("a", 10)
    assert abs(listed.written_at - time.time()) < 600
    assert await bucket.delete(["a", "b"]) == {}
    assert (await bucket.size_of("a"), await body(bucket, "a"), [each async for each in bucket.list()]) == (
        None,
        None,
        [],
    )


async def test_an_object_that_is_there_stays_as_it_is(bucket: Bucket) -> None:
    """Spec (AWS, "Conditional writes"): of twelve at once one is written."""
    await asyncio.gather(*(bucket.put("a", bytes([number]), TEXT) for number in range(12)))
    first = await body(bucket, "a")
    await bucket.put("a", b"another", TEXT)
    assert await body(bucket, "a") == first
    await bucket.put("a", b"another", TEXT, replace=True)
    assert await body(bucket, "a") == b"another"


async def test_a_large_object_arrives_whole(bucket: Bucket) -> None:
    data = bytes(range(256)) * 40_000
    await bucket.put("a", data, TEXT)
    assert await body(bucket, "a") == data


async def test_a_list_goes_on_over_its_pages(bucket: Bucket) -> None:
    """Spec (AWS, ListObjectsV2): a page has a thousand keys at most."""
    names = [f"{number:04}" for number in range(1_050)]
    for start in range(0, len(names), 50):
        await asyncio.gather(*(bucket.put(name, b"x", TEXT) for name in names[start : start + 50]))
    assert [each.name async for each in bucket.list()] == names
    assert await bucket.delete(names) == {}
    assert [each async for each in bucket.list()] == []


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"secret_key": "wrong"}, "EASEL_S3_SECRET_KEY"),
        ({"bucket": "nothing"}, "make the bucket that EASEL_FILES_URL names"),
    ],
)
async def test_a_refusal_says_which_setting_to_look_at(
    session: aiohttp.ClientSession, server: str, change: dict[str, str], advice: str
) -> None:
    bucket = Bucket(session, seaweed.place(server, **change))
    for asked in (bucket.put("a", b"x", TEXT), bucket.open("a"), bucket.delete(["a"])):
        with pytest.raises(WorkError) as refused:
            await asked
        assert refused.value.kind == STORAGE
        assert advice in str(refused.value)
        assert "wrong" not in str(refused.value)


async def test_a_wrong_clock_is_named(session: aiohttp.ClientSession, place: S3) -> None:
    bucket = Bucket(session, place, clock=lambda: time.time() - 3600)
    with pytest.raises(WorkError, match="the clock of this machine is wrong"):
        await bucket.put("a", b"x", TEXT)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect"), (307, "TemporaryRedirect")],
)
async def test_a_wrong_region_is_named(session: aiohttp.ClientSession, status: int, code: str) -> None:
    """Spec (AWS, Error responses): what Amazon answers to the signature of another region, or at another one's door."""

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")

    async with answering(elsewhere) as url:
        with pytest.raises(WorkError, match="correct EASEL_S3_REGION") as refused:
            await at(session, url).put("a", b"x", TEXT)
    assert not isinstance(refused.value, AwayError)


async def test_an_endpoint_without_tls_or_with_a_strange_certificate_is_not_waited_for(
    session: aiohttp.ClientSession, server: str
) -> None:
    """Bug: it was taken for a bucket that does not answer."""
    with pytest.raises(WorkError, match="no encrypted connection .*\n.*correct EASEL_S3_ENDPOINT") as refused:
        await at(session, server.replace("http://", "https://")).put("a", b"x", TEXT)
    assert not isinstance(refused.value, AwayError)


@pytest.mark.parametrize("status", [500, 503, 429, 409])
async def test_a_busy_server_is_asked_again(session: aiohttp.ClientSession, status: int) -> None:
    asked: list[str] = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(await request.text())
        return web.Response(status=status if len(asked) < 3 else 200)

    async with answering(busy) as url:
        await at(session, url).put("a", b"all of it", TEXT)
    assert asked == ["all of it"] * 3


async def test_one_that_stays_busy_is_given_up(session: aiohttp.ClientSession) -> None:
    asked = 0

    async def busy(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=503)

    async with answering(busy) as url:
        with pytest.raises(WorkError, match="the bucket does not answer"):
            await at(session, url).put("a", b"x", TEXT)
    assert asked == len(PAUSES_S) + 1


async def test_one_that_cannot_be_reached_is_told_soon(session: aiohttp.ClientSession) -> None:
    with pytest.raises(WorkError, match="the bucket does not answer"):
        await at(session, "http://127.0.0.1:1").put("a", b"x", TEXT)


async def test_a_try_that_failed_keeps_no_bytes(session: aiohttp.ClientSession) -> None:
    """Bug: a bucket that was down for a minute cost 350 MB, a copy for each try, until the collector came by."""
    data = bytes(1_000_000)
    gc.disable()
    try:
        before = sys.getrefcount(data)
        for _ in range(3):
            with contextlib.suppress(WorkError):
                await at(session, "http://127.0.0.1:1").put("a", data, TEXT)
        assert sys.getrefcount(data) == before
    finally:
        gc.enable()


async def test_a_server_that_knows_no_conditions_is_asked_without(session: aiohttp.ClientSession) -> None:
    """Ours: names are digests of the bytes, so that a second write changes nothing."""
    conditions: list[str | None] = []

    async def old(request: web.Request) -> web.Response:
        conditions.append(request.headers.get("If-None-Match"))
        return web.Response(status=501 if conditions[-1] else 200)

    async with answering(old) as url:
        bucket = at(session, url)
        await bucket.put("a", b"x", TEXT)
        await bucket.put("b", b"x", TEXT)
    assert conditions == ["*", None, None]


async def test_a_redirect_takes_no_signature_elsewhere(session: aiohttp.ClientSession) -> None:
    """Ours: S3 redirects to other regions; the region is a setting, and a signed request goes to no other host."""

    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    async with answering(moved) as url:
        with pytest.raises(WorkError, match="EASEL_S3_ENDPOINT"):
            await at(session, url).put("a", b"x", TEXT)


async def test_an_object_without_a_length_is_not_one_that_is_gone(session: aiohttp.ClientSession) -> None:
    """Bug: behind a proxy that drops Content-Length every picture counted as gone, and its row said so."""

    async def chunked(request: web.Request) -> web.Response:
        response = web.Response()
        response.headers["Transfer-Encoding"] = "chunked"
        response.enable_chunked_encoding()
        return response

    async with answering(chunked) as url:
        with pytest.raises(WorkError, match="EASEL_S3_ENDPOINT"):
            await at(session, url).size_of("a")


async def test_objects_that_stay_are_named(session: aiohttp.ClientSession) -> None:
    async def refusing(_: web.Request) -> web.Response:
        text = (
            '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error><Key>a</Key><Code>AccessDenied</Code>'
            "</Error><Error><Key>b</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
        )
        return web.Response(text=text, content_type="application/xml")

    async with answering(refusing) as url:
        assert await at(session, url).delete(["a", "b", "c"]) == {"a": "AccessDenied"}


@pytest.mark.parametrize("text", ["", "<html><body>Welcome", "<Delete", "{}"])
async def test_an_answer_that_is_none_of_s3_is_told(session: aiohttp.ClientSession, text: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=text)

    async with answering(odd) as url:
        with pytest.raises(WorkError, match="EASEL_S3_ENDPOINT"):
            await at(session, url).delete(["a"])
