"""The ways in and out, over HTTP: the form, the one-time link, the cookie."""

from http.cookies import SimpleCookie

import pytest

from service.gallery.access import COOKIE
from tests.conftest import Serve
from tests.gallery.visitor import OURS, visitor
from tests.wire import ANNA, TWO_TOKENS


async def test_a_token_is_entered_once_and_the_browser_stays_signed_in(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as anna:
        assert (await anna.get("jobs"))[0] == 401
        answer = await anna.form("sign-in", {"token": f" {ANNA} "})
        assert (answer.status, answer.headers["Location"]) == (303, "../gallery")
        cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["secure"]) == ("Strict", "")
        assert ANNA not in answer.headers["Set-Cookie"]
        status, options = await anna.get("options")
        assert (status, options["owner"], options["signed_in"]) == (200, "anna", True)


async def test_behind_tls_the_cookie_is_sent_by_tls_alone(serve: Serve) -> None:
    env = {"EASEL_TOKENS": TWO_TOKENS, "EASEL_PUBLIC_URL": "https://pics.example/easel"}
    async with serve(**env) as easel, visitor(easel) as anna:
        answer = await anna.form("sign-in", {"token": ANNA})
        assert SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]["secure"]


async def test_a_wrong_token_is_said_and_counted(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as stranger:
        statuses = [await stranger.sign_in(f"wrong-0123456789abcde{number:x}") for number in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        assert await stranger.sign_in(ANNA) == 303, "a right one is taken at any time"


async def test_signing_out_ends_the_session_for_whoever_copied_the_cookie(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel, ANNA) as anna, visitor(easel) as thief:
        stolen = {"Cookie": f"{COOKIE}={next(iter(anna.http.cookie_jar)).value}"}
        assert (await thief.get("jobs", **stolen))[0] == 200
        assert (await anna.form("sign-out", {})).status == 303
        assert (await anna.get("jobs"))[0] == 401
        assert (await thief.get("jobs", **stolen))[0] == 401


@pytest.mark.parametrize("path", ["sign-in", "sign-out", "open/x"])
async def test_a_form_of_another_page_signs_nobody_in_or_out(serve: Serve, path: str) -> None:
    """Ours: a person who is signed in as somebody else would put their pictures there."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as anna:
        answer = await anna.form(path, {"token": ANNA}, **{"Sec-Fetch-Site": "cross-site"})
        assert answer.status in {403, 410}
        assert "Set-Cookie" not in answer.headers


async def test_without_tokens_nobody_signs_in(serve: Serve) -> None:
    async with serve() as easel, visitor(easel) as person:
        async with person.http.get(f"{easel.origin}/gallery/sign-in", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "../gallery")


async def test_without_tokens_nobody_comes_through_a_proxy(serve: Serve) -> None:
    """Ours: as for every other route, a public address without a token would give away the money of its owner."""
    async with serve() as easel, visitor(easel) as stranger:
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            assert (await stranger.get("jobs", **{header: "192.0.2.7"}))[0] == 401


async def test_a_token_in_a_header_is_no_session(serve: Serve) -> None:
    """Ours: the page's requests are those of a browser; a program uses the MCP endpoint."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as program:
        assert (await program.get("jobs", Authorization=f"Bearer {ANNA}"))[0] == 401
        async with program.http.post(f"{easel.origin}/gallery/api/delete", json={}, headers=OURS) as answer:
            assert answer.status == 401
