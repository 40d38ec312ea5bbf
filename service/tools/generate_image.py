"""`generate_image`: the tool of ModelScope Image MCP, with its arguments and the fields of its answers.

The pipeline and the history behind it are those of `generate`; it always draws with ModelScope, and so takes any model
that there is, listed here or not. The whole result stays under 800 kB: base64 stands in it twice, for programs and as
image content, since some clients hand only one of the two on.
"""

import base64
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from service.authorization import DRAW
from service.costs import FREE, Price, cost_text
from service.image_models.models import Models
from service.images import ImageRequest, Job, JobState, Reference, WorkError
from service.pictures.messages import PREVIEW_TYPE, JpegCopy
from service.pipeline.generation import Outcome
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.app_view import with_view
from service.tools.base import Arguments, Schema, Tool, waiter_of
from service.tools.context import ToolContext
from service.tools.results import NOTE_LENGTH, REASON_LENGTH, alt_text, asked_for, escape_markdown, joined_text, ticket

UPSTREAM: Final = "modelscope"
DEFAULT_MODEL: Final = "Qwen/Qwen-Image"
MAX_JPEG: Final = 220_000
"""Bytes of the JPEG copy. Twice its base64 is 587 kB, which leaves room for the longest prompt."""

SHOWN_PROMPT: Final = 2000
"""Characters of the prompt in the text; the model knows the rest."""

AT_ITS_URL: Final = "the picture is at its URL"
OWN_PACE: Final = "ModelScope is asked at this server's own pace, and `history` waits on"
WITHOUT_EFFECT: Final = {
    **dict.fromkeys(("output_filename", "output_dir"), AT_ITS_URL),
    **dict.fromkeys(
        ("poll_interval_seconds", "max_poll_attempts", "poll_backoff", "max_poll_interval_seconds"), OWN_PACE
    ),
}
"""Arguments that the ModelScope Image MCP had, and why they do nothing here."""

LORAS_AS_TEXT: Final = 'A JSON object, such as {"author/lora": 0.8}.'

NO_ARGUMENTS: Final[Arguments] = {}


async def run(context: ToolContext, call: Call, arguments: Arguments) -> Result:
    """Make the picture and show it, or say how to get it, if it takes too long."""
    call.channel.open()
    await call.become_task()
    waiter = waiter_of(call, context.profiles.patience_s(call))
    request = read_request(arguments, default_model(context.models))
    request = replace(request, price=price_of(context.models, request.model, arguments))
    outcome = await context.generation.generate(call.owner, request, waiter, upstream=UPSTREAM)
    if outcome.job.state is JobState.WORKING:
        call.leave_running()
        return not_made(outcome.job, context.upstreams[UPSTREAM].deadline_s if waiter.left_s else None)
    return await show(context, call, outcome, arguments)


async def show(context: ToolContext, call: Call, outcome: Outcome, arguments: Arguments = NO_ARGUMENTS) -> Result:
    """Return the result of a job that has ended. Base64 is only for the call that asked for it."""
    call.on_delivered(partial(context.generation.delivered, outcome.job))
    if not context.profiles.of(call).costs:
        outcome = replace(outcome, job=replace(outcome.job, usage=None))
    if outcome.job.state is not JobState.DONE:
        return await with_view(context, call, not_made(outcome.job), [outcome.job])
    jpeg = None
    if arguments.get("return_base64", False):
        found = await context.generation.picture(call.owner, outcome.job.history_id, 1)
        jpeg = found and await context.pictures.copy_of(call.owner, found[1], MAX_JPEG)
    notes = [f"Note: {name} has no effect; {why}." for name, why in WITHOUT_EFFECT.items() if name in arguments]
    notes += [joined_text("seed")] if outcome.joined else []
    preview = outcome.preview
    if preview is not None:
        preview = await context.pictures.shrink(call.owner, preview, context.profiles.of(call).preview_bytes)
    result = made(replace(outcome, preview=preview), context.pictures.url_for(call.reached_at), jpeg, notes)
    return await with_view(context, call, result, [outcome.job])


def read_request(arguments: Arguments, default: str) -> ImageRequest:
    """Return the arguments as a request."""
    seed, steps = arguments.get("seed"), arguments.get("steps")
    urls = arguments.get("image_url", [])
    return ImageRequest(
        model=arguments.get("model", default),
        prompt=arguments["prompt"],
        size=arguments.get("size"),
        negative_prompt=arguments.get("negative_prompt"),
        seed=None if seed is None else int(seed),  # 5.0 is an integer to JSON Schema
        steps=None if steps is None else int(steps),
        guidance=arguments.get("guidance"),
        loras=arguments.get("loras"),
        references=tuple(
            Reference(url=url, origin=_origin(url)) for url in ([urls] if isinstance(urls, str) else urls)
        ),
    )


def price_of(models: Models, id_: str, arguments: Arguments = NO_ARGUMENTS) -> Price:
    """Return the price of a model; one that is not listed may cost as much as the dearest of ModelScope that is."""
    listed = models.by_id.get(id_)
    if listed is not None:
        return listed.price_of(arguments)
    highest = [model.prices.highest for model in models.listed if model.upstream == UPSTREAM]
    return max(highest, key=lambda price: price.picture, default=FREE)


def made(outcome: Outcome, pictures_url: str, jpeg: JpegCopy | None, notes: list[str]) -> Result:
    """Return the result with a picture: as text, in structured content, and as image content."""
    job = outcome.job
    picture = job.pictures[0]
    url = picture.link(pictures_url)
    markdown = f"![{alt_text(job.prompt)}]({url})"
    structured = {"status": "success", "image_url": url, "markdown": markdown, **_about(job)}
    data, media_type = outcome.preview, PREVIEW_TYPE
    if jpeg is not None:
        data, media_type = jpeg.data, "image/jpeg"
        structured["base64"] = base64.b64encode(jpeg.data).decode()
        if jpeg.reduced:
            structured["base64_note"] = (
                f"To fit into this answer the JPEG has {jpeg.width}×{jpeg.height} pixels and some loss of quality; "
                f"the picture at the URL has {picture.width}×{picture.height}."
            )
            notes = [*notes, f"base64: {structured['base64_note']}"]
    notes = [*notes, *([f"Note: {escape_markdown(picture.note, NOTE_LENGTH)}"] if picture.note else [])]
    structured |= {"notes": notes} if notes else {}
    lines = [markdown, "", "Status: success", f"Image URL: {url}", *_facts(job), *notes]
    lines.append("To show the picture, repeat its markdown line in your answer.")
    content: list[dict[str, Any]] = [{"type": "text", "text": "\n".join(lines)}]
    if data is not None:
        content.append({"type": "image", "data": base64.b64encode(data).decode(), "mimeType": media_type})
    return {"content": content, "structuredContent": structured}


def not_made(job: Job, waited_s: float | None = None) -> Result:
    """Return the result without a picture, or without one yet, with the advice for the model.

    `waited_s`: how many seconds ModelScope was followed, where that ended before the client's patience.
    """
    status, details = "failed", ticket(job)
    if job.failure is not None:
        message, details = (
            f"Image generation failed: {job.failure.kind}",
            escape_markdown(job.failure.reason, REASON_LENGTH),
        )
    elif waited_s is not None:
        status, message = "timeout", f"ModelScope has not finished within {waited_s:.0f} seconds."
    else:
        status, message = "working", "ModelScope is still drawing."
    lines = [f"Status: {status}", f"Message: {message}", f"Details: {details}", *_facts(job)]
    result: Result = {
        "content": [{"type": "text", "text": "\n".join(lines)}],
        "structuredContent": {"status": status, "message": message, "details": details, **_about(job)},
    }
    return result if status == "working" else {**result, "isError": True}


def default_model(models: Models) -> str:
    """Return the default: Qwen-Image, as ever, unless the models file lists only other models of ModelScope."""
    listed = _listed(models)
    if models.default in listed:
        return models.default
    return DEFAULT_MODEL if DEFAULT_MODEL in listed or not listed else listed[0]


def fill(context: ToolContext, schema: Schema) -> Schema:
    """Name the models of ModelScope that are listed; others are taken too."""
    properties = schema["properties"]
    listed = _listed(context.models)
    names = f" Listed are {', '.join(listed)}; others are taken, too." if listed else ""
    default = f" {default_model(context.models)} when left out."
    model = {**properties["model"], "description": properties["model"]["description"] + names + default}
    # A free object is refused by Gemini and OpenAI's strict mode; its JSON as text is taken by all.
    loras = {"type": "string", "description": f"{properties['loras']['description']} {LORAS_AS_TEXT}"}
    return {**schema, "properties": {**properties, "model": model, "loras": loras}}


def offered(context: ToolContext) -> bool:
    """Tell whether ModelScope is on."""
    return UPSTREAM in context.upstreams


def _listed(models: Models) -> list[str]:
    return [id_ for id_ in models.ids if models.upstream_of[id_] == UPSTREAM]


def _about(job: Job) -> dict[str, Any]:
    task = {"task_id": job.task} if job.task else {}
    parameters = {"parameters": asked} if (asked := asked_for(job)) else {}
    usage = {"usage": used} if job.usage is not None and (used := job.usage.structure) else {}
    return {"prompt": job.prompt, "model": job.model, "history_id": job.history_id, **parameters, **usage, **task}


def _origin(url: str) -> str:
    try:
        return urlsplit(url).hostname or "a data: URI"
    except ValueError as error:
        raise WorkError("`image_url` is not a URL that can be read. Nothing was sent.", kind="reference") from error


def _facts(job: Job) -> list[str]:
    task = [f"Task ID: {escape_markdown(job.task, NOTE_LENGTH)}"] if job.task else []
    cost = f" · {text}" if (text := cost_text(job.usage)) else ""
    return [
        f"Prompt: {escape_markdown(job.prompt, SHOWN_PROMPT)}",
        *task,
        f"history_id: {job.history_id} · model: {job.model}{cost}",
    ]


TOOL = Tool(
    name="generate_image",
    scope=DRAW,
    run=run,
    fill=fill,
    offered=offered,
    show=show,
    annotations={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
)
