"""Ours: whole answers are counted, in whatever pieces they come, and anything else is a problem."""

import pytest
from aiohttp import web

from benchmarks.load import SMALL, Answer, Expected, ask, press
from tests.emulators.loopback import serving

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_an_answer_is_complete_with_its_last_byte(whole: bytes, piece: int) -> None:
    answer = Answer(keeps=False)
    seen: list[bool] = []
    for at in range(0, len(whole), piece):
        seen.append(answer.complete)
        answer.feed(memoryview(whole)[at : at + piece])
    assert [*seen, answer.complete] == [False] * len(seen) + [True]
    assert answer.content == whole


def test_a_large_answer_is_counted_and_not_kept() -> None:
    answer = Answer(keeps=False)
    answer.feed(memoryview(f"HTTP/1.1 200 OK\r\nContent-Length: {SMALL + 1}\r\n\r\n".encode()))
    complete = []
    for size in (SMALL, 1):
        answer.feed(memoryview(bytes(size)))
        complete.append(answer.complete)
    assert complete == [False, True]
    assert len(answer.content) < 100


def application(answers: list[str]) -> web.Application:
    """Answers in turn, the last one for ever."""

    async def get(_: web.Request) -> web.Response:
        return web.Response(text=answers.pop(0) if len(answers) > 1 else answers[0])

    app = web.Application()
    app.router.add_get("/", get)
    return app


async def test_load_counts_answers_and_keeps_the_first_of_each_connection() -> None:
    async with serving(application(['{"result": 1}'])) as url:
        tally = await press(int(url.rpartition(":")[2]), [[GET], [GET]], 0.01, 0.1, Expected())
    assert tally.problems == []
    assert len(tally.samples) == 2
    assert 0 < len(tally.latencies) <= tally.count
    assert tally.rate == len(tally.latencies) / 0.1


async def test_an_answer_that_is_not_what_was_expected_is_a_problem() -> None:
    async with serving(application(['{"result": 1}', '{"error": 1}'])) as url:
        tally = await press(int(url.rpartition(":")[2]), [[GET]], 0.01, 0.1, Expected())
    [problem] = tally.problems
    assert problem.endswith('{"error": 1}')


async def test_one_request_is_answered_whole() -> None:
    async with serving(application(["x" * 100_000])) as url:
        assert (await ask(int(url.rpartition(":")[2]), GET)).endswith(b"x" * 100_000)
