"""The derivatives of kept pictures: smaller copies for pages, made when somebody first asks for one.

1. One is made once, whoever asks meanwhile, and kept beside its picture, whose owner's room it counts for.
2. An owner has one made after the other, and `AT_ONCE` owners at the same time, since each has its picture in memory.
   So many wait as the limit `derivatives` says.
3. What nobody waits for any more, as a page does not for tiles that were scrolled past, is not begun. What was begun
   is finished: a decoder that is ended costs more than its work.
4. A picture that cannot be decoded is remembered, so that it costs its decoder once.
5. Where there is no room to keep one, it is shown all the same.
6. Those of new pictures are made before anybody asks (`tiles.py`).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Final
from weakref import WeakValueDictionary

from service.bounds.limits import InUse
from service.images import WorkError
from service.pictures.decoders import Decoders
from service.pictures.messages import BadPictureError
from service.storage.files import Derivative, Files
from service.storage.store import Store

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
MOST_REMEMBERED: Final = 1000
"""Pictures that cannot be decoded; each costs its name."""


class _Work:
    """A derivative that is being made, or waits to be: what is answered, how many wait for it, and the task."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(_hear)
        self.waiting = 0
        self.task: asyncio.Task[None] | None = None


class Derivatives:
    """Makes derivatives. Its owner closes it once nobody asks any more."""

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
            return await asyncio.shield(work.ready)
        finally:
            work.waiting -= 1

    async def is_wanted(self, name: str, derivative: Derivative) -> bool:
        """Tell whether a derivative is neither kept nor being made, of a picture that is kept."""
        return derivative.of(name) not in self._works and await self._is_missing(name, derivative)

    async def keep(self, name: str, derivative: Derivative, data: bytes) -> None:
        """Keep a derivative that was made elsewhere, unless somebody has asked for it meanwhile."""
        key = derivative.of(name)
        if key in self._works:
            return
        work = self._works[key] = _Work()  # before any look: of several at once one is kept and counted
        work.ready.set_result(data)
        try:
            if await self._is_missing(name, derivative):
                await self._keep(name, derivative, data)
        finally:
            del self._works[key]

    async def _is_missing(self, name: str, derivative: Derivative) -> bool:
        """Tell whether a derivative is not kept, of a picture that is."""
        is_there = await self._files.find(derivative.of(name)) is not None
        return not is_there and await self._store.owner_of_file(name) is not None

    async def close(self) -> None:
        """End all work; a decoder that is at it ends with it."""
        works = tuple(self._works.values())
        tasks = [work.task for work in works if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for work in works:  # one that was cancelled before it began did nothing at all
            work.ready.cancel()

    async def _begin(self, name: str, derivative: Derivative) -> _Work:
        owner = await self._store.owner_of_file(name) or ""
        key = derivative.of(name)
        if (work := self._works.get(key)) is None:  # somebody else may have begun meanwhile
            self._in_use.take(owner)
            work = self._works[key] = _Work()
            work.task = asyncio.create_task(self._do(work, owner, name, derivative))
        return work

    async def _do(self, work: _Work, owner: str, name: str, derivative: Derivative) -> None:
        """Make a derivative in the owner's turn, answer with it, then keep it: the next one is made meanwhile."""
        try:
            async with self._turns.setdefault(owner, asyncio.Lock()), self._places:
                data = await self._make(owner, name, derivative) if work.waiting else None
            work.ready.set_result(data)
            if data is not None:
                await self._keep(name, derivative, data)
        except Exception as error:
            if work.ready.done():
                raise
            work.ready.set_exception(error)
        finally:
            work.ready.cancel()  # which does nothing to an answer
            del self._works[derivative.of(name)]
            self._in_use.give_back(owner)

    async def _make(self, owner: str, name: str, derivative: Derivative) -> bytes | None:
        picture = await self._files.read(name)
        if picture is None:
            return None
        try:
            return await self._decoders.derive(owner, picture, derivative.width, derivative.media_type)
        except BadPictureError as error:
            self._remember(name, error)
            raise

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


def _hear(answer: "asyncio.Future[bytes | None]") -> None:
    """Take note of a failure, which those who waited have: perhaps all of them have left."""
    if not answer.cancelled():
        answer.exception()
