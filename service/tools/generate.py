"""`generate`: a prompt becomes a picture, perhaps out of earlier ones."""

import asyncio
import math

from service.authorization import DRAW
from service.image_models.models import Model
from service.images import ImageRequest, JobState, Reference, ReferenceRules
from service.pipeline.running_jobs import Waiter
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.references import arguments as reference_arguments
from service.references.arguments import ReferenceArguments, check_room, problem, rules_of
from service.references.uploads import mask_request, upload_request
from service.tools.base import Arguments, Schema, Tool, refused, waiter_of
from service.tools.context import ToolContext
from service.tools.elicitation import UploadQuestion
from service.tools.model_arguments import find_misfits, offer
from service.tools.results import show, with_note
from service.tools.variations import complete


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Make the picture, or join the same request, and show it; or say how to get it, if it takes too long."""
    models = context.models
    wanted_anew = ""
    if "prompt" not in arguments:
        completed = await complete(context, call, arguments)
        if completed.refusal is not None:
            return completed.refusal
        arguments, wanted_anew = completed.arguments, completed.note
    misfits = find_misfits(models, arguments)
    if misfits:
        return refused(TOOL.name, misfits)
    call.channel.open()
    model = models.by_id[arguments.get("model", models.default)]
    waiter = _waiter(context, call)
    references: tuple[Reference, ...] = ()
    mask: Reference | None = None
    if not reference_arguments.ARGUMENTS.isdisjoint(arguments):
        wanted = ReferenceArguments.read(arguments)
        link = await _upload_link(context, call, wanted, model, waiter.until)
        if link is not None:
            return link
        references = await _references(context, call, arguments, model, waiter.until)
        if wanted.mask is not None:
            answer = await _mask(context, call, arguments, references, waiter.until)
            if not isinstance(answer, Reference):
                return answer
            mask = answer
    try:
        await call.become_task()
        if call.is_task:
            waiter = _waiter(context, call)
        request = read_request(arguments, model, references, mask)
        outcome = await context.generation.generate(call.owner, request, waiter, upstream=model.upstream)
    except BaseException:
        given = (*references, *filter(None, [mask]))
        await context.references.discard(call.owner, given)  # those of a job that goes on stay
        raise
    if outcome.job.state is JobState.WORKING:
        call.leave_running()
    return with_note(await show(context, call, outcome), wanted_anew)


def _waiter(context: ToolContext, call: Call) -> Waiter:
    return waiter_of(call, context.profiles.patience_s(call), context.pictures.url_for(call.reached_at))


def read_request(
    arguments: Arguments, model: Model, references: tuple[Reference, ...], mask: Reference | None = None
) -> ImageRequest:
    """Return the arguments as a request."""
    seed = arguments.get("seed")
    return ImageRequest(
        model=model.id,
        prompt=arguments["prompt"],
        aspect_ratio=arguments.get("aspect_ratio"),
        resolution=arguments.get("resolution"),
        size=arguments.get("size"),
        quality=arguments.get("quality"),
        complexity=arguments.get("complexity"),
        background=arguments.get("background"),
        output_format=arguments.get("output_format"),
        negative_prompt=arguments.get("negative_prompt"),
        seed=None if seed is None else int(seed),  # 5.0 is an integer to JSON Schema
        variation=int(arguments.get("variation", 1)),
        count=int(arguments.get("count", 1)),
        native_count=model.native_count,
        price=model.price_of(arguments),
        references=references,
        mask=mask,
        rules=rules_of(model) if references else ReferenceRules(),
    )


def fill(context: ToolContext, schema: Schema) -> Schema:
    """Put the models on offer and their abilities into the schema; leave out the arguments that none makes use of."""
    models = context.models
    properties = reference_arguments.offer(models, schema["properties"], folder=context.references.has_folder)
    return {**schema, "properties": offer(models, properties)}


async def _upload_link(
    context: ToolContext, call: Call, wanted: ReferenceArguments, model: Model, until: float
) -> Result | None:
    """Return the result with the upload link while the person has sent nothing; None when nothing is to be sent."""
    room = check_room(wanted, model, context.models)
    if wanted.upload is None:
        return None
    structured = context.profiles.of(call).structured
    question = UploadQuestion(uploads=context.uploads, request=wanted.upload, most=room, structured=structured)
    return await question.ask(call, until)


async def _mask(
    context: ToolContext, call: Call, arguments: Arguments, references: tuple[Reference, ...], until: float
) -> Reference | Result:
    """Return the mask of the first reference, or the result with the link by which the person paints it."""
    wanted, first = ReferenceArguments.read(arguments), references[0]
    painting = mask_request(upload_request(arguments), first.name)
    waits = wanted.mask is not None and wanted.mask.is_painted
    left = references[1:] if waits else references  # the page shows the first one, also when the call has ended
    try:
        if waits:
            structured = context.profiles.of(call).structured
            question = UploadQuestion(uploads=context.uploads, request=painting, most=1, structured=structured)
            link = await question.ask(call, until)
            if link is not None:
                await context.references.discard(call.owner, left)
                return link
        return await context.references.mask(call.owner, wanted, first, painting)
    except BaseException:
        await context.references.discard(call.owner, left)
        raise


async def _references(
    context: ToolContext, call: Call, arguments: Arguments, model: Model, until: float
) -> tuple[Reference, ...]:
    """Collect the pictures to start from, for as long as the client waits: nothing is paid for yet."""
    try:
        async with asyncio.timeout_at(None if math.isinf(until) else until):
            return await context.references.collect(call.owner, arguments, model, context.models)
    except TimeoutError as late:
        raise problem(
            "The reference pictures did not arrive in time. Nothing was charged. Call again, or with other ones."
        ) from late


TOOL = Tool(
    name="generate",
    scope=DRAW,
    run=run,
    fill=fill,
    show=show,
    annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
)
