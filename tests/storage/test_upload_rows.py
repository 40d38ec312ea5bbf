"""Uploads in a row, and the time of a new one."""

from service.storage.upload_records import OPEN_S, UploadRequest
from service.storage.upload_rows import new_upload, read, text_of, values_of

REQUEST = UploadRequest(key="k", prompt="一只猫", picture="a.png", paints=True)


def test_a_new_one_has_a_time_of_its_own_after_the_newest() -> None:
    """Ours: the time is part of the secret, so that two of one time would be one link."""
    first = new_upload("ann", REQUEST, 5.0, 0.0, lambda owner, moment: f"{owner} {moment!r}")
    second = new_upload("ann", REQUEST, 5.0, first.created_at, lambda owner, moment: f"{owner} {moment!r}")
    assert (first.created_at, first.expires_at) == (5.0, 5.0 + OPEN_S)
    assert second.created_at > 5.0
    assert first.id != second.id


def test_a_row_has_all_of_it() -> None:
    made = new_upload("ann", REQUEST, 5.0, 0.0, lambda owner, _: owner)
    id_, owner, key, prompt, picture, paints, created, expires = values_of(made)
    row = (id_, owner, key, prompt, picture, paints, created, expires, text_of([]), None)
    assert read(row) == made
    assert read((*row[:8], text_of(["b.png"]), 7.0)).names == ("b.png",)
