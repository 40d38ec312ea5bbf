"""Tests of service/upstreams/chat_request.py."""

import pytest
from yarl import URL

from service.images import ImageRequest, Reference
from service.upstreams.chat_request import is_openrouter, messages, openrouter_extras

PNG = Reference(data=b"\x89PNG", media_type="image/png")
BY_URL = Reference(url="https://pictures.example/1.jpg")


def test_a_prompt_alone_is_one_message() -> None:
    """Bug: Flow2API takes a picture in an earlier message for a reference."""
    assert messages(ImageRequest(model="m", prompt="a")) == [{"role": "user", "content": "a"}]


def test_references_are_parts_in_the_object_form_in_order() -> None:
    """Bug: Flow2API answers 500 to a plain string as `image_url`. One with bytes becomes a data URI as it is sent."""
    (message,) = messages(ImageRequest(model="m", prompt="a", references=(PNG, BY_URL)))
    assert message["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/1.jpg"}},
    ]


@pytest.mark.parametrize(
    ("base", "answer"),
    [
        ("https://openrouter.ai/api/v1", True),
        ("https://eu.openrouter.ai/api/v1", True),
        ("https://notopenrouter.ai/v1", False),
        ("https://openrouter.ai.example/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_openrouter_is_known_by_its_host(base: str, answer: bool) -> None:
    assert is_openrouter(URL(base)) is answer


def test_openrouter_is_told_that_a_picture_is_wanted_and_how_large() -> None:
    """Spec OpenRouter, Image generation: without `modalities` many models answer in words."""
    asked = ImageRequest(model="google/demo-image", prompt="a", aspect_ratio="16:9", resolution="2K")
    assert openrouter_extras(asked) == {
        "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
    }
    assert openrouter_extras(ImageRequest(model="demo/flux", prompt="a")) == {"modalities": ["image"]}
