"""Tests of service/upstreams/request_body.py."""

import asyncio
import base64
import json
from email import message_from_bytes
from email.policy import HTTP

import pytest

from service.images import Reference
from service.upstreams.request_body import PIECE, Body, form_body, json_body

LARGE = Reference(data=bytes(range(256)) * 3000 + b"x", media_type="image/jpeg")
SMALL = Reference(data=b"\x89PNG")


def sent(body: Body) -> bytes:
    """All of it, as long as it says that it is."""
    data = b"".join(body)
    assert int(body.headers["Content-Length"]) == len(data)
    return data


def test_pictures_stand_in_json_as_data_uris_where_they_were() -> None:
    """Spec RFC 2397. A text that looks like the place of one is a text."""
    value = {"a": [LARGE, {"b": SMALL}], "prompt": "\0 \\u0000 好", "c": SMALL}
    read = json.loads(sent(json_body(value)))
    small = "data:image/png;base64,iVBORw=="
    large = f"data:image/jpeg;base64,{base64.b64encode(LARGE.data).decode()}"
    assert read == {"a": [large, {"b": small}], "prompt": value["prompt"], "c": small}


def test_a_type_that_is_no_type_does_not_break_out_of_its_text() -> None:
    read = json.loads(sent(json_body([Reference(data=b"x", media_type='x","evil":"')])))
    assert read == ['data:x","evil":";base64,eA==']


def test_only_pictures_are_taken_for_pictures() -> None:
    with pytest.raises(TypeError):
        json_body({"a": object()})


def test_a_form_holds_fields_and_files_in_order() -> None:
    """Spec RFC 7578."""
    body = form_body({"prompt": "好\r\n--x", "n": "2"}, "image[]", [LARGE, Reference(data=b"", media_type="image/png")])
    head = f"Content-Type: {body.headers['Content-Type']}\r\n\r\n".encode()
    parts = list(message_from_bytes(head + sent(body), policy=HTTP).iter_parts())
    named = [(part.get_param("name", header="Content-Disposition"), part.get_filename()) for part in parts]
    assert named == [("prompt", None), ("n", None), ("image[]", "reference-1.jpg"), ("image[]", "reference-2.png")]
    assert [part.get_payload(decode=True) for part in parts] == ["好\r\n--x".encode(), b"2", LARGE.data, b""]
    assert [part.get_content_type() for part in parts[2:]] == ["image/jpeg", "image/png"]


@pytest.mark.parametrize("body", [json_body([LARGE]), form_body({}, "image", [LARGE])], ids=["json", "form"])
async def test_a_large_picture_is_made_in_small_pieces_with_room_between_them(body: Body) -> None:
    """Ours: every other call waits for the one event loop, which a piece holds up for 0.1 ms."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    pieces = [piece async for piece in body]
    others.cancel()
    assert len(pieces) <= turns + 1
    assert max(map(len, pieces)) <= PIECE // 3 * 4
    assert b"".join(pieces) == b"".join(body)
