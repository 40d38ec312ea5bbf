"""Room on the disk among several people, in the whole service: nobody loses a picture to another."""

import asyncio

import pytest

from tests.conftest import Serve
from tests.two_owners import drawn, inline, two_owners
from tests.wire import WireClient

REFUSED = {
    "before anything is asked for": {"prompt": "a fox", "image_url": ["https://127.0.0.1/not-here.png"]},
    "by the image service": {"prompt": "a fox [moderation]", "image_url": []},
}
"""Calls that come to nothing though their first picture was stored."""


async def numbers(person: WireClient) -> list[int]:
    """The history_ids of the pictures that are listed as resources."""
    listed = (await person.modern("resources/list")).result["resources"]
    return [each["_meta"]["easel/history_id"] for each in listed if each["mimeType"].startswith("image/")]


@pytest.mark.parametrize("how", REFUSED)
async def test_refused_calls_keep_nothing_and_take_no_room_from_others(serve: Serve, how: str) -> None:
    """Bug: 335 refused calls of one person evicted the five paid pictures of another."""
    async with two_owners(serve, EASEL_CACHE_MAX_ENTRIES="8") as both:
        for number in range(5):
            await drawn(both.anna, f"picture {number}")
        for number in range(10):
            call = REFUSED[how] | {"image_url": [inline(number), *REFUSED[how]["image_url"]]}
            assert (await both.ben.call("generate", call))["isError"]
        assert (await both.ben.call("cache"))["structuredContent"]["kept"] == 0
        assert (await both.anna.call("cache"))["structuredContent"]["kept"] == 5
        assert len(await numbers(both.anna)) == 5


async def test_who_draws_without_end_takes_only_from_themselves(serve: Serve) -> None:
    """Attack: a person fills the disk, so that the pictures that others paid for go."""
    async with two_owners(serve, EASEL_CACHE_MAX_ENTRIES="6") as both:
        for number in range(3):
            await drawn(both.anna, f"picture {number}")
        for number in range(8):
            await drawn(both.ben, f"picture {number}", image_url=inline(number))
        assert (await both.anna.call("cache"))["structuredContent"]["kept"] == 3
        assert await numbers(both.ben) == [8, 7, 6]


async def test_the_limit_of_one_owner_is_told_and_kept(serve: Serve) -> None:
    async with two_owners(serve, EASEL_CACHE_OWNER_MAX_ENTRIES="2", EASEL_CACHE_OWNER_MAX_MB="5") as both:
        for number in range(4):
            await drawn(both.ben, f"picture {number}")
        await drawn(both.anna, "a picture")
        [told, kept] = [(await each.call("cache"))["structuredContent"] for each in (both.ben, both.anna)]
        assert (told["kept"], kept["kept"]) == (2, 1)
        assert (told["limits"]["owner_entries"], told["limits"]["owner_bytes"]) == (2, 5_000_000)
        assert "for each person: 2 pictures, 5.0 MB" in told["message"]


async def test_what_was_there_before_a_refused_call_stays(serve: Serve) -> None:
    """Ours: the picture that a person sent is not lost because a later call with it was refused."""
    async with two_owners(serve) as both:
        await drawn(both.ben, "a fox", image_url=inline(1))
        again = {"prompt": "a fox [moderation]", "image_url": [inline(1), inline(2)]}
        assert (await both.ben.call("generate", again))["isError"]
        assert (await both.ben.call("cache"))["structuredContent"]["kept"] == 2


async def test_a_call_beyond_a_limit_keeps_nothing(serve: Serve) -> None:
    """Attack: calls that are refused for a limit cost nothing, so they could be made without end to fill the disk."""
    async with two_owners(serve, EASEL_LIMITS="ben.pictures_per_day=1") as both:
        await drawn(both.ben, "a fox")
        refused = await both.ben.call("generate", {"prompt": "another", "image_url": inline(1)})
        assert "EASEL_PICTURES_PER_DAY" in refused["content"][0]["text"]
        assert (await both.ben.call("cache"))["structuredContent"]["kept"] == 1


async def test_the_reference_of_a_call_that_was_left_stays_while_its_picture_is_drawn(serve: Serve) -> None:
    """Ours: a lost connection cancels nothing that is paid for, and the same call comes again with it."""
    async with two_owners(serve) as both:
        left = asyncio.create_task(drawn(both.ben, "a fox [slow]", image_url=inline(1)))
        await both.upstream.silent.wait()
        left.cancel()
        await asyncio.wait({left})
        assert (await both.ben.call("cache"))["structuredContent"]["kept"] == 1
        both.upstream.go_on.set()
        assert (await drawn(both.ben, "a fox [slow]", image_url=inline(1)))["history_id"] == 1
        assert (await both.ben.call("cache"))["structuredContent"]["kept"] == 2
        assert both.upstream.charges.total() == 1
