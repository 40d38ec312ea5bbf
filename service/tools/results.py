"""Tool results: a job in words and in structured content. The one place where it is put into words.

1. A text that every client passes on: the markdown image with its absolute URL, the plain URL, `history_id`, model.
2. A small preview as image content, for the model's eyes and for clients that show it.
3. Links to the pictures as resources.
4. `structuredContent` that says the same for programs, as `schemas/generate.output.json` has it.

The profile of the client says which of 2 to 4 it gets. Texts of others, as prompts, names of models and files and
messages of image services, go through `escape_markdown` or `alt_text`: no link, image or HTML comes out of them,
nothing that hides, and no more than there is room for.
"""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from service.costs import cost_text
from service.images import FORMATS, Job, JobState, KeptPicture
from service.pictures.messages import PREVIEW_TYPE
from service.pipeline.generation import Outcome
from service.pipeline.requests import shortfall_text
from service.profiles import Profile
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.redaction import visible
from service.tools.app_view import with_view
from service.tools.context import ToolContext

ALT_LENGTH: Final = 80

_MARKUP: Final = str.maketrans("[]<>", "()‹›")
"""Without these there is no markdown link or image, no reference to one, and no HTML."""


def alt_text(prompt: str) -> str:
    """Return the prompt as the text of a markdown image: one line, nothing that could end or nest it."""
    seen = _seen(prompt, ALT_LENGTH)
    return cut(" ".join(re.sub(r"[\[\]()!<>`\\|*_#]", " ", seen).split()), ALT_LENGTH)


def escape_markdown(text: str, length: int) -> str:
    """Return the text on one line, cut to `length`: no link or image of markdown, no HTML, no code left open.

    A bare address stays: it shows where it leads.
    """
    words = cut(" ".join(_seen(text, length).translate(_MARKUP).split()), length)
    return words.replace("`", "'") if words.count("`") % 2 else words


def code_span(text: str, length: int) -> str:
    """Return the text in a markdown code span, to be copied from there: nothing in it is markup."""
    words = _seen(text, length).replace("`", "'").split()
    return f"`{cut(' '.join(words), length)}`"


def _seen(text: str, length: int) -> str:
    """Return the part of a text that can remain after it is cut to `length`, without unseen characters."""
    part = text[: 4 * length]
    return part if part.isascii() and part.isprintable() else visible(part)  # all of printable ASCII is seen


def cut(text: str, length: int) -> str:
    """Return the text, or its beginning with an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


HISTORY_ID: Final = "easel/history_id"
"""In `_meta`, for programs that get no structured content."""

LEAST_PREVIEW: Final = 7_000
"""Bytes below which a preview shows little: of many pictures only so many have one as there is room for."""

NOTE_LENGTH: Final = 300
REASON_LENGTH: Final = 1000
"""Longest text of others, in characters."""

_NAME_LENGTH: Final = 100
_ORIGINS: Final = 10
"""References that are named; the rest are counted."""


async def show(context: ToolContext, call: Call, outcome: Outcome) -> Result:
    """Return the result by the client's profile. Its pictures count as delivered once the answer has arrived."""
    profile, pictures_url = context.profiles.of(call), context.pictures.url_for(call.reached_at)
    call.on_delivered(partial(context.generation.delivered, outcome.job))
    outcome = await _shrink(context, call, outcome, profile.preview_bytes)
    result = job_result(outcome, profile, pictures_url)
    return await with_view(context, call, result, [outcome.job]) if call.client.shows_apps else result


async def _shrink(context: ToolContext, call: Call, outcome: Outcome, room: int) -> Outcome:
    """Bring all previews into the room for them: smaller ones, and of many only the first."""
    others = outcome.others[: max(0, room // LEAST_PREVIEW - 1)]
    each = room // (1 + len(others))

    async def shrunk(preview: bytes | None) -> bytes | None:
        if preview is None or len(preview) <= each:
            return preview
        return await context.pictures.shrink(call.owner, preview, each)

    smaller = [await shrunk(preview) for preview in others]
    return replace(outcome, preview=await shrunk(outcome.preview), others=tuple(filter(None, smaller)))


def with_note(result: Result, note: str) -> Result:
    """Return a result whose text, and whose message for programs, ends with a note; without one it stays as it is."""
    if note:
        first = result["content"][0]
        first["text"] = f"{first['text']}\n{note}"
        if structured := result.get("structuredContent"):
            structured["message"] = "\n".join(filter(None, [structured.get("message"), note]))
    return result


def job_result(outcome: Outcome, profile: Profile, pictures_url: str) -> Result:
    """Return the result for one job and one client. `pictures_url` stands before a picture's name, with a slash.

    Previews that are together larger than the profile allows are left out, the last ones first.
    """
    job = outcome.job if profile.costs else replace(outcome.job, usage=None)
    text = describe(job, pictures_url, joined=outcome.joined, looked_for=outcome.picture)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    left = profile.preview_bytes
    for preview in filter(None, (outcome.preview, *outcome.others)):
        if len(preview) <= left:
            left -= len(preview)
            data = base64.b64encode(preview).decode()
            content.append({"type": "image", "data": data, "mimeType": PREVIEW_TYPE})
    if profile.links:
        content += [_link(picture, pictures_url) for picture in job.pictures if picture.kept]
    result: Result = {"content": content, "_meta": {HISTORY_ID: job.history_id}}
    if profile.structured:
        message = "\n".join(_advice(job, joined=outcome.joined))
        result["structuredContent"] = structure(job, pictures_url) | ({"message": message} if message else {})
        if outcome.joined:
            result["structuredContent"]["joined"] = True
    if job.state is JobState.FAILED:
        result["isError"] = True
    return result


def describe(job: Job, pictures_url: str, *, joined: bool = False, looked_for: int = 0) -> str:
    """Describe the job to a person and a model. `looked_for`: the number of the picture that was to be restored."""
    if job.failure is not None:
        reason = escape_markdown(job.failure.reason, REASON_LENGTH)
        return "\n".join([f"No picture (history_id {job.history_id}, {_model(job)}). {reason}", *_origins(job)])
    lines = [_still_drawn(job)] if job.state is JobState.WORKING else []
    if job.pictures or job.state is JobState.DONE:
        numbers = range(1, len(job.pictures) + 1)
        lines.append(
            "\n\n".join("\n".join(_describe_picture(job, each, pictures_url, each == looked_for)) for each in numbers)
        )
    further = [*missing_lines(job), *_cost_of_all(job), *_origins(job), *_advice(job, joined=joined)]
    return "\n".join([*lines, *further])


def missing_lines(job: Job) -> list[str]:
    """Return the line that says how many of several pictures came, and why the others did not; none where all did."""
    why = job.shortfall
    if why is None or not job.missing or job.failure is not None:
        return []
    if job.state is JobState.WORKING:
        return [escape_markdown(f"One of them does not come: {why.fact} {why.quote}", REASON_LENGTH)]
    text = shortfall_text(why, len(job.pictures), job.count)
    return [escape_markdown(f"{text} {why.quote}", REASON_LENGTH)]


def ticket(job: Job) -> str:
    """Say how to get the picture of a job that is still working."""
    return f"Call `history` with history_id {job.history_id}: it waits for the picture; nothing is charged again."


def joined_text(other: str) -> str:
    """Say that the call joined an earlier one; `other` names the argument that makes it another picture."""
    return f"An earlier call asked for the same, and it is paid for once. Another `{other}` gives another picture."


def structure(job: Job, pictures_url: str) -> dict[str, Any]:
    """Return the job as structured content, as `schemas/generate.output.json` has it."""
    entry: dict[str, Any] = {
        "history_id": job.history_id,
        "state": job.state.value,
        "model": job.model,
        "prompt": job.prompt,
        "created_at": datetime.fromtimestamp(job.created_at, UTC).isoformat(timespec="milliseconds"),
        "images": [_structure_picture(job, picture, pictures_url) for picture in job.pictures],
    }
    if job.task:
        entry["task_id"] = job.task
    if job.finished_at not in (None, job.created_at):  # of entries of an earlier server nobody knows how long they took
        entry["seconds"] = round(max(0.0, job.finished_at - job.created_at), 3)
    if job.failure is not None:
        entry["failure"] = {"kind": job.failure.kind, "reason": escape_markdown(job.failure.reason, REASON_LENGTH)}
    if job.state is JobState.DONE and job.missing and job.shortfall is not None:
        reason = escape_markdown(job.shortfall.reason, REASON_LENGTH)
        entry["missing"] = {"count": job.missing, "kind": job.shortfall.kind, "reason": reason}
    if parameters := asked_for(job):
        entry["parameters"] = parameters
    if references := origins_of(job):
        entry["references"] = references
    if job.usage is not None and (used := job.usage.structure):
        entry["usage"] = used
    if job.parents:
        entry["parents"] = [{"history_id": each.history_id, "picture": each.picture} for each in job.parents]
    return entry


def asked_for(job: Job) -> dict[str, Any]:
    """Return the parameters of the request, such as seed and size, without its references."""
    return {name: value for name, value in job.parameters.items() if name != "references"}


def origins_of(job: Job) -> list[str]:
    """Return the origins of the job's reference pictures, in words."""
    match job.parameters.get("references"):
        case [*origins]:
            return [escape_markdown(str(each), _NAME_LENGTH) for each in origins]
        case _:
            return []


def _still_drawn(job: Job) -> str:
    tasks = "tasks" if len(job.tasks) > 1 else "task"
    task = f", as {tasks} {escape_markdown(job.task, _NAME_LENGTH)} of {job.upstream}" if job.task else ""
    there = f", {len(job.pictures)} of {job.count} are there" if job.pictures else ""
    return f"Still being drawn{there}{task}. history_id: {job.history_id} · model: {_model(job)}"


def _describe_picture(job: Job, number: int, pictures_url: str, looked_for: bool) -> list[str]:
    picture, count = job.pictures[number - 1], max(len(job.pictures), job.count)
    of = f" · picture {number} of {count}" if count > 1 else ""
    cost = f" · {text}" if count == 1 and (text := _cost(job)) else ""
    facts = f"history_id: {job.history_id}{of} · model: {_model(job)} · {_size(picture)}{cost}"
    note = [f"Note: {escape_markdown(picture.note, NOTE_LENGTH)}"] if picture.note else []
    if not picture.kept:
        return [facts, _removed(job, number, looked_for), *note]
    url = picture.link(pictures_url)
    return [_markdown(job, url), "", f"URL: {url}", facts, *note]


def _cost(job: Job) -> str:
    return "" if job.usage is None else cost_text(job.usage)


def _cost_of_all(job: Job) -> list[str]:
    """Return the line of the cost of several pictures."""
    cost = "" if job.state is JobState.WORKING else _cost(job)
    return [f"All {len(job.pictures)} pictures: {cost}"] if cost and len(job.pictures) > 1 else []


def _markdown(job: Job, url: str) -> str:
    """Return the line that shows the picture at `url` in a chat."""
    return f"![{alt_text(job.prompt)}]({url})"


def _removed(job: Job, number: int, looked_for: bool) -> str:
    if looked_for:
        return "Its file was removed and could not be had again. To draw it anew, call `generate` with its prompt."
    which = f" and picture {number}" if len(job.pictures) > 1 else ""
    return (
        f"Its file was removed. `history` with history_id {job.history_id}{which} brings it back, if its image service "
        "still has it."
    )


def _advice(job: Job, *, joined: bool) -> list[str]:
    """Return the sentences that say how to go on; a failure holds its own."""
    lines = [ticket(job)] if job.state is JobState.WORKING else []
    match sum(picture.kept for picture in job.pictures):
        case 0:
            pass
        case 1:
            lines.append("To show the picture, repeat its markdown line in your answer.")
        case _:
            lines.append("To show the pictures, repeat their markdown lines in your answer.")
    if job.state is JobState.DONE and job.links:
        lines.append(
            f"{len(job.links)} more of its pictures are paid for and not here yet: `history` with history_id "
            f"{job.history_id} looks for them again."
        )
    return [*lines, joined_text("variation")] if joined else lines


def _origins(job: Job) -> list[str]:
    origins = origins_of(job)
    if not origins:
        return []
    more = f"; and {len(origins) - _ORIGINS} more" if len(origins) > _ORIGINS else ""
    mask = job.parameters.get("mask")
    masked = [f"Mask: {escape_markdown(str(mask), _NAME_LENGTH)}"] if mask else []
    return [f"From: {'; '.join(origins[:_ORIGINS])}{more}", *masked]


def _structure_picture(job: Job, picture: KeptPicture, pictures_url: str) -> dict[str, Any]:
    url = picture.link(pictures_url)
    entry: dict[str, Any] = {
        "url": url,
        "markdown": _markdown(job, url),
        "media_type": picture.media_type,
    }
    measures = {"width": picture.width, "height": picture.height, "bytes": picture.size}
    entry |= {name: value for name, value in measures.items() if value}
    if picture.note:
        entry["note"] = escape_markdown(picture.note, NOTE_LENGTH)
    if not picture.kept:
        del entry["markdown"]
        entry["kept"] = False
    return entry


def _link(picture: KeptPicture, pictures_url: str) -> dict[str, Any]:
    return {
        "type": "resource_link",
        "uri": picture.link(pictures_url),
        "name": picture.name,
        "mimeType": picture.media_type,
        "size": picture.size,
    }


def _model(job: Job) -> str:
    return escape_markdown(job.model, _NAME_LENGTH)


def _size(picture: KeptPicture) -> str:
    """Return the measures in words. Those of some files of an earlier server are not known."""
    if not picture.size:
        return "size unknown"
    pixels = f"{picture.width}×{picture.height} " if picture.width else ""
    return f"{pixels}{FORMATS[picture.media_type]}, {max(1, round(picture.size / 1000))} kB"
