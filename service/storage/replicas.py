"""The contract of a process among the replicas of a storage; by itself it is that of a process that is the only one."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from service.storage.notices import StopWanted

LOST: Final = "lease"
"""The kind of a failure of a process that was taken for dead: another one follows the job, or has ended it."""


async def _nothing() -> None:
    """Stop nothing."""


class Replica:
    """This process among the replicas. `living` counts those that live, this one among them."""

    living = 1
    shares = False
    """True where other processes work on the same storage, within the same limits. All below is for those."""
    claims_each_s = 300.0
    """Seconds between two looks for jobs that nobody follows: those of dead processes, and those that were let go."""

    def __init__(self) -> None:
        """Begin with nothing to stop."""
        self.lost: Callable[[], Awaitable[None]] = _nothing
        """Stops the jobs that are at work here: this process was taken for dead, and they are others' now."""
        self.stop: Callable[[StopWanted], None] = lambda _: None
        """Stops a job that is at work here. It neither waits nor raises."""

    @property
    def leads(self) -> bool:
        """True where this process does what one of them does for all."""
        return True

    async def share(self, taken: Mapping[str, float]) -> Mapping[str, float]:
        """Tell the others how many seconds of each limit were used up here; return those of all together.

        A second is earned back in a second. Raises `WorkError` where they cannot be told now.
        """
        return taken

    async def begin_anew(self) -> None:
        """Take new work again, where this process was taken for dead. Raises `WorkError`."""

    async def check(self) -> None:
        """Make sure that this process was not taken for dead, before it has anything charged. Raises `WorkError`."""
