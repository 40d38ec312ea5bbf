"""Completions of an argument: models, shapes, and the caller's own numbers and names."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from service.features.completions import MAX_TYPED, Completions
from service.features.prompts import Prompts, PromptTemplates
from service.features.resources import HISTORY_TEMPLATE, IMAGES_TEMPLATE, Resources
from service.image_models.models import Models
from service.protocol.dispatch import respond
from tests.protocol.samples import call, result, server
from tests.store_fixture import MODELS, StoreFixture, store_fixture

BUILDER = {"type": "ref/prompt", "name": "flow2api_prompt_builder"}
TROUBLE = {"type": "ref/prompt", "name": "flow2api_troubleshoot_generate"}
HISTORY = {"type": "ref/resource", "uri": HISTORY_TEMPLATE}
IMAGES = {"type": "ref/resource", "uri": IMAGES_TEMPLATE}


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[StoreFixture]:
    async with store_fixture(tmp_path) as kept:
        yield kept


async def completion(
    kept: StoreFixture, ref: Mapping[str, str], name: str, typed: str = "", **known: str
) -> dict[str, Any]:
    """The answer, on a server that offers all there is."""
    store = kept.store
    offering = server(
        templates=Resources(store=kept.store, pictures=kept.pictures, models=Models(listed=(), default="")).templates(),
        prompts=Prompts(templates=PromptTemplates.read(), models=MODELS, store=store, tools={}).entries(),
        complete=Completions(models=MODELS, store=store).complete,
    )
    params = {"ref": ref, "argument": {"name": name, "value": typed}, "context": {"arguments": known}}
    given: dict[str, Any] = result(await respond(offering, call("completion/complete", params)))["completion"]
    return given


async def values(kept: StoreFixture, ref: Mapping[str, str], name: str, typed: str = "", **known: str) -> list[str]:
    found: list[str] = (await completion(kept, ref, name, typed, **known))["values"]
    return found


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        pytest.param("", ["quick", "Quill/Pen", "plain"], id="nothing yet: in the order of the list"),
        pytest.param("qui", ["quick", "Quill/Pen"], id="what begins so, whatever the case"),
        pytest.param("P", ["plain", "Quill/Pen"], id="what begins so before what holds it"),
        pytest.param("x", [], id="nothing"),
        pytest.param("q" * (MAX_TYPED + 1), [], id="longer than anything there is"),
    ],
)
async def test_models_on_offer(kept: StoreFixture, typed: str, found: list[str]) -> None:
    assert await values(kept, BUILDER, "model", typed) == found


async def test_shapes_are_those_of_the_model_if_it_was_chosen(kept: StoreFixture) -> None:
    """Spec 2026-07-28, Completion: `context.arguments` holds what was filled in before."""
    assert await values(kept, BUILDER, "aspect_ratio") == ["16:9", "1:1", "2:1"]
    assert await values(kept, BUILDER, "aspect_ratio", model="plain") == ["1:1", "2:1"]
    assert await values(kept, BUILDER, "aspect_ratio", model="nobody") == ["16:9", "1:1", "2:1"]
    assert await values(kept, BUILDER, "aspect_ratio", "2") == ["2:1"]


async def test_a_range_of_sizes_is_no_value(kept: StoreFixture) -> None:
    assert await values(kept, BUILDER, "size") == ["auto"]


@pytest.mark.parametrize(("ref", "name"), [(HISTORY, "id"), (TROUBLE, "history_id")], ids=["template", "prompt"])
async def test_history_ids_are_the_callers_newest_first(kept: StoreFixture, ref: Mapping[str, str], name: str) -> None:
    for number in range(12):
        await kept.working("bob" if number == 9 else "anna")
    assert await values(kept, ref, name) == ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]
    assert await values(kept, ref, name, "1") == ["11", "10", "1"]
    assert await values(kept, ref, name, "11") == ["11"]
    assert await values(kept, ref, name, "12") == []


@pytest.mark.parametrize("typed", ["x", "-1", " ", "１", "%", "*", "1" * 100])
async def test_what_begins_no_number_completes_to_none(kept: StoreFixture, typed: str) -> None:
    await kept.working()
    assert await values(kept, HISTORY, "id", typed) == []


async def test_names_of_pictures_are_the_callers(kept: StoreFixture) -> None:
    first, foreign, last = await kept.done(), await kept.done("bob"), await kept.done()
    mine = [last.pictures[0].name, first.pictures[0].name]
    assert sorted(await values(kept, IMAGES, "name")) == sorted(mine)
    for name in mine:
        assert name in await values(kept, IMAGES, "name", name[:4])
        assert await values(kept, IMAGES, "name", name[:20]) == [name]
    assert await values(kept, IMAGES, "name", foreign.pictures[0].name[:20]) == []


@pytest.mark.parametrize("typed", ["%", "*", "_", "?", "[", "\U0010ffff", "z"])
async def test_what_begins_no_name_completes_to_none(kept: StoreFixture, typed: str) -> None:
    await kept.done()
    assert await values(kept, IMAGES, "name", typed) == []


async def test_a_hundred_are_shown_and_all_are_counted(kept: StoreFixture) -> None:
    """Spec 2026-07-28, Completion."""
    for _ in range(120):
        await kept.working()
    given = await completion(kept, HISTORY, "id")
    assert (len(given["values"]), given["total"], given["hasMore"]) == (100, 120, True)
    assert (await completion(kept, HISTORY, "id", "12")) == {"values": ["120", "12"], "total": 2, "hasMore": False}


@pytest.mark.parametrize(
    ("ref", "name"),
    [(BUILDER, "user_request"), (TROUBLE, "error"), (BUILDER, "nope"), (HISTORY, "name"), (IMAGES, "id")],
    ids=["request", "error", "unknown argument", "a name of a generation", "a number of a picture"],
)
async def test_what_nobody_can_list_has_no_values(kept: StoreFixture, ref: Mapping[str, str], name: str) -> None:
    await kept.done()
    assert await completion(kept, ref, name) == {"values": [], "total": 0, "hasMore": False}
