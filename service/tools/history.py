"""`history`: one earlier generation, waited for and shown, or one page of the list of many."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from service.authorization import LOOK
from service.hosts import is_loopback
from service.images import Job, JobState
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.routes import GALLERY, PICTURES
from service.storage.store import Page, Search
from service.tools.app_view import with_view
from service.tools.base import Arguments, Schema, Tool, answered, failed, waiter_of
from service.tools.context import ToolContext
from service.tools.history_costs import list_costs
from service.tools.history_text import ENTRIES, counted, details_text
from service.tools.results import escape_markdown, show

LONGEST_WAIT_S: Final = 600.0
"""Longest wait of one call, also for a client that would wait for ever."""


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Show one generation when its id is given; else list them, tell where a browser does, or what they cost."""
    if arguments.get("gallery"):
        return _tell_gallery(context, call)
    if arguments.get("costs"):
        return await list_costs(context, call)
    if "history_id" not in arguments:
        return await list_page(context, call, arguments)
    history_id = int(arguments["history_id"])
    job = await context.store.job(call.owner, history_id)
    if job is None:
        return await missing(context, call, history_id)
    return await _show(context, call, arguments, job)


async def _show(context: ToolContext, call: Call, arguments: Arguments, job: Job) -> Result:
    """Show one generation; one that is still being drawn is waited for first."""
    number = int(arguments.get("picture", 1))
    waiter = waiter_of(call, context.profiles.patience_s(call))
    if job.state is JobState.WORKING:
        await _wait(context, call, arguments, job.history_id)
    chosen = number if "picture" in arguments else None
    outcome = await context.generation.show(call.owner, job.history_id, chosen, waiter.left_s)
    if outcome is None:
        return await missing(context, call, job.history_id)
    job = outcome.job
    if job.pictures and number > len(job.pictures):
        return failed(
            f"`picture` is {number}, but history_id {job.history_id} has {counted(len(job.pictures), 'picture')}."
        )
    children = await context.store.children(call.owner, job.history_id)
    shown = await show(context, call, outcome)
    # That an earlier generation failed is what was asked for here, and no failure of this call.
    shown.pop("isError", None)
    details = details_text(job, children, can_change=context.models.take_references)
    first = shown["content"][0]
    first["text"] = f"{first['text']}\n{details}"
    if "structuredContent" in shown:
        shown["structuredContent"] = {
            "entries": [shown["structuredContent"]],
            "children": [{"history_id": id_, "picture": picture} for id_, picture in children],
            "message": details if job.failure is None else first["text"],
        }
    return shown


async def _wait(context: ToolContext, call: Call, arguments: Arguments, history_id: int) -> None:
    """Wait for `wait_seconds`, but no longer than the client does."""
    requested_s = arguments.get("wait_seconds", LONGEST_WAIT_S)
    if requested_s <= 0:
        return
    call.channel.open()
    await call.become_task()
    patience_s = min(requested_s, context.profiles.patience_s(call))
    waiter = waiter_of(call, patience_s, context.pictures.url_for(call.reached_at))
    await context.generation.wait(call.owner, history_id, waiter)


async def missing(context: ToolContext, call: Call, history_id: int) -> Result:
    """Return the result for an id that this owner has no generation of."""
    newest = await context.store.jobs(call.owner, 1)
    hint = f"The newest is {newest[0].history_id}." if newest else "The history is empty."
    return failed(f"There is no generation with history_id {history_id}. {hint} Call `history` for the list.")


def _tell_gallery(context: ToolContext, call: Call) -> Result:
    """Return the address of the gallery, which may be a key that works once."""
    if call.open_gallery is None:
        return failed("There is no gallery here: it needs an Easel that is reached over HTTP.")
    base = context.pictures.own_url_for(call.reached_at).removesuffix(PICTURES.path)
    url = base + call.open_gallery()
    how = "once, within ten minutes" if url != base + GALLERY.path else ""
    where = "on this machine only" if is_loopback(urlsplit(base).hostname or "") else ""
    so = ", ".join(filter(None, (how, where)))
    text = f"This link opens the gallery of all the person's pictures in a browser: {so}. Repeat it as it is:\n{url}"
    return answered(text, {"entries": [], "gallery": url})


def _fill(context: ToolContext, schema: Schema) -> Schema:
    """Leave the gallery out where there is none."""
    left_out = set() if context.has_gallery else {"gallery"}
    properties = {name: each for name, each in schema["properties"].items() if name not in left_out}
    return schema | {"properties": properties}


TOOL = Tool(
    name="history",
    scope=LOOK,
    run=run,
    fill=_fill,
    annotations={"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
)


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
    profile = context.profiles.of(call)
    entries = [ENTRIES.of(job if profile.costs else _without_cost(job), url) for job in page.jobs]
    structured: Result = {"entries": [each.structure for each in entries] if profile.structured else []}
    structured["total"] = page.total
    if page.more:
        structured["next_before"] = page.jobs[-1].history_id
    if not page.jobs:
        nothing = answered(_nothing(context, arguments, page), structured)
        return await with_view(context, call, nothing, [], _listed(page, arguments))
    more_than = "more than " if page.at_least else ""
    head = f"{len(page.jobs)} of {more_than}{page.total:,} {_kind(arguments)}, newest first."
    kept = [sum(picture.kept for picture in job.pictures) for job in page.jobs]
    if any(kept):
        which = ", and picture where it has several" if max(kept) > 1 else ""
        head += " To show a picture, repeat its markdown line in your answer."
        if context.models.take_references:
            head += f" To change one, call `generate` with its history_id{which}."
    further = await _further(context, call, arguments, page)
    text = "\n\n".join([head, *(each.text for each in entries), *further])
    result = answered(text, structured, message=" ".join([head, *further]))
    return await with_view(context, call, result, page.jobs, _listed(page, arguments))


def _without_cost(job: Job) -> Job:
    return job if job.usage is None else replace(job, usage=None)


def _listed(page: Page, arguments: Arguments) -> Result:
    """Return the facts by which a view goes on to the next page."""
    older = {"next_before": page.jobs[-1].history_id} if page.more else {}
    filters = {name: arguments[name] for name in ("query", "scope", "model", "state") if name in arguments}
    return {"total": page.total, "filters": filters, **older}


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


FILTERS: Final = ("query", "model", "state")


def _filters(arguments: Arguments) -> dict[str, str]:
    """Return the filters that are filled in."""
    return {name: value for name in FILTERS if (value := arguments.get(name, "").strip())}


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
