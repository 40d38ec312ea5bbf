"""`delete`: one generation is deleted for good, prompt and pictures. A tool of its own, so that `history` only reads.

Hosts that ask their person before each tool that may destroy something then ask before a deletion, and not before each
look at an earlier picture.
"""

from typing import Final

from service.authorization import DELETE
from service.images import JobState
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Tool, answered, failed
from service.tools.context import ToolContext
from service.tools.elicitation import unconfirmed
from service.tools.history import missing
from service.tools.history_text import loss_text

STOPPING: Final = (
    "history_id {} is still being drawn. Deleting it stops that; the image service may charge for it all the same."
)
"""The question before a generation is deleted that has not ended."""


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Delete one generation after the person agreed. A modern call runs again from its start with their answer."""
    history_id = int(arguments["history_id"])
    job = await context.store.job(call.owner, history_id)
    if job is None:
        return await missing(context, call, history_id)
    working = job.state is JobState.WORKING
    children = await context.store.children(call.owner, history_id)
    question = STOPPING.format(history_id) if working else loss_text(job, children)
    refusal = await unconfirmed(call, arguments, question)
    if refusal is not None:
        return answered(f"history_id {history_id} was not deleted. {refusal}", {"history_id": history_id})
    if working and not await context.generation.stop(job):
        return failed(
            f"history_id {history_id} is being drawn by another process, and nothing was deleted. Call `history` "
            "with it to wait for its end, then delete it."
        )
    if not await context.retention.delete(call.owner, history_id):
        return await missing(context, call, history_id)
    return answered(f"history_id {history_id} was deleted.", {"history_id": history_id, "deleted": True})


TOOL = Tool(
    name="delete",
    scope=DELETE,
    run=run,
    annotations={"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
)
