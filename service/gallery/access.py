"""Access to the gallery: whose session a request has, how one begins, and what a request that changes something needs.

1. Without tokens everybody on this machine is the one owner, as for every other route (`Guard`).
2. With tokens a person signs in once, with theirs, and the browser keeps a cookie: `HttpOnly`, `SameSite=Strict`,
   `Secure` behind TLS, signed by our secret. It ends after `SESSION_S`, with its token, and when the person signs out.
3. A one-time link begins a session as well; it is good for `LINK_S`. Opening it only shows a button, since chat
   programs look at links before people do.
4. A request that changes something must come from our own page: the browser says so in `Sec-Fetch-Site`, older ones in
   `Origin`. A page of EASEL_ALLOWED_ORIGINS is none of ours.
"""

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import orjson
from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.protocol.signing import decode, encode, is_signed, sign
from service.storage.ended_sessions import EndedSessions
from service.tokens import digest_of
from service.web.guard import Guard, authority_of
from service.web.identity import Identity, StaticTokens, TokenError
from service.web.protected_resource import ProtectedResource

COOKIE: Final = "easel_gallery"
SESSION_S: Final = 14 * 24 * 3600.0
LINK_S: Final = 600.0

LONGEST: Final = 4096
"""Characters of a cookie or a link that are looked at."""

SEC_FETCH_SITE: Final = "Sec-Fetch-Site"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A session or a one-time link: its owner and scopes, its end in seconds since the epoch, and an id of its own.

    `token` is the digest of the token by which the person signed in, and ends with it; "" for others.
    """

    kind: str
    owner: str
    expires: float
    id: str
    token: str = ""
    scopes: frozenset[str] = SCOPES

    def signed(self, key: bytes) -> str:
        """Return the ticket as text."""
        values = {"k": self.kind, "o": self.owner, "e": self.expires, "i": self.id, "t": self.token}
        text = encode(orjson.dumps({**values, "s": sorted(self.scopes)}))
        return f"{text}.{sign(key, text)}"

    @classmethod
    def read(cls, key: bytes, text: str, kind: str) -> "Ticket | None":
        """Return the ticket of a text that we signed; None for any other."""
        body, _, signature = text[:LONGEST].partition(".")
        if not text.isascii() or not signature or not is_signed(key, body, signature):
            return None
        match orjson.loads(decode(body)):
            case {
                "k": str(own),
                "o": str(owner),
                "e": float(end) | int(end),
                "i": str(id_),
                "t": str(token),
                "s": [*s],
            }:
                scopes = SCOPES.intersection(map(str, s))
                ticket = cls(kind=own, owner=owner, expires=end, id=id_, token=token, scopes=scopes)
                return ticket if own == kind else None
            case _:
                return None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The check of requests for the gallery. `key` signs sessions and links; `ended` knows those that are over."""

    key: bytes
    guard: Guard
    tokens: StaticTokens
    ended: EndedSessions
    resource: ProtectedResource | None = None
    secure: bool = False
    """The service is reached by https, whatever this connection is."""
    clock: Callable[[], float] = time.time
    _used: dict[str, float] = field(default_factory=dict)

    def identity_of(self, request: web.Request) -> Identity | None:
        """Return whose session the request has; None without one that is good."""
        if self.guard.is_open:
            return self.guard.identity_on_this_machine(request)
        ticket = Ticket.read(self.key, request.cookies.get(COOKIE, ""), "session")
        if ticket is None or self._is_over(ticket):
            return None
        return Identity(owner=ticket.owner, scopes=ticket.scopes, expires=ticket.expires)

    def session_of(self, request: web.Request) -> Ticket | None:
        """Return the session of the request, over or not."""
        return Ticket.read(self.key, request.cookies.get(COOKIE, ""), "session")

    def _is_over(self, ticket: Ticket) -> bool:
        if ticket.expires <= self.clock() or self.ended.contains(ticket.id) or ticket.id in self._used:
            return True
        if ticket.token:
            return not self.tokens.is_good(ticket.token)
        is_subject = "#" in ticket.owner and self.resource is not None
        return not is_subject and ticket.owner not in self.tokens.names

    async def identify(self, token: str) -> Ticket:
        """Return the session that a token begins. Raises `TokenError`, or `KeysUnavailableError` for now."""
        now = self.clock()
        identity = self.tokens.find(token)
        if identity is not None:
            return self._session(identity.owner, now + SESSION_S, token=digest_of(token).hex())
        if self.resource is None:
            raise TokenError("The token is not one that this server knows.")
        identity = await self.resource.identify(token)
        return self._session(identity.owner, min(now + SESSION_S, identity.expires), scopes=identity.scopes)

    def link(self, owner: str, scopes: frozenset[str] = SCOPES) -> str:
        """Return the secret of a new one-time link for this owner."""
        end = self.clock() + LINK_S
        ticket = Ticket(kind="link", owner=owner, expires=end, id=secrets.token_urlsafe(18), scopes=scopes)
        return ticket.signed(self.key)

    def read_link(self, secret: str) -> Ticket | None:
        """Return the link of a secret; None for one that is used, over, or none of ours."""
        ticket = Ticket.read(self.key, secret, "link")
        return None if ticket is None or self._is_over(ticket) else ticket

    async def use(self, link: Ticket) -> Ticket:
        """Use a link up, and return the session that it begins."""
        await self.end(link)
        return self._session(link.owner, self.clock() + SESSION_S, scopes=link.scopes)

    async def end(self, ticket: Ticket) -> None:
        """End a session or a link: at once here, and durably for every process of the data folder."""
        now = self.clock()
        for each in [each for each, expires in self._used.items() if expires <= now]:
            del self._used[each]
        self._used[ticket.id] = ticket.expires
        await self.ended.add(ticket.id, ticket.expires)

    def put(self, request: web.Request, response: web.StreamResponse, session: Ticket) -> None:
        """Give the browser its session."""
        response.set_cookie(
            COOKIE,
            session.signed(self.key),
            max_age=math.ceil(session.expires - self.clock()),
            path="/",
            secure=self.secure or request.secure,
            httponly=True,
            samesite="Strict",
        )

    def take_back(self, response: web.StreamResponse) -> None:
        """Take the cookie from the browser."""
        response.del_cookie(COOKIE, path="/")

    def _session(self, owner: str, expires: float, *, token: str = "", scopes: frozenset[str] = SCOPES) -> Ticket:
        id_ = secrets.token_urlsafe(18)
        return Ticket(kind="session", owner=owner, expires=expires, id=id_, token=token, scopes=scopes)


def is_same_origin(request: web.Request) -> bool:
    """Tell whether our own page sent the request, by what the browser says of it and no script can change."""
    site = request.headers.get(SEC_FETCH_SITE)
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN, "")
    return bool(origin) and urlsplit(origin).netloc.lower() == authority_of(request).lower()
