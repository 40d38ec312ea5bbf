"""The open connections of one process to its database: as many as are used at once, at most a few.

1. The connection that was used last is used next, so that the others are idle, and closed after a while: a hundred
   replicas would hold hundreds for nothing.
2. Who asks while all are in use waits for the next one, in turn.
3. One that was lost, or cut off by its user, is replaced by the next who asks.

asyncpg has a pool of its own; to take from it and give back costs a task and a wrapper each time, which is as much
processor time as a whole statement.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CLOSE_S: Final = 5.0


class Connections:
    """The connections that `connect` opens: at most `most`, and each of them idle no longer than `idle_s`."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], most: int, idle_s: float) -> None:
        """Open none yet."""
        self._connect = connect
        self._most = most
        self._idle_s = idle_s
        self._opened: set[Connection] = set()
        self._opening = 0
        self._idle: list[tuple[Connection, float]] = []
        """Those that nobody uses, and since when; the last one is used next."""

        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    async def take(self) -> Connection:
        """Take a connection: the one used last, a new one, or the next that is given back."""
        while True:
            while self._idle:
                connection, _ = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._opened.discard(connection)
            if len(self._opened) + self._opening < self._most:
                return await self._open()
            await self._turn()

    def give_back(self, connection: Connection) -> None:
        """Give a connection back that was taken. One that is closed makes room for another."""
        if connection.is_closed():
            self._opened.discard(connection)
        else:
            self._idle.append((connection, asyncio.get_running_loop().time()))
            if self._look is None:
                self._look = asyncio.get_running_loop().call_later(self._idle_s, self._close_idle)
        self._wake()

    def cut_idle(self) -> None:
        """Cut off those that nobody uses: whoever asks next opens a new one."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            self._opened.discard(connection)
            connection.terminate()

    async def close(self) -> None:
        """Close all; what does not close in time is cut off."""
        if self._look is not None:
            self._look.cancel()
        opened, self._opened = self._opened, set()
        self._idle.clear()
        await asyncio.gather(*self._closing, *map(_closed, opened))

    async def _open(self) -> Connection:
        self._opening += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._wake()  # there is room again
            raise
        finally:
            self._opening -= 1
        self._opened.add(connection)
        return connection

    async def _turn(self) -> None:
        """Wait until something is given back. A waiter who leaves passes its turn on."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _close_idle(self) -> None:
        """Close those that were idle for long; look again when the next one may be."""
        now, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        left = [(each, since) for each, since in self._idle if now - since < self._idle_s]
        for connection, _ in self._idle[: len(self._idle) - len(left)]:
            self._opened.discard(connection)
            task = loop.create_task(_closed(connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._idle = left
        self._look = loop.call_later(self._idle_s - (now - left[0][1]), self._close_idle) if left else None


async def _closed(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
