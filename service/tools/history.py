"""`history`: what was made before, as a list or one by one."""

from service.generation import Generation
from service.profiles import UNKNOWN
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Tool, failed
from service.tools.job_result import job_result, structure, summarize


async def run(generation: Generation, call: Call, arguments: Arguments) -> Result:
    """Show one generation when its id is given, else list them."""
    if "history_id" in arguments:
        return await _show(generation, call, int(arguments["history_id"]))
    before = arguments.get("before")
    return await _list(generation, call, int(arguments.get("limit", 5)), None if before is None else int(before))


async def _show(generation: Generation, call: Call, history_id: int) -> Result:
    """One that is still being drawn is waited for, for a while."""

    async def report(message: str, percent: float | None = None) -> None:
        await call.progress(percent or 0, 100, message)

    await generation.wait(call.principal, history_id, report)
    outcome = await generation.show(call.principal, history_id)
    if outcome is None:
        newest = await generation.store.jobs(call.principal, 1)
        hint = f"The newest is {newest[0].history_id}." if newest else "The history is empty."
        return failed(f"There is no generation with history_id {history_id}. {hint} Call `history` for the list.")
    shown = job_result(outcome, UNKNOWN, generation.pictures_url)
    # That an earlier generation failed is what was asked for here, and no failure of this call.
    shown.pop("isError", None)
    shown["structuredContent"] = {"entries": [shown["structuredContent"]]}
    return shown


async def _list(generation: Generation, call: Call, limit: int, before: int | None) -> Result:
    """One page. A row more than asked for is read, to know whether there is a next page."""
    jobs = await generation.store.jobs(call.principal, limit + 1, before)
    page, more = jobs[:limit], len(jobs) > limit
    if not page:
        text = "There is nothing older." if before else "Nothing was made yet. Call `generate` with a prompt."
    else:
        lines = [summarize(job, generation.pictures_url) for job in page]
        lines += [f"There is more: call `history` with before {page[-1].history_id}."] if more else []
        text = "\n".join(lines)
    structured: Result = {"entries": [structure(job, generation.pictures_url) for job in page]}
    if more:
        structured["next_before"] = page[-1].history_id
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


TOOL = Tool(name="history", run=run, annotations={"readOnlyHint": True, "openWorldHint": False})
