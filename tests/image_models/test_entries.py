"""The text of a models file, in which entries go and come while all else stays as a person wrote it."""

import json

import pytest

from service.image_models.entries import with_entries

NEW = '{"id": "n"}'


@pytest.mark.parametrize(
    ("text", "gone", "new", "result"),
    [
        pytest.param('{"models": ["a", "b"]}', "10", [], '{"models": ["b"]}', id="the first of one line"),
        pytest.param('{"models": ["a", "b"]}', "01", [], '{"models": ["a"]}', id="the last"),
        pytest.param('{"models": ["a", "b"]}', "00", [NEW], '{"models": ["a", "b", {"id": "n"}]}', id="one more"),
        pytest.param('{"models": ["a"]}', "0", [NEW], '{"models": ["a", {"id": "n"}]}', id="a second one"),
        pytest.param('{"models":["a","b"]}', "00", [NEW], '{"models":["a","b",{"id": "n"}]}', id="without a space"),
        pytest.param(
            '{"models": []}', "", [NEW, NEW], '{"models": [\n    {"id": "n"},\n    {"id": "n"}\n  ]}', id="none"
        ),
        pytest.param('{"models": ["a"]}', "1", [], '{"models": []}', id="none left"),
        pytest.param(
            '{\n\t"models": [\n\t\t"a"\n\t]\n}', "1", [NEW], '{\n\t"models": [\n\t\t{"id": "n"}\n\t]\n}', id="tabs"
        ),
        pytest.param(
            '{"models": [\r\n  "a",\r\n  "b"\r\n]}\r\n',
            "10",
            [NEW],
            '{"models": [\r\n  "b",\r\n  {"id": "n"}\r\n]}\r\n',
            id="line breaks of Windows",
        ),
    ],
)
def test_entries_go_and_come_as_a_person_would_write_them(text: str, gone: str, new: list[str], result: str) -> None:
    assert with_entries(text.encode(), [each == "1" for each in gone], new).decode() == result


def test_all_else_stays_byte_for_byte() -> None:
    """Ours: numbers, escapes, comments in keys of their own and odd spaces are somebody's work."""
    text = (
        '\ufeff { "//" : "by me \\u00e9" ,\n"models":[ {"id" :"a",  "price":1e-2, "//":"]," } ,\n\n  "gone",\n'
        '      {"id":"b",\n        "about":"two\\nlines"}\n ],"prices": {"x": {"picture": 0.040}}, "z": ["gone"]}\n\n'
    )
    assert with_entries(text.encode(), [False, True, False], []).decode() == text.replace('\n\n  "gone",', "", 1)


def test_a_file_that_needs_no_change_is_the_same_file() -> None:
    text = b'{"models": [ "a" ] }'
    assert with_entries(text, [False], []) is text


def test_of_two_lists_the_one_that_counts_is_changed() -> None:
    """Spec RFC 8259, 4: most readers take the last of two names that are the same, and so does ours."""
    text = b'{"models": ["old"], "models": ["a", "b"]}'
    assert json.loads(with_entries(text, [True, False], [])) == {"models": ["b"]}
    assert b'["old"]' in with_entries(text, [True, False], [])
