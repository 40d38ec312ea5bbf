"""Pages of other origins: which of them may call, and the CORS headers by which their browser lets them.

1. An `Origin` is that of this service when it has the host and port of the request, or the name of the public URL or of
   EASEL_ALLOWED_HOSTS. Another page on this machine, at another port, is another origin.
2. EASEL_ALLOWED_ORIGINS lets others in: pages by their whole origin, desktop hosts by their scheme.
3. A preflight is answered here, before any token is asked for, since a browser sends none with it (Fetch, 4.8).
4. Routes whose paths are keys are open to every origin (`service/routes.py`). No cookie is read anywhere, so a foreign
   page cannot use what a person's browser has.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from aiohttp import hdrs, web

from service.hosts import Origins, is_loopback, split_authority, split_origin
from service.protocol import headers

CROSS_ORIGIN: Final[web.RequestKey[dict[str, str]]] = web.RequestKey("cross_origin")
"""The CORS headers of the response to this request; absent where it needs none."""

NONE: Final[dict[str, str]] = {}
ANY: Final[dict[str, str]] = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
"""For every response of a route that is open to every origin, a 404 too: a page reads that the thing is not there."""

METHODS: Final = "GET, POST, DELETE"
REQUEST_HEADERS: Final = (
    *(hdrs.AUTHORIZATION, hdrs.CONTENT_TYPE),
    *(headers.SESSION_ID, headers.PROTOCOL_VERSION, headers.METHOD, headers.NAME, headers.LAST_EVENT_ID),
)
"""The headers of MCP requests that a browser asks about first; `Mcp-Param-…` are allowed beside them."""

EXPOSED: Final = f"{headers.SESSION_ID}, {hdrs.WWW_AUTHENTICATE}, {hdrs.RETRY_AFTER}"
"""The headers of responses that a page may read, beside those that it always may."""

MAX_AGE_S: Final = "7200"
"""Seconds; Chromium keeps a preflight no longer."""

OPEN: Final[Mapping[str, str]] = {
    **ANY,
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "*",
    hdrs.ACCESS_CONTROL_MAX_AGE: MAX_AGE_S,
}
"""The answer to a preflight of a route that is open to every origin."""

_PARAM_HEADER: Final = re.compile(re.escape(headers.PARAM) + r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}", re.IGNORECASE)


class CrossOrigin:
    """The check of `Origin` for a service with certain names."""

    def __init__(self, names: Collection[str], allowed: Origins) -> None:
        """Take pages of these host names, besides those of the request's own host, and of the allowed origins."""
        # The ports of this machine are other programs, those of a public name are one operator's.
        self._names = frozenset(name for name in names if not is_loopback(name))
        self._allowed = allowed
        # A client sends the same with every request; the cache is bounded, since strangers fill it too.
        self.admits = lru_cache(maxsize=256)(self._admits)

    def _admits(self, origin: str, authority: str) -> bool:
        """Tell that a page of `origin` may send requests to the `authority` that it asked for."""
        read, own = split_origin(origin), split_authority(authority)
        if read is None or not origin.isascii():  # browsers write international names in ASCII
            return False
        if read in self._allowed:
            return True
        scheme, host, port = read
        if scheme not in ("http", "https"):
            return False
        # localhost and 127.0.0.1 with one port are one server.
        is_own = own is not None and port == own[1] and (host == own[0] or (is_loopback(host) and is_loopback(own[0])))
        return is_own or host in self._names


def headers_for(origin: str) -> dict[str, str]:
    """Return the headers of a response that pages of this one origin may read."""
    return {
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
        hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: EXPOSED,
        hdrs.VARY: hdrs.ORIGIN,
    }


def is_preflight(request: web.Request) -> bool:
    """Tell that a browser asks which requests a page may send (Fetch, 3.3.5)."""
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def preflight(request: web.Request) -> web.Response:
    """Return the answer to a preflight of a page that may call."""
    asked = ",".join(request.headers.getall(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, ())).split(",")
    params = [name for each in asked if _PARAM_HEADER.fullmatch(name := each.strip())]
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: ", ".join((*REQUEST_HEADERS, *params)),
            hdrs.ACCESS_CONTROL_MAX_AGE: MAX_AGE_S,
        },
    )


def line_to_allow(origin: str) -> str:
    """Return the setting that lets pages of an origin in; "" for one that cannot be let in, such as `null`."""
    read = split_origin(origin)
    if read is None or len(origin) > 200:
        return ""
    return f"EASEL_ALLOWED_ORIGINS={origin if read[0] in ('http', 'https') else f'{read[0]}:'}"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the CORS headers of a request to a response of aiohttp's; `response.py` adds them to its own."""
    response.headers.update(request.get(CROSS_ORIGIN, NONE))
