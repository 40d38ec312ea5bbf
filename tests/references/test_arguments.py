"""What the arguments of a call ask for, and what of it a model takes."""

from typing import Any

import pytest

from service.image_models.models import Model, Models
from service.images import WorkError
from service.references.arguments import ARGUMENTS, ReferenceArguments, check_room, offer
from service.references.uploads import upload_request
from tests.reference_fixture import REQUEST


def model(name: str, references: int | None) -> Model:
    return Model(id=name, upstream="pencil", references=references)


NONE, ONE, THREE, UNKNOWN = model("none", 0), model("one", 1), model("three", 3), model("unknown", None)
MODELS = Models(listed=(NONE, ONE, THREE, UNKNOWN), default="one")


def room(chosen: Model, **arguments: Any) -> int:
    return check_room(ReferenceArguments.read(arguments), chosen, MODELS)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"use_upload": False, "use_latest_user_image": False, "image_url": "", "picture": 1, "user_image_count": 3},
        {"image_url": []},
        {"image_url": ["", " "]},
    ],
)
def test_what_models_fill_in_for_nothing_is_nothing(arguments: dict[str, Any]) -> None:
    """Ours: many models send every argument that a schema has."""
    assert ReferenceArguments.read(arguments).counts == {}
    assert room(NONE, **arguments) >= 0


def test_the_counts_are_those_of_each_argument_in_their_order() -> None:
    arguments = {
        "use_upload": True,
        "image_url": ["a", "", "b"],
        "user_image_count": 2.0,
        "use_latest_user_image": True,
        "picture": 2.0,
        "history_id": 7.0,
    }
    wanted = ReferenceArguments.read(arguments)
    assert wanted == ReferenceArguments(
        history_id=7, picture=2, newest=2, urls=("a", "b"), upload=upload_request(arguments)
    )
    assert list(wanted.counts.items()) == [
        ("history_id", 1), ("use_latest_user_image", 2), ("image_url", 2), ("use_upload", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "arguments", "left"),
    [
        pytest.param(ONE, {"use_upload": True}, 1, id="one"),
        pytest.param(THREE, {"use_upload": True}, 3, id="three, all by upload"),
        pytest.param(THREE, {"use_upload": True, "history_id": 1}, 2, id="three, one from the history"),
        pytest.param(UNKNOWN, {"use_upload": True}, 4, id="unknown"),
        pytest.param(UNKNOWN, {"image_url": ["a"] * 4}, 1, id="unknown, full"),
    ],
)
def test_an_upload_may_bring_what_there_is_room_for(chosen: Model, arguments: dict[str, Any], left: int) -> None:
    assert room(chosen, **arguments) == left


@pytest.mark.parametrize(
    ("chosen", "arguments", "said"),
    [
        pytest.param(
            NONE,
            {"history_id": 1},
            "none draws without reference pictures: leave `history_id` out, or use one or three.",
            id="none",
        ),
        pytest.param(
            ONE,
            {"history_id": 1, "image_url": "a"},
            "one starts from one picture: give only one of `history_id`, `image_url`.",
            id="two kinds",
        ),
        pytest.param(
            ONE,
            {"image_url": ["a", "b"]},
            "one starts from one picture, and 2 are asked for by `image_url`.",
            id="two of a kind",
        ),
        pytest.param(
            THREE,
            {"history_id": 1, "image_url": ["a", "b"], "use_upload": True},
            "three starts from up to 3 pictures, and 4 are asked for",
            id="too many",
        ),
        pytest.param(
            UNKNOWN,
            {"use_latest_user_image": True, "user_image_count": 5},
            "up to 4 pictures, and 5 are asked for",
            id="unknown",
        ),
    ],
)
def test_what_a_model_does_not_take_is_said_with_what_would_be_right(
    chosen: Model, arguments: dict[str, Any], said: str
) -> None:
    """Flow2API MCP server: one of the kinds, where the model takes one picture."""
    with pytest.raises(WorkError) as caught:
        room(chosen, **arguments)
    assert caught.value.kind == "reference"
    assert said in str(caught.value)


def test_where_no_model_takes_any_none_is_named() -> None:
    with pytest.raises(WorkError, match=r"leave `use_upload` out\.$"):
        check_room(ReferenceArguments(upload=REQUEST), NONE, Models(listed=(NONE,), default="none"))
    with pytest.raises(WorkError, match=r"or use unknown\.$"):
        check_room(ReferenceArguments(upload=REQUEST), NONE, Models(listed=(NONE, UNKNOWN), default="none"))


def test_only_what_can_be_of_use_is_offered() -> None:
    """Ours: every argument in a schema costs a chat model's attention in each call."""
    properties: dict[str, dict[str, str]] = {"prompt": {}, **{name: {} for name in sorted(ARGUMENTS)}}
    assert set(offer(MODELS, properties, folder=True)) == {"prompt", *ARGUMENTS}
    without = {"use_latest_user_image", "user_image_count"}
    assert set(offer(MODELS, properties, folder=False)) == {"prompt", *ARGUMENTS} - without
    assert set(offer(Models(listed=(NONE,), default="none"), properties, folder=True)) == {"prompt"}
