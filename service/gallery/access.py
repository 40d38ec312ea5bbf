"""Access to the gallery: whose session a request has, how one begins, and what a request that changes something needs.

1. Without tokens everybody on this machine is the one owner, as for every other route (`Guard`).
2. With tokens a person signs in once, with theirs, and the browser keeps a cookie: `HttpOnly`, `SameSite=Strict`,
   `Secure` behind TLS, signed by our secret. It ends after `SESSION_S`, with its token, and when the person signs out.
   Behind TLS its name begins with `__Host-`, so that no page of a neighbouring name can put another one in its place.
3. A one-time link begins a session as well, with the scopes and the end of the token that asked for it. It is good for
   `LINK_S`, and once for all processes of the data folder. Opening it only shows a button, since chat programs look at
   links before people do.
4. A request that changes something must come from our own page: the browser says so in `Sec-Fetch-Site`, older ones in
   `Origin`. A page of EASEL_ALLOWED_ORIGINS is none of ours.
"""

import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import hdrs, web

from service.authorization import SCOPES
from service.hosts import Network, read_address
from service.protocol.signing import decode, encode, is_signed, sign
from service.routes import GALLERY, GALLERY_LINKS
from service.storage.ended_sessions import EndedSessions
from service.web.guard import Guard, authority_of
from service.web.identity import LOCAL, Identity, StaticTokens, TokenError
from service.web.protected_resource import ProtectedResource

SESSIONS: Final = "gallery sessions"
"""The purpose of the key that signs sessions and links."""

COOKIE: Final = "easel_gallery"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
SESSION_S: Final = 14 * 24 * 3600.0
LINK_S: Final = 600.0

ID_BYTES: Final = 12
LONGEST: Final = 4096
"""Characters of a cookie or a link that are looked at."""

SEC_FETCH_SITE: Final = "Sec-Fetch-Site"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A session or a one-time link: its owner and scopes, its end in seconds since the epoch, and an id of its own.

    `token` is the digest of the token by which it was asked for, and with which it ends; "" for others. `until` bounds
    the session that a link begins: the end of an access token.
    """

    kind: str
    owner: str
    expires: float
    id: str
    token: str = ""
    scopes: frozenset[str] = SCOPES
    until: float = math.inf

    def signed(self, key: bytes) -> str:
        """Return the ticket as text."""
        values: dict[str, Any] = {"k": self.kind, "o": self.owner, "e": self.expires, "i": self.id}
        usual = {"t": "", "s": sorted(SCOPES), "u": math.inf}
        others = {"t": self.token, "s": sorted(self.scopes), "u": self.until}
        # What is usual is left out: a model has to copy a link letter by letter.
        text = encode(orjson.dumps(values | {key: value for key, value in others.items() if value != usual[key]}))
        return f"{text}.{sign(key, text)}"

    @classmethod
    def read(cls, key: bytes, text: str, kind: str) -> "Ticket | None":
        """Return the ticket of a text that we signed; None for any other."""
        body, _, signature = text[:LONGEST].partition(".")
        if not text.isascii() or not signature or not is_signed(key, body, signature):
            return None
        values = orjson.loads(decode(body))  # ours: it was signed
        if values["k"] != kind:
            return None
        return cls(
            kind=kind,
            owner=values["o"],
            expires=values["e"],
            id=values["i"],
            token=values.get("t", ""),
            scopes=SCOPES.intersection(values.get("s", SCOPES)),
            until=values.get("u", math.inf),
        )


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
    trusted: Sequence[Network] = ()
    """Proxies that are believed when they say that a request came by https."""
    clock: Callable[[], float] = time.time
    _used: dict[str, float] = field(default_factory=dict)

    def identity_of(self, request: web.Request) -> Identity | None:
        """Return whose session the request has; None without one that is good."""
        if self.guard.is_open:
            return self.guard.identity_on_this_machine(request)
        ticket = self.session_of(request)
        if ticket is None or self._is_over(ticket):
            return None
        return Identity(owner=ticket.owner, scopes=ticket.scopes, expires=ticket.expires)

    def session_of(self, request: web.Request) -> Ticket | None:
        """Return the session of the request, over or not."""
        return Ticket.read(self.key, request.cookies.get(self._cookie_of(request), ""), "session")

    def _cookie_of(self, request: web.Request) -> str:
        return SECURE_COOKIE if self._is_secure(request) else COOKIE

    def _is_secure(self, request: web.Request) -> bool:
        """Tell whether the browser reaches us by TLS, so that the cookie may be kept to that."""
        if self.secure or request.secure:
            return True
        peer = read_address(request.remote or "")
        said = request.headers.get(hdrs.X_FORWARDED_PROTO, "").rpartition(",")[2].strip().lower()
        return said == "https" and peer is not None and any(peer in network for network in self.trusted)

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
            return self._session(identity, now + SESSION_S)
        if self.resource is None:
            raise TokenError("The token is not one that this server knows.")
        identity = await self.resource.identify(token)
        return self._session(identity, min(now + SESSION_S, identity.expires))

    def read_link(self, secret: str) -> Ticket | None:
        """Return the link of a secret; None for one that is used, over, or none of ours."""
        ticket = Ticket.read(self.key, secret, "link")
        return None if ticket is None or self._is_over(ticket) else ticket

    async def use(self, link: Ticket) -> Ticket | None:
        """Use a link up, and return the session that it begins; None where somebody else has used it."""
        if not await self.ended.take(link.id, link.expires):
            return None
        identity = Identity(owner=link.owner, scopes=link.scopes, token=link.token)
        return self._session(identity, min(self.clock() + SESSION_S, link.until))

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
            self._cookie_of(request),
            session.signed(self.key),
            max_age=math.ceil(session.expires - self.clock()),
            path="/",
            secure=self._is_secure(request),
            httponly=True,
            samesite="Strict",
        )

    def take_back(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the cookie from the browser."""
        secure = self._is_secure(request)
        response.del_cookie(self._cookie_of(request), path="/", secure=secure, httponly=True, samesite="Strict")

    def _session(self, identity: Identity, expires: float) -> Ticket:
        id_ = secrets.token_urlsafe(ID_BYTES)
        owner, token, scopes = identity.owner, identity.token, identity.scopes
        return Ticket(kind="session", owner=owner, expires=expires, id=id_, token=token, scopes=scopes)


def path_of_link(key: bytes, identity: Identity, clock: Callable[[], float] = time.time) -> str:
    """Return the path of a new one-time link for this caller; where nobody needs a token, that of the gallery."""
    if identity is LOCAL:
        return GALLERY.path
    link = Ticket(
        kind="link",
        owner=identity.owner,
        expires=math.ceil(clock() + LINK_S),
        id=secrets.token_urlsafe(ID_BYTES),
        token=identity.token,
        scopes=identity.scopes,
        until=identity.expires,
    )
    return GALLERY_LINKS.path + link.signed(key)


def is_same_origin(request: web.Request) -> bool:
    """Tell whether our own page sent the request, by what the browser says of it and no script can change."""
    site = request.headers.get(SEC_FETCH_SITE)
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN, "")
    return bool(origin) and urlsplit(origin).netloc.lower() == authority_of(request).lower()
