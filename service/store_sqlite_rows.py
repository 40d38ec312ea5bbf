"""Rows of the SQLite store as values, and back."""

import json
from collections.abc import Sequence
from typing import Any

from service.images import Failure, Job, JobState, KeptPicture


def picture_row(job: Job, position: int, picture: KeptPicture) -> tuple[str | int, ...]:
    """A picture as `pictures` keeps it, in the order of its columns."""
    return (
        job.history_id,
        position,
        picture.name,
        picture.media_type,
        picture.width,
        picture.height,
        picture.size,
        picture.note,
    )


def read_picture(row: Sequence[Any]) -> KeptPicture:
    """The picture of a row, without whose it is and where it stands."""
    name, media_type, width, height, size, note = row
    return KeptPicture(name=name, media_type=media_type, width=width, height=height, size=size, note=note)


def read_job(row: Sequence[Any], pictures: tuple[KeptPicture, ...]) -> Job:
    """The job of a row, in the order of `SELECT_JOBS`."""
    history_id, owner, state, model, prompt, created_at, finished_at, failure_kind, failure_reason, *more = row
    parameters, upstream, task = more
    return Job(
        history_id=history_id,
        owner=owner,
        state=JobState(state),
        model=model,
        prompt=prompt,
        created_at=created_at,
        finished_at=finished_at,
        pictures=pictures,
        failure=Failure(kind=failure_kind, reason=failure_reason) if failure_kind is not None else None,
        parameters=json.loads(parameters),
        upstream=upstream,
        task=task,
    )
