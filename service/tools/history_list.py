"""The list of `history`: the search that the arguments mean, one page of its generations, and how to go on."""

from typing import Final

from service.images import JobState
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.storage.store import Page, Search
from service.tools.base import Arguments, answered
from service.tools.context import ToolContext
from service.tools.history_text import cut_job, entry_text
from service.tools.results import escape_markdown, structure

SHOWN_LENGTH: Final = 80
"""Characters of a filter that are repeated in the answer."""


async def list_page(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Return one page of the generations that the arguments mean, newest first."""
    before = arguments.get("before")
    search = _search(context, arguments)
    page = await context.store.page(
        call.owner, search, int(arguments.get("limit", 5)), None if before is None else int(before)
    )
    url = context.pictures.url_for(call.reached_at)
    structured: Result = {"entries": [structure(cut_job(job), url) for job in page.jobs], "total": page.total}
    if page.more:
        structured["next_before"] = page.jobs[-1].history_id
    if not page.jobs:
        return answered(_nothing(context, arguments, page), structured)
    head = f"{len(page.jobs)} of {page.total:,} {_kind(arguments)}, newest first."
    kept = [sum(picture.kept for picture in job.pictures) for job in page.jobs]
    if any(kept):
        which = ", and picture where it has several" if max(kept) > 1 else ""
        head += " To show a picture, repeat its markdown line in your answer."
        if context.models.take_references:
            head += f" To change one, call `generate` with its history_id{which}."
    entries = [entry_text(job, url) for job in page.jobs]
    further = await _further(context, call, arguments, page)
    return answered("\n\n".join([head, *entries, *further]), structured, message=" ".join([head, *further]))


def _search(context: ToolContext, arguments: Arguments) -> Search:
    recent, archive = context.history_recent, context.history_archive
    scope, filters = _scope(arguments), _filters(arguments)
    return Search(
        query=filters.get("query", ""),
        model=filters.get("model", ""),
        state=JobState(filters["state"]) if "state" in filters else None,
        newest={"recent": recent, "archive": recent + archive if archive else None}.get(scope),
        beyond=recent if scope == "archive" else None,
    )


def _filters(arguments: Arguments) -> dict[str, str]:
    """Return the filters that are filled in."""
    filters = {name: arguments.get(name, "").strip() for name in ("query", "model", "state")}
    return {name: value for name, value in filters.items() if value}


def _scope(arguments: Arguments) -> str:
    """Return the scope; a query without one searches everywhere."""
    scope: str = arguments.get("scope", "all" if "query" in _filters(arguments) else "recent")
    return scope


def _kind(arguments: Arguments) -> str:
    """Return the noun for the total, such as “recent generations”."""
    if _filters(arguments):
        return "generations that match"
    return {"recent": "recent generations", "archive": "generations of the archive"}.get(
        _scope(arguments), "generations"
    )


def _nothing(context: ToolContext, arguments: Arguments, page: Page) -> str:
    """Say why a page is empty, and how to go on."""
    if page.total:
        return "There is nothing older."
    filters = [f"{name} “{escape_markdown(value, SHOWN_LENGTH)}”" for name, value in _filters(arguments).items()]
    if filters:
        fewer = "Leave one out" if len(filters) > 1 else "Try another, or leave it out"
        wider = "" if _scope(arguments) == "all" else ", or set scope to all"
        return f"Nothing matches {' and '.join(filters)}. {fewer}{wider}."
    if _scope(arguments) == "archive":
        return (
            f"The archive is empty: it begins after the {context.history_recent:,} newest. Leave scope out for those."
        )
    return "The history is empty. Call `generate` with a prompt."


async def _further(context: ToolContext, call: Call, arguments: Arguments, page: Page) -> list[str]:
    """Say where there is more: on the next page, or beyond the recent generations."""
    if page.more:
        return [f"There is more: call `history` with the same arguments and before {page.jobs[-1].history_id}."]
    if _scope(arguments) == "recent":
        totals = await context.store.totals(call.owner)
        if totals.working + totals.done + totals.failed > context.history_recent:
            return ["Older ones: call `history` with scope archive."]
    return []
