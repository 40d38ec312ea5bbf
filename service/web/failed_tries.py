"""Refused requests by address: how many tries of a token are answered, and how much of it is logged.

1. An address has `BURST` wrong tokens free, then one every `EVERY_S`. Those beyond are answered 429, after a pause
   while few are paused. A right token is never counted and never paused: many people may share an address, and none of
   them can lock out the others. Guessing is hopeless by the length of tokens; this keeps it from costing much.
2. The log has one line a minute for each kind of refusal and address: of the guard, which names what to set, and of the
   handlers behind it, by their status (`note`). All are counted.
3. Both tables have a fixed size and forget the oldest. Of IPv6 the network /64 counts, which is what one customer has.
4. The address is that of the connection, unless that is a trusted proxy: then it is the rightmost one in
   `X-Forwarded-For` or `Forwarded` (RFC 7239) that is no trusted proxy. All to the left of it is what a client wrote.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, TypeVar

from aiohttp import hdrs, web

from service.hosts import Address, Network, counted_as, read_address
from service.logs import fields
from service.routes import GALLERY_LINKS, PICTURES, UPLOADS
from service.telemetry import REFUSED
from service.web.identity import IDENTITY

logger = logging.getLogger(__name__)

BURST: Final = 10
EVERY_S: Final = 6.0
PAUSE_S: Final = 1.0
MOST_PAUSED: Final = 64
"""Beyond so many paused answers the rest goes out at once: a pause keeps a connection open."""

MOST_ADDRESSES: Final = 4096
"""Of each table; some hundred bytes each."""

LOG_EVERY_S: Final = 60.0
Key = TypeVar("Key")

_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*"?([^";]+)"?', re.IGNORECASE)
_PORT: Final = re.compile(r"\[(.+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


class FailedTries:
    """The count of wrong tokens by address, as the time from which the next is free (GCRA)."""

    def __init__(self, trusted: Sequence[Network], *, most_paused: int = MOST_PAUSED) -> None:
        """Believe these proxies which address a request has."""
        self._trusted = tuple(trusted)
        self._most_paused = most_paused
        self._due: OrderedDict[str, float] = OrderedDict()
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._paused = 0

    def address_of(self, request: web.Request) -> str:
        """Return the address of the client that sent a request, as it is counted and logged."""
        headers = request.headers
        lines, standard_lines = headers.getall(hdrs.X_FORWARDED_FOR, []), headers.getall(hdrs.FORWARDED, [])
        return counted_as(client_address(request.remote or "", lines, standard_lines, self._trusted))

    async def count(self, address: str) -> float:
        """Count a wrong token; return 0 for one that is free, else the seconds until the next is, after a pause."""
        now = asyncio.get_running_loop().time()
        due = max(self._due.pop(address, now), now)
        wait_s = due - now - (BURST - 1) * EVERY_S
        _keep(self._due, address, due if wait_s > 0 else due + EVERY_S)
        if wait_s > 0 and self._paused < self._most_paused:
            self._paused += 1
            try:
                await asyncio.sleep(PAUSE_S)
            finally:
                self._paused -= 1
        return max(wait_s, 0.0)

    def log(self, kind: str, address: str, message: str, *arguments: object) -> None:
        """Log a refusal, unless one of its kind and address was logged within the last minute."""
        now = asyncio.get_running_loop().time()
        if now - self._logged.get((kind, address), -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged.pop((kind, address), None)
            _keep(self._logged, (kind, address), now)
            logger.warning(f"%s: {message}", address, *arguments, extra=fields(kind=kind, address=address))

    async def note(self, request: web.Request, response: web.StreamResponse) -> None:
        """Count a response that is a refusal, and log one of a handler: a receiver of `on_response_prepare`."""
        if 400 <= response.status < 500:
            REFUSED.labels(str(response.status)).inc()
            if (said := _refusal_behind_guard(request, response.status)) is not None:
                self.log(said[0], self.address_of(request), "%s", said[1])


def _refusal_behind_guard(request: web.Request, status: int) -> tuple[str, str] | None:
    """Return the kind of a refusal and the words for the log; None for one that the guard has logged or nobody misses.

    The rest of the path of a link is its key, so that it stays out.
    """
    link = next((route.path for route in (PICTURES, UPLOADS, GALLERY_LINKS) if request.path.startswith(route.path)), "")
    match status:
        case 404 | 410 if link == PICTURES.path:
            return "picture link", f"a picture under {link} was asked for that is not kept (any more)"
        case 404 | 410 if link:
            kind = "upload link" if link == UPLOADS.path else "gallery link"
            return kind, f"a link under {link} was opened that is used up, too old or unknown"
        case 413 if link:
            return "too large", f"more was sent to {link} than is taken: a picture may have EASEL_CACHE_MAX_FILE_MB"
        case 413:
            return "too large", "a message was larger than is taken: pictures go by upload link, not in a call"
        case 403 if IDENTITY in request:
            return "scope", f"an access token of {request[IDENTITY].owner} has not the scope that was needed"
        case _:
            return None


def client_address(
    remote: str, x_forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """Return the address of the client behind the connection `remote`, by the header lines of trusted proxies alone."""
    address = read_address(remote)
    for hop in reversed(_hops(x_forwarded_for, forwarded)) if trusted else ():
        if address is None or not any(address in network for network in trusted):
            break
        # A name that hides the address, or "unknown", says no more than the proxy that passed it on.
        found = read_address(hop)
        if found is None:
            break
        address = found
    return address


def _hops(x_forwarded_for: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    """Return the addresses that proxies have written, the nearest last.

    A proxy writes one of the two headers and passes the other one on. Where both are there, nobody knows which.
    """
    if x_forwarded_for and forwarded:
        return []
    found = [_FOR.search(hop) for line in forwarded for hop in line.split(",")]
    plain = [hop.strip() for line in x_forwarded_for for hop in line.split(",")]
    return [_without_port(hop) for hop in (*plain, *(each[1] if each else "" for each in found))]


def _without_port(hop: str) -> str:
    found = _PORT.fullmatch(hop)
    return found[1] or found[2] if found else hop


def _keep(table: "OrderedDict[Key, float]", key: Key, value: float) -> None:
    table[key] = value
    if len(table) > MOST_ADDRESSES:
        table.popitem(last=False)
