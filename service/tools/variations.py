"""Variations of an earlier picture: a call of `generate` with `history_id` and `count` and without a prompt.

It takes the prompt, the model and the shape of the earlier one, and starts from its picture. Where the model starts
from no picture, the same prompt is drawn anew, and the answer says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.image_models.models import CHOICES
from service.images import Job
from service.protocol.call import Call
from service.protocol.jsonrpc import Result
from service.tools.base import Arguments, failed, refused
from service.tools.context import ToolContext
from service.tools.history import missing
from service.tools.model_arguments import find_misfits

MISSING: Final = (
    "`prompt` is missing: say what the picture shows. Only variations of an earlier picture need none: `history_id` "
    "and `count`."
)
SHAPE: Final = ("aspect_ratio", "resolution", "size")
"""Arguments of which one of the call stands for all of the earlier picture."""

KEPT: Final = (*CHOICES, "negative_prompt")
"""Arguments that an earlier request hands on. Its seed would give the same picture."""

ORIGINS: Final = ("history_id", "picture")


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The arguments with what the earlier request hands on, and a note on it; or the refusal of the call."""

    arguments: Arguments = field(default_factory=dict)
    note: str = ""
    refusal: Result | None = None


async def complete(context: ToolContext, call: Call, arguments: Arguments) -> Completed:
    """Complete the arguments of a call without a prompt."""
    if "history_id" not in arguments or "count" not in arguments:
        return Completed(refusal=refused("generate", [MISSING]))
    history_id = int(arguments["history_id"])
    job = await context.store.job(call.owner, history_id)
    if job is None:
        return Completed(refusal=await missing(context, call, history_id))
    if not job.prompt.strip():
        return Completed(refusal=failed(f"history_id {history_id} has no prompt to vary: pass one."))
    models = context.models
    model = models.by_id.get(arguments.get("model") or job.model) or models.by_id[models.default]
    own = {**arguments, "prompt": job.prompt, "model": arguments.get("model") or model.id}
    taken = {**_kept(job, arguments), **own}
    completed = own if find_misfits(models, taken) else taken
    if model.references != 0:
        return Completed(arguments=completed)
    anew = {name: value for name, value in completed.items() if name not in ORIGINS}
    return Completed(
        arguments=anew, note=f"{model.id} starts from no picture: the prompt of history_id {history_id} is drawn anew."
    )


def _kept(job: Job, arguments: Arguments) -> Mapping[str, Any]:
    """Return what the earlier request hands on to a call."""
    says_shape = any(name in arguments for name in SHAPE)
    names = [name for name in KEPT if not (says_shape and name in SHAPE)]
    return {name: job.parameters[name] for name in names if name in job.parameters}
