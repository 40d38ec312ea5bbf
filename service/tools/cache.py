"""`cache`: what is kept for this person, and how much room it takes."""

from dataclasses import asdict

from service.generation import Generation
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Tool


async def run(generation: Generation, call: Call, arguments: Arguments) -> Result:  # noqa: ARG001 - one action so far
    """Count."""
    totals = await generation.store.totals(call.principal)
    text = (
        f"{totals.done} generations are done, {totals.working} run, {totals.failed} failed. "
        f"{totals.pictures} pictures take {totals.picture_bytes / 1_000_000:.1f} MB."
    )
    return {"content": [{"type": "text", "text": text}], "structuredContent": asdict(totals)}


TOOL = Tool(name="cache", run=run, annotations={"readOnlyHint": True, "openWorldHint": False})
