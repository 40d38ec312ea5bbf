"""Hosts: names of this machine and of others, the origins of pages, and proxies on either side of this service.

HTTP_PROXY, HTTPS_PROXY and NO_PROXY, of the way to others, are read as curl and Go read them.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST: Final = r"\[[0-9A-Fa-f:.]+\]|[\w.~%!$&'()*+,;=-]+"
_AUTHORITY: Final = re.compile(rf"({_HOST})(?::([0-9]{{0,5}}))?")
"""Host and port of a URL (RFC 3986, 3.2), without a user name."""

_ORIGIN: Final = re.compile(rf"([a-z][a-z0-9+.-]*)://((?:{_HOST})?(?::[0-9]{{1,5}})?)", re.IGNORECASE)
"""An origin as browsers send it (RFC 6454, 6.2). That of a file, in hosts made with Electron, has no host."""

UNKNOWN: Final = "an unknown address"
"""Stands for the address of a connection that has ended meanwhile."""

_USUAL_PORTS: Final = ("80", "443")


def is_loopback(host: str) -> bool:
    """Tell that a host name or address reaches this machine only."""
    name = normal_host(host)
    address = read_address(name)
    return name in LOOPBACK_NAMES if address is None else address.is_loopback


def normal_host(host: str) -> str:
    """Return the one form of a host: small letters, no dot at the end, no brackets, international names in ASCII."""
    name = host.lower().removesuffix(".").strip("[]")
    address = read_address(name)
    if address is not None:
        return str(address)
    if not name.isascii():
        try:
            return name.encode("idna").decode()
        except UnicodeError:
            pass
    return name


def read_address(text: str) -> Address | None:
    """Return an IP address, one of IPv4 also where it is mapped into IPv6; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def counted_as(address: Address | None) -> str:
    """Return the name under which a client is counted: of IPv6 its network of 64 bits, which is what a customer has."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return UNKNOWN if address is None else str(address)


def split_authority(text: str) -> tuple[str, str] | None:
    """Return the host in its one form, and the port, "" for the usual ones of HTTP; None for text that is neither."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = found[2] or ""
    return normal_host(found[1]), "" if port in _USUAL_PORTS else port


def split_origin(text: str) -> tuple[str, str, str] | None:
    """Return scheme, host and port of an origin in one form; None for `null` and for anything else."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    host, port = split_authority(found[2]) or ("", "")
    return found[1].lower(), host, port


def read_hosts(words: list[str]) -> tuple[str, ...]:
    """Return host names and addresses in their one form; raises ValueError."""
    hosts = {word: split_authority(word) for word in words}
    for word, host in hosts.items():
        if host is None or host[1] or "*" in word:
            raise ValueError(f"{word[:100]!r} is no host name; write one without scheme, port and path")
    return tuple(host for host, _ in filter(None, hosts.values()))


def read_networks(words: list[str]) -> tuple[Network, ...]:
    """Return addresses and networks; raises ValueError."""
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in words)
    except ValueError as error:
        raise ValueError(f"{error}; write addresses and networks such as 127.0.0.1, 10.0.0.0/8") from error


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Pages that may call this service from elsewhere: single origins, and schemes of desktop hosts."""

    exact: frozenset[tuple[str, str, str]] = frozenset()
    schemes: frozenset[str] = frozenset()

    @classmethod
    def read(cls, words: list[str]) -> "Origins":
        """Read origins such as http://localhost:6274 and schemes such as vscode-webview:; raises ValueError."""
        named = [word for word in words if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:", word)]
        schemes = {word.removesuffix(":").lower() for word in named}
        if open_to_all := schemes & {"http", "https"}:
            raise ValueError(f"{min(open_to_all)}: would let every page in; write whole origins, such as {EXAMPLE}")
        exact = {word: split_origin(re.sub(r"(?<=[^/])/$", "", word)) for word in words if word not in named}
        if bad := [word for word, origin in exact.items() if origin is None]:
            raise ValueError(f"{bad[0][:100]!r} is no origin; write one such as {EXAMPLE}, or a scheme such as app:")
        return cls(exact=frozenset(filter(None, exact.values())), schemes=frozenset(schemes))

    def __contains__(self, origin: tuple[str, str, str]) -> bool:
        """Tell that pages of an origin, as `split_origin` reads it, may call."""
        return origin in self.exact or origin[0] in self.schemes


EXAMPLE: Final = "http://localhost:6274"
"""The origin of the MCP Inspector's page."""


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """The proxy for http URLs, the one for https URLs ("" is none), and the hosts that are reached without one.

    An exception is a host name, which stands for all names below it as well, an address, or a network in CIDR form; a
    name or an address may have a port. `*` stands for every host. This machine is always reached directly.
    """

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    exceptions: tuple[str, ...] = ()

    @property
    def are_set(self) -> bool:
        """Tell whether any host is reached through a proxy."""
        return bool(self.http or self.https)

    def for_host(self, scheme: str, host: str, port: int | None) -> str:
        """Return the URL of the proxy for requests to a host, or "" where it is reached directly."""
        proxy = self.https if scheme == "https" else self.http
        host = normal_host(host)
        if not proxy or is_loopback(host) or any(_covers(each, host, port) for each in self.exceptions):
            return ""
        return proxy

    @property
    def secrets(self) -> list[str]:
        """The passwords in the URLs of the proxies."""
        return [password for each in (self.http, self.https) if (password := urlsplit(each).password)]


def _covers(exception: str, host: str, port: int | None) -> bool:
    name, colon, wanted = exception.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.endswith("]")):
        return wanted == str(port) and _covers(name, host, port)
    name = exception.lower().strip("[]").lstrip("*").strip(".")
    if not name:
        return exception.startswith("*")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return host == name or host.endswith(f".{name}")


def is_protected(url: str) -> bool:
    """Tell that a URL is https, or http on this machine: nobody on the way reads or changes an answer from there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
