"""An outcome of the pipeline as the client that asked for it is shown it."""

from service.pipeline.generation import Outcome
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.context import ToolContext
from service.tools.job_result import job_result


async def show(context: ToolContext, call: Call, outcome: Outcome) -> Result:
    """The result by the client's profile. Its pictures count as delivered once the answer has arrived."""
    profile = context.profiles.of(call)
    fitted = await context.generation.fitted(outcome, profile.preview_bytes)
    call.on_delivered(lambda: context.generation.delivered(outcome.job))
    return job_result(fitted, profile, context.generation.pictures_url)
