"""Tests of service/upstreams/base64_extractor.py."""

import asyncio
import base64
import json
import random
from urllib.parse import quote

import orjson
import pytest

from service.upstreams.base64_extractor import LONG, Base64Extractor, ExtractedBase64

PICTURE = random.Random(1).randbytes(3 * LONG + 1)  # noqa: S311 - data, not a secret
DIGITS = base64.b64encode(PICTURE).decode()


def extract(data: bytes, step: int, *, is_json: bool = True) -> tuple[bytes, ExtractedBase64]:
    """Return the rest of data that comes in pieces of this many bytes, and the base64 that was taken out."""
    extracted = ExtractedBase64()
    extractor = Base64Extractor(extracted, json=is_json)
    left = b"".join(extractor.extract(data[at : at + step]) for at in range(0, len(data), step))
    return left + extractor.rest(), extracted


@pytest.mark.parametrize("step", [1, 7, 1000, LONG, 65536])
@pytest.mark.parametrize(
    "escaped",
    [
        pytest.param(DIGITS, id="plain"),
        pytest.param(DIGITS.replace("/", "\\/"), id="php"),
        pytest.param(DIGITS.replace("+", "\\u002B").replace("=", "\\u003d"), id="dotnet"),
        pytest.param("\\r\\n".join(DIGITS[at : at + 76] for at in range(0, len(DIGITS), 76)), id="mime"),
        pytest.param(DIGITS.translate(str.maketrans("+/", "-_")).rstrip("="), id="url-safe-unpadded"),
    ],
)
async def test_any_base64_cut_anywhere_decodes_to_the_same_bytes(escaped: str, step: int) -> None:
    """Ours: TCP cuts where it likes, and encoders escape what they like."""
    left, extracted = extract(b'{"b64_json":"%b","after":"\\n"}' % escaped.encode(), step)
    parsed = orjson.loads(left)
    assert parsed["after"] == "\n"
    assert await extracted.decode(parsed["b64_json"]) == PICTURE


@pytest.mark.parametrize("step", [1, 100, 65536])
async def test_a_run_that_ends_in_an_escaped_quote_gives_the_quote_back(step: int) -> None:
    """Ours: HTML within JSON; a backslash taken into the run would end the string too early."""
    left, extracted = extract(json.dumps({"content": f'<img src="data:image/png;base64,{DIGITS}">'}).encode(), step)
    content = orjson.loads(left)["content"]
    assert content.endswith('">')
    stand_in = content.removeprefix('<img src="data:image/png;base64,').removesuffix('">')
    assert await extracted.decode(stand_in) == PICTURE


ESCAPED = [
    pytest.param(DIGITS, id="plain"),
    pytest.param(DIGITS.replace("/", "\\/"), id="php"),
    pytest.param(DIGITS.replace("+", "\\u002B").replace("=", "\\u003d"), id="dotnet"),
    pytest.param("".join(f"{DIGITS[at : at + 76]}\\n" for at in range(0, len(DIGITS), 76)), id="mime"),
]


@pytest.mark.parametrize("step", [1448, 32768])
@pytest.mark.parametrize("escaped", ESCAPED)
def test_nothing_long_reaches_the_parser(escaped: str, step: int) -> None:
    """Ours: megabytes in a JSON parser hold up every other call, however they are escaped."""
    left, _ = extract(b'{"url":"data:image/png;base64,%b"}' % (escaped.encode() * 50), step)
    assert len(left) < 4 * LONG


@pytest.mark.parametrize("step", [1, 1000, 65536])
@pytest.mark.parametrize("escaped", ESCAPED)
async def test_a_run_may_begin_after_a_break(escaped: str, step: int) -> None:
    """Bug: the `n` of an escaped line break looks like base64, and was taken into it."""
    left, extracted = extract(b'{"b64_json":"\\n%b\\n"}' % escaped.encode(), step)
    assert await extracted.decode(orjson.loads(left)["b64_json"]) == PICTURE


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("step", [1, 1000, 65536])
async def test_words_after_a_picture_are_not_part_of_it(step: int, is_json: bool) -> None:
    """Ours: a bare data URI, and a line of prose below."""
    text = f"data:image/png;base64,{DIGITS}\nHere you are"
    left, extracted = extract(json.dumps(text).encode() if is_json else text.encode(), step, is_json=is_json)
    found = orjson.loads(left) if is_json else left.decode()
    assert found.endswith("\nHere you are")
    digits = found.removesuffix("\nHere you are").removeprefix("data:image/png;base64,")
    assert await extracted.decode(digits) == PICTURE


@pytest.mark.parametrize("step", [1, 50, 65536])
def test_what_is_no_base64_is_left_as_it_is(step: int) -> None:
    """Ours: words, escapes and other scripts pass through, whatever their place."""
    data = '{"content": "✨ 图片生成任务已启动\\n \\"quoted\\" \\\\ http://h/x?y=%2B", "n": 1}\n\\'.encode()
    assert extract(data, step)[0] == data


async def test_two_extractors_share_one_table() -> None:
    """Ours: the bytes of the wire and the joined text of the deltas are extracted one within the other."""
    extracted = ExtractedBase64()
    outer, inner = Base64Extractor(extracted, json=True), Base64Extractor(extracted, json=False)
    left = outer.extract(b"[" + DIGITS[:LONG].encode())
    inner_left = inner.extract(DIGITS.encode()) + inner.rest()
    left += outer.extract(DIGITS[LONG:].encode() + b"]") + outer.rest()
    assert await extracted.decode(inner_left.decode()) == PICTURE
    assert await extracted.decode(left.decode().strip("[]")) == PICTURE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A", id="one-digit"),
        pytest.param("AAAA!AAA", id="not-a-digit"),
        pytest.param("\ue0009\ue001", id="stand-in-from-outside"),
    ],
)
async def test_what_is_no_base64_is_refused(text: str) -> None:
    """Ours: an upstream may write anything, stand-ins included."""
    with pytest.raises(ValueError, match=r"stand-in|[Bb]ase64|data characters"):
        await ExtractedBase64().decode(text)


@pytest.mark.parametrize("before", ["", "i", "iV", "iVBORw0K"])
async def test_a_run_that_goes_on_from_literal_digits_is_joined_to_them(before: str) -> None:
    """Ours: what was decoded as it came is base64 again where it is the rest of another text; twice gives the same."""
    digits = DIGITS.removeprefix(before)
    left, extracted = extract(b'{"b64_json":"%b"}' % digits.encode(), 1000)
    [stand_in] = orjson.loads(left).values()
    expected = base64.b64decode(before + digits + "=" * (-len(before + digits) % 4))
    for _ in range(2):
        assert await extracted.decode(before + stand_in) == expected
        assert await extracted.decode(stand_in) == base64.b64decode(digits + "=" * (-len(digits) % 4))


async def test_decoding_lets_others_run() -> None:
    """Ours: nothing may hold the loop for the length of a picture."""
    extracted = ExtractedBase64()
    extractor = Base64Extractor(extracted, json=False)
    left = b"".join(extractor.extract(b"A_" * 32768) for _ in range(16)) + extractor.rest()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await extracted.decode(left.decode())
    counting.cancel()
    assert turns >= 16


async def test_base64_with_the_escapes_of_a_url_is_read() -> None:
    """Ours: data URIs are URLs, and some relays escape the signs + / = in them."""
    assert await ExtractedBase64().decode(quote(DIGITS, safe="")) == PICTURE


async def test_a_run_that_is_dropped_takes_no_room() -> None:
    """Ours: a draft that is replaced need not be kept until the picture comes."""
    extracted = ExtractedBase64()
    extractor = Base64Extractor(extracted, json=True)
    left = extractor.extract(b'{"a":"' + b"QUJD" * 2000 + b'","b":"' + b"REVG" * 2000 + b'"}') + extractor.rest()
    first, second = json.loads(left).values()
    assert (extracted.drop(f"data:{first}"), extracted.drop(first)) == (8000, 0)
    assert (await extracted.decode(first), await extracted.decode(second)) == (b"", b"DEF" * 2000)
