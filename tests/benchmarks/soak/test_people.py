"""Ours: an answer that no client should get is a fault, and the day goes on."""

import asyncio
import random

import aiohttp
import pytest
from aiohttp import web

from benchmarks.soak import people
from benchmarks.soak.people import ACTIONS, Day, FaultError, Person
from tests.emulators.loopback import serving


def test_what_is_done_has_a_weight() -> None:
    assert all(weight > 0 for _, weight in ACTIONS.values())


def failing(status: int, code: int) -> web.Application:
    """A server that has only this answer."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": code, "message": "no"}}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("history and search", 200, -32603),
        ("history and search", 502, 0),
        ("a picture by URL", 502, 0),
        ("pictures in a browser", 502, 0),
        ("a stream of changes", 502, 0),
        ("uploads", 502, 0),
    ],
)
async def test_an_error_of_the_server_is_a_fault(name: str, status: int, code: int) -> None:
    async with serving(failing(status, code)) as url, aiohttp.ClientSession() as http:
        person = Person(Day(), url, "token", http, random.Random(1))  # noqa: S311 - the same each time
        person.day.names.append("0" * 32 + ".png")
        with pytest.raises(FaultError):
            await ACTIONS[name][0](person)


async def test_faults_are_noted_and_the_day_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Person] = []

    async def breaks(person: Person) -> None:
        done.append(person)
        if len(done) > 2:
            await asyncio.sleep(0)
            return
        raise FaultError("500")

    monkeypatch.setattr(people, "ACTIONS", {"breaks": (breaks, 1)})
    async with aiohttp.ClientSession() as http:
        person = Person(Day(), "http://127.0.0.1:1", "token", http, random.Random(1))  # noqa: S311 - the same each time
        await person.live(asyncio.get_running_loop().time() + 0.1)
    assert person.day.faults == ["breaks: FaultError: 500"] * 2
    assert person.day.done["breaks"] >= 1
