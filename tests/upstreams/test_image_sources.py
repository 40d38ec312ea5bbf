"""Tests of service/upstreams/image_sources.py."""

import time
from urllib.parse import quote

import pytest

from service.upstreams.image_sources import Inline, Link, Source, in_field, in_text, in_words

SIGNED = "https://flow-content.google/image/1111-2222?Expires=1&KeyName=k&Signature=a%2Bb%2F%3D"
DIGITS = "iVBORw0KGgo" + "A" * 80 + "=="
DATA_URI = f"data:image/png;base64,{DIGITS}"


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        pytest.param(f"![Generated Image]({SIGNED})", [Link(SIGNED)], id="F1-signed-without-extension"),
        pytest.param(f"Done: ![]({SIGNED}) and ![b](/tmp/1.jpg)!", [Link(SIGNED), Link("/tmp/1.jpg")], id="F1-two"),
        pytest.param('![a](https://h/1.png "title")', [Link("https://h/1.png")], id="F1-title"),
        pytest.param("![a](<https://h/1.png>)", [Link("https://h/1.png")], id="F1-angle-brackets"),
        pytest.param(f"![image]({DATA_URI})", [Inline(DIGITS)], id="F2"),
        pytest.param("![i](data:image/jpeg;base64,\ue0003\ue001)", [Inline("\ue0003\ue001")], id="F2-lifted"),
        pytest.param(f"![i](data:image/jpeg;base64,{DATA_URI})", [Inline(DIGITS)], id="F2-double-prefix"),
        pytest.param(
            "data:image/png;base64,\ue0000\ue001AAAA\ue0001\ue001",
            [Inline("\ue0000\ue001AAAA\ue0001\ue001")],
            id="F3-mixture",
        ),
        pytest.param(DATA_URI, [Inline(DIGITS)], id="F3-data-uri"),
        pytest.param(f"{DATA_URI}\nHere you are", [Inline(DIGITS)], id="F3-prose-after"),
        pytest.param(SIGNED, [Link(SIGNED)], id="F3-url"),
        pytest.param("10%\nSee https://h/o/1.jpg?x=%2B now.", [Link("https://h/o/1.jpg?x=%2B")], id="F3-url-in-prose"),
        pytest.param("图片：https://h/o/1.jpg。", [Link("https://h/o/1.jpg")], id="F3-url-in-a-chinese-sentence"),
        pytest.param(f'<img alt="a" src="{SIGNED}"/>', [Link(SIGNED)], id="html"),
        pytest.param("![a](https://h/img (1).png)", [Link("https://h/img%20(1).png")], id="markdown-space-parentheses"),
        pytest.param("![a](https://h/img_(1).png)", [Link("https://h/img_(1).png")], id="markdown-parentheses"),
        pytest.param("![a](https://h/a(1(2)).png)!", [Link("https://h/a(1(2)).png")], id="markdown-nested"),
        pytest.param("![a](https://h/a%20b.png)", [Link("https://h/a%20b.png")], id="markdown-escaped"),
        pytest.param("![a](<https://h/my cat.png>)", [Link("https://h/my%20cat.png")], id="markdown-angle-space"),
        pytest.param("![a\nb](https://h/1.png)", [Link("https://h/1.png")], id="markdown-alt-in-lines"),
        pytest.param("![a](https://h/a(1.png)", [Link("https://h/a(1.png")], id="markdown-unbalanced"),
        pytest.param(
            '<img src="https://h/a b.png?x=1&amp;y=2">', [Link("https://h/a%20b.png?x=1&y=2")], id="html-space"
        ),
        pytest.param(f"![i](data:image/png;base64, {DIGITS})", [Inline(DIGITS)], id="data-space"),
        pytest.param(f"![i](data:image/png; base64,{DIGITS} )", [Inline(DIGITS)], id="data-other-spaces"),
        pytest.param(f"DATA:IMAGE/PNG;BASE64,{DIGITS}", [Inline(DIGITS)], id="data-upper-case"),
        pytest.param(f"![i](data:application/octet-stream;base64,{DIGITS})", [Inline(DIGITS)], id="data-any-type"),
        pytest.param(f"![i](data:;base64,{DIGITS})", [Inline(DIGITS)], id="data-no-type"),
        pytest.param(f"![i](image/png;base64,{DIGITS})", [Inline(DIGITS)], id="data-without-scheme"),
        pytest.param(f"![i](data:image/png;base64;charset=utf-8,{DIGITS})", [Inline(DIGITS)], id="data-order"),
        pytest.param(f"![i](data:image/png;charset=utf-8;base64,{DIGITS})", [Inline(DIGITS)], id="data-parameter"),
        pytest.param(f"data:text/plain;base64,{DIGITS}", [], id="data-text"),
        pytest.param(f"![i](data:image/*;base64,{DIGITS})", [Inline(DIGITS)], id="data-any-picture"),
        pytest.param(f"![i](data:image/png;;base64,{DIGITS})", [Inline(DIGITS)], id="data-empty-parameter"),
        pytest.param(f'![i](data:image/png;name="a b";base64,{DIGITS})', [Inline(DIGITS)], id="data-quoted-name"),
        pytest.param("`https://h/1.png`", [Link("https://h/1.png")], id="code"),
        pytest.param("**https://h/1.png**", [Link("https://h/1.png")], id="bold"),
        pytest.param("[img]https://h/1.png[/img]", [Link("https://h/1.png")], id="bbcode"),
        pytest.param("![图]（https://h/1.png）", [Link("https://h/1.png")], id="wide-parentheses"),
        pytest.param("![a](https:\\/\\/h\\/1.png)", [Link("https://h/1.png")], id="escaped-slashes"),
        pytest.param(f'```json\n{{"b64_json": "{DIGITS}"}}\n```', [Inline(DIGITS)], id="json-in-text"),
        pytest.param(DIGITS, [Inline(DIGITS)], id="base64-alone"),
        pytest.param("[Open it](https://h/o/1)", [Link("https://h/o/1")], id="link-alone-on-its-line"),
        pytest.param("![a](attachment://1.png) ![b](sandbox:/mnt/1.png)", [], id="no-urls"),
        pytest.param("I cannot draw that, see https://policies.example/terms for why.", [], id="refusal"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_pictures_are_found_in_text(text: str, sources: list[Source]) -> None:
    """Ours: markdown, HTML, data URI or URL, as gateways write them."""
    assert in_text(text) == sources


def test_only_a_url_that_nothing_shows_is_a_guess() -> None:
    """Ours: what is behind it may be a page of rules, and then nobody made a picture."""
    assert [each.guessed for each in in_text(f"![]({SIGNED})") if isinstance(each, Link)] == [False]
    assert [each.guessed for each in in_text(f"Here:\n{SIGNED}") if isinstance(each, Link)] == [True]
    assert in_words(f"Here:\n{SIGNED}") == []


def test_what_stands_at_the_end_of_a_cut_text_is_no_picture() -> None:
    """Ours: half a data URI decodes to half a picture."""
    assert in_text(DATA_URI, ended=False) == []
    assert in_text(f"![a]({DATA_URI})\n", ended=False) == [Inline(DIGITS)]


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        pytest.param([{"type": "image_url", "image_url": {"url": DATA_URI}}], [Inline(DIGITS)], id="F5"),
        pytest.param([DATA_URI], [Inline(DIGITS)], id="F5-strings"),
        pytest.param({"url": SIGNED}, [Link(SIGNED)], id="F5-one-object"),
        pytest.param([{"imageUrl": {"url": SIGNED}}], [Link(SIGNED)], id="F5-camel-case"),
        pytest.param([{"image_url": SIGNED}], [Link(SIGNED)], id="F5-plain-string"),
        pytest.param([{"data": "/9j/" + DIGITS}], [Inline("/9j/" + DIGITS)], id="F6-jpeg-begins-with-a-slash"),
        pytest.param([{"url": SIGNED}, {"b64_json": DIGITS}], [Link(SIGNED), Inline(DIGITS)], id="F7"),
        pytest.param([{"url": None, "b64_json": DIGITS}], [Inline(DIGITS)], id="null-before"),
        pytest.param("/tmp/1.jpg", [Link("/tmp/1.jpg")], id="path"),
        pytest.param({"mimeType": "image/png", "data": DIGITS}, [Inline(DIGITS)], id="F10"),
        pytest.param({"inlineData": {"mimeType": "audio/wav", "data": DIGITS}}, [], id="F10-sound"),
        pytest.param([{"url": SIGNED, "b64_json": DIGITS}], [Inline(DIGITS)], id="both-need-no-download"),
        pytest.param({"url": f"data:image/png;base64, {DIGITS}"}, [Inline(DIGITS)], id="data-space"),
        pytest.param(
            {"url": f"data:;base64,{DIGITS[:9]} {DIGITS[9:]}"}, [Inline(f"{DIGITS[:9]} {DIGITS[9:]}")], id="data"
        ),
        pytest.param({"images": [{"url": SIGNED}], "seed": 7}, [Link(SIGNED)], id="siliconflow"),
        pytest.param({"code": 0, "data": {"images": [{"url": SIGNED}]}}, [Link(SIGNED)], id="nested-images"),
        pytest.param({"data": [], "images": [SIGNED]}, [Link(SIGNED)], id="empty-data-beside-images"),
        pytest.param({"output": {"image_urls": [SIGNED]}}, [Link(SIGNED)], id="apimart"),
        pytest.param({"result": {"images": [{"url": [SIGNED]}]}}, [Link(SIGNED)], id="list-of-urls"),
        pytest.param({"artifacts": [{"base64": DIGITS}]}, [Inline(DIGITS)], id="stability"),
        pytest.param({"predictions": [{"bytesBase64Encoded": DIGITS}]}, [Inline(DIGITS)], id="vertex"),
        pytest.param({"mimeType": "application/octet-stream", "data": DIGITS}, [Inline(DIGITS)], id="any-type"),
        pytest.param({"url": "https://h/my cat.png"}, [Link("https://h/my%20cat.png")], id="space"),
        pytest.param({"url": "http:///files/1.png"}, [Link("/files/1.png")], id="no-host"),
        pytest.param({"url": "None/files/1.png"}, [Link("/files/1.png")], id="no-base-url"),
        pytest.param({"url": "localhost:8000/files/1"}, [Link("http://localhost:8000/files/1")], id="no-scheme"),
        pytest.param({"caption": "no"}, [], id="unknown"),
        pytest.param(None, [], id="null"),
        pytest.param({"type": "file", "file": {"file_data": DATA_URI}}, [Inline(DIGITS)], id="file-part"),
        pytest.param({"url": f"![a]({SIGNED})"}, [Link(SIGNED)], id="markdown-in-a-field"),
        pytest.param({"b64_json": f"b'{DIGITS}'"}, [Inline(DIGITS)], id="bytes-as-python-prints-them"),
        pytest.param({"url": f"data:image/png;base64%2C{DIGITS}"}, [Inline(DIGITS)], id="escaped-comma"),
        pytest.param({"url": quote(DATA_URI, safe="")}, [Inline(DIGITS)], id="escaped-whole"),
        pytest.param(
            {"output": {"choices": [{"message": {"content": [{"image": SIGNED}]}}]}}, [Link(SIGNED)], id="dashscope"
        ),
        pytest.param(
            {"choices": [{"message": {"content": f"![a]({SIGNED})"}}]}, [Link(SIGNED)], id="a-chat-in-an-images-answer"
        ),
    ],
)
def test_pictures_are_found_in_fields(value: object, sources: list[Source]) -> None:
    """Spec OpenRouter, Image generation; LiteLLM before 1.77, grok2api and others do it otherwise."""
    assert list(in_field(value)) == sources


def test_a_field_nested_without_end_is_left() -> None:
    """Ours: an upstream may not lead us into a recursion error."""
    value: object = SIGNED
    for _ in range(900):
        value = [value]
    assert list(in_field(value)) == []


@pytest.mark.parametrize(
    "text", ["![](" * 40_000, "![a" * 60_000, "data: ;" * 30_000, "<img src=" * 20_000, "](" * 90_000]
)
def test_no_text_takes_long_to_search(text: str) -> None:
    """Ours: everybody waits meanwhile. A second is far more than it takes, and far less than a quadratic search.

    It is one of the processor, which other work does not lengthen.
    """
    began = time.thread_time()
    in_text(text)
    assert time.thread_time() - began < 1
