"""Messages between the service and a decoder: what goes in comes out, and nothing else does."""

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pictures.messages import (
    BadPictureError,
    Examined,
    read_answer,
    read_head,
    read_strings,
    write_message,
)

SENT = b"the bytes of the task"
SEEN = Examined(media_type="image/png", width=4, height=3, note="", preview=b"small", data=b"mended")


def sent_and_read(message: dict[str, Any], *strings: bytes) -> tuple[dict[str, Any], list[bytes]]:
    pipe = io.BytesIO()
    write_message(pipe, message, *strings)
    pipe.seek(0)
    head = read_head(pipe)
    return head, read_strings(pipe, head)


@pytest.mark.parametrize("data", [b"mended", b"", SENT], ids=["other bytes", "none", "those that were sent"])
def test_a_value_arrives_as_it_was(data: bytes) -> None:
    seen = Examined(media_type="image/png", width=4, height=3, preview=b"small", data=data)
    values, strings = seen.to_message(SENT)
    answer, read = sent_and_read({"values": values}, *strings)
    assert read_answer(Examined, answer, read, SENT) == seen


def test_the_bytes_of_the_task_do_not_travel_back() -> None:
    """Ours: a picture has up to a hundred megabytes."""
    _, strings = Examined(media_type="image/png", width=4, height=3, preview=b"small", data=SENT).to_message(SENT)
    assert strings == [b"small", b""], "the preview, and no thumbnail"


def test_a_refusal_arrives_as_the_error_that_it_was() -> None:
    answer, _ = sent_and_read({"refusal": ["PNG picture", "is damaged or cut short", "damaged"]})
    with pytest.raises(BadPictureError) as caught:
        read_answer(Examined, answer, [], SENT)
    assert (str(caught.value), caught.value.problem, caught.value.code) == (
        "The image service's PNG picture is damaged or cut short.",
        "is damaged or cut short",
        "damaged",
    )


VALUES, STRINGS = SEEN.to_message(SENT)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"values": []}, id="no object"),
        pytest.param({"refusal": ["too", "short"]}, id="a short refusal"),
        pytest.param({"refusal": [1, 2, 3]}, id="a refusal of numbers"),
        pytest.param({"values": VALUES | {"media_type": "text/html"}}, id="a type that is not kept"),
        pytest.param({"values": VALUES | {"width": "4"}}, id="a text for a number"),
        pytest.param({"values": VALUES | {"width": None}}, id="bytes for a number"),
        pytest.param({"values": VALUES | {"preview": "text"}}, id="a text for bytes"),
        pytest.param({"values": {"media_type": "image/png"}}, id="fields missing"),
    ],
)
def test_an_answer_that_no_decoder_gives_is_refused(answer: dict[str, Any]) -> None:
    """Attack: a picture that takes a decoder over answers as it likes; nothing of that is served as a page."""
    with pytest.raises(ValueError, match=r".+"):
        read_answer(Examined, answer, STRINGS, SENT)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack(">I", 2**31) + b"{}", id="a length of two gigabytes"),
        pytest.param(struct.pack(">I", 2) + b"[]", id="no object"),
        pytest.param(struct.pack(">I", 4) + b"{,,}", id="no JSON"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_head(io.BytesIO(data))


@pytest.mark.parametrize("sizes", [None, [-1], [2**40], ["1"], 7, [1] * 200])
def test_sizes_are_checked_before_memory_is_taken(sizes: object) -> None:
    with pytest.raises(ValueError, match=r"sizes|bytes"):
        read_strings(io.BytesIO(b"a" * 200), {"sizes": sizes}, most=199)


@given(st.integers(min_value=0, max_value=60))
def test_a_message_that_is_cut_ends_as_a_pipe_does(kept: int) -> None:
    pipe = io.BytesIO()
    write_message(pipe, {"work": "examine"}, b"twenty bytes of data")
    cut = io.BytesIO(pipe.getvalue()[: min(kept, len(pipe.getvalue()) - 1)])
    with pytest.raises(EOFError):
        read_strings(cut, read_head(cut))


def test_a_message_is_plain_json() -> None:
    """Ours: pickles would run code that a decoder sends."""
    pipe = io.BytesIO()
    write_message(pipe, {"values": VALUES}, b"x")
    text = pipe.getvalue()[4:-1]
    assert json.loads(text) == {"values": VALUES, "sizes": [1]}
