"""Host names and addresses: which of them reach this machine only."""

import ipaddress
from typing import Final

LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")


def is_loopback(host: str) -> bool:
    """Tell that a host name or address reaches this machine only."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
