"""The pauses of owners, as the commands set and lift them."""

from service.storage.people import EVERYBODY, Pause
from tests.engines import NOW, Process
from tests.stores import begin

ANN = Pause(owner="ann", since=NOW, until=None)
ALL = Pause(owner=EVERYBODY, since=NOW, until=NOW + 60)


async def test_a_pause_takes_the_place_of_an_earlier_one_of_its_owner(process: Process) -> None:
    people = process.people
    await begin(process.store)
    assert await people.pause(ANN)
    assert not await people.pause(Pause(owner="nobody", since=NOW, until=None))
    assert await people.resume("nobody") == 1
    longer = Pause(owner="ann", since=NOW + 1, until=NOW + 5)
    assert await people.pause(longer)
    assert await people.pause(ALL)
    assert await people.pauses() == [ALL, longer]


async def test_pauses_are_lifted_one_by_one_or_all_at_once(process: Process) -> None:
    people = process.people
    ben = Pause(owner="ben", since=NOW, until=None)
    for each in (ANN, ben, ALL):
        await people.pause(each)
    assert await people.resume("ann") == 1
    assert await people.resume("ann") == 0
    assert await people.pauses() == [ALL, ben]
    assert await people.resume(EVERYBODY) == 2
    assert await people.pauses() == []
