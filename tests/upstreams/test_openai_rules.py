"""Tests of service/upstreams/openai_rules.py."""

import pytest

from service.image_models.models import Model, read_models
from service.images import ImageRequest, Reference, WorkError
from service.upstreams.openai_rules import (
    DALL_E_2,
    DALL_E_3,
    FAMILIES,
    GPT_IMAGE_1,
    GPT_IMAGE_2,
    GPT_IMAGE_2_5,
    GPT_IMAGE_2_6,
    GPT_IMAGE_LATER,
    UNKNOWN,
    Family,
    check,
    family_of,
    size_of,
)
from tests.paths import SERVICE

LISTED = read_models((SERVICE / "models.json").read_bytes(), ["openai"]).listed

PNG = Reference(data=b"\x89PNG", media_type="image/png")


def asked(model: str, **fields: object) -> ImageRequest:
    return ImageRequest(model=model, **({"prompt": "a"} | fields))  # type: ignore[arg-type]  # a table's fields


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-image-1", GPT_IMAGE_1),
        ("gpt-image-1-mini", GPT_IMAGE_1),
        ("gpt-image-1.5", GPT_IMAGE_1),
        ("chatgpt-image-latest", GPT_IMAGE_1),
        ("openai/gpt-image-1.5", GPT_IMAGE_1),
        ("gpt-image-2", GPT_IMAGE_2),
        ("gpt-image-2-2026-04-21", GPT_IMAGE_2),
        ("gpt-image-2.5-flare-2026-09-08", GPT_IMAGE_2_5),
        ("gpt-image-2.6-sunburst", GPT_IMAGE_2_6),
        ("gpt-image-3", GPT_IMAGE_LATER),
        ("dall-e-2", DALL_E_2),
        ("dall-e-3", DALL_E_3),
        ("flux-1-kontext", UNKNOWN),
    ],
)
def test_a_model_is_of_one_family(model: str, family: Family) -> None:
    """Spec OpenAI API, Models; relays write the maker before the name."""
    assert family_of(model) is family


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param(asked("gpt-image-1.5", size="512x512"), "size '512x512'.*use auto, 1024x1024", id="size"),
        pytest.param(asked("gpt-image-2", size="1000x1000"), "multiples of 16", id="free-size-step"),
        pytest.param(asked("gpt-image-2", size="3840x512"), "3:1", id="free-size-ratio"),
        pytest.param(asked("gpt-image-2", size="512x512"), "pixels in all", id="free-size-small"),
        pytest.param(asked("gpt-image-2", size="large"), "size 'large'", id="free-size-word"),
        pytest.param(asked("dall-e-2", size="1792x1024"), "256x256, 512x512 or 1024x1024", id="dall-e-2-size"),
        pytest.param(asked("gpt-image-1.5", quality="hd"), "quality 'hd'.*auto, low, medium or high", id="quality"),
        pytest.param(asked("gpt-image-2", quality="max"), "quality 'max'", id="quality-of-later"),
        pytest.param(asked("gpt-image-2.5-flare", complexity="low"), "complexity 'low'.*takes none", id="complexity"),
        pytest.param(asked("dall-e-2", quality="hd"), "takes none", id="no-quality"),
        pytest.param(asked("dall-e-3", background="opaque"), "background 'opaque'", id="no-background"),
        pytest.param(asked("gpt-image-2", output_format="gif"), "png, jpeg or webp", id="format"),
        pytest.param(asked("gpt-image-2.6-flare", output_format="svg"), "output_format 'svg'", id="svg-is-not-kept"),
        pytest.param(
            asked("gpt-image-2", background="transparent", output_format="jpeg"), "png or webp", id="transparent-jpeg"
        ),
        pytest.param(asked("dall-e-3", count=2), "count '2'.*up to 1", id="count"),
        pytest.param(asked("gpt-image-2", count=11), "up to 10", id="count-of-many"),
        pytest.param(asked("dall-e-2", prompt="x" * 1001), "up to 1000 characters", id="prompt"),
        pytest.param(asked("gpt-image-2", seed=1), "seed '1'.*takes none", id="seed"),
        pytest.param(asked("gpt-image-2", negative_prompt="fog"), "negative_prompt", id="negative-prompt"),
        pytest.param(asked("gpt-image-2", loras={"a/b": 1.0}), "loras 'a/b'", id="loras"),
        pytest.param(asked("dall-e-3", references=(PNG,)), "without references", id="no-references"),
        pytest.param(
            asked("gpt-image-2", references=(PNG,), mask=Reference(data=b"x" * 4_000_001)), "mask '4000001'", id="mask"
        ),
        pytest.param(asked("dall-e-2", references=(PNG, PNG)), "up to 1", id="references"),
        pytest.param(
            asked("dall-e-2", references=(Reference(data=b"x", media_type="image/jpeg"),)), "use image/png", id="type"
        ),
        pytest.param(
            asked("dall-e-2", references=(Reference(data=b"x" * 4_000_001, media_type="image/png"),)),
            "4000000 bytes", id="large-reference",
        ),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_named_with_what_it_can(request_: ImageRequest, words: str) -> None:
    """Spec OpenAI API reference, Create image and Create image edit; nothing has been sent by then."""
    with pytest.raises(WorkError, match=words) as raised:
        check(request_, family_of(request_.model))
    assert (raised.value.kind, raised.value.retries) == ("bad_request", 0)


@pytest.mark.parametrize(
    "request_",
    [
        asked("gpt-image-1.5", size="auto", quality="high", background="transparent", output_format="webp", count=10),
        asked("gpt-image-2", size="3840x2160"),
        asked("gpt-image-2.5-flare", quality="xhigh"),
        asked("gpt-image-2.6-flare", output_format="gif"),
        asked("dall-e-3", quality="standard", size="1024x1792"),
        asked("gpt-image-2", references=(PNG,) * 16),
        asked("flux", size="1x1", quality="best", seed=1, count=50, references=(PNG,) * 20),
    ],
    ids=lambda each: each.model,
)
def test_what_a_model_can_do_passes(request_: ImageRequest) -> None:
    """Ours: and of a model that nobody knows, everything."""
    check(request_, family_of(request_.model))


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (asked("gpt-image-1.5"), None),
        (asked("gpt-image-1.5", resolution="1K"), None),
        (asked("gpt-image-1.5", aspect_ratio="1:1"), "1024x1024"),
        (asked("gpt-image-1.5", aspect_ratio="3:2"), "1536x1024"),
        (asked("gpt-image-1.5", aspect_ratio="2:3"), "1024x1536"),
        (asked("gpt-image-1.5", aspect_ratio="2:3", size="auto"), "auto"),
        (asked("dall-e-2", aspect_ratio="1:1"), "1024x1024"),
        (asked("dall-e-3", aspect_ratio="16:9"), "1792x1024"),
        (asked("gpt-image-2", aspect_ratio="16:9"), "1360x768"),
        (asked("gpt-image-2", aspect_ratio="16:9", resolution="4K"), "3840x2160"),
        (asked("gpt-image-2", aspect_ratio="1:1", resolution="4K"), "2880x2880"),
        (asked("gpt-image-2", aspect_ratio="3:1", resolution="2K"), "3504x1168"),
        (asked("gpt-image-2", resolution="2K"), "2048x2048"),
        (asked("flux", aspect_ratio="16:9"), None),
    ],
)
def test_a_shape_becomes_a_size(request_: ImageRequest, size: str | None) -> None:
    """Ours: `generate` speaks of shapes, the Images API of pixels."""
    family = family_of(request_.model)
    assert size_of(request_, family) == size
    if size is not None:
        check(asked(request_.model, size=size), family)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (asked("gpt-image-1.5", aspect_ratio="16:9"), "aspect_ratio '16:9'.*use 1:1, 3:2 or 2:3"),
        (asked("gpt-image-1.5", resolution="2K"), "resolution '2K'.*1K only"),
        (asked("gpt-image-2", aspect_ratio="4:1"), "up to 3:1"),
        (asked("gpt-image-2", aspect_ratio="wide"), "such as 3:2"),
        (asked("gpt-image-2", resolution="8K"), "use 1K, 2K or 4K"),
    ],
)
def test_a_shape_that_cannot_be_is_named(request_: ImageRequest, words: str) -> None:
    """Ours: a square in the place of what was asked for would be paid for too."""
    with pytest.raises(WorkError, match=words):
        size_of(request_, family_of(request_.model))


@pytest.mark.parametrize("model", LISTED, ids=[model.id for model in LISTED])
def test_a_listed_model_takes_what_its_family_lets_through_and_nothing_else(model: Model) -> None:
    """Ours: two tables say what a model takes, one before a call is accepted and one before it is sent."""
    family, choices = family_of(model.id), model.choices
    assert family.known, "it has no family, so that its parameters would be sent unchecked"
    assert choices["quality"] == family.qualities
    assert choices.get("complexity", ()) == family.complexities
    assert choices["background"] == family.backgrounds
    assert choices["output_format"] == tuple(each for each in family.formats if each != "gif")  # an animation
    assert (model.references, model.reference_types) == (family.most_references, family.reference_types)
    assert model.reference_bytes == family.largest_reference
    assert (model.takes, model.mask) == (frozenset(), "alpha")
    assert model.native_count <= family.most_pictures
    for name in ("aspect_ratio", "resolution"):
        for value in choices.get(name, ()):
            assert size_of(asked(model.id, **{name: value}), family) is not None or value == "1K"


@pytest.mark.parametrize("model", LISTED, ids=[model.id for model in LISTED])
def test_the_sizes_of_a_listed_model_are_those_of_its_family(model: Model) -> None:
    family = family_of(model.id)
    if family.sizes is not None:
        assert set(model.choices["size"]) == set(family.sizes)
        assert "resolution" not in model.choices
        return
    auto, sides = model.choices["size"]
    least, most = (int(pixels.partition("x")[0]) for pixels in sides.split(".."))
    for size in (auto, f"{least}x{least * 3}", f"{most}x{most // 3}"):
        check(asked(model.id, size=size), family)
    for size in (f"{least - 16}x{(least - 16) * 3}", f"{most + 16}x{most // 3}"):
        with pytest.raises(WorkError):
            check(asked(model.id, size=size), family)


def test_every_family_is_one_of_listed_models_or_known_to_be_older() -> None:
    """Ours: facts about ids that nobody is offered go stale unseen."""
    listed = [family_of(model.id) for model in LISTED]
    assert [family for _, family in FAMILIES if family.known and family not in listed] == [DALL_E_2, DALL_E_3]
