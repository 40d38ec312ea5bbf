"""Connections of the one `ClientSession`: host names are resolved on the event loop, and proxies are honoured.

The system's `getaddrinfo` blocks a thread for as long as a name server is silent, and its threads are those that read
and write pictures: eight names of a dead name server held up everybody's pictures for seven seconds. A lookup of c-ares
is a socket that ends with its call, so nobody else notices it, however many one owner starts.

c-ares reads the hosts file and asks name servers. Names of the local network may come from elsewhere (multicast DNS,
RFC 6762; LLMNR, RFC 4795), so those are asked of the system. Only a configured service is ever reached by such a name:
the guarded download (`fetch.py`) refuses the others before they are resolved.

Proxies are a middleware of the session:

1. A request to an image service, or for a picture on its own host, goes through the proxy for that host, which then
   resolves the name.
2. A guarded download from another host (`fetch.py`) has resolved and checked the name before: its URL holds a checked
   address, its `Host` header the name. By https the proxy is asked for a tunnel to that very address, so it connects to
   the address that was checked.
3. By http such a download goes directly. A proxy takes the host from the URL, not from the header (RFC 9112, 3.2.2), so
   the server would be asked for a site that has its address for a name.

An answer is read in small pieces until there is room for a picture (`byte_budget.py`), and in large ones from `read_on`
on. The loop of Unix and that of Windows take 256 KiB at one go, whatever a reader wants to have: of 500 answers that
wait for room that was 60 MB (measured).
"""

import asyncio
import socket
from typing import Any, Final

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from service.bounds.bodies import PIECE
from service.bounds.byte_budget import HELD_BACK_BYTES
from service.hosts import Proxies

SMALL_PIECE: Final = 2 * HELD_BACK_BYTES
"""Bytes that the buffer of a connection takes before it is not read on."""


def is_local_name(host: str) -> bool:
    """Tell whether a host name is one of the local network: it has no dot, or ends in `.local`."""
    name = host.rstrip(".").lower()
    return ("." not in name and ":" not in name) or name.endswith(".local")


class Resolver(aiohttp.AsyncResolver):
    """Resolves by c-ares, and names of the local network by the system. Raise `OSError` for an unknown name."""

    def __init__(self, **options: Any) -> None:
        """Resolve as the system is configured; `options` are those of `aiodns.DNSResolver`."""
        super().__init__(**options)
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, IPv4 and IPv6."""
        if is_local_name(host):
            return await self._system.resolve(host, port, family)
        return await super().resolve(host, port, family)


class Connector(aiohttp.TCPConnector):
    """Connects to any number of servers at once: the pipeline bounds how many requests run, not the connector."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        """Resolve names by `resolver`, which the guarded download uses as well."""
        self.resolver = resolver or Resolver()
        super().__init__(limit=0, resolver=self.resolver)

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close the connections and end the lookups."""
        await super().close(abort_ssl=abort_ssl)
        await self.resolver.close()


class HeldBackRequest(aiohttp.ClientRequest):
    """A request whose answer is read in small pieces at first."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send it, by a connection that may have been read on for an earlier answer."""
        _read_by(conn.transport, SMALL_PIECE)
        return await super().send(conn)


def read_on(response: aiohttp.ClientResponse) -> None:
    """Read the rest of an answer in large pieces: there is room for it."""
    if response.connection is not None:
        _read_by(response.connection.transport, PIECE)


def _read_by(transport: asyncio.Transport | None, size: int) -> None:
    """Have a transport of a selector loop read so many bytes at one go; others stay as they are."""
    if transport is not None and hasattr(transport, "max_size"):
        transport.max_size = size


async def addresses_of(session: aiohttp.ClientSession, host: str) -> list[str]:
    """Resolve a host name by the resolver of a session. Raise `OSError` for an unknown name."""
    resolver = session.connector.resolver if isinstance(session.connector, Connector) else Resolver()
    return [each["host"] for each in await resolver.resolve(host)]


def proxying(proxies: Proxies) -> aiohttp.ClientMiddlewareType:
    """Return the middleware that sends each request by way of the proxy for its host, if there is one."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        named = URL(f"{request.url.scheme}://{request.headers.get('Host', request.url.host)}")
        is_download = named.host != request.url.host
        if request.url.scheme == "https" or not is_download:
            proxy = proxies.for_host(named.scheme, named.host or "", named.port)
            request.update_proxy(URL(proxy) if proxy else None, None, None)
        return await handler(request)

    return send


def client_session(proxies: Proxies, agent: str) -> aiohttp.ClientSession:
    """Return the one session of the service, over this connector and the proxies of the environment."""
    return aiohttp.ClientSession(
        connector=Connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=HeldBackRequest,
        headers={"User-Agent": agent},
        middlewares=[proxying(proxies)] if proxies.are_set else [],
    )
