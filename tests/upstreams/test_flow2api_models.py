"""Which id and parameters are sent for what is asked, by what the server has."""

import json
from typing import Any

import pytest

from service.images import ImageRequest, WorkError
from service.upstreams.flow2api_models import Asked, Listed, guess, how_to_ask, listed_by
from service.upstreams.model_list import read_model_list
from tests.emulators.flow2api_models import BEFORE_ALIASES, FULL_IDS, alias_list, model_list
from tests.paths import RECORDINGS

FLOW2API = RECORDINGS / "flow2api"
FLASH = "gemini-3.1-flash-image"
IMAGEN = "imagen-4.0-generate-preview"
CURRENT = listed_by(read_model_list(model_list()), read_model_list(alias_list()))
OLD = listed_by(read_model_list(model_list(BEFORE_ALIASES)), {})
NO_FULL_IDS = Listed(generic=(FLASH,))
FOREIGN = Listed(ids=("nano-banana",))


def ask(model: str, listed: Listed | None, ratio: str | None = None, resolution: str | None = None) -> Asked:
    return how_to_ask(ImageRequest(model=model, prompt="a", aspect_ratio=ratio, resolution=resolution), listed)


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
        pytest.param(CURRENT, "1:1", None, Asked(model=f"{FLASH}-square"), id="shape"),
        pytest.param(CURRENT, "3:4", "2K", Asked(model=f"{FLASH}-three-four-2k"), id="shape and resolution"),
        pytest.param(CURRENT, "16:9", "1K", Asked(model=f"{FLASH}-landscape"), id="1K is no ending"),
        pytest.param(CURRENT, None, None, Asked(model=FLASH), id="nothing"),
        pytest.param(CURRENT, None, "4K", Asked(model=FLASH, image_size="4K"), id="resolution alone"),
        pytest.param(OLD, "9:16", "2K", Asked(model=f"{FLASH}-portrait-2k"), id="older server"),
        pytest.param(OLD, None, None, Asked(model=f"{FLASH}-landscape"), id="older server, nothing"),
        pytest.param(OLD, None, "4K", Asked(model=f"{FLASH}-landscape-4k"), id="older server, resolution alone"),
        pytest.param(None, "1:1", "2K", Asked(model=FLASH, aspect_ratio="1:1", image_size="2K"), id="no list"),
        pytest.param(NO_FULL_IDS, "1:1", None, Asked(model=FLASH, aspect_ratio="1:1"), id="generic names only"),
        pytest.param(FOREIGN, "21:9", None, Asked(model=FLASH, aspect_ratio="21:9"), id="not a model of Flow2API's"),
    ],
)
def test_a_generic_name_is_asked_for_by_the_best_form_there_is(
    listed: Listed | None, ratio: str | None, resolution: str | None, sent: Asked
) -> None:
    """Spec Flow2API, model_resolver.py: parameters count for generic names only; else a reference decides."""
    assert ask(FLASH, listed, ratio, resolution) == sent


@pytest.mark.parametrize("listed", [CURRENT, OLD, None])
def test_a_full_id_is_sent_as_it_is_when_the_arguments_repeat_it(listed: Listed | None) -> None:
    assert ask(f"{FLASH}-square-2k", listed, "1:1", "2K") == Asked(model=f"{FLASH}-square-2k")
    assert ask(f"{FLASH}-four-three", listed, None, "1K") == Asked(model=f"{FLASH}-four-three")


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
    ("asked", "parameters"),
    [
        pytest.param(Asked(model="m"), {}, id="nothing"),
        pytest.param(
            Asked(model="m", aspect_ratio="1:1", image_size="2K"),
            {
                "aspect_ratio": "1:1",
                "image_size": "2K",
                "generationConfig": {"imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"}},
            },
            id="both",
        ),
        pytest.param(
            Asked(model="m", image_size="4K"),
            {"image_size": "4K", "generationConfig": {"imageConfig": {"imageSize": "4K"}}},
            id="one",
        ),
    ],
)
def test_parameters_are_sent_in_both_forms(asked: Asked, parameters: dict[str, Any]) -> None:
    """Spec Flow2API, model_resolver.py: `generationConfig` since 2026-03-14, the top level since 2026-03-31."""
    assert asked.parameters() == parameters


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        pytest.param(ImageRequest(model=FLASH, prompt="a"), Asked(model=f"{FLASH}-landscape"), id="nothing asked"),
        pytest.param(
            ImageRequest(model=FLASH, prompt="a", aspect_ratio="1:1", resolution="2K"),
            Asked(model=f"{FLASH}-square-2k"),
            id="shape and resolution",
        ),
        pytest.param(
            ImageRequest(model=FLASH, prompt="a", aspect_ratio="21:9"),
            Asked(model=FLASH, aspect_ratio="21:9"),
            id="a ratio that no id has",
        ),
        pytest.param(ImageRequest(model="banana", prompt="a"), Asked(model="banana"), id="a model of somebody else's"),
    ],
)
def test_a_name_that_is_unknown_to_a_server_without_a_list_is_tried_as_a_full_id(
    request_: ImageRequest, sent: Asked
) -> None:
    """Spec Flow2API, model_resolver.py: servers before 2026-03-14 have no generic names."""
    assert guess(request_) == sent
