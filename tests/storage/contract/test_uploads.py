"""Uploads beside the jobs that use them: which one the next call starts from."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.images import Failure, Job, Reference
from service.references.uploads import mask_request, upload_request
from service.storage.upload_records import KEPT_S, Upload
from tests.emulators.pictures import png
from tests.engines import Engine
from tests.reference_fixture import REQUEST, ReferenceFixture, reference_fixture
from tests.storage.contract.conftest import Open

REFUSED = Failure(kind="policy", reason="The image service refused the prompt.")


@pytest.fixture
async def at_desk(tmp_path: Path, engine: Engine) -> AsyncIterator[ReferenceFixture]:
    async with reference_fixture(tmp_path, engine) as fixture:
        yield fixture


async def begun(at_desk: ReferenceFixture, names: list[str], owner: str = "anna") -> Job:
    """A working job that started from these, the pictures that Anna sent last."""
    upload = await at_desk.uploads.latest("anna")
    assert upload is not None
    assert list(upload.names) == names
    sent = tuple(Reference(data=b"x", name=name, origin="an upload", upload=upload.id) for name in names)
    return await at_desk.job(owner, references=sent)


async def done(at_desk: ReferenceFixture, job: Job) -> Job:
    return await at_desk.store.finish(job, [await at_desk.keep(job.owner, png(99, (8, 8)))])


async def ready(at_desk: ReferenceFixture, owner: str = "anna") -> list[str]:
    upload = await at_desk.uploads.ready(owner, REQUEST)
    return [] if upload is None else list(upload.names)


async def latest(at_desk: ReferenceFixture, owner: str = "anna") -> list[str]:
    upload = await at_desk.uploads.latest(owner)
    return [] if upload is None else list(upload.names)


async def test_an_upload_stays_ready_until_the_picture_made_from_it_was_handed_over(at_desk: ReferenceFixture) -> None:
    """Ours: a call that is repeated after a timeout finds the same picture, and so joins what is paid for."""
    names = await at_desk.sent("anna", png(1, (8, 8)), png(2, (8, 8)))
    assert await ready(at_desk) == names
    job = await begun(at_desk, names)
    assert await ready(at_desk) == names
    await done(at_desk, job)
    assert await ready(at_desk) == names
    await at_desk.store.mark_delivered("anna", [job.history_id])
    assert await ready(at_desk) == []
    assert await latest(at_desk) == names


@pytest.mark.parametrize("end", ["failed", "deleted"])
async def test_an_upload_whose_job_has_no_picture_is_used_up(at_desk: ReferenceFixture, end: str) -> None:
    """Ours: or who wants to send a better one would never be given a link."""
    names = await at_desk.sent("anna", png(1, (8, 8)))
    job = await begun(at_desk, names)
    await at_desk.store.fail(job, REFUSED)
    if end == "deleted":
        await at_desk.store.delete("anna", job.history_id)
    assert (await ready(at_desk), await latest(at_desk)) == ([], names)


async def test_what_no_job_uses_goes_before_what_one_does(at_desk: ReferenceFixture) -> None:
    """Ours: who sends another picture means that one."""
    first = await at_desk.sent("anna", png(1, (8, 8)))
    await begun(at_desk, first)
    at_desk.clock.now += 10
    second = await at_desk.sent("anna", png(2, (8, 8)))
    assert await ready(at_desk) == second
    await at_desk.store.mark_delivered("anna", [(await done(at_desk, await begun(at_desk, second))).history_id])
    assert await ready(at_desk) == first


async def test_the_newest_of_two_goes_first(at_desk: ReferenceFixture) -> None:
    await at_desk.sent("anna", png(1, (8, 8)))
    at_desk.clock.now += 10
    second = await at_desk.sent("anna", png(2, (8, 8)))
    assert await ready(at_desk) == second


async def test_a_second_job_that_uses_a_picture_again_changes_nothing(at_desk: ReferenceFixture) -> None:
    """Ours: it came by its URL then; whoever calls for an upload meanwhile means a new one."""
    names = await at_desk.sent("anna", png(1, (8, 8)))
    await at_desk.store.mark_delivered("anna", [(await done(at_desk, await begun(at_desk, names))).history_id])
    await begun(at_desk, names)
    assert await ready(at_desk) == []


async def test_the_same_picture_that_was_sent_for_two_requests_is_used_by_each(at_desk: ReferenceFixture) -> None:
    """Bug: the same bytes have one name, and a job that started from one upload used up the other."""
    other = upload_request({"prompt": "a house"})
    names = await at_desk.sent("anna", png(1, (8, 8)), request=other)
    assert await at_desk.sent("anna", png(1, (8, 8))) == names
    await at_desk.store.fail(await begun(at_desk, names), REFUSED)
    assert await ready(at_desk) == []
    assert await at_desk.uploads.ready("anna", other) is not None


async def test_the_jobs_of_others_use_nothing_up(at_desk: ReferenceFixture) -> None:
    """Ours: a name that somebody else got hold of is not theirs."""
    names = await at_desk.sent("anna", png(1, (8, 8)))
    await at_desk.store.fail(await begun(at_desk, names, owner="ben"), REFUSED)
    assert await ready(at_desk) == names


async def test_one_that_no_job_can_start_from_can_be_used_up_at_once(at_desk: ReferenceFixture) -> None:
    names = await at_desk.sent("anna", png(1, (8, 8)))
    upload = await at_desk.uploads.ready("anna", REQUEST)
    assert upload is not None
    await at_desk.uploads.spend(upload)
    assert (await ready(at_desk), await latest(at_desk)) == ([], names)


async def test_what_is_older_than_a_day_is_removed_with_the_next_link(
    at_desk: ReferenceFixture, engine: Engine
) -> None:
    """Ours: nothing grows without end."""
    for number in range(3):
        await at_desk.sent("anna", png(number, (8, 8)))
    at_desk.clock.now += KEPT_S + 1
    await at_desk.uploads.link("ben", REQUEST)
    assert await engine.count("uploads") == 1


async def test_two_of_one_moment_are_told_apart(at_desk: ReferenceFixture) -> None:
    """Ours: the time is part of what the secret is made of."""
    keeper = at_desk.keeper

    async def opened() -> Upload:
        upload = await keeper.open("anna", REQUEST, 1.0, lambda owner, created_at: f"{owner} {created_at!r}")
        await keeper.receive(upload.id, ["a.png"])
        return upload

    uploads = [await opened() for _ in range(3)]
    assert len({each.id for each in uploads}) == len({each.created_at for each in uploads}) == 3


async def test_uploads_outlive_the_process(at_desk: ReferenceFixture, open_process: Open) -> None:
    names = await at_desk.sent("anna", png(1, (8, 8)))
    other = await open_process("other", at_desk.clock)
    found = await other.uploads.ready("anna", REQUEST.key, 0)
    assert found is not None
    assert list(found.names) == names


async def test_a_mask_is_no_picture_that_was_sent(at_desk: ReferenceFixture) -> None:
    """Ours: "what they sent last" is the newest picture, and the newest mask is that of one picture."""
    painting = mask_request(REQUEST, "board.png")
    [sent] = await at_desk.sent("anna", png(1, (8, 8)))
    [painted] = await at_desk.sent("anna", png(2, (8, 8)), request=painting)
    assert await latest(at_desk) == [sent]
    upload = await at_desk.uploads.latest("anna", "board.png")
    assert upload is not None
    assert (upload.names, upload.request) == ((painted,), painting)
    assert await at_desk.uploads.latest("anna", "other.png") is None
    assert await at_desk.uploads.latest("ben", "board.png") is None


async def test_an_upload_remembers_that_a_mask_follows(at_desk: ReferenceFixture) -> None:
    request = replace(REQUEST, paints=True)
    [sent] = await at_desk.sent("anna", png(1, (8, 8)), request=request)
    upload = await at_desk.uploads.ready("anna", request)
    assert upload is not None
    assert upload.request == request
    found = await at_desk.uploads.find(await at_desk.uploads.mask_secret(upload, sent))
    assert found is not None
    assert found.request == mask_request(request, sent)
