"""Which id and parameters are sent for what is asked, by what the server has."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from service.images import ImageRequest, WorkError
from service.upstreams.errors import Service
from service.upstreams.flow2api_models import Listed, ModelChoice, ModelList, choose, guess, listed_by
from service.upstreams.http import read_model_list
from tests.emulators.flow2api import Flow2Api, running
from tests.emulators.flow2api_models import ALIASES, BEFORE_ALIASES, FULL_IDS, alias_list, model_list
from tests.paths import RECORDINGS

FLOW2API = RECORDINGS / "flow2api"
FLASH = "gemini-3.1-flash-image"
IMAGEN = "imagen-4.0-generate-preview"
CURRENT = listed_by(read_model_list(model_list()), read_model_list(alias_list()))
OLD = listed_by(read_model_list(model_list(BEFORE_ALIASES)), {})
NO_FULL_IDS = Listed(generic=(FLASH,))
FOREIGN = Listed(ids=("nano-banana",))


def ask(model: str, listed: Listed | None, ratio: str | None = None, resolution: str | None = None) -> ModelChoice:
    return choose(ImageRequest(model=model, prompt="a", aspect_ratio=ratio, resolution=resolution), listed)


def recorded(name: str) -> dict[str, str]:
    return read_model_list(json.loads((FLOW2API / f"{name}.body").read_text()))


def test_the_image_models_of_a_recorded_server_are_told_from_its_video_models() -> None:
    """Spec Flow2API, routes.py, list of models."""
    listed = listed_by(recorded("models"), recorded("aliases"))
    assert sorted(listed.ids) == sorted(FULL_IDS)
    assert sorted(listed.generic) == [FLASH.replace("3.1-flash", "3.0-pro"), FLASH, IMAGEN]
    assert len(listed.others) > 182
    assert not {*listed.ids, *listed.generic} & listed.others


def test_without_descriptions_the_id_decides() -> None:
    """Spec Flow2API, routes.py, older versions."""
    assert sorted(OLD.ids) == sorted(BEFORE_ALIASES.ids)
    assert OLD.others == {"veo_3_1_t2v_fast_portrait"}
    assert OLD.offers.images == OLD.ids


@pytest.mark.parametrize(
    ("listed", "ratio", "resolution", "sent"),
    [
        pytest.param(CURRENT, "1:1", None, ModelChoice(model=f"{FLASH}-square"), id="shape"),
        pytest.param(CURRENT, "3:4", "2K", ModelChoice(model=f"{FLASH}-three-four-2k"), id="shape and resolution"),
        pytest.param(CURRENT, "16:9", "1K", ModelChoice(model=f"{FLASH}-landscape"), id="1K is no ending"),
        pytest.param(CURRENT, None, None, ModelChoice(model=FLASH), id="nothing"),
        pytest.param(CURRENT, None, "4K", ModelChoice(model=FLASH, image_size="4K"), id="resolution alone"),
        pytest.param(OLD, "9:16", "2K", ModelChoice(model=f"{FLASH}-portrait-2k"), id="older server"),
        pytest.param(OLD, None, None, ModelChoice(model=f"{FLASH}-landscape"), id="older server, nothing"),
        pytest.param(OLD, None, "4K", ModelChoice(model=f"{FLASH}-landscape-4k"), id="older server, resolution alone"),
        pytest.param(None, "1:1", "2K", ModelChoice(model=FLASH, aspect_ratio="1:1", image_size="2K"), id="no list"),
        pytest.param(NO_FULL_IDS, "1:1", None, ModelChoice(model=FLASH, aspect_ratio="1:1"), id="generic names only"),
        pytest.param(FOREIGN, "21:9", None, ModelChoice(model=FLASH, aspect_ratio="21:9"), id="a foreign model"),
    ],
)
def test_a_generic_name_is_asked_for_by_the_best_form_there_is(
    listed: Listed | None, ratio: str | None, resolution: str | None, sent: ModelChoice
) -> None:
    """Spec Flow2API, model_resolver.py: parameters count for generic names only; else a reference decides."""
    assert ask(FLASH, listed, ratio, resolution) == sent


@pytest.mark.parametrize("listed", [CURRENT, OLD, None])
def test_a_full_id_is_sent_as_it_is_when_the_arguments_repeat_it(listed: Listed | None) -> None:
    assert ask(f"{FLASH}-square-2k", listed, "1:1", "2K") == ModelChoice(model=f"{FLASH}-square-2k")
    assert ask(f"{FLASH}-four-three", listed, None, "1K") == ModelChoice(model=f"{FLASH}-four-three")


@pytest.mark.parametrize(
    ("model", "listed", "ratio", "resolution", "words"),
    [
        pytest.param(f"{FLASH}-square", None, "16:9", None, "leave the argument out", id="another shape"),
        pytest.param(f"{FLASH}-square-2k", None, "1:1", "4K", f"or use the model {FLASH}", id="another resolution"),
        pytest.param(f"{FLASH}-square", CURRENT, None, "2K", "has its own in its name", id="a resolution it has not"),
        pytest.param(f"{FLASH}-square", CURRENT, "21:9", None, "'21:9'", id="an unknown ratio"),
        pytest.param(FLASH, CURRENT, "21:9", None, "knows 16:9, 9:16, 1:1, 4:3, 3:4", id="silently landscape"),
        pytest.param(FLASH, CURRENT, None, "8K", "knows 1K, 2K, 4K", id="silently 1K"),
        pytest.param(IMAGEN, CURRENT, "1:1", None, f"only {IMAGEN}-landscape, {IMAGEN}-portrait", id="imagen, square"),
        pytest.param(IMAGEN, CURRENT, None, "2K", f"no {IMAGEN}-landscape-2k", id="imagen, large"),
        pytest.param(FLASH, OLD, "1:1", None, f"no {FLASH}-square", id="older server, square"),
    ],
)
def test_what_the_server_would_ignore_is_refused(
    model: str, listed: Listed | None, ratio: str | None, resolution: str | None, words: str
) -> None:
    """Spec Flow2API, model_resolver.py: it draws a landscape instead, and it is paid for."""
    with pytest.raises(WorkError, match="(?s).*" + words) as raised:
        ask(model, listed, ratio, resolution)
    assert (raised.value.kind, raised.value.retries) == ("bad_request", 0)


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        pytest.param(ImageRequest(model=FLASH, prompt="a"), ModelChoice(model=f"{FLASH}-landscape"), id="nothing"),
        pytest.param(
            ImageRequest(model=FLASH, prompt="a", aspect_ratio="1:1", resolution="2K"),
            ModelChoice(model=f"{FLASH}-square-2k"),
            id="shape and resolution",
        ),
        pytest.param(
            ImageRequest(model=FLASH, prompt="a", aspect_ratio="21:9"),
            ModelChoice(model=FLASH, aspect_ratio="21:9"),
            id="a ratio that no id has",
        ),
        pytest.param(ImageRequest(model="banana", prompt="a"), ModelChoice(model="banana"), id="a foreign model"),
    ],
)
def test_a_name_that_is_unknown_to_a_server_without_a_list_is_tried_as_a_full_id(
    request_: ImageRequest, sent: ModelChoice
) -> None:
    """Spec Flow2API, model_resolver.py: servers before 2026-03-14 have no generic names."""
    assert guess(request_) == sent


@pytest.fixture
async def flow2api() -> AsyncIterator[Flow2Api]:
    async with running() as emulator:
        yield emulator


@asynccontextmanager
async def list_of(emulator: Flow2Api, *, key: str | None = None, wait_s: float = 5.0) -> AsyncIterator[ModelList]:
    async with aiohttp.ClientSession() as session:
        base = URL(emulator.url) / "v1"
        yield ModelList(session, base, Service(key=emulator.key if key is None else key), wait_s=wait_s)


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
