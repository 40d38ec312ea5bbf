"""The history of the earlier server, whole and broken."""

import json
from datetime import datetime

import pytest

from service.old_data.history import OldEntry, read_entries
from tests.old_folder import dumped, many, newest, oldest, signed


def read(archive: bytes | None, recent: bytes | None = None) -> tuple[list[OldEntry], list[str]]:
    faults: list[str] = []
    return read_entries(archive, recent, faults), faults


def test_an_entry_is_read_as_it_stands() -> None:
    """Ours: line breaks, quotes and emoji of a prompt are the person's words."""
    entries, faults = read(dumped(newest().entries))
    assert not faults
    assert [entry.id for entry in entries] == list(range(1, 11))
    first, refused = entries[:2]
    assert first.prompt == "a red fox\nin the “snow” 🦊"
    assert (first.time, first.urls, first.error) == (datetime(2026, 3, 5, 9, 31), (signed(1),), "")  # noqa: DTZ001 - as written
    assert (refused.urls, refused.error) == ((), "HTTP 400: content policy")


def test_the_tail_of_the_archive_counts_once() -> None:
    """Ours: `history.json` is the newest 50 of `history_archive.json`."""
    server = many(60, 0)
    entries, faults = read(dumped(server.entries), dumped(server.entries[-50:]))
    assert (len(entries), faults) == (60, [])


def test_an_entry_that_only_one_file_has_is_taken_from_there() -> None:
    """Bug of the earlier server: a kill between its two writes leaves them unlike."""
    server = many(52, 0)
    entries, _ = read(dumped(server.entries[:51]), dumped(server.entries[-50:]))
    assert [entry.id for entry in entries] == list(range(1, 53))


def test_the_same_request_twice_in_a_second_is_two_entries() -> None:
    server = newest()
    again = {**server.entries[1], "id": 11}
    entries, _ = read(dumped([*server.entries, again]), dumped([*server.entries, again]))
    assert [entry.prompt for entry in entries].count("a refused one") == 2
    assert len({entry.identity for entry in entries}) == 11


def test_entries_without_a_number_are_numbered_in_the_order_of_the_file() -> None:
    """Ours: as the newer versions of the earlier server do it themselves."""
    entries, faults = read(dumped(oldest().entries), dumped(oldest().entries))
    assert [(entry.id, entry.prompt) for entry in entries] == [
        (1, "the first picture"), (2, "a wave"), (3, "a cloud"), (4, "a failure"),
    ]  # fmt: skip
    assert not faults


def test_where_some_have_a_number_the_others_come_after_the_largest() -> None:
    old, new = oldest().entries[:2], newest().entries[:3]
    entries, _ = read(dumped([*old, *new]))
    assert [(entry.id, entry.prompt) for entry in entries][2:] == [
        (3, "user_image: 照片.jpeg"), (4, "the first picture"), (5, "a wave"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [0, -3, "7", 1.5, True, None, 10**18])
def test_a_number_that_is_none_is_replaced(number: object) -> None:
    """Ours: one that is far too large would leave no numbers for the pictures to come."""
    entries, _ = read(dumped([{**newest().entries[0], "id": number}]))
    assert [entry.id for entry in entries] == [1]


def test_of_two_entries_with_one_number_the_second_gets_another_and_it_is_told() -> None:
    first, second = newest().entries[:2]
    entries, faults = read(dumped([first, {**second, "id": 1}]))
    assert [(entry.id, entry.prompt) for entry in entries] == [(1, first["prompt"]), (2, second["prompt"])]
    assert "Entries with the number of another one: 1." in faults[0]


@pytest.mark.parametrize("cut", [0.999, 0.5, 0.31, 0.07])
def test_the_whole_entries_before_a_cut_are_taken(cut: float) -> None:
    """Bug of the earlier server: it rewrites the file in place, and a kill leaves its beginning."""
    server = newest()
    whole = dumped(server.entries)
    entries, faults = read(whole[: int(len(whole) * cut)])
    expected = len([None for entry in server.entries if dumped([entry])[4:-2] in whole[: int(len(whole) * cut)]])
    assert [entry.prompt for entry in entries] == [entry["prompt"] for entry in server.entries[: len(entries)]]
    assert len(entries) == expected
    assert faults[0].startswith("history_archive.json is cut or broken. ")


def test_a_cut_archive_is_completed_by_the_recent_history() -> None:
    server = many(80, 0)
    whole = dumped(server.entries)
    entries, faults = read(whole[: len(whole) // 2], dumped(server.entries[-50:]))
    assert {entry.id for entry in entries} == set(range(1, 81))
    assert len(faults) == 1


def test_entries_after_a_broken_one_are_taken() -> None:
    broken = dumped(newest().entries).replace(b'"id": 4', b'"id": ,', 1)
    entries, faults = read(broken)
    assert [entry.prompt for entry in entries if entry.prompt == "the photo as a watercolour"] == []
    assert len(entries) == 9
    assert "broken: 1." in faults[0]


@pytest.mark.parametrize("blank", [b"", b"\n", bytes(4096), b"\xef\xbb\xbf"])
def test_a_blank_file_is_told(blank: bytes) -> None:
    """Ours: a bind mount of a container makes files of 0 bytes, a power cut such of zeros."""
    assert read(blank, blank) == ([], ["history_archive.json is empty.", "history.json is empty."])


def test_a_byte_order_mark_is_no_fault() -> None:
    """Ours: editors of Windows write one."""
    entries, faults = read(b"\xef\xbb\xbf" + dumped(newest().entries))
    assert (len(entries), faults) == (10, [])


@pytest.mark.parametrize("text", [
    pytest.param(b"null", id="null"), pytest.param(b"[" * 5000, id="nested"), pytest.param(b"hello", id="text"),
    pytest.param(b'[1, "a", {"prompt": 3}, []]', id="strange values"), pytest.param(b"[1e999, NaN]", id="numbers"),
    pytest.param(b'[{"id": ' + b"9" * 5000 + b"}]", id="a long number"), pytest.param(b"\xff\xfe[", id="bytes"),
])  # fmt: skip
def test_a_file_of_anything_else_is_told_and_gives_nothing(text: bytes) -> None:
    entries, faults = read(text)
    assert not entries
    assert faults


def test_odd_values_of_an_entry_leave_the_rest_of_it() -> None:
    odd = {"id": 1, "time": "yesterday", "model": None, "prompt": "x\ud800y", "urls": ["", 3, "http://a/b"], "error": 5}
    [entry], _ = read(json.dumps([odd]).encode())
    assert (entry.time, entry.model, entry.prompt, entry.urls, entry.error) == (
        None,
        "unknown",
        "x?y",
        ("http://a/b",),
        "",
    )
