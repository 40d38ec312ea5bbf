"""Jobs as the gallery's page reads them: JSON, with the file names under which people save pictures."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from service.images import EXTENSIONS, OLD_EXTENSIONS, Job, KeptPicture
from service.redaction import visible
from service.storage.files import WIDTHS

NAME_WORDS: Final = 8
NAME_LENGTH: Final = 60
WORD: Final = re.compile(r"[^\W_]+")

Progress = tuple[str, float | None]


def job_entry(
    job: Job,
    pictures_url: str,
    progress: Progress | None = None,
    children: Sequence[tuple[int, int]] | None = None,
    *,
    costs: bool = True,
) -> dict[str, Any]:
    """Return one job. `pictures_url` stands before a picture's name; `children` are those that started from it.

    Without `costs` it does not say what it used.
    """
    entry: dict[str, Any] = {
        "history_id": job.history_id,
        "state": job.state.value,
        "model": visible(job.model),
        "prompt": visible(job.prompt),
        "parameters": dict(job.parameters),
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "failure": None if job.failure is None else {"kind": job.failure.kind, "reason": visible(job.failure.reason)},
        "pictures": [picture_entry(job, number, pictures_url) for number in range(1, len(job.pictures) + 1)],
        "parents": [{"history_id": each.history_id, "picture": each.picture} for each in job.parents],
        "progress": None if progress is None else {"message": visible(progress[0]), "percent": progress[1]},
        "usage": asdict(job.usage) if costs and job.usage is not None else None,
    }
    if children is not None:
        entry["children"] = [{"history_id": history_id, "picture": picture} for history_id, picture in children]
    return entry


def picture_entry(job: Job, number: int, pictures_url: str) -> dict[str, Any]:
    """Return one picture of a job, counted from 1."""
    picture = job.pictures[number - 1]
    url = picture.link(pictures_url)
    return {
        "picture": number,
        "name": picture.name,
        "url": url,
        "thumb": {}
        if picture.is_away or picture.media_type.startswith("video/")
        else {str(width): f"{url}?w={width}" for width in WIDTHS},
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.size,
        "kept": picture.kept and not picture.is_away,
        "note": visible(picture.note),
        "file_name": file_name(job, number),
    }


def file_name(job: Job, number: int) -> str:
    """Return a telling name for the file of a picture: the first words of the prompt, and the numbers of the job.

    Words have letters and digits alone, so that no system takes a part of the name for something else.
    """
    words = WORD.findall(visible(job.prompt))[:NAME_WORDS]
    stem = "-".join(words)[:NAME_LENGTH].rstrip("-") or "picture"
    several = f"-{number}" if len(job.pictures) > 1 else ""
    return f"{stem}-{job.history_id}{several}.{extension_of(job.pictures[number - 1])}"


def extension_of(picture: KeptPicture) -> str:
    """Return the extension of a picture's type."""
    return {**EXTENSIONS, **OLD_EXTENSIONS}.get(picture.media_type, "bin")
