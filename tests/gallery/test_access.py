"""Who may use the gallery: sessions, one-time links, and what a request that changes something needs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import make_mocked_request

from service.authorization import LOOK, SCOPES
from service.gallery.access import COOKIE, LINK_S, SESSION_S, Access, Ticket, is_same_origin
from service.settings import Settings
from service.storage.ended_sessions import EndedSessions
from service.tokens import static_tokens
from service.web.guard import Guard
from service.web.identity import StaticTokens, TokenError
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


def access(clock: Clock, ended: Ended, **tokens: str) -> Access:
    settings = Settings.from_env({"EASEL_TOKENS": ",".join(f"{name}:{token}" for name, token in tokens.items())})
    known = StaticTokens(static_tokens(settings.tokens.items()))
    return Access(key=KEY, guard=Guard(settings, None, known), tokens=known, ended=ended, clock=clock)


@pytest_asyncio.fixture
async def ended() -> AsyncIterator[Ended]:
    yield Ended()


def owner(who: Access, session: Ticket | str) -> str:
    """Whose session a request with this cookie has; "" for nobody's."""
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
    assert owner(who, who.link("anna")) == ""
    assert who.read_link((await who.identify(ANNA)).signed(KEY)) is None


async def test_a_link_works_once_and_for_ten_minutes(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA)
    secret = who.link("anna", SCOPES & {LOOK})
    link = who.read_link(secret)
    assert link is not None
    session = await who.use(link)
    assert (session.owner, session.scopes) == ("anna", frozenset({LOOK})), (
        "it grants no more than whoever asked for it has"
    )
    assert owner(who, session) == "anna"
    assert who.read_link(secret) is None
    late = who.link("anna")
    clock.now += LINK_S + 1
    assert who.read_link(late) is None


async def test_a_session_of_a_link_ends_with_the_last_token_of_its_owner(clock: Clock, ended: Ended) -> None:
    who = access(clock, ended, anna=ANNA, ben=BEN)
    link = who.read_link(who.link("anna"))
    assert link is not None
    session = await who.use(link)
    assert owner(access(clock, ended, ben=BEN), session) == ""


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
