"""`generate`: a prompt becomes a picture, perhaps out of earlier ones."""

import asyncio

from service.generation import Generation
from service.images import ImageRequest, Reference, WorkError
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, Schema, Tool, refused
from service.tools.model_arguments import find_misfits, offer
from service.tools.showing import show
from service.tools.waiting import waiter_of
from service.workbench import Workbench


async def run(bench: Workbench, call: Call, arguments: Arguments) -> Result:
    """Make the picture, or join the same request, and show it; or say how to get it, if it takes too long."""
    generation = bench.generation
    misfits = find_misfits(generation.models, arguments)
    if misfits:
        return refused(TOOL.name, misfits)
    await call.open_stream()
    waiter = waiter_of(call, bench.profiles.patience_s(call))
    references = await _references(bench, call, arguments, waiter.until)
    request = read_request(arguments, generation.models.default, references)
    await call.detach()
    if call.detached:
        waiter = waiter_of(call, bench.profiles.patience_s(call))
    return await show(bench, call, await generation.generate(call.principal, request, waiter))


def read_request(arguments: Arguments, default_model: str, references: tuple[Reference, ...]) -> ImageRequest:
    """The arguments as a request."""
    seed = arguments.get("seed")
    return ImageRequest(
        model=arguments.get("model", default_model),
        prompt=arguments["prompt"],
        aspect_ratio=arguments.get("aspect_ratio"),
        resolution=arguments.get("resolution"),
        size=arguments.get("size"),
        quality=arguments.get("quality"),
        background=arguments.get("background"),
        output_format=arguments.get("output_format"),
        negative_prompt=arguments.get("negative_prompt"),
        seed=None if seed is None else int(seed),  # 5.0 is an integer to JSON Schema
        variation=int(arguments.get("variation", 1)),
        references=references,
    )


def fill(generation: Generation, schema: Schema) -> Schema:
    """Put the models on offer into the schema, with what each can do."""
    return {**schema, "properties": offer(generation.models, schema["properties"])}


async def _references(bench: Workbench, call: Call, arguments: Arguments, until: float) -> tuple[Reference, ...]:
    """The pictures to start from, for as long as the client waits: it has paid for nothing yet."""
    try:
        async with asyncio.timeout_at(until):
            return await bench.references.collect(call, arguments)
    except TimeoutError as late:
        raise WorkError(
            "The reference pictures did not arrive in time. Nothing was charged. Call again, or with other ones.",
            kind="reference",
        ) from late


TOOL = Tool(
    name="generate",
    run=run,
    fill=fill,
    checked_by_run=True,
    annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
)
