"""A ping every few milliseconds from a thread of its own, as of a client that wants nothing else."""

import socket
import statistics
import threading
import time
from typing import Final

from benchmarks import wire
from benchmarks.load import PIECE, Answer

PAUSE_S: Final = 0.01


class Pinger:
    """Pings one server from the beginning of a block to its end. `latencies` in seconds."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.latencies: list[float] = []
        self.problem = ""

    def __enter__(self) -> "Pinger":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self.problem:
            raise RuntimeError(f"a ping failed: {self.problem}")

    @property
    def p99_ms(self) -> float:
        """The 99th percentile."""
        return statistics.quantiles(self.latencies, n=100)[98] * 1000

    @property
    def longest_ms(self) -> float:
        """The longest."""
        return max(self.latencies) * 1000

    def _run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
                while not self._ended.is_set() or len(self.latencies) < 2:
                    self.latencies.append(self._once(connection))
                    time.sleep(PAUSE_S)
        except OSError as error:
            self.problem = str(error)

    def _once(self, connection: socket.socket) -> float:
        began = time.perf_counter()
        connection.sendall(self._request)
        answer = Answer(keeps=True)
        while not answer.complete:
            data = connection.recv(PIECE)
            if not data:
                raise ConnectionError("the server closed the connection")
            answer.feed(memoryview(data))
        if b'"result"' not in answer.content:
            raise ConnectionError(answer.content[:500].decode(errors="replace"))
        return time.perf_counter() - began


def to_service(port: int) -> Pinger:
    """A ping within a session of Easel."""
    return Pinger(port, wire.legacy(port, 1, "ping", {}, progress=False))


def to_bare(port: int) -> Pinger:
    """The same to the yardstick, which says how much of a wait is the machine's."""
    return Pinger(port, wire.modern(port, 1, "tools/list", {}, progress=False))
