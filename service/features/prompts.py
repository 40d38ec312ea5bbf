"""The prompts: which reference to take, how to write a prompt for a picture, what to do when none came.

Their names are those of the Flow2API MCP server. `features/prompt_templates.py` has their texts; this module fills
them in with the arguments, the models on offer, the arguments of the tools, and the generation that is named, if it is
the caller's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.features.failures import failures_told
from service.features.prompt_templates import PromptTemplates, written
from service.image_models.models import Model, Models
from service.images import Job, JobState
from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, Run, ToolEntry
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Result
from service.storage.store import Store
from service.tools.escaping import plain
from service.tools.job_result import REASON_LENGTH
from service.tools.model_arguments import find_misfits

MAX_LENGTH: Final = 32_000
"""Characters of one argument, as many as `generate` takes of a prompt."""

SHOWN_PROMPT: Final = 500
"""Characters of an earlier prompt: enough to know which picture is meant."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """What fills the prompts in. `tools` are those on offer: no prompt speaks of an argument that there is not."""

    words: PromptTemplates
    models: Models
    store: Store
    tools: Mapping[str, ToolEntry]

    def entries(self) -> dict[str, PromptEntry]:
        """The prompts as the protocol offers them."""
        return {name: PromptEntry(listing=self.words.listings[name], get=self._get(name)) for name in self.words.texts}

    def _get(self, name: str) -> Run:
        async def get(call: Call, arguments: Mapping[str, Any]) -> Result:
            listing = self.words.listings[name]
            given = read_arguments(listing, arguments)
            self._check_models(given)
            facts = {**self._standing(), **given, **await self._earlier(call, given)}
            text = written(self.words.texts[name], facts)
            message = {"role": "user", "content": {"type": "text", "text": text}}
            return {"description": listing["description"], "messages": [message]}

        return get

    def _standing(self) -> dict[str, str]:
        """What is so for every call."""
        models = [model_facts(self.models.by_id[id_], self.models) for id_ in self.models.ids]
        return {
            **dict.fromkeys(arguments_of(self.tools), ""),
            **({"guide": self.models.guide} if self.models.guide else {}),
            "models": "\n".join(written(self.words.model, facts, "") for facts in models),
            "models_references": "\n".join(written(self.words.model_references, facts, "") for facts in models),
            "all_advice": self.words.all_advice,
        }

    def _check_models(self, given: Mapping[str, str]) -> None:
        """Refuse a model that is not on offer, and a shape that it, or that no model can do."""
        asked = {name: given[name] for name in ("model", "aspect_ratio") if name in given}
        tried = [asked] if "model" in asked else [{**asked, "model": id_} for id_ in self.models.ids]
        problems = [find_misfits(self.models, each) for each in tried]
        if asked and all(problems):
            raise RpcError(INVALID_PARAMS, " ".join(problems[0]))

    async def _earlier(self, call: Call, given: Mapping[str, str]) -> dict[str, str]:
        """What there is to say of the generation that the caller names."""
        if "history_id" not in given:
            return {}
        number = given["history_id"]
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise RpcError(INVALID_PARAMS, "`history_id` must be a number, such as 12.")
        with failures_told():
            job = await self.store.job(call.owner, int(number))
        if job is None:
            raise RpcError(INVALID_PARAMS, f"There is no generation with history_id {number}. `history` lists them.")
        return job_facts(job, self.words)


def read_arguments(listing: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments that were filled in. Raises -32602, naming one that is unknown, missing or of no use."""
    declared = {each["name"]: each for each in listing["arguments"]}
    for name, value in arguments.items():
        if name not in declared:
            known = ", ".join(f"`{each}`" for each in declared)
            raise RpcError(INVALID_PARAMS, f"`{name[:60]}` is not an argument of {listing['name']}; it takes {known}.")
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"`{name}` must be a text.")
        if len(value) > MAX_LENGTH:
            raise RpcError(INVALID_PARAMS, f"`{name}` has {len(value)} characters; at most {MAX_LENGTH} are taken.")
    # A client that shows a form sends a field that was left empty as an empty text.
    given = {name: value.strip() for name, value in arguments.items() if value.strip()}
    for name, each in declared.items():
        if each.get("required") and name not in given:
            raise RpcError(INVALID_PARAMS, f"`{name}` is empty. {each['description']}")
    return given


def arguments_of(tools: Mapping[str, ToolEntry]) -> Iterator[str]:
    """Each tool, and each of its arguments as `generate.seed`."""
    for name, tool in tools.items():
        yield name
        yield from (f"{name}.{argument}" for argument in tool.listing["inputSchema"].get("properties", ()))


def model_facts(model: Model, models: Models) -> dict[str, str]:
    """What there is to say of a model."""
    facts = {"id": model.id, "about": model.about, "aspect_ratios": ", ".join(model.choices.get("aspect_ratio", ()))}
    known = {name: words for name, words in facts.items() if words}
    match model.references:
        case None:
            references = {"unknown_references": ""}
        case 0:
            references = {"no_references": ""}
        case 1:
            references = {"one_reference": ""}
        case count:
            references = {"references": str(count)}
    return {**known, **references, **({"is_default": ""} if model.id == models.default else {})}


def job_facts(job: Job, words: PromptTemplates) -> dict[str, str]:
    """What there is to say of an earlier generation."""
    if job.state is JobState.WORKING:
        return {"earlier_working": ""}
    if job.failure is None:
        return {"earlier_done": "", "earlier_prompt": plain(job.prompt, SHOWN_PROMPT)}
    kind = job.failure.kind
    reason = plain(job.failure.reason, REASON_LENGTH)
    advice = words.advice.get(kind, words.other_failure)
    return {"earlier_failed": "", "failure_kind": kind, "failure_reason": reason, "advice": advice}
