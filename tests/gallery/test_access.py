"""Access to the gallery: sessions, one-time links, and the needs of a request that changes something."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import make_mocked_request

from service.authorization import LOOK
from service.gallery.access import COOKIE, LINK_S, SESSION_S, Access, Ticket, is_same_origin, path_of_link
from service.settings import Settings
from service.storage.disk_sessions import DiskSessions
from service.storage.ended_sessions import EndedSessions
from service.tokens import static_tokens
from service.web.guard import Guard
from service.web.identity import LOCAL, StaticTokens, TokenError
from tests.stores import Clock
from tests.wire import ANNA, BEN

KEY = b"k" * 32


class Ended(EndedSessions):
    """Ended sessions in memory."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def contains(self, session_id: str) -> bool:
        return session_id in self.ids

    async def add(self, session_id: str, expires: float) -> None:
        assert expires > 0
        self.ids.add(session_id)

    async def take(self, session_id: str, expires: float) -> bool:
        first = session_id not in self.ids
        await self.add(session_id, expires)
        return first


def access(clock: Clock, ended: EndedSessions, **tokens: str) -> Access:
    settings = Settings.from_env({"EASEL_TOKENS": ",".join(f"{name}:{token}" for name, token in tokens.items())})
    known = StaticTokens(static_tokens(settings.tokens.items()))
    return Access(key=KEY, guard=Guard(settings, None, known), tokens=known, ended=ended, clock=clock)


@pytest_asyncio.fixture
async def ended() -> AsyncIterator[Ended]:
    yield Ended()


def owner(who: Access, session: Ticket | str) -> str:
    """The owner of the session of a request with this cookie; "" for none."""
    cookie = session if isinstance(session, str) else session.signed(KEY)
    identity = who.identity_of(make_mocked_request("GET", "/gallery/api/jobs", {"Cookie": f"{COOKIE}={cookie}"}))
    return "" if identity is None else identity.owner


async def test_a_session_is_that_of_its_token_until_it_ends(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA, ben=BEN)
    session = await who.identify(ANNA)
    assert owner(who, session) == "anna"
    clock.now += SESSION_S - 1
    assert owner(who, session) == "anna"
    clock.now += 2
    assert owner(who, session) == ""


async def test_a_session_ends_with_its_token(clock: Clock, ended: Ended) -> None:
    """Ours: also where the name has another token, since the one that was lost is the one that began it."""
    session = await access(clock, ended, anna=ANNA, ben=BEN).identify(ANNA)
    assert owner(access(clock, ended, anna="another-0123456789abcdef", ben=BEN), session) == ""
    assert owner(access(clock, ended, ben=BEN), session) == ""


async def test_a_session_that_was_ended_is_of_no_use_to_whoever_copied_it(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA)
    session = await who.identify(ANNA)
    await who.end(session)
    assert owner(who, session) == ""
    assert owner(access(clock, ended, anna=ANNA), session) == "", "in another process, too"


async def test_an_unknown_token_begins_nothing(clock: Clock, ended: Ended) -> None:
    with pytest.raises(TokenError):
        await access(clock, ended, anna=ANNA).identify("nobody-0123456789abcdef")


@pytest.mark.parametrize("change", ["", "x", ".", "x.y", "é", "a" * 10_000])
async def test_nothing_that_we_did_not_sign_is_a_session(clock: Clock, ended: Ended, change: str) -> None:
    who = access(clock, ended, anna=ANNA)
    session = (await who.identify(ANNA)).signed(KEY)
    forged = [change, session + "x", session[:-1], "A" + session[1:], (await who.identify(ANNA)).signed(b"o" * 32)]
    assert [owner(who, each) for each in forged] == [""] * len(forged)


async def test_a_link_is_no_session_and_a_session_no_link(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA)
    assert owner(who, link(who, clock)) == ""
    assert who.read_link((await who.identify(ANNA)).signed(KEY)) is None


def link(who: Access, clock: Clock, token: str = ANNA, **limits: Any) -> str:
    """The secret of a link that the holder of this token asked for."""
    identity = who.tokens.find(token)
    assert identity is not None
    path = path_of_link(KEY, replace(identity, **limits), clock)
    assert path.startswith("/gallery/open/")
    return path.rpartition("/")[2]


async def opened(who: Access, secret: str) -> Ticket | None:
    """The session that a link begins."""
    ticket = who.read_link(secret)
    return None if ticket is None else await who.use(ticket)


async def test_a_link_works_once_and_for_ten_minutes(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA)
    secret = link(who, clock, scopes=frozenset({LOOK}))
    session = await opened(who, secret)
    assert session is not None
    assert (session.owner, session.scopes) == ("anna", frozenset({LOOK})), "no more than whoever asked for it has"
    assert owner(who, session) == "anna"
    assert await opened(who, secret) is None
    late = link(who, clock)
    clock.now += LINK_S + 1
    assert await opened(who, late) is None


async def test_of_two_processes_one_takes_a_link(clock: Clock, tmp_path: Path) -> None:
    """Ours: both have read it before either has used it."""
    one, other = (access(clock, DiskSessions(tmp_path, clock), anna=ANNA) for _ in range(2))
    secret = link(one, clock)
    tickets = [one.read_link(secret), other.read_link(secret)]
    assert None not in tickets
    taken = await asyncio.gather(*(who.use(each) for who, each in zip((one, other), tickets, strict=True) if each))
    assert sum(each is not None for each in taken) == 1
    again = access(clock, DiskSessions(tmp_path, clock), anna=ANNA)
    assert await opened(again, secret) is None, "after a restart neither"


async def test_a_session_of_a_link_ends_with_the_token_that_asked_for_it(clock: Clock, ended: Ended) -> None:
    """Ours: also where its name has another token, as the lost one may be the one that asked."""
    who = access(clock, ended, anna=ANNA, ben=BEN)
    unused, session = link(who, clock), await opened(who, link(who, clock))
    assert session is not None
    assert owner(who, session) == "anna"
    later = access(clock, ended, anna="another-0123456789abcdef", ben=BEN)
    assert owner(later, session) == ""
    assert await opened(later, unused) is None


async def test_a_session_of_a_link_lasts_no_longer_than_the_access_token(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA)
    session = await opened(who, link(who, clock, expires=clock.now + 3600))
    assert session is not None
    assert session.expires == clock.now + 3600


def test_a_link_is_short_enough_to_be_copied_by_a_model(clock: Clock, ended: Ended) -> None:
    assert len(link(access(clock, ended, anna=ANNA), clock)) < 260


def test_without_tokens_the_gallery_is_open_to_this_machine_and_needs_no_link() -> None:
    assert path_of_link(KEY, LOCAL) == "/gallery"


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8866"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8866"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://127.0.0.1:8866"}, True),
        ({"Origin": "https://127.0.0.1:8866"}, True),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_our_own_page_changes_anything(headers: dict[str, str], ours: bool) -> None:
    """Ours: behind TLS that a proxy ends, the scheme of the page is another than that of the connection."""
    request = make_mocked_request("POST", "/gallery/api/delete", {"Host": "127.0.0.1:8866", **headers})
    assert is_same_origin(request) is ours
