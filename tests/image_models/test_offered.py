"""The models on offer, as the lists of their services come in."""

import json
import logging

import pytest

from service.image_models.models import Models, read_list
from service.image_models.offered import OfferedModels, without
from service.upstreams.base import Offers

FAMILY = {"upstream": "u", "aspect_ratios": {"16:9": "-wide", "1:1": "-square"}, "resolutions": {"1K": "", "2K": "-2k"}}
FILE = {
    "default_model": "m",
    "families": {"f": FAMILY},
    "models": [{"id": "before", "upstream": "v"}, {"id": "m", "family": "f"}, {"id": "p", "upstream": "u"}, "other"],
}
SHAPES = ("m-wide", "m-square", "m-wide-2k", "m-square-2k")


def in_file(**changed: object) -> Models:
    return read_list(json.dumps(FILE | changed).encode())


def ids(models: Models) -> list[str]:
    return [model.id for model in models.listed]


def test_all_are_offered_until_a_list_is_known() -> None:
    """Ours: an image service that is slow or down keeps no model from being offered."""
    offered = OfferedModels(in_file())
    offered.take_lists({"u": "It is down."})
    assert offered.models == in_file()


def test_what_a_service_has_no_longer_is_not_offered_and_the_default_gives_way() -> None:
    offered = OfferedModels(in_file())
    told: list[Models] = []
    offered.changed = told.append
    offered.take_lists({"u": Offers(images=("p",))})
    assert told == [offered.models]
    assert (ids(offered.models), offered.models.default) == (["before", "p", "other"], "p")
    offered.take_lists({"u": Offers(images=("m", *SHAPES, "p"))})
    assert offered.models == in_file()
    assert len(told) == 2


def test_lists_that_say_the_same_change_nothing() -> None:
    offered = OfferedModels(in_file())
    told: list[Models] = []
    offered.changed = told.append
    offered.take_lists({"u": Offers(images=("m", *SHAPES, "p"))})
    assert told == []


def test_a_service_that_fails_later_takes_nothing_back() -> None:
    offered = OfferedModels(in_file())
    offered.take_lists({"u": Offers(images=("p",))})
    offered.take_lists({"u": "It is down."})
    assert ids(offered.models) == ["before", "p", "other"]


def test_a_file_that_changes_is_seen_through_the_same_lists(caplog: pytest.LogCaptureFixture) -> None:
    offered = OfferedModels(in_file())
    offered.take_lists({"u": Offers(images=("p",))})
    with caplog.at_level(logging.INFO):
        offered.take_file(in_file(models=["other", {"id": "m", "family": "f"}]))
    assert ids(offered.models) == ["other"]
    assert caplog.messages[-1] == "The models file has changed: 1 models, default other"


def test_a_list_that_is_not_complete_takes_nothing_away() -> None:
    """Ours: ModelScope and relays draw with models that they do not list."""
    offered = OfferedModels(in_file())
    offered.take_lists({"u": Offers(images=("x",), complete=False)})
    assert offered.models == in_file()


def test_endings_that_are_gone_take_what_only_they_could_do() -> None:
    """Ours: a Flow2API without 2K must not be asked for 2K, which it would draw in another size."""
    models = without(in_file(), {"m-wide-2k", "m-square-2k"})
    model = models.by_id["m"]
    assert model.choices == {"aspect_ratio": ("16:9", "1:1"), "resolution": ("1K",)}
    assert [each.id for each in model.variants] == ["m-wide", "m-square"]


@pytest.mark.parametrize(
    ("default", "gone", "next_"),
    [
        ("m", {"m"}, "p"),
        ("m-wide", {"m-wide"}, "m"),
        ("other", {"other"}, "before"),
        ("m", {"p"}, "m"),
    ],
)
def test_a_default_that_is_gone_gives_way_to_the_next(default: str, gone: set[str], next_: str) -> None:
    assert without(in_file(default_model=default), gone).default == next_


def test_what_is_gone_is_named_once_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: the operator learns it at the start, and not from a person whose picture failed."""
    offered = OfferedModels(in_file())
    for _ in range(2):
        offered.take_lists({"u": Offers(images=("p",))})
    assert caplog.messages == [
        "In the models file, but no longer at the image service, so not offered: m (u). The default m is one of them: "
        "p takes its place. To take them out of the file, run `python -m service models --write`."
    ]
    offered.take_lists({"u": Offers(images=("m", *SHAPES))})
    assert "not offered: p (u). To take" in caplog.messages[-1]


def test_of_many_some_are_named(caplog: pytest.LogCaptureFixture) -> None:
    offered = OfferedModels(in_file(models=[{"id": f"m{n}", "upstream": "u"} for n in range(10)]))
    offered.take_lists({"u": Offers(images=("m9",))})
    assert "m7 (u) and 1 more." in caplog.messages[0]


def test_where_no_model_would_be_left_all_stay(caplog: pytest.LogCaptureFixture) -> None:
    """Ours: a server without any model is of no use, and its list may be the mistake."""
    offered = OfferedModels(in_file(models=[{"id": "a", "upstream": "u"}], default_model="a"))
    offered.take_lists({"u": Offers(images=("b",))})
    assert (ids(offered.models), offered.models.default) == (["a"], "a")
    assert "offered all the same, since no other is left: a (u)" in caplog.messages[0]
