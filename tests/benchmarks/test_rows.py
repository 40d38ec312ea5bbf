"""Ours: words choose rows, a row brings its yardstick, and an answer of another form is noticed."""

import pytest

from benchmarks.load import Tally
from benchmarks.rows import BARE, CALLS, PART, PICTURES, ROWS, Names, PictureRow, chosen

NAMES = Names({"200 kB": "a.png", "2 MB": "b.png", "derivative": "b.png"}, {"200 kB": [f"{n}.png" for n in range(5)]})
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def picture(what: str, peer: str = "service") -> PictureRow:
    [row] = [each for each in PICTURES if (each.peer, each.what) == (peer, what)]
    return row


def test_words_choose_rows_and_their_yardsticks() -> None:
    assert [row.name for row in chosen(["modern history"])] == [BARE, "service: modern history, 5 of 10,000"]
    assert [row.name for row in chosen(["nginx: 304"])] == ["FileResponse: 304", "nginx: 304"]
    assert chosen([]) == list(ROWS)


def test_every_row_has_its_yardstick_and_no_name_is_there_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert {row.of for row in ROWS} <= set(names)


def test_connections_ask_for_one_hot_picture_and_share_the_cold_ones_out() -> None:
    hot = picture("200 kB").turns(80, NAMES, 2)
    assert hot[0] == hot[1]
    assert hot[0][0].startswith(b"GET /mcp-cache/a.png HTTP/1.1\r\n")
    cold = picture("200 kB, cold").turns(80, NAMES, 2)
    assert sorted(len(each) for each in cold) == [2, 3]
    assert len({request for each in cold for request in each}) == 5


def test_a_part_is_asked_for_by_its_range_and_a_derivative_by_its_width() -> None:
    [[part]] = picture("Range 64 kB").turns(80, NAMES, 1)
    assert f"Range: bytes=1000-{1000 + PART - 1}".encode() in part
    [[derivative]] = picture("derivative").turns(80, NAMES, 1)
    assert derivative.startswith(b"GET /mcp-cache/b.png?w=320&f=webp ")
    [[file]] = picture("derivative", "nginx").turns(80, NAMES, 1)
    assert file.startswith(b"GET /mcp-cache/320-b.png ")


def test_an_answer_of_another_form_ends_the_run() -> None:
    """Ours: an error is answered faster than what was asked for."""
    call, streamed = CALLS[0], CALLS[1]
    good = HEAD + b'{"result":{}}'
    call.check(Tally(samples=[good]))
    for wrong in (good + b'"isError":true', good + b"notifications/progress"):
        with pytest.raises(RuntimeError, match="not of the expected form"):
            call.check(Tally(samples=[wrong]))
    with pytest.raises(RuntimeError, match="not of the expected form"):
        streamed.check(Tally(samples=[good]))
    with pytest.raises(RuntimeError, match="1 problems"):
        call.check(Tally(problems=["HTTP/1.1 429"]))


@pytest.mark.parametrize(("what", "body"), [("Range 64 kB", b"x" * PART), ("304", b""), ("2 MB", b"x" * 2000)])
def test_a_picture_has_the_bytes_that_were_asked_for(what: str, body: bytes) -> None:
    assert picture(what).fits(HEAD + body)
    assert not picture(what).fits(HEAD + b"x")
