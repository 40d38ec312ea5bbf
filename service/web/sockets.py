"""The sockets that the service listens on, opened before anything else: a port in use ends the start at once."""

import errno
import socket
from typing import Final

from service.settings import SettingsError

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, when many clients come at once."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets bound to the addresses of `host`, all on one port; raises `SettingsError` when none can be.

    A name may stand for an address that this machine lacks, as `localhost` for `::1`; the others are enough.
    """
    sockets: list[socket.socket] = []
    lacking: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((entry[0], entry[4][:2]) for entry in found):
            # A free port is chosen once, for the first address; the others take the same.
            taken = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(socket.create_server((str(address[0]), taken), family=family, backlog=BACKLOG))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                lacking = error
    except UnicodeError as error:  # of a name whose parts are empty or too long
        raise SettingsError("EASEL_HOST", f"{host[:100]!r} is not the name of a host") from error
    except OSError as error:
        for each in sockets:
            each.close()
        raise listening_error(host, port, error) from error
    if not sockets and lacking is not None:
        raise listening_error(host, port, lacking) from lacking
    return sockets


def listen_beside(port: int) -> list[socket.socket]:
    """Return a socket on loopback: on this port, or on a free one when it is taken."""
    try:
        return listen("127.0.0.1", port)
    except SettingsError:
        return listen("127.0.0.1", 0)


def listening_error(host: str, port: int, error: OSError) -> SettingsError:
    """Translate an `OSError` from bind() into a `SettingsError` that names the setting to change."""
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            "EASEL_PORT", f"port {port} of {host} is in use: stop what listens there, or choose another, as --port 8867"
        )
    if error.errno == errno.EACCES:
        return SettingsError("EASEL_PORT", f"this account may not listen on port {port}: choose one above 1023")
    return SettingsError("EASEL_HOST", f"cannot listen on {host}: {error.strerror or error}")
