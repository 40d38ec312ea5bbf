"""Ours: copies of a drawing differ, are whole pictures, and fit base64 without a seam."""

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import drawings, upstream


@pytest.fixture(autouse=True)
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest drawing alone, kept in a folder of the test."""
    monkeypatch.setattr(drawings, "CACHE", tmp_path)
    for each in (drawings.drawing, upstream._digits):
        each.cache_clear()


def test_copies_differ_and_are_pictures() -> None:
    first, second = drawings.copy("200 kB", 1), drawings.copy("200 kB", 2)
    assert first != second
    assert abs(len(first) - 200_000) < 20_000
    with Image.open(io.BytesIO(second)) as picture:
        picture.load()
        assert picture.info["n"] == "0000000002"


def test_base64_of_the_parts_is_base64_of_the_whole() -> None:
    body = json.loads(upstream.body("http://127.0.0.1:1", "200 kB", "base64", 7))
    assert base64.b64decode(body["data"][0]["b64_json"]) == drawings.copy("200 kB", 7)


def test_a_prompt_names_its_picture() -> None:
    found = upstream.ASKED.search(upstream.prompt(3, "1.1 MB", "by URL"))
    assert found is not None
    assert found.groups() == ("1.1 MB", "by URL")
