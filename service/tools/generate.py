"""`generate`: a prompt becomes a picture."""

from service.generation import Generation
from service.images import ImageRequest
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.reference_arguments import offer as offer_references
from service.tools.base import Arguments, Schema, Tool, refused
from service.tools.job_result import job_result
from service.tools.model_arguments import find_misfits, offer


async def run(generation: Generation, call: Call, arguments: Arguments) -> Result:
    """Make the picture and show it, if the model can do what is asked for."""
    misfits = find_misfits(generation.models, arguments)
    if misfits:
        return refused(TOOL.name, misfits)

    async def report(message: str, percent: float | None = None) -> None:
        await call.progress(percent or 0, 100, message)

    seed = arguments.get("seed")
    request = ImageRequest(
        model=arguments.get("model", generation.models.default),
        prompt=arguments["prompt"],
        aspect_ratio=arguments.get("aspect_ratio"),
        resolution=arguments.get("resolution"),
        size=arguments.get("size"),
        quality=arguments.get("quality"),
        background=arguments.get("background"),
        output_format=arguments.get("output_format"),
        negative_prompt=arguments.get("negative_prompt"),
        seed=None if seed is None else int(seed),  # 5.0 is an integer to JSON Schema
    )
    await call.detach()
    outcome = await generation.generate(call.principal, request, report)
    return job_result(outcome.job, generation.pictures_url, outcome.preview, outcome.preview_type)


def fill(generation: Generation, schema: Schema) -> Schema:
    """Put the models on offer into the schema, with what each can do."""
    properties = offer_references(generation.models, schema["properties"], folder=True)
    return {**schema, "properties": offer(generation.models, properties)}


TOOL = Tool(
    name="generate",
    run=run,
    fill=fill,
    checked_by_run=True,
    annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
)
