"""Models in both lists, only in the file, or only upstream; and the file brought up to date."""

import asyncio
import json
from typing import Any

import pytest

from service.image_models.comparison import (
    Comparison,
    brought_up_to_date,
    compare,
    fetch_model_lists,
)
from service.image_models.models import read_list
from service.images import ImageRequest, Picture, Progress, WorkError
from service.upstreams.base import Offers, Upstream
from service.upstreams.sketch import SketchUpstream

FAMILY = {"upstream": "u", "aspect_ratios": {"16:9": "-wide", "1:1": "-square"}, "resolutions": {"1K": "", "2K": "-2k"}}
ALL = ("m-wide", "m-square", "m-wide-2k", "m-square-2k")
FILE = {"families": {"f": FAMILY}, "models": [{"id": "m", "family": "f"}, {"id": "p", "upstream": "u"}, "other"]}


def compared(images: tuple[str, ...], *, complete: bool = True, others: frozenset[str] = frozenset()) -> Comparison:
    models = read_list(json.dumps(FILE).encode())
    return compare(models, "u", Offers(images=images, others=others, complete=complete))


@pytest.mark.parametrize(
    ("images", "both", "only_in_file", "only_there"),
    [
        pytest.param(("m", *ALL, "p"), ("m", "p"), (), (), id="all there"),
        pytest.param((*ALL, "p"), ("m", "p"), (), (), id="an older server, which lists no generic names"),
        pytest.param(("m", *ALL[:3], "p"), ("m", "p"), ("m-square-2k",), (), id="one ending gone"),
        pytest.param(("p",), ("p",), ("m",), (), id="a model gone with all its endings"),
        pytest.param(("m", *ALL), ("m",), ("p",), (), id="a plain model gone"),
        pytest.param(("m", *ALL, "p", "new"), ("m", "p"), (), ("new",), id="a new one"),
        pytest.param(("m", *ALL, "p", "other"), ("m", "p"), (), ("other",), id="an id of another upstream is new here"),
    ],
)
def test_lists_are_compared(
    images: tuple[str, ...], both: tuple[str, ...], only_in_file: tuple[str, ...], only_there: tuple[str, ...]
) -> None:
    assert compared(images) == Comparison(both=both, only_in_file=only_in_file, only_there=only_there)


def test_a_model_that_the_service_takes_for_something_else_is_not_gone() -> None:
    """Ours: whether an id draws is guessed from its name, and the person who wrote it into the file knows better."""
    assert compared(("m", *ALL), others=frozenset({"p"})).gone == ()


def test_from_a_list_that_is_not_complete_nothing_is_gone() -> None:
    """Ours: ModelScope draws with models that it does not list."""
    found = compared(("m", *ALL), complete=False)
    assert (found.only_in_file, found.gone) == (("p",), ())


def updated(file: dict[str, Any], comparison: Comparison) -> dict[str, Any]:
    text = brought_up_to_date(json.dumps(file).encode(), {"u": comparison})
    read: dict[str, Any] = json.loads(text)
    return read


def test_an_update_takes_out_what_is_gone_and_adds_what_is_new_and_keeps_all_else() -> None:
    """Ours: order, guide, default, comments and keys of a newer version are somebody's work."""
    file = {
        "x-note": {"by": "me"},
        "default_model": "p",
        "selection_guide": "中文",
        "models": [{"id": "p", "upstream": "u", "mine": 1}, "kept", {"id": "q", "upstream": "u"}],
        "z": [],
    }
    comparison = Comparison(both=("q",), only_in_file=("p",), only_there=("n",))
    assert updated(file, comparison) == {
        **file,
        "models": ["kept", {"id": "q", "upstream": "u"}, {"id": "n", "upstream": "u"}],
    }
    assert list(updated(file, comparison)) == list(file)


@pytest.mark.parametrize(
    ("new", "entries"),
    [
        pytest.param(["n", *(f"n{each[1:]}" for each in ALL)], [{"id": "n", "family": "f"}], id="with a generic name"),
        pytest.param([f"n{each[1:]}" for each in ALL], [{"id": "n", "family": "f"}], id="without"),
        pytest.param(
            ["n-wide", "n-square"],
            [{"id": "n-wide", "upstream": "u"}, {"id": "n-square", "upstream": "u"}],
            id="too few",
        ),
        pytest.param(
            [*(f"n{each[1:]}" for each in ALL), "n-tall"],
            [{"id": id_, "upstream": "u"} for id_ in [*(f"n{each[1:]}" for each in ALL), "n-tall"]],
            id="one that the family does not know",
        ),
    ],
)
def test_new_ids_that_differ_by_the_endings_of_a_family_become_one_model(
    new: list[str], entries: list[dict[str, str]]
) -> None:
    """Ours: a new model of Flow2API comes as sixteen ids."""
    file = {"families": {"other": {"upstream": "v"}, "plain": {"upstream": "u"}, "f": FAMILY}, "models": []}
    comparison = Comparison(both=(), only_in_file=(), only_there=tuple(new))
    assert updated(file, comparison)["models"] == entries


def test_a_file_with_a_byte_order_mark_is_updated_like_any_other() -> None:
    text = json.dumps(FILE).encode()
    new = {"u": Comparison(both=(), only_in_file=("p",), only_there=("n",))}
    assert brought_up_to_date(b"\xef\xbb\xbf" + text, new) == b"\xef\xbb\xbf" + brought_up_to_date(text, new)


class Service(Upstream):
    """An image service that does with its list whatever a test wants."""

    name = "service"
    deadline_s = 1.0

    def __init__(self, offered: Offers | WorkError | None, *, hangs: bool = False) -> None:
        self._offered = offered
        self._hangs = hangs

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        raise NotImplementedError

    def describe(self) -> str:
        return "a service"

    async def offers(self) -> Offers | None:
        if self._hangs:
            await asyncio.Event().wait()
        if isinstance(self._offered, WorkError):
            raise self._offered
        return self._offered


async def test_every_upstream_is_asked_and_one_that_fails_disturbs_no_other() -> None:
    offers = Offers(images=("m0",))
    found = await fetch_model_lists(
        {
            "good": Service(offers),
            "down": Service(WorkError("It is down.")),
            "slow": Service(None, hangs=True),
            "mute": Service(None),
            "empty": Service(Offers(images=())),
            "sketch": SketchUpstream(),
        },
        wait_s=0.05,
    )
    assert found == {
        "good": offers,
        "down": "It is down.",
        "slow": "It did not answer within 0 seconds.",
        "mute": "It has no list of models.",
        "empty": "It lists no image model at all just now.",
        "sketch": Offers(images=("sketch",)),
    }
