"""Free ports of loopback, for servers that take a number and cannot choose one themselves.

They lie below those that the system hands out by itself (ip(7), `ip_local_port_range`), or a connection of any other
test could take one before its server does.
"""

import secrets
import socket
from typing import Final

PORTS: Final = range(10_240, 32_768)
"""From above most well-known servers to where the range of Linux begins by default."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment, all of them different."""
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(PORTS)
        if _is_free(port):
            found.add(port)
    return list(found)


def free_port() -> int:
    """One such port."""
    [port] = free_ports(1)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
