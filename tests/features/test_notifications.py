"""Who is told that there are other pictures, and who is not."""

from service.features.notifications import PictureNotifications
from service.images import Failure, Job, JobState, KeptPicture
from service.protocol.call import Call
from service.protocol.catalog import ResourceEntry
from service.protocol.dispatch import respond
from service.protocol.subscriptions import RESOURCES, TOOLS, Change, Hub, ResourceUpdated, Subscription
from service.protocol.versions import Era
from tests.protocol.samples import SESSION, call, result, server

PICTURE = KeptPicture(name="a" * 32 + ".png", media_type="image/png", width=1, height=1, size=1)
READS = ResourceUpdated("easel://history/12")


def job(pictures: tuple[KeptPicture, ...] = (PICTURE,)) -> Job:
    state, failure = (JobState.DONE, None) if pictures else (JobState.FAILED, Failure(kind="policy", reason="No."))
    return Job(
        history_id=12, owner="anna", state=state, model="m", prompt="p", created_at=1.0, pictures=pictures,
        failure=failure,
    )  # fmt: skip


async def told(subscription: Subscription) -> set[Change]:
    """What a reader is told until the end."""
    subscription.close()
    notices = set()
    while (notice := await subscription.next()) is not None:
        notices.add(notice)
    return notices


async def test_who_listens_is_told_of_a_new_picture_and_that_its_generation_ended() -> None:
    hub = Hub()
    listening = hub.open([RESOURCES, TOOLS, READS], "anna")
    streaming = hub.open_for_session("s", [RESOURCES, READS], "anna")
    PictureNotifications(hub).ended(job())
    assert await told(listening) == await told(streaming) == {RESOURCES, READS}


async def test_a_generation_that_failed_leaves_the_list_as_it_is() -> None:
    hub = Hub()
    listening = hub.open([RESOURCES, READS], "anna")
    PictureNotifications(hub).ended(job(pictures=()))
    assert await told(listening) == {READS}


async def test_nobody_else_is_told() -> None:
    """Ours: that somebody draws, and how often, is theirs to know; a URI that is guessed brings nothing."""
    hub = Hub()
    listening = hub.open([RESOURCES, READS], "bob")
    streaming = hub.open_for_session("s", [RESOURCES, READS], "bob")
    PictureNotifications(hub).ended(job())
    PictureNotifications(hub).removed("anna")
    assert await told(listening) == await told(streaming) == set()


async def test_a_session_may_subscribe_to_what_is_not_there_and_hears_nothing_of_others() -> None:
    """Ours: a client that tries again and again is answered each time, and learns nothing by it."""
    given = server(templates={"easel://history/{id}": ResourceEntry(listing={}, read=nothing)})
    stream = given.hub.open_for_session(SESSION.id, [], "bob")
    for _ in range(3):
        asked = call("resources/subscribe", {"uri": "easel://history/12"}, Era.LEGACY, owner="bob")
        assert result(await respond(given, asked)) == {}
    PictureNotifications(given.hub).ended(job())
    assert stream.wanted == {READS}
    assert await told(stream) == set()


async def nothing(call: Call, uri: str) -> None:
    """A template that has no resource."""


async def test_what_was_removed_is_told_to_whom_it_may_concern() -> None:
    hub = Hub()
    anna, ben = hub.open([RESOURCES], "anna"), hub.open([RESOURCES], "ben")
    PictureNotifications(hub).removed("anna")
    assert (await told(anna), await told(ben)) == ({RESOURCES}, set())
    everybody = [hub.open([RESOURCES], owner) for owner in ("anna", "ben")]
    PictureNotifications(hub).removed(None)
    assert [await told(each) for each in everybody] == [{RESOURCES}] * 2
