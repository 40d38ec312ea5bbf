"""`cache`: count the pictures and generations of this person, or remove them; or list what the models take.

`include_history` deletes for good, and needs the person's agreement; so does `prune` that keeps none. Without these
only picture files go, also where nobody can be asked, as the Flow2API MCP Server had it: their entries stay in the
history, and may get them back.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from service.authorization import ADMIN, LOOK
from service.image_models.abilities import table_text
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.settings import Limits
from service.storage.store import FilesTotal, Totals
from service.tools.base import Arguments, Tool, answered
from service.tools.context import ToolContext
from service.tools.elicitation import can_be_asked, unconfirmed
from service.tools.history_text import counted


class Counts(NamedTuple):
    """The totals of one owner: generations in the history, and files kept."""

    history: Totals
    files: FilesTotal

    @property
    def ended(self) -> int:
        """The number of generations that have ended."""
        return self.history.done + self.history.failed


def scope(arguments: Arguments) -> str:
    """Return the scope of a call by its arguments as they came: to count is to look, and all else may remove all.

    Arguments are read in many spellings afterwards (`coercion.py`), so nothing but the plain words passes for it.
    """
    looks = arguments.get("action") in ("status", "models") or not any(arguments.values())
    return LOOK if looks else ADMIN


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Count, or remove and count again."""
    action = arguments.get("action", "status")
    limits, counts = context.retention.limits, Counts(*await context.store.counts(call.owner))
    if action == "models":
        return _answer(table_text(context.models), counts, limits)
    if action == "status":
        return _status(counts, limits)
    keep = int(arguments.get("keep", 50)) if action == "prune" else 0
    with_history = arguments.get("include_history", False)
    if counts.files.entries <= keep and (not with_history or counts.ended + counts.history.working <= keep):
        return _answer(f"Nothing to remove. {status_text(counts, limits)}", counts, limits)
    question = question_text(counts, keep, with_history=with_history)
    all_but_none = action == "prune" and not keep  # a slip perhaps, where `clear` is none
    asks = with_history or all_but_none or can_be_asked(call)
    refusal = await unconfirmed(call, arguments, question) if asks else None
    if refusal is not None:
        return _answer(f"Nothing was removed. {refusal}", counts, limits)
    if with_history:
        await context.retention.delete_ended(call.owner, keep)  # first: the files that it alone used go with it
    await context.retention.keep_newest(call.owner, keep)
    left = Counts(*await context.store.counts(call.owner))
    removed = {
        "removed": max(0, counts.files.entries - left.files.entries),
        "deleted": max(0, counts.ended - left.ended),
    }
    return _answer(removed_text(counts, left, keep, with_history=with_history), left, limits, removed)


def _status(counts: Counts, limits: Limits) -> Result:
    text, structured = _encoded_status(counts, limits)
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


@lru_cache(maxsize=64)  # programs ask again and again while nothing changes
def _encoded_status(counts: Counts, limits: Limits) -> tuple[str, orjson.Fragment]:
    text = status_text(counts, limits)
    return text, orjson.Fragment(orjson.dumps(_answer(text, counts, limits)["structuredContent"]))


def status_text(counts: Counts, limits: Limits) -> str:
    """Say how much is kept, and within which limits."""
    history, files = counts
    since = "" if files.oldest is None else f", the oldest since {_time(files.oldest):%Y-%m-%d}"
    return (
        f"Kept: {counted(files.entries, 'picture')}, {_room(files.bytes)}{since}. History: "
        f"{counted(history.pictures, 'picture')} in {counted(history.done, 'generation')}, {history.working:,} still "
        f"being drawn, {history.failed:,} failed. {_limits_text(limits)}"
    )


def question_text(counts: Counts, keep: int, *, with_history: bool) -> str:
    """Ask whether to go ahead, naming the losses."""
    room = "" if keep else f" ({_room(counts.files.bytes)})"
    removes = f"removes {_beyond(counts.files.entries, keep, 'kept picture')}{room}"
    if not with_history:
        return (
            f"This {removes}. The history stays, and what its image service still has comes back on request. Go ahead?"
        )
    deletes = f"deletes {_beyond(counts.ended, keep, 'generation')} from the history, prompts and all"
    losses = f"{deletes}, and {removes}" if counts.files.entries > keep else deletes
    return f"This {losses}. Nothing brings them back. Go ahead?"


def _beyond(number: int, keep: int, noun: str) -> str:
    """Name, in words, the items beyond the newest `keep` of `number`."""
    return f"all but the newest {keep:,} of {counted(number, noun)}" if keep else counted(number, noun)


def removed_text(before: Counts, left: Counts, keep: int, *, with_history: bool) -> str:
    """Say how much was removed, and how much is left."""
    number, size = before.files.entries - left.files.entries, before.files.bytes - left.files.bytes
    text = f"{counted(max(0, number), 'picture')} removed, {_room(max(0, size))} freed, {left.files.entries:,} kept."
    if with_history:
        text += f" {counted(max(0, before.ended - left.ended), 'generation')} deleted from the history."
    else:
        text += " The history still lists what was removed; `history` brings back what an image service still has."
    if left.files.entries > keep:
        text += " Some could not go, since a generation that runs starts from them: call again later."
    return text


def _limits_text(limits: Limits) -> str:
    parts = [counted(limits.entries, "picture")] if limits.entries else []
    parts += [_room(limits.size)] if limits.size else []
    parts += [counted(limits.days, "day")] if limits.days else []
    own = [counted(limits.owner_entries, "picture")] if limits.owner_entries else []
    own += [_room(limits.owner_size)] if limits.owner_size else []
    if not parts and not own:
        return "There is no limit."
    of_one = [f"for each person: {', '.join(own)}"] if own else []
    of_all = [f"for everybody together: {', '.join(parts)}"] if parts else []
    return f"Limits, {'; '.join(of_one + of_all)}. References go first, then the oldest of whoever keeps most."


def _answer(text: str, counts: Counts, limits: Limits, removed: dict[str, int] | None = None) -> Result:
    """Return the result: every action answers in this one shape."""
    history, files = counts
    allowed = {
        "entries": limits.entries,
        "bytes": limits.size,
        "owner_entries": limits.owner_entries,
        "owner_bytes": limits.owner_size,
        "days": limits.days,
    }
    structured: dict[str, Any] = {
        "kept": files.entries,
        "kept_bytes": files.bytes,
        "limits": {name: value for name, value in allowed.items() if value},
        "working": history.working,
        "done": history.done,
        "failed": history.failed,
        "pictures": history.pictures,
        "picture_bytes": history.picture_bytes,
        **(removed or {}),
    }
    if files.oldest is not None:
        structured["oldest"] = _time(files.oldest).isoformat(timespec="milliseconds")
    return answered(text, structured)


def _room(size: int) -> str:
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1_000_000:,.{1 if size < 100_000_000 else 0}f} MB"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


TOOL = Tool(
    name="cache",
    scope=scope,
    run=run,
    annotations={"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
)
