"""`generate`: a prompt becomes a picture."""

from service.generation import Generation
from service.images import ImageRequest
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Schema, Tool
from service.tools.job_result import job_result


async def run(generation: Generation, call: Call, arguments: Arguments) -> Result:
    """Make the picture and show it."""

    async def report(message: str, percent: float | None = None) -> None:
        await call.progress(percent or 0, 100, message)

    request = ImageRequest(model=arguments.get("model", generation.models.default), prompt=arguments["prompt"])
    outcome = await generation.generate(call.principal, request, report)
    return job_result(outcome.job, generation.pictures_url, outcome.preview, outcome.preview_type)


def fill(generation: Generation, schema: Schema) -> Schema:
    """Put the models on offer, the default and the guide into the schema of `model`."""
    models = generation.models
    model = schema["properties"]["model"]
    description = "\n".join(filter(None, (model["description"], models.guide)))
    filled = {**model, "description": description, "enum": list(models.upstream_of), "default": models.default}
    return {**schema, "properties": {**schema["properties"], "model": filled}}


TOOL = Tool(
    name="generate",
    run=run,
    fill=fill,
    annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
)
