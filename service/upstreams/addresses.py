"""Addresses and ports that a download may go to: those of the public internet, where web servers listen.

The tables are our own. That of the standard library's `ipaddress` differs by its patch release, and calls some of these
addresses global. They hold every block of IANA's registries of special-purpose addresses (iana.org/assignments/
iana-ipv4-special-registry and iana-ipv6-special-registry, of 2025), also those that are globally reachable: anycast and
AS112 serve no pictures.

An address that carries an IPv4 address inside is what that is where the network unwraps it: mapped and NAT64. Of all
others (6to4, Teredo, ISATAP, IPv4-compatible, local NAT64) none is public: the network inside is anybody's choice.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple


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
