"""Links and what comes by them, on the real store."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.references.uploads import MAX_PICTURES, Uploads, mask_request, upload_request
from service.storage.upload_records import FRESH_S, OPEN_S
from tests.emulators.pictures import png
from tests.reference_fixture import REQUEST, ReferenceFixture, reference_fixture, secret_of


@pytest.fixture
async def at_desk(tmp_path: Path) -> AsyncIterator[ReferenceFixture]:
    async with reference_fixture(tmp_path) as fixture:
        yield fixture


async def test_a_link_opens_its_upload_and_nothing_else_does(at_desk: ReferenceFixture) -> None:
    """Ours: the link is all that a person has, on whatever device; 192 bits of it cannot be guessed."""
    url = await at_desk.uploads.link("anna", REQUEST)
    assert url.startswith("https://easel.example.com/upload/")
    secret = secret_of(url)
    assert len(secret) * 6 == 192
    upload = await at_desk.uploads.find(secret)
    assert upload is not None
    assert (upload.owner, upload.names) == ("anna", ())
    for wrong in ("", "x", secret[:-1], secret + "A", secret.lower(), upload.id, "\udcff", "a" * 100_000):
        assert await at_desk.uploads.find(wrong) is None


async def test_only_a_hash_of_the_secret_is_written_down(at_desk: ReferenceFixture, tmp_path: Path) -> None:
    """Ours: a copy of the database sends no pictures in anybody's name."""
    secret = secret_of(await at_desk.uploads.link("anna", REQUEST))
    upload = await at_desk.uploads.find(secret)
    assert upload is not None
    assert upload.id == hashlib.sha256(secret.encode()).hexdigest()
    written = b"".join((tmp_path / f"easel.db{end}").read_bytes() for end in ("", "-wal"))
    assert upload.id.encode() in written
    assert secret.encode() not in written


async def test_a_fresh_link_is_given_again_and_a_stale_one_is_not(at_desk: ReferenceFixture) -> None:
    """Ours: a model that asks twice must not make the page that the person has open a dead end."""
    first = await at_desk.uploads.link("anna", REQUEST, 2)
    at_desk.clock.now += FRESH_S - 1
    assert secret_of(await at_desk.uploads.link("anna", REQUEST, 3)) == secret_of(first)
    at_desk.clock.now += 2
    second = await at_desk.uploads.link("anna", REQUEST, 2)
    assert secret_of(second) != secret_of(first)
    old = await at_desk.uploads.find(secret_of(first))
    assert old is not None
    assert not at_desk.uploads.is_over(old)
    at_desk.clock.now += FRESH_S
    assert at_desk.uploads.is_over(old)


async def test_a_link_outlives_the_process_and_is_lost_with_the_secret(at_desk: ReferenceFixture) -> None:
    """Ours: after a restart the same one is given; after a new secret an old row is nobody's to give again."""
    url = await at_desk.uploads.link("anna", REQUEST)
    keeper = at_desk.keeper
    restarted = Uploads(keeper, b"u" * 32, "https://easel.example.com/upload/", at_desk.clock)
    assert await restarted.link("anna", REQUEST) == url
    changed = Uploads(keeper, b"v" * 32, "https://easel.example.com/upload/", at_desk.clock)
    assert secret_of(await changed.link("anna", REQUEST)) != secret_of(url)


async def test_every_owner_has_links_of_their_own(at_desk: ReferenceFixture) -> None:
    anna, ben = await at_desk.uploads.link("anna", REQUEST), await at_desk.uploads.link("ben", REQUEST)
    assert anna != ben
    names = await at_desk.sent("anna", png(1, (8, 8)))
    ready = await at_desk.uploads.ready("anna", REQUEST)
    assert ready is not None
    assert ready.names == tuple(names)
    assert await at_desk.uploads.ready("ben", REQUEST) is None


@pytest.mark.parametrize(("most", "shown"), [(0, 1), (1, 1), (5, 5), (99, MAX_PICTURES)])
async def test_the_link_tells_the_page_how_many_pictures_there_is_room_for(
    at_desk: ReferenceFixture, most: int, shown: int
) -> None:
    assert (await at_desk.uploads.link("anna", REQUEST, most)).endswith(f"?most={shown}")


async def test_something_comes_by_a_link_once(at_desk: ReferenceFixture) -> None:
    upload = await at_desk.uploads.find(secret_of(await at_desk.uploads.link("anna", REQUEST)))
    assert upload is not None
    assert await at_desk.uploads.receive(upload, ["a.png"])
    assert not await at_desk.uploads.receive(upload, ["b.png"])
    assert secret_of(await at_desk.uploads.link("anna", REQUEST)) != upload.id
    ready = await at_desk.uploads.ready("anna", REQUEST)
    assert ready is not None
    assert ready.names == ("a.png",)


async def test_who_waits_is_woken_by_what_comes(at_desk: ReferenceFixture) -> None:
    """Ours: the call goes on as soon as the person has sent."""
    waiting = [asyncio.create_task(at_desk.uploads.wait("anna", REQUEST, math.inf)) for _ in range(2)]
    await asyncio.sleep(0)
    names = await at_desk.sent("anna", png(1, (8, 8)))
    async with asyncio.timeout(60):
        arrived = await asyncio.gather(*waiting)
    assert [each and each.names for each in arrived] == [tuple(names)] * 2


async def test_what_another_process_took_in_is_found_in_seconds(at_desk: ReferenceFixture) -> None:
    """Ours: a client over standard input has a process of its own, on the same data folder."""
    waiting = asyncio.create_task(at_desk.uploads.wait("anna", REQUEST, 30))
    other = Uploads(at_desk.keeper, b"u" * 32, "https://easel.example.com/upload/", at_desk.clock)
    upload = await other.find(secret_of(await other.link("anna", REQUEST)))
    assert upload is not None
    await other.receive(upload, ["a.png"])
    async with asyncio.timeout(60):
        arrived = await waiting
    assert arrived is not None


async def test_a_wait_ends_with_its_patience(at_desk: ReferenceFixture) -> None:
    for patience_s in (0.01, 0, -1):
        assert await at_desk.uploads.wait("anna", REQUEST, patience_s) is None


async def test_what_was_sent_waits_a_day(at_desk: ReferenceFixture) -> None:
    await at_desk.sent("anna", png(1, (8, 8)))
    at_desk.clock.now += OPEN_S * 23
    assert await at_desk.uploads.ready("anna", REQUEST) is not None
    at_desk.clock.now += OPEN_S
    assert await at_desk.uploads.ready("anna", REQUEST) is None


CAT = {"prompt": "a cat", "use_upload": True, "seed": 5}


@pytest.mark.parametrize(
    ("arguments", "same"),
    [
        pytest.param(
            {"seed": 5.0, "use_upload": True, "prompt": " a  cat\n"}, True, id="in another order, with spaces"
        ),
        pytest.param(CAT | {"prompt": "a dog"}, False, id="another prompt"),
        pytest.param(CAT | {"seed": 6}, False, id="another seed"),
        pytest.param(CAT | {"image_url": ["/mcp-cache/a.png"]}, False, id="another reference beside it"),
    ],
)
def test_a_request_is_known_by_its_arguments(arguments: dict[str, Any], same: bool) -> None:
    assert (upload_request(arguments) == upload_request(CAT)) is same


def test_the_page_shows_all_that_the_prompt_is() -> None:
    """Ours: a mark that turns the direction of writing would show the person another request than theirs."""
    assert upload_request({"prompt": "a\u202e cat\U000e0041"}).prompt == "a cat"


async def test_each_request_has_links_and_pictures_of_its_own(at_desk: ReferenceFixture) -> None:
    """Bug: an owner had one link for all chats, and the newest picture went to whichever chat called first."""
    cat, house = upload_request({"prompt": "a cat"}), upload_request({"prompt": "a house"})
    assert await at_desk.uploads.link("anna", cat) == await at_desk.uploads.link("anna", cat)
    assert await at_desk.uploads.link("anna", cat) != await at_desk.uploads.link("anna", house)
    [first] = await at_desk.sent("anna", png(1, (8, 8)), request=cat)
    [second] = await at_desk.sent("anna", png(2, (8, 8)), request=house)
    for request, name in ((cat, first), (house, second)):
        ready = await at_desk.uploads.ready("anna", request)
        assert ready is not None
        assert ready.names == (name,)
        assert await at_desk.uploads.ready("ben", request) is None


async def test_who_waits_for_one_request_is_not_woken_for_good_by_another(at_desk: ReferenceFixture) -> None:
    cat, house = upload_request({"prompt": "a cat"}), upload_request({"prompt": "a house"})
    waiting = asyncio.create_task(at_desk.uploads.wait("anna", house, math.inf))
    await asyncio.sleep(0)
    await at_desk.sent("anna", png(1, (8, 8)), request=cat)
    names = await at_desk.sent("anna", png(2, (8, 8)), request=house)
    async with asyncio.timeout(60):
        arrived = await waiting
    assert arrived is not None
    assert list(arrived.names) == names


async def test_a_mask_has_a_link_of_its_own_for_each_picture(at_desk: ReferenceFixture) -> None:
    """Ours: a call whose newest attachment is another one by now must not change that by a mask of the first."""
    one, other = mask_request(REQUEST, "a.png"), mask_request(REQUEST, "b.png")
    assert len({REQUEST.key, one.key, other.key}) == 3
    links = [await at_desk.uploads.link("anna", each) for each in (one, other, one)]
    assert links[0] == links[2] != links[1]
    assert "?" not in links[0]
    found = await at_desk.uploads.find(secret_of(links[1]))
    assert found is not None
    assert (found.request.picture, found.request.prompt) == ("b.png", REQUEST.prompt)
