"""The prompts: the choice of a reference, the wording of a prompt for a picture, the way out of a failure.

Their names are those of the Flow2API MCP server, and `schemas/prompts.json` has their texts. A text is a list of lines.
A line is a string, or an object that stands there only `when` a fact is known or `unless` it is; `$name` in it is
replaced by that fact. A text that a person typed is put in once, and never read as a line of ours. The facts are the
arguments, the models on offer, the arguments of the tools, and the generation that is named, if it is the caller's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from string import Template
from typing import Any, Final, TypeAlias

import orjson

from service.image_models.models import Model, Models
from service.images import Job, JobState
from service.protocol.call import Call
from service.protocol.catalog import PromptEntry, Run, ToolEntry
from service.protocol.errors import INVALID_PARAMS, RpcError, check_text
from service.protocol.jsonrpc import Result
from service.redaction import visible
from service.storage.store import Store
from service.tools.base import SCHEMAS
from service.tools.model_arguments import find_misfits
from service.tools.results import REASON_LENGTH, escape_markdown

Line: TypeAlias = str | Mapping[str, str]
Facts: TypeAlias = Mapping[str, str]
"""Facts by name. One that only says that something is so is an empty text."""


@dataclass(frozen=True, kw_only=True)
class PromptTemplates:
    """The listing of each prompt for `prompts/list`, its lines, and the advice for each kind of failure.

    `model` and `model_references` are parts of one line: the strengths of a model, and how many references it takes.
    """

    listings: Mapping[str, Mapping[str, Any]]
    texts: Mapping[str, Sequence[Line]]
    model: Sequence[Line]
    model_references: Sequence[Line]
    failures: Sequence[Mapping[str, Any]]
    other_failure: str

    @classmethod
    @cache
    def read(cls) -> "PromptTemplates":
        """Read `schemas/prompts.json`, once for the process."""
        file = orjson.loads((SCHEMAS / "prompts.json").read_bytes())
        return cls(
            listings={
                name: {"name": name, **{key: value for key, value in entry.items() if key != "text"}}
                for name, entry in file["prompts"].items()
            },
            texts={name: entry["text"] for name, entry in file["prompts"].items()},
            model=file["model"],
            model_references=file["model_references"],
            failures=file["failures"],
            other_failure=file["other_failure"],
        )

    @cached_property
    def advice(self) -> Mapping[str, str]:
        """The advice by the kind of failure."""
        return {kind: each["text"] for each in self.failures for kind in each["kinds"]}

    @cached_property
    def all_advice(self) -> str:
        """All advice as a markdown list; kinds with the same advice share a line."""
        return "\n".join(f"- {', '.join(each['kinds'])}: {each['text']}" for each in self.failures)


def written(lines: Iterable[Line], facts: Facts, between: str = "\n") -> str:
    """Fill in the lines that stand and join them. An empty line is dropped where no text comes before it."""
    shown: list[str] = []
    for line in lines:
        if isinstance(line, str) or _stands(line, facts):
            text = line if isinstance(line, str) else line["text"]
            shown += [Template(text).substitute(facts)] if text or any(shown[-1:]) else []
    return between.join(shown)


def _stands(line: Mapping[str, str], facts: Facts) -> bool:
    return line.get("when", "") in {"", *facts} and line.get("unless") not in facts


MAX_LENGTH: Final = 32_000
"""Characters of one argument, as many as `generate` takes of a prompt."""

SHOWN_PROMPT: Final = 500
"""Characters of an earlier prompt: enough to know which picture is meant."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Fills the prompts in. `tools` are those on offer: no prompt names an argument that a tool does not take."""

    templates: PromptTemplates
    models: Models
    store: Store
    tools: Mapping[str, ToolEntry]

    def entries(self) -> dict[str, PromptEntry]:
        """Return the prompts by name, as `prompts/list` and `prompts/get` need them."""
        listings = self.templates.listings
        return {name: PromptEntry(listing=listings[name], get=self._get(name)) for name in self.templates.texts}

    def _get(self, name: str) -> Run:
        async def get(call: Call, arguments: Mapping[str, Any]) -> Result:
            listing = self.templates.listings[name]
            filled = read_arguments(listing, arguments)
            self._check_models(filled)
            facts = {**self._standing(), **filled, **await self._earlier(call, filled)}
            text = written(self.templates.texts[name], facts)
            message = {"role": "user", "content": {"type": "text", "text": text}}
            return {"description": listing["description"], "messages": [message]}

        return get

    def _standing(self) -> dict[str, str]:
        """Return the facts that are the same for every call."""
        models = [model_facts(self.models.by_id[id_], self.models) for id_ in self.models.ids]
        return {
            **dict.fromkeys(arguments_of(self.tools), ""),
            **({"guide": self.models.guide} if self.models.guide else {}),
            "models": "\n".join(written(self.templates.model, facts, "") for facts in models),
            "models_references": "\n".join(written(self.templates.model_references, facts, "") for facts in models),
            "all_advice": self.templates.all_advice,
        }

    def _check_models(self, arguments: Mapping[str, str]) -> None:
        """Raise -32602 for a model that is not on offer, and for a shape that it, or no model at all, can do."""
        chosen = {name: arguments[name] for name in ("model", "aspect_ratio") if name in arguments}
        tried = [chosen] if "model" in chosen else [{**chosen, "model": id_} for id_ in self.models.ids]
        problems = [find_misfits(self.models, each) for each in tried]
        if chosen and all(problems):
            raise RpcError(INVALID_PARAMS, " ".join(problems[0]))

    async def _earlier(self, call: Call, arguments: Mapping[str, str]) -> dict[str, str]:
        """Return the facts of the generation that the caller names, if any."""
        if "history_id" not in arguments:
            return {}
        number = arguments["history_id"]
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise RpcError(INVALID_PARAMS, "`history_id` must be a number, such as 12.")
        job = await self.store.job(call.owner, int(number))
        if job is None:
            raise RpcError(INVALID_PARAMS, f"There is no generation with history_id {number}. `history` lists them.")
        return job_facts(job, self.templates)


def read_arguments(listing: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments that were filled in. Raises -32602, which names an unknown, missing or unusable one."""
    declared = {each["name"]: each for each in listing["arguments"]}
    for name, value in arguments.items():
        if name not in declared:
            known = ", ".join(f"`{each}`" for each in declared)
            raise RpcError(INVALID_PARAMS, f"`{name[:60]}` is not an argument of {listing['name']}; it takes {known}.")
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"`{name}` must be a text.")
        if len(value) > MAX_LENGTH:
            raise RpcError(INVALID_PARAMS, f"`{name}` has {len(value)} characters; at most {MAX_LENGTH} are taken.")
        check_text(f"`{name}`", value)
    # A client that shows a form sends a field that was left empty as an empty text. What a person pasted may hold more
    # than they see.
    filled = {name: text for name, value in arguments.items() if (text := visible(value).strip())}
    for name, each in declared.items():
        if each.get("required") and name not in filled:
            raise RpcError(INVALID_PARAMS, f"`{name}` is empty. {each['description']}")
    return filled


def arguments_of(tools: Mapping[str, ToolEntry]) -> Iterator[str]:
    """Yield the name of each tool, and of each of its arguments as `generate.seed`."""
    for name, tool in tools.items():
        yield name
        yield from (f"{name}.{argument}" for argument in tool.listing["inputSchema"].get("properties", ()))


def model_facts(model: Model, models: Models) -> dict[str, str]:
    """Return the facts of a model."""
    facts = {"id": model.id, "about": model.about, "aspect_ratios": ", ".join(model.choices.get("aspect_ratio", ()))}
    known = {name: value for name, value in facts.items() if value}
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


def job_facts(job: Job, templates: PromptTemplates) -> dict[str, str]:
    """Return the facts of an earlier generation."""
    if job.state is JobState.WORKING:
        return {"earlier_working": ""}
    if job.failure is None:
        return {"earlier_done": "", "earlier_prompt": escape_markdown(job.prompt, SHOWN_PROMPT)}
    kind = job.failure.kind
    reason = escape_markdown(job.failure.reason, REASON_LENGTH)
    advice = templates.advice.get(kind, templates.other_failure)
    return {"earlier_failed": "", "failure_kind": kind, "failure_reason": reason, "advice": advice}
