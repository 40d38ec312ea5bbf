"""`history`: one earlier generation, waited for and shown. The list of many is `history_list.py`."""

from typing import Final

from service.authorization import LOOK
from service.images import Job, JobState
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Tool, failed, waiter_of
from service.tools.context import ToolContext
from service.tools.history_list import list_page
from service.tools.history_text import counted, details_text
from service.tools.results import show

LONGEST_WAIT_S: Final = 600.0
"""Longest wait of one call, also for a client that would wait for ever."""


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Show one generation when its id is given; else list them."""
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
    outcome = await context.generation.show(call.owner, job.history_id, number, waiter.left_s)
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
    await context.generation.wait(call.owner, history_id, waiter_of(call, patience_s))


async def missing(context: ToolContext, call: Call, history_id: int) -> Result:
    """Return the result for an id that this owner has no generation of."""
    newest = await context.store.jobs(call.owner, 1)
    hint = f"The newest is {newest[0].history_id}." if newest else "The history is empty."
    return failed(f"There is no generation with history_id {history_id}. {hint} Call `history` for the list.")


TOOL = Tool(
    name="history",
    scope=LOOK,
    run=run,
    annotations={"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
)
