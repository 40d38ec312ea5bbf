"""Hosts: names of this machine, and the proxies of the environment on the way to others.

HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read as curl and Go read them.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")


def is_loopback(host: str) -> bool:
    """Tell that a host name or address reaches this machine only."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


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
        host = host.lower().strip("[]").rstrip(".")
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
