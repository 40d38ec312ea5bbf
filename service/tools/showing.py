"""An outcome of the pipeline as the client that asked for it is shown it."""

from service.generation import Outcome
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.job_result import job_result
from service.workbench import Workbench


async def show(bench: Workbench, call: Call, outcome: Outcome) -> Result:
    """The result by the client's profile. Its pictures count as delivered once the answer has arrived."""
    profile = bench.profiles.of(call)
    fitted = await bench.generation.fitted(outcome, profile.preview_bytes)
    call.on_delivered(lambda: bench.generation.delivered(outcome.job))
    return job_result(fitted, profile, bench.generation.pictures_url)
