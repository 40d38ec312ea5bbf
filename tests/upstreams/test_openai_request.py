"""Tests of service/upstreams/openai_request.py."""

import json

import pytest

from service.images import ImageRequest, Reference
from service.upstreams.openai_request import Draft, by_url, draft, encoded, unknown_parameter

PNG = Reference(data=b"\x89PNG", media_type="image/png")
BY_URL = Reference(url="https://pictures.example/1.jpg")
DRAFT = Draft(
    path="images/generations",
    parameters={"model": "m", "prompt": "a", "stream": True, "partial_images": 2, "quality": "low"},
)


def asked(model: str, **fields: object) -> ImageRequest:
    return ImageRequest(model=model, prompt="a", **fields)  # type: ignore[arg-type]  # a table's fields


@pytest.mark.parametrize(
    ("request_", "parameters"),
    [
        pytest.param(asked("gpt-image-2"), {"stream": True, "partial_images": 2}, id="gpt-image"),
        pytest.param(asked("gpt-image-2", count=2), {"n": 2}, id="several-do-not-stream"),
        pytest.param(asked("gpt-image-2.6-flare", output_format="gif"), {"output_format": "gif"}, id="gif"),
        pytest.param(asked("gpt-image-2.6-flare", complexity="low", count=2), {"n": 2, "complexity": "low"}, id="plan"),
        pytest.param(asked("gpt-image-9"), {"stream": True, "partial_images": 2}, id="a-later-one"),
        pytest.param(asked("dall-e-3"), {"response_format": "b64_json"}, id="dall-e"),
        pytest.param(asked("flux"), {}, id="unknown"),
        pytest.param(
            asked("flux", aspect_ratio="16:9", resolution="2K", seed=0, negative_prompt="fog", guidance=3.5, steps=9),
            {
                "aspect_ratio": "16:9",
                "resolution": "2K",
                "seed": 0,
                "negative_prompt": "fog",
                "guidance": 3.5,
                "steps": 9,
            },
            id="unknown-gets-all",
        ),
    ],
)
def test_each_family_is_asked_in_its_own_words(request_: ImageRequest, parameters: dict[str, object]) -> None:
    """Spec OpenAI API reference, Create image; a service of somebody else's gets what was asked, as it is."""
    assert draft(request_).parameters == {"model": request_.model, "prompt": "a", **parameters}


@pytest.mark.parametrize(
    ("request_", "files", "images"),
    [
        pytest.param(asked("gpt-image-2", references=(BY_URL,)), 0, 1, id="by-url"),
        pytest.param(asked("gpt-image-2", references=(PNG,)), 1, 0, id="bytes"),
        pytest.param(asked("flux", references=(PNG, PNG)), 2, 0, id="unknown"),
    ],
)
def test_references_go_as_files_or_by_their_urls(request_: ImageRequest, files: int, images: int) -> None:
    """Spec OpenAI API reference, Create image edit: the JSON form is gpt-image's, relays know the other."""
    made = draft(request_)
    listed = made.parameters.get("images", [])
    assert isinstance(listed, list)
    assert (made.path, len(made.files), len(listed)) == ("images/edits", files, images)


def test_only_a_model_that_takes_urls_reads_them_itself() -> None:
    assert by_url(asked("gpt-image-2", references=(BY_URL,)))
    assert not by_url(asked("gpt-image-2", references=(BY_URL, PNG)))
    assert not by_url(asked("flux", references=(BY_URL,)))
    assert not by_url(asked("gpt-image-2", references=(BY_URL,), mask=PNG))


def test_a_draft_without_files_is_json() -> None:
    body = encoded(DRAFT)
    assert body.headers["Content-Type"] == "application/json"
    assert json.loads(b"".join(body)) == DRAFT.parameters


def test_a_draft_with_files_is_a_form() -> None:
    """Ours: its parts are read by the emulator, in the tests of the upstream."""
    body = encoded(draft(asked("gpt-image-2", references=(PNG, PNG))))
    assert body.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b"".join(body).count(PNG.data) == 2


@pytest.mark.parametrize(
    ("error", "name"),
    [
        pytest.param({"code": "unknown_parameter", "param": "quality", "message": "x"}, "quality", id="code"),
        pytest.param({"param": "stream", "code": "invalid_value", "message": "no"}, "stream", id="stream"),
        pytest.param({"message": "Unknown parameter: 'quality'."}, "quality", id="words"),
        pytest.param({"message": "Unrecognized request argument supplied: quality"}, "quality", id="older-words"),
        pytest.param("got an unexpected keyword argument 'partial_images'", "partial_images", id="python"),
        pytest.param({"code": "unknown_parameter", "param": "seed"}, None, id="not-sent"),
        pytest.param({"code": "unknown_parameter", "param": "prompt"}, None, id="needed"),
        pytest.param({"param": "quality", "code": "invalid_value", "message": "no such quality"}, None, id="a-value"),
        pytest.param({"message": "the quality of the prompt"}, None, id="prose"),
    ],
)
def test_what_a_service_does_not_know_is_found(error: object, name: str | None) -> None:
    """Spec OpenAI API, error codes, and the words of relays; a wrong value is not left out but told."""
    assert unknown_parameter(DRAFT, json.dumps({"error": error}).encode()) == name


def test_without_a_stream_there_are_no_partial_pictures() -> None:
    """Spec OpenAI API reference: `partial_images` alone is an error."""
    assert DRAFT.without("stream").parameters == {"model": "m", "prompt": "a", "quality": "low"}
    assert "stream" in DRAFT.without("partial_images").parameters


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", b"image/png"),
        (b"\xff\xd8\xff\xe0", b"image/jpeg"),
        (b"RIFF1234WEBP", b"image/webp"),
        (b"<html>", b"application/octet-stream"),
    ],
)
def test_the_bytes_of_a_reference_tell_its_type_where_nothing_else_does(data: bytes, media_type: bytes) -> None:
    form = b"".join(encoded(Draft(path="images/edits", parameters={}, files=(Reference(data=data),))))
    assert b"Content-Type: " + media_type + b"\r\n" in form
