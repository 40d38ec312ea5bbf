"""Receipts: what is done once the whole result of a call was handed to its client. Not delivered, it is never done.

Whoever hands a result over runs them: the transport after the last byte, a replay after the last event, `tasks/get` or
a notice of a task. Two may do it for one result, as when a stream is replayed that had come through; the second finds
nothing left.
"""

from collections.abc import Callable


class Receipts:
    """The callbacks of one call, in the order in which they came. They must not raise, and not take long."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def add(self, callback: Callable[[], None]) -> None:
        """Have it run at delivery."""
        self._callbacks.append(callback)

    def run(self) -> None:
        """The result was delivered."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
