"""Everything that a person who is renamed takes along, and what is forgotten of one."""

from service.costs import Price
from service.images import ImageRequest
from service.storage.people import Pause
from tests.engines import NOW, Process
from tests.storage.contract.conftest import Open
from tests.stores import begin, made, picture

ANN = Pause(owner="ann", since=NOW, until=None)


async def test_a_renamed_person_takes_everything_along(process: Process, open_process: Open) -> None:
    """Ours: whoever is renamed is the same person, for limits, costs and lists alike."""
    people, store = process.people, process.store
    await people.add_token("ann", "a-token-of-ann-0123456789", NOW, None)
    job = await begin(store, "ann", ImageRequest(model="m", prompt="a fox", price=Price(picture=0.5)))
    await store.finish(job, [picture("1.png")])
    await people.pause(ANN)
    assert await people.rename("ann", "anne") == 1
    other = await open_process("b")
    assert [each.owner for each in await other.people.pauses()] == ["anne"]
    assert [each.name for each in await other.people.tokens()] == ["anne"]
    assert [(each.owner, each.cost) for each in await other.people.costs()] == [("anne", 0.5)]
    [use] = await other.people.use_by_month()
    assert (use.owner, use.pictures, dict(use.costs)) == ("anne", 1, {"USD": 0.5})
    assert await other.store.drawn_today("anne") == 1
    assert await other.store.drawn_today("ann") == 0
    assert [job.prompt for job in await other.store.jobs("anne", 5)] == ["a fox"]


async def test_what_an_owner_waits_for_is_forgotten_alone(process: Process) -> None:
    await made(process.store, "a fox", "1.png")
    await process.people.forget_waiting("ann")
    assert (await process.people.holding("ann")).ended == 1
