"""The derivatives of kept pictures: smaller copies for pages, made when somebody first asks for one.

1. One is made once, whoever asks meanwhile, and kept beside its picture, whose owner's room it counts for.
2. An owner has one made after the other, and `AT_ONCE` owners at the same time, since each has its picture in memory.
   So many wait as the limit `derivatives` says.
3. What nobody waits for any more, as a page does not for tiles that were scrolled past, is not begun. What was begun
   is finished: a decoder that is ended costs more than its work.
4. A picture that cannot be decoded is remembered, so that it costs its decoder once.
5. Where there is no room to keep one, it is shown all the same.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from service.images import WorkError
from service.limits import InUse
from service.pictures.decoders import Decoders
from service.pictures.messages import BadPictureError
from service.storage.files import Derivative, Files
from service.storage.store import Store

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
MOST_REMEMBERED: Final = 1000
"""Pictures that cannot be decoded; each costs its name."""


@dataclass(eq=False)
class _Work:
    """A derivative that is being made, or waits to be, and how many wait for it."""

    task: "asyncio.Task[bytes | None]"
    waiting: int = 0


class Derivatives:
    """Makes derivatives. Its owner closes it once nobody asks any more, and the decoders are stopped."""

    def __init__(
        self,
        files: Files,
        store: Store,
        decoders: Decoders,
        in_use: InUse,
        make_room: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        """Begin with none. `in_use` counts those that wait; `make_room` spares the pictures that it is given."""
        self._files = files
        self._store = store
        self._decoders = decoders
        self._in_use = in_use
        self._make_room = make_room
        self._works: dict[str, _Work] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._undecodable: OrderedDict[str, BadPictureError] = OrderedDict()

    async def make(self, name: str, derivative: Derivative) -> bytes | None:
        """Return a derivative that is not kept yet; None where the picture is gone.

        Raises `BadPictureError` for a picture that cannot be decoded, and `LimitError` where too many wait.
        """
        if (known := self._undecodable.get(name)) is not None:
            raise known.with_traceback(None)
        work = self._works.get(derivative.of(name)) or await self._begin(name, derivative)
        work.waiting += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.waiting -= 1

    async def close(self) -> None:
        """Wait for the end of all work, which comes at once when the decoders are stopped."""
        for work in tuple(self._works.values()):
            work.task.cancel()
            with suppress(asyncio.CancelledError, WorkError):
                await work.task

    async def _begin(self, name: str, derivative: Derivative) -> _Work:
        owner = await self._store.owner_of_file(name) or ""
        key = derivative.of(name)
        if (work := self._works.get(key)) is None:  # somebody else may have begun meanwhile
            self._in_use.take(owner)
            task = asyncio.create_task(self._make_in_turn(owner, name, derivative))
            work = self._works[key] = _Work(task)
            task.add_done_callback(_hear)
        return work

    async def _make_in_turn(self, owner: str, name: str, derivative: Derivative) -> bytes | None:
        key = derivative.of(name)
        try:
            async with self._turns.setdefault(owner, asyncio.Lock()), self._places:
                return await self._make(owner, name, derivative) if self._works[key].waiting else None
        finally:  # at once, so that nobody joins work that is over
            del self._works[key]
            self._in_use.give_back(owner)

    async def _make(self, owner: str, name: str, derivative: Derivative) -> bytes | None:
        picture = await self._files.read(name)
        if picture is None:
            return None
        try:
            data = await self._decoders.derive(owner, picture, derivative.width, derivative.media_type)
        except BadPictureError as error:
            self._remember(name, error)
            raise
        await self._keep(name, derivative, data)
        return data

    async def _keep(self, name: str, derivative: Derivative, data: bytes) -> None:
        try:
            if await self._files.keep_derived(name, derivative, data):
                await self._store.add_derived(name, len(data))
                await self._make_room([name])
        except WorkError as error:
            logger.debug("A derivative is not kept: %s", error)

    def _remember(self, name: str, error: BadPictureError) -> None:
        if error.code == "undecoded":  # another time it may be
            return
        self._undecodable[name] = error
        while len(self._undecodable) > MOST_REMEMBERED:
            self._undecodable.popitem(last=False)


def _hear(ended: "asyncio.Task[bytes | None]") -> None:
    """Take note of a failure, which those who waited have: perhaps all of them have left."""
    if not ended.cancelled():
        ended.exception()
