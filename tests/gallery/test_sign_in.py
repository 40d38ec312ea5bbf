"""The ways in and out, over HTTP: the form, the one-time link, the cookie."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest

from service.app import Running
from service.gallery import sign_in
from service.gallery.access import COOKIE, SECURE_COOKIE
from tests.conftest import Serve
from tests.emulators.authorization_server import AuthorizationServer
from tests.gallery.visitor import OURS, visitor
from tests.wire import ANNA, TWO_TOKENS, wire_client


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


async def test_a_form_that_never_ends_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: nobody has signed in yet, so that anybody could hold connections open by the hundred."""
    monkeypatch.setattr(sign_in, "BODY_S", 0.05)

    async def endless() -> AsyncIterator[bytes]:
        yield b"token="
        await asyncio.Event().wait()

    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as anna:
        headers = {**OURS, "Content-Type": "application/x-www-form-urlencoded"}
        async with anna.http.post(f"{easel.origin}/gallery/sign-in", data=endless(), headers=headers) as answer:
            assert answer.status == 401


BY_TLS = {"X-Forwarded-Proto": "http, https"}


@pytest.mark.parametrize(
    ("env", "headers"),
    [
        pytest.param({"EASEL_PUBLIC_URL": "https://pics.example/easel"}, {}, id="by the public URL"),
        pytest.param({"EASEL_TRUSTED_PROXIES": "127.0.0.1"}, BY_TLS, id="by the word of a trusted proxy"),
    ],
)
async def test_behind_tls_the_cookie_is_for_tls_and_this_host_alone(
    serve: Serve, env: dict[str, str], headers: dict[str, str]
) -> None:
    """RFC 6265bis, 4.1.3.2: no page of a neighbouring name can set one whose name begins with `__Host-`."""
    async with serve(EASEL_TOKENS=TWO_TOKENS, **env) as easel, visitor(easel) as anna:
        answer = await anna.form("sign-in", {"token": ANNA}, **headers)
        [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
        assert (cookie.key, cookie["secure"], cookie["path"], cookie["domain"]) == (SECURE_COOKIE, True, "/", "")
        anna.http.cookie_jar.clear()
        for name, status in ((SECURE_COOKIE, 200), (COOKIE, 401)):
            assert (await anna.get("jobs", Cookie=f"{name}={cookie.value}", **headers))[0] == status
        out = await anna.form("sign-out", {}, Cookie=f"{SECURE_COOKIE}={cookie.value}", **headers)
        assert SimpleCookie(out.headers["Set-Cookie"])[SECURE_COOKIE]["secure"], "else a browser keeps it"


async def test_a_stranger_who_claims_tls_is_not_believed(serve: Serve) -> None:
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as anna:
        answer = await anna.form("sign-in", {"token": ANNA}, **BY_TLS)
        assert COOKIE in SimpleCookie(answer.headers["Set-Cookie"])


async def test_history_hands_out_a_link_that_opens_the_gallery_once(serve: Serve) -> None:
    """Ours: nobody types a token on a phone. Looking at the link, as chat programs do, uses nothing up."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel, visitor(easel) as phone, visitor(easel) as thief:
        async with wire_client(easel.mcp_url, token=ANNA) as chat:
            told = await chat.call("history", {"gallery": True})
        link = told["structuredContent"]["gallery"]
        assert link in told["content"][0]["text"].splitlines()
        assert link.startswith(f"{easel.origin}/gallery/open/")
        path = link.removeprefix(f"{easel.origin}/gallery/")
        for _ in range(2):
            async with phone.http.get(link) as page:
                assert (page.status, 'method="post"' in await page.text()) == (200, True)
                assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("same-origin", "no-store")
        answer = await phone.form(path, {})
        assert (answer.status, answer.headers["Location"]) == (303, "../../gallery")
        status, options = await phone.get("options")
        assert (status, options["owner"]) == (200, "anna")
        assert (await thief.form(path, {})).status == 410
        async with thief.http.get(link) as page:
            assert page.status == 410


async def test_a_link_of_an_access_token_grants_what_that_grants(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: nobody pastes an access token into a page, as clients show none; the link is the way in."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, visitor(easel) as person:
        token = issuer.token(easel.mcp_url, scope="look", sub="anna")
        async with wire_client(easel.mcp_url, token=token) as chat:
            link = (await chat.call("history", {"gallery": True}))["structuredContent"]["gallery"]
        answer = await person.form(link.partition("/gallery/")[2], {})
        assert answer.status == 303
        [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
        assert int(cookie["max-age"]) <= 3600, "no longer than the access token"
        status, options = await person.get("options")
        assert (status, options["can"]) == (200, ["look"])
        assert (await person.post("generate", {"prompt": "a fox"}))[0] == 403
        assert (await person.post("delete", {"history_ids": [1]}))[0] == 403
        assert await person.sign_in(issuer.token(easel.mcp_url, scope="look draw", sub="anna")) == 303
        assert (await person.get("options"))[1]["can"] == ["draw", "look"]
        assert await person.sign_in(issuer.token("https://elsewhere.example/mcp")) == 401


async def test_without_tokens_history_tells_where_the_gallery_is(easel: Running) -> None:
    async with wire_client(easel.mcp_url) as chat:
        told = await chat.call("history", {"gallery": True})
    assert told["structuredContent"]["gallery"] == f"{easel.origin}/gallery"
    assert "this machine only" in told["content"][0]["text"]


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
