"""Arguments that bring references and a mask: read as models write them, and checked against the model."""

from typing import Any

import pytest

from service.image_models.models import Model, Models
from service.images import ReferenceRules, WorkError
from service.references.arguments import ARGUMENTS, ReferenceArguments, check_room, offer, rules_of
from service.references.uploads import upload_request
from tests.reference_fixture import REQUEST


def model(name: str, references: int | None) -> Model:
    return Model(id=name, upstream="pencil", references=references)


NONE, ONE, THREE, UNKNOWN = model("none", 0), model("one", 1), model("three", 3), model("unknown", None)
ROOMS = Models(listed=(NONE, ONE, THREE, UNKNOWN), default="one")


def room(chosen: Model, **arguments: Any) -> int:
    return check_room(ReferenceArguments.read(arguments), chosen, ROOMS)


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


ALPHA = Model(id="maker/alpha", upstream="pencil", references=2, mask="alpha")
MARKED = Model(id="marked", upstream="pencil", references=2, mask="marked")
MASKING = Models(listed=(ONE, ALPHA, MARKED), default="one")


@pytest.mark.parametrize(
    ("chosen", "arguments", "said"),
    [
        pytest.param(
            ONE, {"history_id": 1}, "one takes no mask: leave `mask` out, or use maker/alpha or marked.", id="no"
        ),
        pytest.param(
            ALPHA, {}, "`mask` marks a part of a picture, and there is none: name the picture by", id="of none"
        ),
        pytest.param(MARKED, {"image_url": ["a", "b"]}, "marked starts from one picture, and 2 are", id="no room"),
    ],
)
def test_a_mask_that_cannot_be_is_said_with_what_would_be_right(
    chosen: Model, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkError) as refused:
        check_room(ReferenceArguments.read({**arguments, "mask": "paint"}), chosen, MASKING)
    assert str(refused.value).startswith(said)


def test_a_model_of_masks_has_room_for_its_references() -> None:
    """Ours: the copy with the region marked is one of those that a model takes."""
    assert check_room(ReferenceArguments.read({"history_id": 1, "mask": "12"}), ALPHA, MASKING) == 2
    assert check_room(ReferenceArguments.read({"history_id": 1, "mask": "12"}), MARKED, MASKING) == 1


@pytest.mark.parametrize(
    ("arguments", "paints"),
    [
        pytest.param({"use_upload": True, "mask": "paint"}, True, id="over what is sent"),
        pytest.param({"use_upload": True, "mask": "12"}, False, id="a mask that exists"),
        pytest.param({"use_upload": True, "history_id": 1, "mask": "paint"}, False, id="over another picture"),
        pytest.param({"use_upload": True}, False, id="no mask"),
    ],
)
def test_an_upload_says_whether_it_is_painted_over(arguments: dict[str, Any], paints: bool) -> None:
    """Ours: its page leads on to the brush."""
    upload = ReferenceArguments.read(arguments).upload
    assert upload is not None
    assert upload.paints is paints


def test_the_rules_are_those_of_the_models_file() -> None:
    model = Model(
        id="m", upstream="u", reference_types=("image/png",), reference_bytes=5, reference_pixels=7, mask="alpha"
    )
    assert rules_of(model) == ReferenceRules(types=("image/png",), most_bytes=5, most_pixels=7, mask="alpha")


def test_only_what_can_be_of_use_is_offered() -> None:
    """Ours: every argument in a schema costs a chat model's attention in each call."""
    properties = {name: {"description": "Words."} for name in ("prompt", *sorted(ARGUMENTS))}
    offered = offer(MASKING, properties, folder=True)
    assert set(offered) == {"prompt", *ARGUMENTS}
    assert offered["mask"]["description"] == "Words. Only for alpha, marked."
    without = {"use_latest_user_image", "user_image_count"}
    assert set(offer(MASKING, properties, folder=False)) == {"prompt", *ARGUMENTS} - without
    assert set(offer(ROOMS, properties, folder=True)) == {"prompt", *ARGUMENTS} - {"mask"}
    assert set(offer(Models(listed=(NONE,), default="none"), properties, folder=True)) == {"prompt"}
