"""`cache`: how much is kept for this person, and removing it.

`include_history` deletes for good, and needs the person's agreement. Pictures alone go without it where nobody can be
asked, as the Flow2API MCP Server had it: what loses its file keeps its entry, and may come back.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.settings import Limits
from service.store import Totals
from service.tools.base import Arguments, Tool
from service.tools.confirmation import AFTER_NO, can_be_asked, confirmed
from service.tools.history_words import counted
from service.workbench import Workbench


async def run(bench: Workbench, call: Call, arguments: Arguments) -> Result:
    """Count, or remove and count what is left."""
    action = arguments.get("action", "status")
    totals = await bench.generation.store.totals(call.principal)
    if action == "status":
        return _answer(status_text(totals, bench.retention.limits), totals, bench.retention.limits)
    keep = int(arguments.get("keep", 50)) if action == "prune" else 0
    with_history = arguments.get("include_history", False)
    if totals.kept <= keep and (not with_history or totals.done + totals.failed + totals.working <= keep):
        text = f"Nothing to remove: {counted(totals.kept, 'picture')} kept."
        return _answer(text, totals, bench.retention.limits)
    asked = with_history or can_be_asked(call)
    if asked and not await confirmed(call, arguments, question_text(totals, keep, with_history=with_history)):
        return _answer(f"Nothing was removed. {AFTER_NO}", totals, bench.retention.limits)
    return await _remove(bench, call, totals, keep, with_history=with_history)


async def _remove(bench: Workbench, call: Call, before: Totals, keep: int, *, with_history: bool) -> Result:
    """The history first: files that it alone used go with it."""
    if with_history:
        await bench.retention.delete_ended(call.principal, keep)
    await bench.retention.keep_newest(call.principal, keep)
    totals = await bench.generation.store.totals(call.principal)
    removed = {
        "removed": max(0, before.kept - totals.kept),
        "deleted": max(0, before.done + before.failed - totals.done - totals.failed),
    }
    freed = _megabytes(max(0, before.kept_bytes - totals.kept_bytes))
    lines = [f"{counted(removed['removed'], 'picture')} removed, {freed} freed; {totals.kept:,} kept."]
    if totals.kept > keep:
        lines.append("The rest is in use: call again when what is being drawn is done.")
    if with_history:
        lines.append(f"{counted(removed['deleted'], 'generation')} deleted from the history.")
    else:
        lines.append("The history has its entries still; `history` brings back what an image service still has.")
    return _answer(" ".join(lines), totals, bench.retention.limits, removed)


def status_text(totals: Totals, limits: Limits) -> str:
    """What is kept, of what, within which limits."""
    since = "" if totals.oldest is None else f", the oldest since {_day(totals.oldest)}"
    made = f"{counted(totals.pictures, 'picture')} in {counted(totals.done, 'generation')}"
    others = f"{totals.working:,} being drawn, {totals.failed:,} failed"
    return (
        f"Kept: {counted(totals.kept, 'picture')}, {_megabytes(totals.kept_bytes)}{since}. "
        f"The history: {made}, {others}. {_limits_text(limits)}"
    )


def question_text(totals: Totals, keep: int, *, with_history: bool) -> str:
    """What is about to be lost."""
    rest = f"all but the newest {keep:,} of " if keep else "all "
    pictures = f"{rest}{counted(totals.kept, 'kept picture')} ({_megabytes(totals.kept_bytes)})"
    if not with_history:
        return f"Remove {pictures}? The history stays, and what its image service still has comes back when asked for."
    generations = f"{rest}{counted(totals.done + totals.failed, 'ended generation')}"
    return f"Delete {generations} from the history, prompts and all, and remove {pictures}? Nothing brings them back."


def _limits_text(limits: Limits) -> str:
    parts = [counted(limits.entries, "picture")] if limits.entries else []
    parts += [_megabytes(limits.size)] if limits.size else []
    parts += [counted(limits.days, "day")] if limits.days else []
    if not parts:
        return "No limit is set."
    return f"Limits for all owners together: {', '.join(parts)}; the oldest go first."


def _answer(text: str, totals: Totals, limits: Limits, removed: Mapping[str, int] | None = None) -> Result:
    """The one shape of every answer."""
    allowed = {"entries": limits.entries, "bytes": limits.size, "days": limits.days}
    structured: dict[str, Any] = {
        "kept": totals.kept,
        "kept_bytes": totals.kept_bytes,
        "limits": {name: value for name, value in allowed.items() if value},
        "working": totals.working,
        "done": totals.done,
        "failed": totals.failed,
        "pictures": totals.pictures,
        "picture_bytes": totals.picture_bytes,
        **(removed or {}),
    }
    if totals.oldest is not None:
        structured["oldest"] = datetime.fromtimestamp(totals.oldest, UTC).isoformat(timespec="milliseconds")
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


TOOL = Tool(
    name="cache",
    run=run,
    annotations={"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
)
