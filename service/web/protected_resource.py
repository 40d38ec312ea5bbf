"""The MCP endpoint as an OAuth protected resource: its metadata (RFC 9728), and the challenges that lead to it.

A client without a token is answered 401 with the URL of the metadata, reads there which authorization server gives
tokens for this resource, and comes back with one. A call beyond the scopes of its token is answered 403 with the scope
that it needs. Spec 2025-11-25 and 2026-07-28, Authorization; RFC 6750, 3.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientSession, hdrs, web

from service.authorization import DELETE, DRAW, ISSUER, LOOK, OAuth
from service.routes import RESOURCE_METADATA
from service.settings_reader import SettingsError
from service.web.identity import Identity

SCOPES_SUPPORTED: Final = (DRAW, LOOK, DELETE)
"""The scopes that a client is told to ask for from the start: enough for a conversation about pictures.

Clients register (RFC 7591) with just these, and a strict authorization server refuses them any other one later: a scope
that is asked for when a call needs it, as ADMIN is, comes to few clients. The server decides what a person is granted.
"""


class KeysUnavailableError(Exception):
    """No access token can be checked now, since no key of the authorization server is known yet."""


class ProtectedResource:
    """The identity of the resource, its metadata and its challenges. `url` is the MCP endpoint as clients reach it."""

    def __init__(self, url: str, issuer: str, identify: Callable[[str], Awaitable[Identity]]) -> None:
        """Describe the resource at `url`, for which `issuer` gives tokens.

        `identify` returns the identity of a token; raises `TokenError`, or `KeysUnavailableError`.
        """
        parts = urlsplit(url)
        self.identify = identify
        self.url = url
        self.path = parts.path
        self.metadata_url = f"{parts.scheme}://{parts.netloc}{RESOURCE_METADATA.path}{parts.path}"
        """The well-known URI of the metadata: inserted between host and path (RFC 9728, 3.1)."""
        self.metadata: dict[str, Any] = {
            "resource": url,
            "authorization_servers": [issuer],
            "scopes_supported": list(SCOPES_SUPPORTED),
            "bearer_methods_supported": ["header"],
            "resource_name": "Easel",
        }

    def challenge(self, problem: str = "") -> str:
        """Return `WWW-Authenticate` of a 401: without a token, or with one that is refused for `problem`."""
        error = {"error": "invalid_token", "error_description": problem} if problem else {}
        return self._bearer({**error, "scope": " ".join(SCOPES_SUPPORTED)})

    def step_up(self, *scopes: str) -> str:
        """Return `WWW-Authenticate` of a 403, with all the scopes that this operation needs.

        Earlier grants are left out: to keep them is the client's part (spec 2026-07-28, Scope Challenge Handling).
        """
        words = f"This needs the scope {' '.join(scopes)}."
        return self._bearer({"error": "insufficient_scope", "scope": " ".join(scopes), "error_description": words})

    def _bearer(self, members: dict[str, str]) -> str:
        listed = {**members, "resource_metadata": self.metadata_url}
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in listed.items())


@contextlib.asynccontextmanager
async def opened(oauth: OAuth | None, url: str, session: ClientSession) -> AsyncIterator[ProtectedResource | None]:
    """The endpoint at `url` as a resource that takes access tokens; None where no authorization server is set.

    Raises `SettingsError` where the libraries for it are not installed.
    """
    if oauth is None:
        yield None
        return
    try:
        from service.web import access_tokens  # noqa: PLC0415 - large libraries, for this alone
    except ImportError as missing:
        raise SettingsError(ISSUER, f"needs {missing.name}: pip install -r requirements-oauth.txt") from missing
    async with access_tokens.taken(oauth, url, session) as resource:
        yield resource


def add_routes(app: web.Application, resource: ProtectedResource, mcp_path: str) -> None:
    """Serve the metadata at its well-known URI and at the root, also for a proxy that cuts off a path before ours."""

    async def get(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
        # The guard answers preflights: the TypeScript SDK sends Mcp-Protocol-Version with discovery.
        headers = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", hdrs.CACHE_CONTROL: "public, max-age=300"}
        return web.json_response(resource.metadata, headers=headers)

    for path in sorted({"", resource.path, mcp_path}):
        for end in ("", "/"):
            app.router.add_get(f"{RESOURCE_METADATA.path}{path}{end}", get)
