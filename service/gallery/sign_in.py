"""The ways in and out: the form that takes a token, the one-time link, and the end of a session."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from aiohttp import hdrs, web

from service.gallery.access import Access, is_same_origin
from service.gallery.page import GalleryPages
from service.routes import GALLERY, GALLERY_LINKS
from service.web.identity import TokenError
from service.web.pages import SAFE
from service.web.protected_resource import KeysUnavailableError

SIGN_IN: Final = GALLERY.path + "/sign-in"
SIGN_OUT: Final = GALLERY.path + "/sign-out"

MOST_BODY: Final = 16 * 1024
"""Access tokens have some kilobytes."""

BODY_S: Final = 30.0
"""Seconds in which the form has to arrive."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """The routes."""

    access: Access
    pages: GalleryPages

    def add_routes(self, app: web.Application) -> None:
        """Serve them."""
        app.router.add_get(SIGN_IN, self.form)
        app.router.add_post(SIGN_IN, self.sign_in)
        app.router.add_post(SIGN_OUT, self.sign_out)
        app.router.add_get(GALLERY_LINKS.path + "{secret}", self.link)
        app.router.add_post(GALLERY_LINKS.path + "{secret}", self.open)

    async def form(self, request: web.Request) -> web.Response:
        """Answer with the form; somebody who is signed in needs none."""
        if self.access.identity_of(request) is not None:
            return _to("../gallery")
        return self.pages.sign_in(request)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Take the token of the form, and begin a session."""
        if not is_same_origin(request):
            return self.pages.sign_in(request, "sign_in_foreign", 403)
        token = await _token_of(request)
        try:
            session = await self.access.identify(token)
        except TokenError as problem:
            return await self._refuse(request, problem)
        except KeysUnavailableError:
            return self.pages.sign_in(request, "try_later", 503)
        response = _to("../gallery")
        self.access.put(request, response, session)
        return response

    async def _refuse(self, request: web.Request, problem: TokenError) -> web.Response:
        tries = self.access.guard.tries
        address = tries.address_of(request)
        tries.log("wrong token", address, "a token was refused at the gallery: %s", problem)
        wait_s = await tries.count(address) if problem.is_guess else 0
        if wait_s:
            return self.pages.sign_in(request, "too_many_tries", 429)
        return self.pages.sign_in(request, "token_unknown", 401)

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session, here and for whoever copied its cookie."""
        if not is_same_origin(request):
            return self.pages.sign_in(request, "sign_in_foreign", 403)
        session = self.access.session_of(request)
        response = _to("sign-in")
        if session is not None:
            with suppress(OSError):  # it has ended here, and the log has the trouble of the disk
                await self.access.end(session)
            self.access.take_back(request, response)
        return response

    async def link(self, request: web.Request) -> web.Response:
        """Show the button of a one-time link, which uses nothing up."""
        return self.pages.open_link(request, works=self._find(request))

    async def open(self, request: web.Request) -> web.Response:
        """Use a link up, and begin its session."""
        link = self.access.read_link(request.match_info["secret"])
        if link is None or not is_same_origin(request):
            return self.pages.open_link(request, works=False)
        session = await self.access.use(link)
        if session is None:
            return self.pages.open_link(request, works=False)
        response = _to("../../gallery")
        self.access.put(request, response, session)
        return response

    def _find(self, request: web.Request) -> bool:
        return self.access.read_link(request.match_info["secret"]) is not None


async def _token_of(request: web.Request) -> str:
    """Return the token of the form; "" where it is no such form."""
    if request.content_type != "application/x-www-form-urlencoded":
        return ""
    body = b""
    with suppress(ValueError, TimeoutError):
        async with asyncio.timeout(BODY_S):
            while len(body) <= MOST_BODY and (piece := await request.content.read(MOST_BODY)):
                body += piece
        return parse_qs(body.decode("ascii", "replace"), max_num_fields=4).get("token", [""])[0].strip()
    return ""


def _to(address: str) -> web.Response:
    """Return the redirect to a page, by an address that is right behind a path prefix, too."""
    return web.Response(status=303, headers={**SAFE, hdrs.LOCATION: address})
