"""Resources: generations and pictures of the caller by URI, and the list of the pictures, page by page."""

import base64
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.features.resources import MAX_BYTES, PAGE, PictureNotifications, Resources
from service.image_models.models import Models
from service.images import Failure, Job, JobState, KeptPicture
from service.protocol.call import Call
from service.protocol.catalog import ResourceEntry, Server
from service.protocol.client import Era
from service.protocol.dispatch import respond
from service.protocol.errors import INVALID_PARAMS
from service.protocol.subscriptions import RESOURCES, TOOLS, Change, Hub, ResourceUpdated, Subscription
from service.storage.disk import DiskFiles
from service.storage.files import StoredFile
from service.storage.notices import HistoryChanged
from service.tools.results import describe, structure
from tests.emulators.pictures import large_jpeg, png
from tests.protocol.samples import SESSION, call, error, result, server
from tests.store_fixture import URL, StoreFixture, store_fixture


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[StoreFixture]:
    async with store_fixture(tmp_path) as kept:
        yield kept


def serving(kept: StoreFixture) -> Server:
    resources = Resources(store=kept.store, pictures=kept.pictures, models=Models(listed=(), default=""))
    return server(templates=resources.templates(), resource_pages=resources.pages)


async def read(kept: StoreFixture, uri: str) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = result(await respond(serving(kept), call("resources/read", {"uri": uri})))[
        "contents"
    ]
    return contents


async def refused(kept: StoreFixture, uri: str) -> Any:
    return error(await respond(serving(kept), call("resources/read", {"uri": uri})))


async def listed(kept: StoreFixture, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    page = result(await respond(serving(kept), call("resources/list", {} if cursor is None else {"cursor": cursor})))
    return page["resources"], page.get("nextCursor")


async def test_the_templates_are_listed_with_what_they_are_for(kept: StoreFixture) -> None:
    given = result(await respond(serving(kept), call("resources/templates/list")))["resourceTemplates"]
    assert [each["uriTemplate"] for each in given] == ["easel://history/{id}", "easel://images/{name}"]
    assert all(each["name"] and each["title"] and each["description"] for each in given)


async def test_a_generation_reads_as_json_and_as_markdown(kept: StoreFixture) -> None:
    job = await kept.done()
    uri = f"easel://history/{job.history_id}"
    structured, described = await read(kept, uri)
    assert (structured["uri"], structured["mimeType"]) == (uri, "application/json")
    assert json.loads(structured["text"]) == structure(job, URL)
    text = f"{describe(job, URL)}\nPrompt: `a fox`"
    assert described == {"uri": uri, "mimeType": "text/markdown", "text": text}
    assert URL + job.pictures[0].name in described["text"]


async def test_a_generation_reads_without_unseen_characters(kept: StoreFixture) -> None:
    """Ours: programs hand the JSON to a model as it is."""
    job = await kept.done(prompt="a\u061c fox\U000e0041 ❤️‍🔥")
    for content in await read(kept, f"easel://history/{job.history_id}"):
        assert "a fox ❤️‍🔥" in content["text"]


async def test_a_generation_that_has_no_picture_reads_as_it_stands(kept: StoreFixture) -> None:
    working, failed = await kept.working(), await kept.failed("policy")
    assert json.loads((await read(kept, f"easel://history/{working.history_id}"))[0]["text"])["state"] == "working"
    assert json.loads((await read(kept, f"easel://history/{failed.history_id}"))[0]["text"])["state"] == "failed"


async def test_a_picture_reads_as_its_bytes(kept: StoreFixture) -> None:
    data = png(7)
    job = await kept.done(pictures=(data,))
    uri = f"easel://images/{job.pictures[0].name}"
    [content] = await read(kept, uri)
    assert content == {"uri": uri, "mimeType": "image/png", "blob": base64.b64encode(data).decode()}


async def test_a_reference_that_was_kept_reads_too(kept: StoreFixture) -> None:
    """Ours: what a person uploaded or pointed to is theirs as much as what was drawn for them."""
    data = png(8)
    name = await kept.files.keep("anna", data, "image/png")
    await kept.store.add_file("anna", name, len(data))
    [content] = await read(kept, f"easel://images/{name}")
    assert base64.b64decode(content["blob"]) == data


async def test_a_large_picture_reads_as_a_copy_that_says_what_it_is(kept: StoreFixture) -> None:
    """Ours: no answer above 800 kB. The note says where the picture itself is."""
    job = await kept.done(pictures=(large_jpeg(),))
    name = job.pictures[0].name
    given = await respond(serving(kept), call("resources/read", {"uri": f"easel://images/{name}"}))
    assert len(given.body) < 800_000
    [content] = result(given)["contents"]
    copy = Image.open(io.BytesIO(base64.b64decode(content["blob"])))
    assert (content["mimeType"], copy.format) == ("image/jpeg", "JPEG")
    assert content["_meta"]["easel/note"].startswith(f"A JPEG copy of {copy.width}×{copy.height}.")
    assert content["_meta"]["easel/note"].endswith(URL + name)


async def test_the_largest_picture_that_is_given_whole_fits(kept: StoreFixture) -> None:
    padded = png(9) + b"\0" * (MAX_BYTES - len(png(9)))
    job = await kept.done(pictures=(padded,))
    given = await respond(serving(kept), call("resources/read", {"uri": f"easel://images/{job.pictures[0].name}"}))
    assert base64.b64decode(result(given)["contents"][0]["blob"]) == padded
    assert 780_000 < len(given.body) < 800_000


@pytest.mark.parametrize(
    "uri",
    [
        "easel://history/99",
        "easel://history/0",
        "easel://history/",
        "easel://history/01",
        "easel://history/-1",
        "easel://history/1 ",
        "easel://history/１",
        "easel://history/1/",
        f"easel://history/{10**30}",
        f"easel://history/{'9' * 5000}",
        "easel://images/",
        "easel://images/../easel.db",
        f"easel://images/{'0' * 32}.png",
        f"easel://images/{'0' * 32}.svg",
        "easel://images/" + "x" * 100_000,
        "easel://other/1",
        "https://example.com/",
        "",
    ],
    ids=lambda uri: repr(uri)[:40],
)
async def test_a_uri_that_names_nothing_does_not_exist(kept: StoreFixture, uri: str) -> None:
    """SEP-2164: -32602 with the URI in `data`."""
    await kept.done()
    given = await refused(kept, uri)
    assert (given["code"], given["data"]) == (INVALID_PARAMS, {"uri": uri})


async def test_what_is_somebody_elses_does_not_exist(kept: StoreFixture) -> None:
    """Ours: also not where its name is known, and whichever of the two kinds it is."""
    job = await kept.done("bob")
    reference = await kept.files.keep("bob", png(5), "image/png")
    await kept.store.add_file("bob", reference, 5)
    for uri in (
        f"easel://history/{job.history_id}",
        f"easel://images/{job.pictures[0].name}",
        f"easel://images/{reference}",
    ):
        assert (await refused(kept, uri))["code"] == INVALID_PARAMS
    assert await listed(kept) == ([], None)


async def test_a_picture_that_was_removed_to_make_room_does_not_exist(kept: StoreFixture) -> None:
    lost, left = (await kept.done(pictures=(png(1), png(2)))).pictures
    await kept.lose(lost)
    assert (await refused(kept, f"easel://images/{lost.name}"))["code"] == INVALID_PARAMS
    assert [each["name"] for each in (await listed(kept))[0]] == [left.name]


async def test_a_picture_that_is_removed_while_it_is_read_does_not_exist(kept: StoreFixture, tmp_path: Path) -> None:
    """Ours: between the look and the reading another call may make room."""

    class Vanishing(DiskFiles):
        async def find(self, name: str) -> StoredFile | None:
            stored = await super().find(name)
            self.path(name).unlink()
            return stored

    picture = (await kept.done()).pictures[0]
    vanishing = replace(kept, files=await Vanishing.open(tmp_path / "files", tmp_path / "scratch", b"k" * 32))
    assert (await refused(vanishing, f"easel://images/{picture.name}"))["code"] == INVALID_PARAMS


async def test_an_entry_of_the_list_says_what_a_person_and_a_program_need(kept: StoreFixture) -> None:
    data = png(1, (64, 32))
    job = await kept.done(prompt="a [red] fox " + "in the snow " * 50, pictures=(data, png(2, (8, 8))))
    first, second = (await listed(kept))[0]
    assert first["uri"] == f"easel://images/{job.pictures[0].name}"
    assert (first["name"], first["mimeType"], first["size"]) == (job.pictures[0].name, "image/png", len(data))
    assert first["title"].startswith("a red fox in the snow")
    assert len(first["title"]) <= 80
    assert first["description"] == f"history_id {job.history_id}, picture 1 of 2 · quick · 64×32 PNG"
    assert "picture 2 of 2" in second["description"]
    assert first["annotations"]["audience"] == ["user"]
    assert job.finished_at is not None
    modified = datetime.fromisoformat(first["annotations"]["lastModified"])
    assert abs(modified.timestamp() - job.finished_at) <= 1
    assert first["_meta"] == {"easel/history_id": job.history_id}


async def test_a_title_is_never_empty(kept: StoreFixture) -> None:
    job = await kept.done(prompt="![](#)")
    assert (await listed(kept))[0][0]["title"] == job.pictures[0].name


async def test_every_listed_picture_can_be_read(kept: StoreFixture) -> None:
    for _ in range(3):
        await kept.done()
    for entry in (await listed(kept))[0]:
        [content] = await read(kept, entry["uri"])
        assert len(base64.b64decode(content["blob"])) == entry["size"]


async def test_the_list_is_newest_first_by_pages_that_new_pictures_do_not_shift(kept: StoreFixture) -> None:
    """Ours: nothing twice and nothing left out, whatever comes or goes between two pages."""
    jobs = []
    for _ in range(PAGE + 3):
        jobs.append(await kept.done())
        await kept.failed("policy")
    first, cursor = await listed(kept)
    await kept.done()
    await kept.store.delete("anna", jobs[3].history_id)  # the one at which the first page ended
    second, end = await listed(kept, cursor)
    shown = [entry["_meta"]["easel/history_id"] for entry in first + second]
    assert shown == [job.history_id for job in reversed(jobs)]
    assert (len(first), end) == (PAGE, None)


async def test_pages_are_not_wasted_on_generations_without_pictures(kept: StoreFixture) -> None:
    """Ours: some clients stop at an empty page."""
    job = await kept.done()
    for _ in range(PAGE + 1):
        await kept.failed("policy")
    await kept.lose((await kept.done()).pictures[0])
    entries, cursor = await listed(kept)
    assert [entry["name"] for entry in entries] == [job.pictures[0].name]
    assert cursor is None


async def test_the_same_bytes_are_listed_once(kept: StoreFixture) -> None:
    await kept.done(pictures=(png(1), png(2)))
    newer = await kept.done(pictures=(png(1),))
    entries, _ = await listed(kept)
    assert [entry["_meta"]["easel/history_id"] for entry in entries] == [newer.history_id, newer.history_id - 1]


@pytest.mark.parametrize("cursor", ["0", "-1", "x", "", "1.5", "１", "01", "9" * 5000])
async def test_a_cursor_that_is_not_ours_is_refused(kept: StoreFixture, cursor: str) -> None:
    """Spec 2026-07-28, Pagination: invalid cursors are -32602."""
    mine = "~" + base64.urlsafe_b64encode(cursor.encode()).decode()
    given = error(await respond(serving(kept), call("resources/list", {"cursor": mine})))
    assert (given["code"], "first page" in given["message"]) == (INVALID_PARAMS, True)


PICTURE = KeptPicture(name="a" * 32 + ".png", media_type="image/png", width=1, height=1, size=1)
READS = ResourceUpdated("easel://history/12")


def job(pictures: tuple[KeptPicture, ...] = (PICTURE,)) -> Job:
    state, failure = (JobState.DONE, None) if pictures else (JobState.FAILED, Failure(kind="policy", reason="No."))
    return Job(
        history_id=12, owner="anna", state=state, model="m", prompt="p", created_at=1.0, pictures=pictures,
        failure=failure,
    )  # fmt: skip


async def told(subscription: Subscription) -> set[Change]:
    """Close a subscription, and return the notices that were left for its reader."""
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


async def test_who_listens_is_told_of_what_another_process_surely_did() -> None:
    """Bug: each new listener was told that the list had changed, once others were looked for the first time."""
    hub = Hub()
    anna = hub.open([RESOURCES], "anna")
    PictureNotifications(hub).hear(HistoryChanged("anna", surely=False))
    ben = hub.open([RESOURCES], "ben")
    PictureNotifications(hub).hear(HistoryChanged("ben"))
    assert (await told(anna), await told(ben)) == (set(), {RESOURCES})
