"""Room that the replica which leads makes for all."""

import asyncio
from contextlib import suppress

from service.pipeline.room import Room
from service.storage.notices import JobChanged, RoomWanted
from service.storage.replicas import Replica
from tests.joined_notices import Wire


class Follower(Replica):
    @property
    def leads(self) -> bool:
        return False


async def test_the_leader_makes_room_once_for_all_that_ask() -> None:
    """Ours: hundreds of pictures come within a second, and each would have the files of all looked through."""
    wire = Wire()
    follower, leader = Room(wire.join(), Follower(), 0.01), Room(wire.join(), Replica(), 0.01)
    other = Room(wire.join(), Follower(), 0.01)
    made: asyncio.Queue[str] = asyncio.Queue()

    async def make(who: str) -> None:
        made.put_nowait(who)

    keeping = [
        asyncio.create_task(room.keep(lambda who=who: make(who)))  # type: ignore[misc] # mypy reads no default of a lambda
        for who, room in (("leader", leader), ("other", other))
    ]
    wire.ends[0].tell(JobChanged("anna", 7, ended=True))
    for _ in range(100):
        follower.ask()
    async with asyncio.timeout(20):
        assert await made.get() == "leader"
    await asyncio.sleep(0.03)
    assert (made.empty(), wire.told.count(RoomWanted())) == (True, 1)
    follower.ask()
    async with asyncio.timeout(20):
        assert await made.get() == "leader"
    for each in keeping:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
