"""The guarded download: one picture from a URL that an image service or a caller chose.

Its rules, for the first URL and for each redirect alike:

- http and https only, no user name or password in the URL, and no port on which other protocols are spoken.
- The name is resolved once, every address is checked, and the connection goes to a checked address. Private addresses
  and names of the local network are allowed only on the host of the image service that gave the URL, on any port;
  there nothing is to be checked, and a proxy may resolve the name (`connector.py`).
- The key goes to the exact origin of that service and nowhere else.
- All of it ends in time together: each look-up, each redirect, the reading, further tries and the pauses before them.
- Bytes are counted while they come in. A page of HTML is no picture; its bytes tell it, not its media type.
- The URL is sent byte for byte: a signed query does not survive being decoded and encoded again.

The tables of addresses are our own. That of the standard library's `ipaddress` differs by its patch release, and calls
some of these addresses global. They hold every block of IANA's registries of special-purpose addresses (iana.org/
assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, of 2025), also those that are globally reachable:
anycast and AS112 serve no pictures. An address that carries an IPv4 address inside is what that is where the network
unwraps it: mapped and NAT64. Of all others (6to4, Teredo, ISATAP, IPv4-compatible, local NAT64) none is public: the
network inside is anybody's choice.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from service.bounds.bodies import read_limited
from service.bounds.byte_budget import HELD_BACK_BYTES, UNKNOWN_BYTES, deadline, room_for
from service.images import WorkError
from service.pictures.sniffing import sniff
from service.upstreams.connector import addresses_of, is_local_name, read_on

CONNECT_S: Final = 10.0
IDLE_S: Final = 30.0
HOPS: Final = 5
"""Redirects that are followed. Storage services need one or two."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
PRIVATE: Final = "it is on a private network"
PRIVATE_ELSEWHERE: Final = f"{PRIVATE}, and not the host of the image service"

ADDRESSES: Final = 4
"""Addresses of one name that are tried. All of them are checked."""


class Trouble(StrEnum):
    """The reason for which a download failed, as far as another try or another address depends on it."""

    UNUSABLE = "unusable"
    """The URL is none that is fetched."""
    PRIVATE = "private"
    """It leads into a private network."""
    PORT = "port"
    """It leads to a port on which other protocols are spoken."""
    UNREACHED = "unreached"
    """Its name is not known, or nothing accepts connections there."""
    PASSING = "passing"
    """The host is busy, or the connection broke."""
    ABSENT = "absent"
    """The host does not have the picture, or not yet, or not for us."""
    OTHER = "other"
    """A web page or a text came instead of a picture."""
    REFUSED = "refused"
    """Everything else, such as a picture that is too large."""


class FetchError(WorkError):
    """The download failed. Names the host and never more of the URL. `url` may be one that it was redirected to."""

    def __init__(self, url: URL, why: str, trouble: Trouble = Trouble.REFUSED) -> None:
        """Fail for the reason `why`, a clause without its full stop."""
        super().__init__(
            f"Could not download the picture from {url.host or 'a URL without a host'}: {why}.", kind="download"
        )
        self.url = url
        self.trouble = trouble


TROUBLES: Final[Mapping[int, Trouble]] = {
    **dict.fromkeys((408, 409, 423, 425, 429, 500, 502, 503, 504), Trouble.PASSING),
    **dict.fromkeys((202, 204, 400, 403, 404, 410), Trouble.ABSENT),
}
"""Troubles by HTTP status. Storage services answer 400 or 403 to a signature that has expired."""


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries a key, or none for an empty key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """The configured image service that gave a URL: its host may be private, its origin gets the key."""

    base: URL
    key: str = field(repr=False)
    authorize: Callable[[str], dict[str, str]] = field(default=bearer, repr=False)
    """Makes the header that carries the key."""

    def on_same_host(self, url: URL) -> bool:
        """Tell whether a URL is on the service's host, on any port."""
        return _host(url) == _host(self.base)

    def is_origin(self, url: URL) -> bool:
        """Tell whether a URL is on the service's exact origin."""
        return (url.scheme, _host(url), url.port) == (self.base.scheme, _host(self.base), self.base.port)

    def headers(self, url: URL) -> dict[str, str]:
        """Return the header with the key for a URL on the service's exact origin, else none."""
        return self.authorize(self.key) if self.is_origin(url) else {}


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """The seconds that all tries may take together, and the pause before each further one.

    The picture is paid for, and another download costs nothing: three tries.
    """

    total_s: float = 120.0
    pauses_s: Sequence[float] = (0.5, 2.0)


RETRY_POLICY: Final = RetryPolicy()


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    *,
    max_bytes: int,
    trusted: Trusted | None = None,
    retry: RetryPolicy = RETRY_POLICY,
) -> bytes:
    """Download one picture, once more after each of the pauses if need be. Raise `FetchError`."""
    target = read_url(url)
    try:
        async with deadline(retry.total_s):
            for pause_s in retry.pauses_s:
                try:
                    return await _once(session, target, max_bytes, trusted)
                except FetchError as error:
                    if error.trouble not in {Trouble.UNREACHED, Trouble.PASSING}:
                        raise
                await asyncio.sleep(pause_s)
            return await _once(session, target, max_bytes, trusted)
    except TimeoutError as error:
        raise FetchError(target, "it took too long", Trouble.PASSING) from error


def read_url(text: str, base: URL | None = None) -> URL:
    """Read a URL without changing a byte of it, relative to a base where there is one. Raise `FetchError`."""
    try:
        url = URL(text, encoded=text.isascii())
        url = base.join(url) if base is not None else url
        readable = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
    except ValueError as error:
        raise FetchError(URL(), "its URL cannot be read", Trouble.UNUSABLE) from error
    if not readable:
        raise FetchError(URL(), "only http and https URLs are fetched", Trouble.UNUSABLE)
    if url.raw_user is not None or url.raw_password is not None:
        raise FetchError(url, "a URL with a user name or password is not fetched", Trouble.UNUSABLE)
    return url


def _host(url: URL) -> str:
    """Spec RFC 1034, 3.1: a name with a trailing dot is the same name."""
    return (url.host or "").lower().rstrip(".")


async def _once(session: aiohttp.ClientSession, url: URL, max_bytes: int, trusted: Trusted | None) -> bytes:
    for _ in range(HOPS + 1):
        answer = await _hop(session, url, max_bytes, trusted)
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise FetchError(url, f"more than {HOPS} redirects")


async def _hop(session: aiohttp.ClientSession, url: URL, max_bytes: int, trusted: Trusted | None) -> bytes | URL:
    """Ask one URL at one of its checked addresses, and return the bytes, or the URL that it redirects to."""
    problem: FetchError | None = None
    for address in await _checked_addresses(session, url, trusted):
        try:
            async with session.get(
                url.with_host(address),
                headers={"Host": url.host_port_subcomponent or "", "Accept-Encoding": "identity"}
                | (trusted.headers(url) if trusted else {}),
                server_hostname=url.raw_host if url.scheme == "https" else None,
                allow_redirects=False,
                read_bufsize=HELD_BACK_BYTES,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=IDLE_S),
            ) as response:
                return await _read(response, url, max_bytes)
        except aiohttp.ClientConnectorDNSError as error:
            raise FetchError(url, "its name is not known", Trouble.UNREACHED) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            problem = FetchError(url, "it does not accept connections", Trouble.UNREACHED)
            problem.__cause__ = error
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchError(url, "the connection broke", Trouble.PASSING) from error
    raise problem or FetchError(url, "its name is not known", Trouble.UNREACHED)


async def _checked_addresses(session: aiohttp.ClientSession, url: URL, trusted: Trusted | None) -> list[str]:
    if trusted is not None and trusted.on_same_host(url):
        addresses = [url.raw_host or ""]  # any will do: the connection resolves it, or the proxy that alone knows it
    else:
        addresses = await _public_addresses(session, url, PRIVATE if trusted is None else PRIVATE_ELSEWHERE)
    if not is_web_port(url.port) and not (trusted and trusted.is_origin(url)):
        why = f"port {url.port} is none of a web server: pictures lie at 80, 443, or a port from 1024 on"
        raise FetchError(url, why, Trouble.PORT)
    return addresses


async def _public_addresses(session: aiohttp.ClientSession, url: URL, private: str) -> list[str]:
    """Resolve the host of a URL, once. Raise `FetchError` unless all of its addresses are public."""
    host = url.raw_host or ""
    numeric = numeric_address(host)
    if not numeric and is_local_name(host):
        raise FetchError(url, private, Trouble.PRIVATE)
    try:
        async with asyncio.timeout(CONNECT_S):
            addresses = [numeric] if numeric else await addresses_of(session, host)
    except (OSError, UnicodeError) as error:
        raise FetchError(url, "its name is not known", Trouble.UNREACHED) from error
    if not all(is_public(address) for address in addresses):
        raise FetchError(url, private, Trouble.PRIVATE)
    return addresses[:ADDRESSES]


async def _read(response: aiohttp.ClientResponse, url: URL, max_bytes: int) -> bytes | URL:
    location = response.headers.get("Location")
    if response.status in REDIRECTS and location is not None:
        return read_url(location, base=url)
    if response.status != HTTPStatus.OK:
        raise FetchError(url, f"it answered HTTP {response.status}", TROUBLES.get(response.status, Trouble.REFUSED))
    if (response.content_length or 0) > max_bytes:
        raise FetchError(url, f"the picture is larger than {max_bytes / 1_000_000:g} MB")
    await room_for(UNKNOWN_BYTES if response.content_length is None else response.content_length)
    read_on(response)
    data = await read_limited(response.content, max_bytes, response.content_length or 0)
    if len(data) > max_bytes:
        raise FetchError(url, f"the picture is larger than {max_bytes / 1_000_000:g} MB")
    is_page = response.content_type in PAGES or data[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if is_page and sniff(data) is None:  # relays serve pictures as text/html, too
        raise FetchError(url, "it answered with a web page instead of a picture", Trouble.OTHER)
    return data


class Block(NamedTuple):
    """A block of addresses with a special purpose, and the document that says so."""

    network: str
    purpose: str
    source: str


IPV4: Final = (
    Block("0.0.0.0/8", "this network", "RFC 791, 3.2"),
    Block("10.0.0.0/8", "private use", "RFC 1918"),
    Block("100.64.0.0/10", "shared address space of carriers", "RFC 6598"),
    Block("127.0.0.0/8", "loopback", "RFC 1122, 3.2.1.3"),
    Block("168.63.129.16/32", "the platform of Azure, beside each of its machines", "Azure, IP address 168.63.129.16"),
    Block("169.254.0.0/16", "link-local, with the metadata of clouds", "RFC 3927"),
    Block("172.16.0.0/12", "private use", "RFC 1918"),
    Block("192.0.0.0/24", "protocol assignments", "RFC 6890, 2.1"),
    Block("192.0.2.0/24", "documentation", "RFC 5737"),
    Block("192.31.196.0/24", "AS112", "RFC 7535"),
    Block("192.52.193.0/24", "automatic multicast tunneling", "RFC 7450"),
    Block("192.88.99.0/24", "6to4 relays, deprecated", "RFC 7526"),
    Block("192.168.0.0/16", "private use", "RFC 1918"),
    Block("192.175.48.0/24", "AS112", "RFC 7534"),
    Block("198.18.0.0/15", "benchmarks", "RFC 2544"),
    Block("198.51.100.0/24", "documentation", "RFC 5737"),
    Block("203.0.113.0/24", "documentation", "RFC 5737"),
    Block("224.0.0.0/4", "multicast", "RFC 5771"),
    Block("240.0.0.0/4", "reserved, and broadcast", "RFC 1112, 4"),
)

UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is routed (RFC 4291, 2.4): every other block is of a special purpose, or not yet given out."""

IPV6: Final = (
    Block("2001::/23", "protocol assignments: Teredo, ORCHID, benchmarks, anycast", "RFC 2928"),
    Block("2001:db8::/32", "documentation", "RFC 3849"),
    Block("2002::/16", "6to4, deprecated", "RFC 7526"),
    Block("2620:4f:8000::/48", "AS112", "RFC 7534"),
    Block("3fff::/20", "documentation", "RFC 9637"),
)
"""The blocks within `UNICAST`."""

MAPPED: Final = IPv6Network("::ffff:0:0/96")
NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052, 2.1. A network without IPv4 gives such addresses to hosts of the internet."""

ISATAP: Final = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))
"""The third quarter of an address that tunnels to the IPv4 address in its last one (RFC 5214, 6.1)."""

OTHER_PROTOCOLS: Final = frozenset({
    1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432,
    5672, 5900, 5984, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200, 9300, 10080, 10250,
    11211, 27017,
})  # fmt: skip
"""Ports on which no web server with pictures listens: those that browsers refuse (WHATWG Fetch, 2.9), and those of
databases, brokers and container engines, which do harm when they are asked."""

FIRST_FREE_PORT: Final = 1024
WEB_PORTS: Final = frozenset({80, 443})

_IPV4: Final = [IPv4Network(block.network) for block in IPV4]
_IPV6: Final = [IPv6Network(block.network) for block in IPV6]


def is_public(address: str) -> bool:
    """Tell whether an address of IPv4 or IPv6, as a resolver gives it, is one of the public internet."""
    try:
        if ":" not in address:
            return _is_public_ipv4(IPv4Address(socket.inet_pton(socket.AF_INET, address)))
        found = IPv6Address(socket.inet_pton(socket.AF_INET6, address))
    except OSError:  # with a zone, it is an address of one link
        return False
    if found in MAPPED or found in NAT64:
        return _is_public_ipv4(IPv4Address(found.packed[12:]))
    return found in UNICAST and found.packed[8:12] not in ISATAP and not any(found in block for block in _IPV6)


def _is_public_ipv4(address: IPv4Address) -> bool:
    return not any(address in block for block in _IPV4)


def numeric_address(host: str) -> str:
    """Return the IPv4 address that a host is in the eyes of getaddrinfo(3); "" for a name.

    It has one to four parts, each decimal, octal or hexadecimal.
    """
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return ""


def is_web_port(port: int | None) -> bool:
    """Tell whether pictures may be fetched from a port."""
    return port in WEB_PORTS or (port is not None and port >= FIRST_FREE_PORT and port not in OTHER_PROTOCOLS)
