"""The data of the view of an MCP App: the jobs of a result, with small copies of their pictures as data: URIs.

It stands in `_meta`, which hosts give to the view alone, and only for clients that show views. Some hosts let a view
load nothing from elsewhere, so the copies are all that is seen there; elsewhere the view loads the whole picture.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from service.images import Job, KeptPicture, WorkError
from service.pictures.derivatives import Derivatives
from service.pictures.messages import PREVIEW_TYPE, BadPictureError
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.storage.files import Derivative
from service.tools.context import ToolContext

logger = logging.getLogger(__name__)

APP_URI: Final = "ui://easel/pictures.html"

VIEW: Final = "easel/view"
"""The member of `_meta`."""

REFUSAL: Final = "easel/refusal"
"""The member of `_meta` of a failed result without pictures: its kind, for which the view has words in its language."""

REFUSED: Final = "refused"
"""The kind of a call that was not carried out."""

SHARE: Final = 0.35
"""The part of an answer that the copies may take, as base64: the previews for the model take a quarter."""

WIDTHS: Final = (640, 320, 160)
"""Widths of the copies, tried until one fits. In a list the first is left out."""

FIRST: Final = 16
"""Pictures that have copies at most; the view asks for those of other pages by itself."""

LONGEST_S: Final = 5.0
"""Seconds that a result waits for copies."""

PROMPT_LENGTH: Final = 500


async def with_view(
    context: ToolContext, call: Call, result: Result, jobs: Sequence[Job], listed: Mapping[str, Any] | None = None
) -> Result:
    """Return the result with the data of the view, for a client that shows it. `listed`: the facts of a list."""
    if not (context.app_html and call.client.shows_apps):
        return result
    url = context.pictures.own_url_for(call.reached_at)
    shown = [_shown_job(job, url, whole=listed is None) for job in jobs]
    room = int(context.profiles.of(call).max_bytes * SHARE)
    copies = Copies(context, call.owner, WIDTHS if listed is None else WIDTHS[1:])
    await copies.add(_chosen(jobs, shown), room)
    view = {"jobs": shown, **({} if listed is None else {"list": dict(listed)})}
    return {**result, "_meta": {**result.get("_meta", {}), VIEW: view}}


def with_refusal(call: Call, result: Result, kind: str) -> Result:
    """Return a failed result with its kind, for a client that shows it. One with the data of the view needs none."""
    meta = result.get("_meta", {})
    if not (call.client.shows_apps and result.get("isError")) or VIEW in meta:
        return result
    return {**result, "_meta": {**meta, REFUSAL: {"kind": kind}}}


def without_thumbnails(result: Result) -> Result:
    """Return the result without the copies of pictures."""
    view = result["_meta"][VIEW]
    jobs = [
        {**job, "pictures": [{key: value for key, value in each.items() if key != "data"} for each in job["pictures"]]}
        for job in view["jobs"]
    ]
    return {**result, "_meta": {**result["_meta"], VIEW: {**view, "jobs": jobs}}}


def without_view(result: Result) -> Result:
    """Return the result without the data of the view, which then shows what the text says."""
    meta = {key: value for key, value in result["_meta"].items() if key != VIEW}
    bare = {key: value for key, value in result.items() if key != "_meta"}
    return {**bare, "_meta": meta} if meta else bare


def _shown_job(job: Job, pictures_url: str, *, whole: bool) -> dict[str, Any]:
    prompt = job.prompt if whole or len(job.prompt) <= PROMPT_LENGTH else f"{job.prompt[: PROMPT_LENGTH - 1]}…"
    entry: dict[str, Any] = {
        "history_id": job.history_id,
        "state": job.state.value,
        "model": job.model,
        "prompt": prompt,
        "parameters": {name: value for name, value in job.parameters.items() if name != "references"},
        "has_references": bool(job.parameters.get("references")),
        "parents": [{"history_id": each.history_id, "picture": each.picture} for each in job.parents],
        "count": job.count,
        "pictures": [_shown_picture(number, each, pictures_url) for number, each in enumerate(job.pictures, start=1)],
    }
    if job.failure is not None:
        entry["failure"], entry["failure_kind"] = job.failure.fact, job.failure.kind
    return entry


def _shown_picture(number: int, picture: KeptPicture, pictures_url: str) -> dict[str, Any]:
    return {
        "picture": number,
        "url": picture.link(pictures_url),
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "kept": picture.kept,
    }


def _chosen(jobs: Sequence[Job], shown: Sequence[dict[str, Any]]) -> list[tuple[KeptPicture, dict[str, Any]]]:
    """Return the pictures that have copies, with their entries: of a single job all, of a list the first of each."""
    return [
        (picture, entry)
        for job, view in zip(jobs, shown, strict=True)
        for picture, entry in zip(job.pictures, view["pictures"], strict=True)
        if len(jobs) == 1 or entry["picture"] == 1
    ][:FIRST]


@dataclass(frozen=True)
class Copies:
    """Makes the small copies for one result. `widths` are tried until one fits."""

    context: ToolContext
    owner: str
    widths: Sequence[int]

    async def add(self, chosen: Sequence[tuple[KeptPicture, dict[str, Any]]], room: int) -> None:
        """Write a copy into each entry, in so much room for all; what is late or too large has none."""
        left = room
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                for index, (picture, entry) in enumerate(chosen):
                    copy = await self._copy(picture, left // (len(chosen) - index))
                    if copy:
                        entry["data"] = copy
                        left -= len(copy)

    async def _copy(self, picture: KeptPicture, room: int) -> str | None:
        """Return a copy as a data: URI of at most so many letters; None where there is none."""
        if not picture.kept or picture.media_type.startswith("video/"):
            return None
        try:
            if picture.is_away or self.context.derivatives is None:
                preview = await self.context.pictures.preview(self.owner, picture.name)
                return _data_uri(PREVIEW_TYPE, preview, room) if preview else None
            for width in self.widths:
                derivative = Derivative(width=width, extension="webp")
                data = await self._derived(self.context.derivatives, picture.name, derivative)
                uri = _data_uri(derivative.media_type, data, room) if data else None
                if uri:
                    return uri
        except (BadPictureError, WorkError) as error:  # the whole picture may still be seen
            logger.debug("No copy of %s for a view: %s", picture.name, error)
        return None

    async def _derived(self, derivatives: Derivatives, name: str, derivative: Derivative) -> bytes | None:
        kept = await self.context.pictures.read(derivative.of(name))
        return kept if kept is not None else await derivatives.make(name, derivative)


def _data_uri(media_type: str, data: bytes, room: int) -> str | None:
    head = f"data:{media_type};base64,"
    if len(head) + (len(data) + 2) // 3 * 4 > room:
        return None
    return head + base64.b64encode(data).decode()
