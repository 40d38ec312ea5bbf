"""The list of one server: asked for once, kept, and never in the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from service.images import WorkError
from service.upstreams.flow2api_list import ModelList
from tests.emulators.flow2api import Flow2Api, running
from tests.emulators.flow2api_models import ALIASES, BEFORE_ALIASES, FULL_IDS


@pytest.fixture
async def flow2api() -> AsyncIterator[Flow2Api]:
    async with running() as emulator:
        yield emulator


@asynccontextmanager
async def list_of(emulator: Flow2Api, *, key: str | None = None, wait_s: float = 5.0) -> AsyncIterator[ModelList]:
    async with aiohttp.ClientSession() as session:
        base = URL(emulator.url) / "v1"
        yield ModelList(session, base, emulator.key if key is None else key, wait_s=wait_s)


async def test_it_is_asked_for_once_however_many_need_it(flow2api: Flow2Api) -> None:
    async with list_of(flow2api) as listing:
        found = await asyncio.gather(*(listing.known() for _ in range(20)))
    assert found[0] is not None
    assert (sorted(found[0].ids), found[0].generic) == (sorted(FULL_IDS), ALIASES)
    assert flow2api.listed == 1


async def test_an_older_server_has_no_generic_names(flow2api: Flow2Api) -> None:
    """Spec Flow2API, routes.py before 2026-03-14: its route for them answers 404, which is no failure."""
    flow2api.catalog = BEFORE_ALIASES
    async with list_of(flow2api) as listing:
        found = await listing.read()
    assert (sorted(found.ids), found.generic) == (sorted(BEFORE_ALIASES.ids), ())


@pytest.mark.parametrize("lists", [False, None], ids=["it fails", "it hangs"])
async def test_a_list_that_cannot_be_had_is_done_without_and_not_asked_for_again_at_once(
    flow2api: Flow2Api, lists: bool | None
) -> None:
    """Ours: every generation would wait for it."""
    flow2api.lists = lists
    async with list_of(flow2api, wait_s=0.1) as listing:
        assert [await listing.known() for _ in range(3)] == [None] * 3
    assert flow2api.listed == 1
    flow2api.go_on.set()


async def test_a_list_that_was_wrong_is_renewed_at_once(flow2api: Flow2Api) -> None:
    flow2api.catalog = BEFORE_ALIASES
    async with list_of(flow2api) as listing:
        before = await listing.known()
        flow2api.catalog = Flow2Api().catalog
        renewed = await listing.renewed()
        assert before != renewed
        assert await listing.known() is renewed
        flow2api.lists = False
        assert await listing.renewed() is None


async def test_who_asks_what_it_offers_hears_why_it_does_not_say(flow2api: Flow2Api) -> None:
    async with list_of(flow2api, key="wrong") as listing:
        with pytest.raises(WorkError) as raised:
            await listing.read()
    assert raised.value.kind == "auth"
