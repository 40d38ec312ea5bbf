"""A job as a tool result: the one place where it is put into words.

1. A text that every client passes on: the markdown image with its absolute URL, the plain URL, `history_id`, model.
2. A small preview as image content, for the model's eyes and for clients that show it.
3. `structuredContent` that says the same for programs, as `schemas/generate.output.json` has it.
"""

import base64
import re
from datetime import UTC, datetime
from typing import Any, Final

from service.images import EXTENSIONS, Job, JobState, KeptPicture
from service.protocol.jsonrpc import Result

_ALT_LENGTH: Final = 80
_PROMPT_LENGTH: Final = 120


def job_result(job: Job, pictures_url: str, preview: bytes | None, preview_type: str) -> Result:
    """One job with its preview. `pictures_url` is what stands before a picture's name, ending in a slash."""
    content: list[dict[str, Any]] = [{"type": "text", "text": describe(job, pictures_url)}]
    if preview is not None:
        data = base64.b64encode(preview).decode()
        content.append({"type": "image", "data": data, "mimeType": preview_type})
    result: Result = {"content": content, "structuredContent": structure(job, pictures_url)}
    if job.state is JobState.FAILED:
        result["isError"] = True
    return result


def describe(job: Job, pictures_url: str) -> str:
    """The job for a person and a model to read."""
    if job.state is JobState.WORKING:
        still = f"history_id {job.history_id} is still being drawn ({job.model}, asked for {_when(job.created_at)})"
        if job.task:
            return (
                f"{still}: {job.upstream} goes on with it as task {job.task}. Call `history` with history_id "
                f"{job.history_id}: it waits for the picture, and nothing is charged again."
            )
        return f"{still}. Call `history` with history_id {job.history_id} in a little while."
    if job.failure is not None:
        return f"No picture came out of history_id {job.history_id} ({job.model}). {job.failure.reason}"
    lines = []
    for picture in job.pictures:
        url = pictures_url + picture.name
        lines += [f"![{alt_text(job.prompt)}]({url})", "", f"URL: {url}"]
        lines.append(f"history_id: {job.history_id} · model: {job.model} · {_size(picture)}")
        lines += [f"Note: {picture.note}"] if picture.note else []
    lines += ["To show the picture, repeat its markdown line in your answer."]
    return "\n".join(lines)


def summarize(job: Job, pictures_url: str) -> str:
    """The job in one line of a list."""
    prompt = " ".join(job.prompt.split())
    shown = prompt if len(prompt) <= _PROMPT_LENGTH else f"{prompt[: _PROMPT_LENGTH - 1]}…"
    if job.state is JobState.DONE:
        outcome = " ".join(pictures_url + picture.name for picture in job.pictures)
    else:
        outcome = "still being drawn" if job.failure is None else f"failed ({job.failure.kind})"
    return f"- history_id {job.history_id} · {_when(job.created_at)} · {job.model} · {shown!r} · {outcome}"


def structure(job: Job, pictures_url: str) -> dict[str, Any]:
    """The job for programs."""
    entry: dict[str, Any] = {
        "history_id": job.history_id,
        "state": job.state.value,
        "model": job.model,
        "prompt": job.prompt,
        "created_at": datetime.fromtimestamp(job.created_at, UTC).isoformat(timespec="milliseconds"),
        "images": [_structure_picture(picture, pictures_url) for picture in job.pictures],
    }
    if job.task:
        entry["task_id"] = job.task
    if job.finished_at is not None:
        entry["seconds"] = round(max(0.0, job.finished_at - job.created_at), 3)
    if job.failure is not None:
        entry["failure"] = {"kind": job.failure.kind, "reason": job.failure.reason}
    return entry


def alt_text(prompt: str) -> str:
    """The prompt as text inside a markdown image: one line, nothing that could end or nest it."""
    plain = " ".join(re.sub(r"[\[\]()!<>`\\|*_#\x00-\x1f\x7f]", " ", prompt).split())
    return plain if len(plain) <= _ALT_LENGTH else f"{plain[: _ALT_LENGTH - 1]}…"


def _structure_picture(picture: KeptPicture, pictures_url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "url": pictures_url + picture.name,
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.size,
    }
    if picture.note:
        entry["note"] = picture.note
    return entry


def _size(picture: KeptPicture) -> str:
    kind = EXTENSIONS[picture.media_type].upper()
    return f"{picture.width}×{picture.height} {kind}, {max(1, round(picture.size / 1000))} kB"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
