"""The sockets that the service listens on, the connections taken from them, and the descriptors that these need.

1. Sockets are opened before anything else: a port in use ends the start at once.
2. A `Listener` takes connections by a loop of its own. That of asyncio logs a traceback a thousand times for every
   look at the socket when descriptors run out (python/cpython#151615).
3. A connection beyond the bounds gets a refusal that says when to try again, before a byte of it is read.
"""

import asyncio
import errno
import logging
import math
import socket
import sys
from collections.abc import Awaitable, Iterable
from typing import Any, Final

from aiohttp import web

from service.bounds.limits import CONNECTIONS, Allowances
from service.hosts import Network, counted_as, read_address
from service.settings_reader import SettingsError
from service.web.connections import Bounds, Connection, Connections, begun_by, raw_refusal
from service.web.known_routes import KnownRoutes

if sys.platform != "win32":  # Windows counts no descriptors
    import resource

logger = logging.getLogger(__name__)

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, when many clients come at once."""

MOST_DESCRIPTORS: Final = 65_536
"""A hard limit may be a thousand million, in containers; some libraries walk through all numbers below the soft one."""

RESERVE: Final = 250
"""Descriptors for all but the connections of clients: the database, files, connections to image services."""

PAUSE_S: Final = 0.5
"""Seconds without taking connections after the system had no descriptor left for one."""

RETRY_AFTER_S: Final = 5

_TOO_MANY: Final = {
    429: f"this address has as many open as one may have ({CONNECTIONS.setting}), and each is in use",
    503: f"as many are open as there may be ({CONNECTIONS.setting}), and each is in use",
}
"""The reason of a refusal, by its HTTP status."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit of this process to the hard one; return how many descriptors it may hold."""
    if sys.platform == "win32":
        return MOST_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS takes no more than its OPEN_MAX
        return soft
    return wanted


def room_for_connections(most: float, descriptors: int) -> int:
    """Return how many connections may be open: `most`, or as many as leave a reserve of the descriptors."""
    room = descriptors - min(RESERVE, descriptors // 2)
    if room < most < math.inf:
        logger.warning(
            "Only %d connections are taken, not %g (%s): this process may hold %d descriptors. Raise the limit "
            "(ulimit -n) for more.", room, most, CONNECTIONS.setting, descriptors,
        )  # fmt: skip
    return int(min(most, room))


def bounds_of(allowances: Allowances, proxies: tuple[Network, ...]) -> Bounds:
    """Return the bounds of connections, as the settings and the descriptors of this process have them."""
    most = room_for_connections(allowances.overall(CONNECTIONS), raise_descriptor_limit())
    # Few descriptors are not left to one address.
    per_address = int(min(allowances.each(CONNECTIONS, ""), max(1, most // 2)))
    return Bounds(most=most, per_address=per_address, exempt=proxies)


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


class Listener:
    """Takes the connections that come to some sockets, and hands them to aiohttp."""

    def __init__(self, sockets: Iterable[socket.socket], connections: Connections) -> None:
        """Take connections from these sockets, which listen already, within the bounds of `connections`."""
        self._sockets = tuple(sockets)
        self._connections = connections
        self._accepting: list[asyncio.Task[None]] = []

    def start(self, app: web.Application, server: web.Server) -> None:
        """Serve an application by its server, until `stop`. Needs a running loop."""
        server.request_factory = begun_by(server.request_factory)
        server.request_handler = KnownRoutes(app, server.request_handler).handle
        self._accepting = [asyncio.create_task(self._accept(server, each)) for each in self._sockets]

    async def stop(self) -> None:
        """Take no more connections, and close the sockets. Connections that are open stay."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for each in self._sockets:
            each.close()

    async def _accept(self, server: web.Server, listening: socket.socket) -> None:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except ConnectionAbortedError:  # its client was gone before
                continue
            except OSError as error:
                await self._pause(error)
                continue
            try:
                await self._open(server, accepted, peer[0])
            except OSError as error:  # a connection that was reset before it could be served
                logger.debug("A connection could not be opened: %s", error)
                accepted.close()

    def _open(self, server: web.Server, accepted: socket.socket, host: str) -> Awaitable[Any]:
        """Serve a connection, or refuse it."""
        found = read_address(host.partition("%")[0])
        address = counted_as(found)
        is_exempt = found is not None and any(found in network for network in self._connections.bounds.exempt)
        status = self._connections.make_room(address, is_exempt=is_exempt)
        if status:
            _refuse(accepted, status)
            self._connections.warn("Connections are refused: %s", _TOO_MANY[status])
            return asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        return loop.connect_accepted_socket(lambda: Connection(self._connections, server, address), accepted)

    async def _pause(self, error: OSError) -> None:
        """Close a waiting connection for one that the system has no descriptor for, and give it time."""
        if error.errno in (errno.EMFILE, errno.ENFILE):
            self._connections.end_waiting()
        self._connections.warn("Connections cannot be taken: %s", error)
        await asyncio.sleep(PAUSE_S)


def _refuse(accepted: socket.socket, status: int) -> None:
    """Send a refusal to a client that has not been read, as far as it fits into its buffers, and let it go."""
    with accepted:
        try:
            accepted.setblocking(False)
            accepted.send(raw_refusal(status, f"Too many connections: {_TOO_MANY[status]}.", RETRY_AFTER_S))
            accepted.shutdown(socket.SHUT_WR)
        except OSError:
            pass
