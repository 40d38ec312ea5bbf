"""Access control by Host, Origin and token: one middleware on every route.

1. Host: a page of a foreign site whose name was rebound to our address sends its own name (DNS rebinding). 421.
2. Origin: a foreign page in the person's browser sends its own origin. 403 (spec 2026-07-28, Security & Endpoint).
   Pages that may call get their CORS headers, and an answer to their preflight (`cross_origin.py`).
3. Token: `Authorization: Bearer` is needed when tokens are set, or an authorization server (`access_tokens.py`). 401,
   or 429 after many wrong ones (`failed_tries.py`).
4. Without tokens only programs of this machine may call. A public URL, or the header of a proxy, means others. 403.

Some routes are spared a check (`service/routes.py`).

Allowed names are loopback, the address we listen on, the host of the public URL, and EASEL_ALLOWED_HOSTS. A refusal
names the setting, and the log has it too, since a browser hides the answer from the person.
"""

import math
from collections.abc import Awaitable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from service.hosts import is_loopback, normal_host, split_authority
from service.routes import ANY_ORIGIN, HOME, SHOWING_MORE, WITHOUT_TOKEN
from service.settings import Settings
from service.tokens import static_tokens
from service.web.cross_origin import (
    ANY,
    CROSS_ORIGIN,
    OPEN,
    CrossOrigin,
    headers_for,
    is_preflight,
    line_to_allow,
    preflight,
)
from service.web.failed_tries import FailedTries
from service.web.identity import IDENTITY, KEY, LOCAL, Identity, StaticTokens, TokenError, bearer_token
from service.web.pages import is_browser, to_home
from service.web.protected_resource import KeysUnavailableError, ProtectedResource

RETRY_AFTER_S: Final = 5
"""Between two fetches of the keys of an authorization server (`jwks.PAUSE_S`)."""

UNKNOWN: Final = "The token is not one that this server knows."

_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on

FORWARDED_PREFIX: Final = "x-forwarded-"
FORWARDED: Final = frozenset({
    *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"),
    *("cf-ray", "cdn-loop", "fastly-client-ip", "fly-client-ip", "x-azure-clientip", "x-appengine-user-ip"),
    "x-envoy-external-address",
})  # fmt: skip
"""Headers that proxies and content delivery networks add; no client sends them by itself."""


class Guard:
    """The check of requests against the settings of this process."""

    def __init__(
        self, settings: Settings, resource: ProtectedResource | None = None, tokens: StaticTokens | None = None
    ) -> None:
        """Read the allowed names once. `resource` takes access tokens beside `tokens`, else those of the settings."""
        self.resource = resource
        self._names = own_names(settings)
        self._pages = CrossOrigin(self._names, settings.allowed_origins)
        # A client sends the same with every request; the cache is bounded, since strangers fill it too.
        self._is_ours = lru_cache(maxsize=256)(self._names_us)
        self._tokens = StaticTokens(static_tokens(settings.tokens.items())) if tokens is None else tokens
        self._is_open = not settings.needs_token
        self._is_public = not is_loopback(urlsplit(settings.public_url).hostname or "localhost")
        self._key_in_url = settings.key_in_url
        self._mcp_path = settings.path
        self.tries = FailedTries(settings.trusted_proxies)

    def middleware(self) -> Middleware:
        """Return the check as aiohttp middleware."""

        @web.middleware
        def check(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            # A plain function: a coroutine round every handler would cost each request a frame.
            answer = self._check_names(request)
            if answer is not None:
                return _respond(answer)
            path = request.path
            if request.match_info.http_exception is not None or (
                (path == HOME or path.startswith(WITHOUT_TOKEN))
                and not (hdrs.AUTHORIZATION in request.headers and path.startswith(SHOWING_MORE))
            ):
                return handler(request)
            if request.method == hdrs.METH_GET and self._is_browsed(request):
                return _respond(to_home(path))
            if self.is_open:
                if (refusal := self._refuse_exposed(request)) is not None:
                    return _respond(refusal)
                request[IDENTITY] = LOCAL
                return handler(request)
            try:
                token = bearer_token(request)
                identity = self._tokens.find(token) if token else self._find_key(request)
            except TokenError as problem:
                return self._refuse_token(request, problem)
            if identity is None:
                return self._check_access_token(request, handler, token)
            request[IDENTITY] = identity
            return handler(request)

        return check

    @property
    def is_open(self) -> bool:
        """True while no token is needed: there is none, and never was one."""
        return self._is_open and not self._tokens.has_stored

    def identity_on_this_machine(self, request: web.Request) -> Identity | None:
        """Return the one identity of a service without tokens; None for a request that others may have sent."""
        return LOCAL if self.is_open and self._refuse_exposed(request) is None else None

    def _is_browsed(self, request: web.Request) -> bool:
        """Return whether a person opened the address of the endpoint in a browser."""
        return request.path == self._mcp_path and is_browser(request.headers.getall(hdrs.ACCEPT, ()))

    def _check_names(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a foreign Host or Origin, or the answer to a preflight; None for all other requests."""
        authority = authority_of(request)
        if not self._is_ours(authority):
            return self._refuse_host(request, authority)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            return None
        if request.path.startswith(ANY_ORIGIN):
            if is_preflight(request):
                return web.Response(status=204, headers=OPEN)
            if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
                request[CROSS_ORIGIN] = ANY
                return None
        if not self._pages.admits(origin, authority):
            return self._refuse_origin(request, origin)
        request[CROSS_ORIGIN] = headers_for(origin)
        return preflight(request) if is_preflight(request) else None

    def _refuse_host(self, request: web.Request, authority: str) -> web.Response:
        host, _ = split_authority(authority) or ("", "")
        shown = host[:100] or "easel.example.com"
        message = (
            f"The host {authority[:100]!r} is not a name of this server. If it is where people reach it, set "
            f"EASEL_PUBLIC_URL to the URL that they use, such as https://{shown}; or, beside a public URL, "
            f"EASEL_ALLOWED_HOSTS={shown}"
        )
        self.tries.log("host", self.tries.address_of(request), "%s", message)
        return error_response(421, message)

    def _refuse_origin(self, request: web.Request, origin: str) -> web.Response:
        line = line_to_allow(origin)
        way = (
            f"To let them, set {line} (with commas between several), or EASEL_PUBLIC_URL if that is where this server "
            "itself is reached."
            if line
            else "No setting lets them: every sandboxed frame and file has this origin. Serve the page over HTTP, and "
            "set EASEL_ALLOWED_ORIGINS to its origin, or EASEL_PUBLIC_URL if it is this server's own."
        )
        message = f"Pages of {origin[:200]!r} may not use this server. {way}"
        self.tries.log("origin", self.tries.address_of(request), "%s", message)
        return error_response(403, message)

    def _names_us(self, authority: str) -> bool:
        host, _ = split_authority(authority) or ("", "")
        return is_loopback(host) or host in self._names

    def _refuse_exposed(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request that others than the programs of this machine may have sent."""
        proxied = next(filter(_is_of_a_proxy, request.headers), None)
        if proxied is None and not self._is_public:
            return None
        why = "it has a public URL" if proxied is None else f"this request came through a proxy (header {proxied[:40]})"
        message = (
            f"This server has no tokens, and {why}: whoever reaches it could spend the money of its owner. Set "
            "EASEL_TOKENS=auto, or name:token pairs, and send the header 'Authorization: Bearer <token>'."
        )
        self.tries.log("open", self.tries.address_of(request), "%s", message)
        return error_response(403, message)

    def _find_key(self, request: web.Request) -> Identity | None:
        """Return the identity of a static token in the URL, where that is switched on; raises `TokenError`."""
        key = request.query.get(KEY, "") if self._key_in_url else ""
        identity = self._tokens.find(key) if key else None
        if key and identity is None:
            raise TokenError(UNKNOWN)
        return identity

    async def _check_access_token(self, request: web.Request, handler: Handler, token: str) -> web.StreamResponse:
        """Handle a request if its token is an access token for this resource."""
        if not token or self.resource is None:
            return await self._refuse_token(request, TokenError(UNKNOWN) if token else None)
        try:
            request[IDENTITY] = await self.resource.identify(token)
        except TokenError as problem:
            return await self._refuse_token(request, problem)
        except KeysUnavailableError:
            return error_response(
                503,
                "Access tokens cannot be checked now: the authorization server does not give its keys. Try again in "
                f"{RETRY_AFTER_S} seconds.",
                {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)},
            )
        return await handler(request)

    async def _refuse_token(self, request: web.Request, problem: TokenError | None) -> web.Response:
        """Return 401, after a wrong token with the `problem`; 429 after too many guesses."""
        address = self.tries.address_of(request)
        if problem is not None:
            self.tries.log("wrong token", address, "a token was refused: %s", problem)
            wait_s = math.ceil(await self.tries.count(address)) if problem.is_guess else 0
            if wait_s:
                return error_response(
                    429,
                    f"{problem} Too many wrong tokens came from your address: try again in {wait_s} seconds. A right "
                    "token is taken at any time.",
                    {hdrs.RETRY_AFTER: str(wait_s)},
                )
        else:
            self.tries.log("no token", address, "a request without a token was refused")
        return self._ask_for_token(request, "" if problem is None else str(problem))

    def _ask_for_token(self, request: web.Request, problem: str) -> web.Response:
        if self.resource is not None:
            named, challenge = "an access token for this server", self.resource.challenge(problem)
        else:
            named = "a token of EASEL_TOKENS or EASEL_TOKENS_FILE, or of `token add`"
            # RFC 6750, 3.1: a request without a token is told no error, only which scheme is asked for.
            error = f', error="invalid_token", error_description="{problem}"' if problem else ""
            challenge = f'Bearer realm="easel"{error}'
        off = KEY in request.query and not self._key_in_url
        hint = " A token in the URL is read only with EASEL_KEY_IN_URL=on." if off else ""
        return error_response(
            401,
            f"{problem or 'The token is missing.'} Send the header 'Authorization: Bearer <token>' with {named}.{hint}",
            {hdrs.WWW_AUTHENTICATE: challenge},
        )


def authority_of(request: web.Request) -> str:
    """Return host and port that a request is for: of an absolute target, else of `Host` (RFC 9112, 3.2.2)."""
    target = request.raw_path
    if target.startswith("/") or "://" not in target:
        return request.headers.get(hdrs.HOST, "")
    try:
        return urlsplit(target).netloc
    except ValueError:
        return ""


def own_names(settings: Settings) -> frozenset[str]:
    """Return the host names, beside loopback, under which clients reach this service."""
    names = [*settings.allowed_hosts] if settings.host in _WILDCARDS else [*settings.allowed_hosts, settings.host]
    if settings.public_url:
        names.append(urlsplit(settings.public_url).hostname or "")
    return frozenset(map(normal_host, names))


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an HTTP error before any JSON-RPC message was read: a JSON-RPC error without an id."""
    body = {"jsonrpc": "2.0", "error": {"code": -32600, "message": message}}
    return web.json_response(body, status=status, headers=headers)


@lru_cache(maxsize=256)  # a client sends the same with every request
def _is_of_a_proxy(header: str) -> bool:
    name = header.lower()
    return name in FORWARDED or name.startswith(FORWARDED_PREFIX)


async def _respond(answer: web.Response) -> web.StreamResponse:
    return answer
