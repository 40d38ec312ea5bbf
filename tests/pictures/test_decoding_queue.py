"""The queue of pictures that wait for a decoder."""

import asyncio
from collections.abc import Callable

from service.pictures.decoding_queue import DecodingQueue, Lane

PAID, OTHER, AHEAD = Lane.PAID, Lane.OTHER, Lane.AHEAD


class Queue:
    """Pictures that wait for places. `begun` names those that had one, in their order."""

    def __init__(self, places: int = 2) -> None:
        self.begun: list[str] = []
        self._queue = DecodingQueue(places)
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, name: str, lane: Lane, owner: str = "anna", *, large: bool = False) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._work(name, lane, owner, large=large))
        await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        async with asyncio.timeout(60):
            await self._tasks[name]
        await settled()

    def cancel(self, name: str) -> None:
        self._tasks[name].cancel()

    async def _work(self, name: str, lane: Lane, owner: str, *, large: bool) -> None:
        async with self._queue.place(lane, owner, large=large):
            self.begun.append(name)
            await self._ends[name].wait()


async def settled() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def fill(queue: Queue, add: Callable[[int], tuple[str, Lane, str]], count: int) -> None:
    for number in range(count):
        await queue.add(*add(number))


async def test_pictures_of_callers_never_take_the_last_place() -> None:
    """Attack: ten references that take long to decode held up everybody who had paid for a picture."""
    queue = Queue()
    await fill(queue, lambda number: (f"sent {number}", OTHER, f"stranger {number}"), 10)
    assert queue.begun == ["sent 0"]
    await queue.add("paid", PAID)
    assert queue.begun == ["sent 0", "paid"]


async def test_what_nobody_waits_for_is_made_while_nothing_else_is() -> None:
    queue = Queue(places=3)
    await queue.add("ahead", AHEAD)
    await queue.add("ahead too", AHEAD, "berta")
    await queue.add("sent", OTHER)
    await queue.add("sent too", OTHER, "berta")
    assert queue.begun == ["ahead", "sent", "sent too"]
    for name in ("ahead", "sent", "sent too"):
        assert "ahead too" not in queue.begun
        await queue.end(name)
    assert queue.begun[-1] == "ahead too"


async def test_paid_pictures_go_before_all_that_wait() -> None:
    queue = Queue()
    await queue.add("first", PAID)
    await queue.add("second", PAID)
    await queue.add("sent", OTHER)
    await queue.add("third", PAID)
    await queue.end("first")
    assert queue.begun == ["first", "second", "third"]
    await queue.end("second")
    assert queue.begun[-1] == "sent"


async def test_owners_take_turns() -> None:
    """Ours: somebody who sends a hundred pictures at once waits for their own, not others for them."""
    queue = Queue()
    await fill(queue, lambda number: (f"anna {number}", OTHER, "anna"), 4)
    await fill(queue, lambda number: (f"ben {number}", OTHER, "ben"), 2)
    for name in ("anna 0", "anna 1", "ben 0", "anna 2", "ben 1"):
        await queue.end(name)
    assert queue.begun == ["anna 0", "anna 1", "ben 0", "anna 2", "ben 1", "anna 3"]


async def test_an_owner_has_one_place_among_the_others() -> None:
    """Attack: two references that take their whole time left no place for those of other people."""
    queue = Queue(places=3)
    await fill(queue, lambda number: (f"anna {number}", OTHER, "anna"), 3)
    await queue.add("ben", OTHER, "ben")
    assert queue.begun == ["anna 0", "ben"]
    await queue.end("anna 0")
    assert queue.begun[-1] == "anna 1"


async def test_one_large_picture_of_a_lane_is_decoded_at_a_time() -> None:
    """Ours: each may take the whole memory that is allowed."""
    queue = Queue()
    await queue.add("large", PAID, large=True)
    await queue.add("as large", PAID, large=True)
    await queue.add("small", PAID, "ben")
    assert queue.begun == ["large", "small"]
    await queue.end("large")
    assert queue.begun[-1] == "as large"


async def test_a_caller_who_leaves_takes_no_place() -> None:
    queue = Queue()
    await queue.add("decoded", OTHER)
    await queue.add("leaves", OTHER)
    await queue.add("stays", OTHER)
    queue.cancel("decoded")
    queue.cancel("leaves")  # in the same moment: it is not the next one
    await settled()
    assert queue.begun == ["decoded", "stays"]
