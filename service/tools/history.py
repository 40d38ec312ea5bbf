"""`history`: what was made before, as a list or one by one; and deleting one."""

from typing import Any, Final

from service.images import Job, JobState
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.store import Page, Search
from service.tools.base import Arguments, Tool, failed, refused
from service.tools.confirmation import AFTER_NO, confirmed
from service.tools.history_words import cut_job, details_text, entry_text, gone_text, loss_text
from service.tools.job_result import structure
from service.tools.showing import show
from service.tools.waiting import waiter_of
from service.workbench import Workbench

LONGEST_WAIT_S: Final = 600.0
"""Of one call, also where the client would wait for ever."""

FILTERS: Final = ("query", "model", "state")


async def run(bench: Workbench, call: Call, arguments: Arguments) -> Result:
    """Show one generation when its id is given, or delete it; else list them."""
    if "history_id" not in arguments:
        if arguments.get("delete", False):
            return refused(TOOL.name, ["`delete` needs `history_id`: it deletes one at a time."])
        return await _list(bench, call, arguments)
    history_id = int(arguments["history_id"])
    job = await bench.generation.store.job(call.principal, history_id)
    if job is None:
        return await _missing(bench, call, history_id)
    if arguments.get("delete", False):
        return await _delete(bench, call, arguments, job)
    return await _show(bench, call, arguments, job)


async def _show(bench: Workbench, call: Call, arguments: Arguments, job: Job) -> Result:
    """One that is still being drawn is waited for, for a while."""
    number = int(arguments.get("picture", 1))
    if job.state is JobState.WORKING:
        await _wait(bench, call, arguments, job.history_id)
    outcome = await bench.generation.show(call.principal, job.history_id, number)
    if outcome is None:
        return await _missing(bench, call, job.history_id)
    job = outcome.job
    if job.pictures and number > len(job.pictures):
        return failed(
            f"history_id {job.history_id} has {len(job.pictures)} of them: `picture` is 1 to {len(job.pictures)}."
        )
    children = await bench.generation.store.children(call.principal, job.history_id)
    shown = await show(bench, call, outcome)
    # That an earlier generation failed is what was asked for here, and no failure of this call.
    shown.pop("isError", None)
    said = shown["content"][0]
    said["text"] = "\n".join(filter(None, (said["text"], gone_text(job), details_text(job, children))))
    if "structuredContent" in shown:
        shown["structuredContent"] = {
            "entries": [shown["structuredContent"]],
            "parents": [{"history_id": each.history_id, "picture": each.picture} for each in job.parents],
            "children": [{"history_id": id_, "picture": number} for id_, number in children],
        }
    return shown


async def _wait(bench: Workbench, call: Call, arguments: Arguments, history_id: int) -> None:
    """Wait as long as was asked for, but no longer than the client does."""
    wanted = arguments.get("wait_seconds", LONGEST_WAIT_S)
    if wanted <= 0:
        return
    await call.open_stream()
    await call.detach()
    patience_s = min(wanted, bench.profiles.patience_s(call))
    await bench.generation.wait(call.principal, history_id, waiter_of(call, patience_s))


async def _missing(bench: Workbench, call: Call, history_id: int) -> Result:
    newest = await bench.generation.store.jobs(call.principal, 1)
    hint = f"The newest is {newest[0].history_id}." if newest else "The history is empty."
    return failed(f"There is no generation with history_id {history_id}. {hint} Call `history` for the list.")


async def _delete(bench: Workbench, call: Call, arguments: Arguments, job: Job) -> Result:
    """Asked first: a modern call runs again from its start when the answer comes."""
    if job.state is JobState.WORKING:
        return failed(
            f"history_id {job.history_id} is still being drawn, and nothing was deleted. Call `history` with it alone "
            "to wait for its end, then delete it."
        )
    children = await bench.generation.store.children(call.principal, job.history_id)
    if not await confirmed(call, arguments, loss_text(job, children)):
        return _said(f"history_id {job.history_id} was not deleted. {AFTER_NO}", {"entries": []})
    if not await bench.retention.delete(call.principal, job.history_id):
        return await _missing(bench, call, job.history_id)
    return _said(f"history_id {job.history_id} was deleted.", {"entries": [], "deleted": job.history_id})


async def _list(bench: Workbench, call: Call, arguments: Arguments) -> Result:
    """One page."""
    before = arguments.get("before")
    search = _search(bench, arguments)
    page = await bench.generation.store.page(
        call.principal, search, int(arguments.get("limit", 5)), None if before is None else int(before)
    )
    url = bench.generation.pictures_url
    call.on_delivered(lambda: bench.generation.delivered(*page.jobs))
    structured: Result = {"entries": [structure(cut_job(job), url) for job in page.jobs], "total": page.total}
    if page.more:
        structured["next_before"] = page.jobs[-1].history_id
    if not page.jobs:
        return _said(_nothing(bench, arguments, page), structured)
    head = f"{len(page.jobs)} of {page.total:,}, newest first."
    if any(picture.kept for job in page.jobs for picture in job.pictures):
        head += " To show a picture, repeat its markdown line in your answer."
    entries = [entry_text(job, url) for job in page.jobs]
    return _said("\n\n".join([head, *entries, *_further(bench, arguments, page)]), structured)


def _search(bench: Workbench, arguments: Arguments) -> Search:
    recent, archive = bench.history_recent, bench.history_archive
    scope = _scope(arguments)
    newest = {"recent": recent, "archive": recent + archive if archive else None}.get(scope)
    state = arguments.get("state")
    return Search(
        query=arguments.get("query", "").strip(),
        model=arguments.get("model", ""),
        state=None if state is None else JobState(state),
        newest=newest,
        beyond=recent if scope == "archive" else None,
    )


def _scope(arguments: Arguments) -> str:
    """What is searched for may be anywhere."""
    scope: str = arguments.get("scope", "all" if arguments.get("query", "").strip() else "recent")
    return scope


def _nothing(bench: Workbench, arguments: Arguments, page: Page) -> str:
    """Why a page is empty, and what to do."""
    if page.total:
        return "There is nothing older."
    filters = [f"{name} “{arguments[name]}”" for name in FILTERS if arguments.get(name)]
    if filters:
        wider = "" if _scope(arguments) == "all" else " and set scope to all"
        return f"Nothing has {' and '.join(filters)}. Leave one out{wider}."
    if _scope(arguments) == "archive":
        return f"The archive is empty: it begins after the {bench.history_recent:,} newest. Leave scope out for those."
    return "Nothing was made yet. Call `generate` with a prompt."


def _further(bench: Workbench, arguments: Arguments, page: Page) -> list[str]:
    """Where there is more: on the next page, or beyond what is recent."""
    if page.more:
        return [f"There is more: call `history` with the same arguments and before {page.jobs[-1].history_id}."]
    filtered = any(arguments.get(name) for name in FILTERS)
    if _scope(arguments) == "recent" and (filtered or page.total >= bench.history_recent):
        return ["Older ones: call `history` with scope archive."]
    return []


def _said(text: str, structured: dict[str, Any]) -> Result:
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


TOOL = Tool(
    name="history",
    run=run,
    annotations={"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
)
