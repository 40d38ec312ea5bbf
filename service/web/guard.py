"""Access control by Host, Origin and token: one middleware on every route.

1. Host: a page of a foreign site whose name was rebound to our address sends its own name (DNS rebinding). 421.
2. Origin: a foreign page in the person's browser sends its own origin. 403 (spec 2026-07-28, Security & Endpoint).
3. Token: `Authorization: Bearer` is needed when tokens are set, or an authorization server (`access_tokens.py`). 401.

Some routes are spared a check (`service/routes.py`).

Allowed names are loopback, the address we listen on, and the host of the public URL. A refusal names the setting.
"""

from collections.abc import Awaitable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from service.hosts import is_loopback
from service.routes import ANY_ORIGIN, WITHOUT_TOKEN
from service.settings import Settings
from service.web.identity import IDENTITY, LOCAL, StaticTokens, bearer_token
from service.web.protected_resource import KeysUnavailableError, ProtectedResource, TokenError

RETRY_AFTER_S: Final = 5
"""Between two fetches of the keys of an authorization server (`jwks.PAUSE_S`)."""

_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Guard:
    """The check of requests against the settings of this process."""

    def __init__(self, settings: Settings, resource: ProtectedResource | None = None) -> None:
        """Read the allowed names and the tokens once. `resource` takes access tokens beside them."""
        self._names = own_names(settings)
        # A client sends the same with every request; the cache is bounded, since strangers fill it too.
        self._is_ours = lru_cache(maxsize=256)(self._names_us)
        self._tokens = StaticTokens(settings.tokens)
        self._resource = resource

    def middleware(self) -> Middleware:
        """Return the check as aiohttp middleware."""

        @web.middleware
        def check(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            # A plain function: a coroutine round every handler would cost each request a frame.
            refusal = self._refuse_names(request)
            if refusal is not None:
                return _respond(refusal)
            if self._is_let_in(request):
                return handler(request)
            token = bearer_token(request)
            if token and self._resource is not None:
                return self._check_access_token(request, handler, self._resource, token)
            return _respond(self._ask_for_token(token))

        return check

    def _refuse_names(self, request: web.Request) -> web.Response | None:
        host = request.headers.get("Host", "")
        if not self._is_ours(f"//{host}"):
            return error_response(
                421,
                f"The host {host[:100]!r} is not a name of this server. If it is where people reach it, set "
                f"EASEL_PUBLIC_URL to the URL that they use, such as https://{host[:100] or 'easel.example.com'}",
            )
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_ours(origin) and not _is_open_to_all(request):
            return error_response(
                403,
                f"Pages of {origin[:100]!r} may not use this server. If that is where this server itself is "
                "reached, set EASEL_PUBLIC_URL to that URL.",
            )
        return None

    def _names_us(self, url: str) -> bool:
        try:
            name = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return False
        return is_loopback(name) or name in self._names

    def _is_let_in(self, request: web.Request) -> bool:
        """Tell that a request needs no token or has one of ours; leave its identity with it."""
        if request.path.startswith(WITHOUT_TOKEN) or request.match_info.http_exception is not None:
            return True
        if not self._tokens and self._resource is None:
            request[IDENTITY] = LOCAL
            return True
        token = bearer_token(request)
        identity = self._tokens.find(token) if token else None
        if identity is not None:
            request[IDENTITY] = identity
        return identity is not None

    async def _check_access_token(
        self, request: web.Request, handler: Handler, resource: ProtectedResource, token: str
    ) -> web.StreamResponse:
        """Handle a request if its token is an access token for this resource."""
        try:
            request[IDENTITY] = await resource.identify(token)
        except TokenError as problem:
            return self._ask_for_token(token, str(problem))
        except KeysUnavailableError:
            return error_response(
                503,
                "Access tokens cannot be checked now: the authorization server does not give its keys. Try again in "
                f"{RETRY_AFTER_S} seconds.",
                {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)},
            )
        return await handler(request)

    def _ask_for_token(self, token: str | None, problem: str = "") -> web.Response:
        """Return the refusal of a request without a token, or with one that is refused for `problem`."""
        said = (problem or "The token is not one that this server knows.") if token else "The token is missing."
        if self._resource is not None:
            named, challenge = "an access token for this server", self._resource.challenge(said if token else "")
        else:
            # RFC 6750, 3.1: a request without a token is told no error, only which scheme is asked for.
            error = ', error="invalid_token", error_description="unknown token"' if token else ""
            named, challenge = "a token of EASEL_TOKENS", f'Bearer realm="easel"{error}'
        return error_response(
            401,
            f"{said} Send the header 'Authorization: Bearer <token>' with {named}.",
            {hdrs.WWW_AUTHENTICATE: challenge},
        )


def _is_open_to_all(request: web.Request) -> bool:
    """Return whether pages of any origin may send this request, which reads a picture of known name, or metadata."""
    return request.method in ("GET", "HEAD", "OPTIONS") and request.path.startswith(ANY_ORIGIN)


def own_names(settings: Settings) -> frozenset[str]:
    """Return the host names, beside loopback, under which clients reach this service."""
    names = [] if settings.host in _WILDCARDS else [settings.host]
    if settings.public_url:
        names.append(urlsplit(settings.public_url).hostname or "")
    return frozenset(name.lower() for name in names)


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an HTTP error before any JSON-RPC message was read: a JSON-RPC error without an id."""
    body = {"jsonrpc": "2.0", "error": {"code": -32600, "message": message}}
    return web.json_response(body, status=status, headers=headers)


async def _respond(refusal: web.Response) -> web.StreamResponse:
    return refusal
