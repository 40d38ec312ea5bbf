"""Tests of service/bounds/bodies.py."""

import asyncio

import pytest

from service.bounds.bodies import PIECE, read_limited

LIMIT = 3 * PIECE


class Arriving:
    """A body that comes in pieces of at most this many bytes."""

    def __init__(self, body: bytes, step: int) -> None:
        self.rest = body
        self.step = step

    async def read(self, n: int = -1, /) -> bytes:
        await asyncio.sleep(0)
        size = min(n, self.step)
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


@pytest.mark.parametrize("step", [1000, 10 * PIECE])
@pytest.mark.parametrize("size", [0, 1, PIECE, LIMIT])
async def test_a_body_within_the_limit_comes_whole(size: int, step: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await read_limited(Arriving(body, step), LIMIT) == body


@pytest.mark.parametrize("step", [1000, 10 * PIECE])
async def test_of_a_larger_body_one_byte_more_than_the_limit_is_read(step: int) -> None:
    """Ours: memory is bounded, whatever arrives, and the caller sees by the length that there is more."""
    body = Arriving(b"x" * 2 * LIMIT, step)
    assert len(await read_limited(body, LIMIT)) == LIMIT + 1
    assert len(body.rest) == LIMIT - 1


@pytest.mark.parametrize("size", [0, 1, PIECE + 1, LIMIT, LIMIT + 5])
@pytest.mark.parametrize("told", [1, PIECE + 2, LIMIT - 1, LIMIT, LIMIT + 1, 2**40])
async def test_a_body_comes_whole_whatever_length_was_told(size: int, told: int) -> None:
    """Ours: a length is the word of a stranger. One beyond the limit takes no memory."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await read_limited(Arriving(body, PIECE), LIMIT, told) == body[: LIMIT + 1]
