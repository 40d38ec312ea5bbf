"""A tool: its schema files and its function become a catalog entry.

`schemas/<name>.json` is the input schema, with every word that a model reads about the tool and its fields;
`schemas/<name>.output.json` describes `structuredContent`. Wrong arguments and failed work become a result with
`isError`, which the model reads and acts on; a bug is left to `dispatch`. Work that takes long is waited for by the
call's `Waiter`: its progress, its time to wait, and the meaning of its cancellation.

Enforced is the file in `schemas/`. Listed is a schema so plain that every model API and grammar converter takes it:
one `type` for each property, with the `items` of an array, and words. Gemini refuses an array without items and a union
of types, llama.cpp a pattern and a long `maxLength`, google-genai `additionalProperties`, and OpenAI's strict mode a
`default`.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from service import telemetry
from service.images import WorkError
from service.pipeline.generation import Outcome
from service.pipeline.restoration import DELETED
from service.pipeline.running_jobs import DisconnectReason, Waiter
from service.protocol.call import Call
from service.protocol.catalog import ToolEntry
from service.protocol.jsonrpc import Result
from service.redaction import visible_in
from service.tools.app_view import REFUSED, with_refusal
from service.tools.arguments import checked_by, find_excess, find_unfit_texts
from service.tools.coercion import coerce
from service.tools.context import ToolContext
from service.tools.result_size import fit_to_limit

logger = logging.getLogger(__name__)

_SERVICE: Final = Path(__file__).parent.parent
SCHEMAS: Final = next(path for path in (_SERVICE / "schemas", _SERVICE.parent / "schemas") if path.is_dir())
"""Inside the package where that was installed, beside it in a checkout."""

Arguments: TypeAlias = Mapping[str, Any]
Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool: its name, its `ToolAnnotations` of MCP, and the function that runs it.

    `scope` is what an access token must grant for a call of it; a function tells by the arguments as they came.

    `fill` writes facts of the running service into the listed schema, such as the models on offer. They are advice: the
    file is enforced, and `run` checks the rest with messages of its own, or takes more than it lists. `offered` tells
    whether the running service can do it. `show` gives the result of a job that has ended, where a call that began it
    may have become a task which outlives its process.
    """

    name: str
    scope: str | Callable[[Arguments], str]
    run: Callable[[ToolContext, Call, Arguments], Awaitable[Result]]
    annotations: Mapping[str, bool] = field(default_factory=dict)
    fill: Callable[[ToolContext, Schema], Schema] = lambda _, schema: schema
    offered: Callable[[ToolContext], bool] = lambda _: True
    show: Callable[[ToolContext, Call, Outcome], Awaitable[Result]] | None = None

    def bind(self, context: ToolContext) -> ToolEntry:
        """Return the tool as the protocol calls it, in this context. Takes well under a millisecond."""
        file = load_schema(self.name)
        schema = self.fill(context, file)
        check = checked_by(file, schema["properties"])
        title, description = schema["title"], schema["description"]

        async def run(call: Call, arguments: Arguments) -> Result:
            started, outcome = time.monotonic(), "error"
            telemetry.call_began(self.name, call.owner, call.request.id, call.request.params.get("_meta"))
            try:
                given: Arguments = {}
                if not (problems := find_excess(arguments) or find_unfit_texts(arguments, context.redactor)):
                    given = coerce(file, arguments)
                    problems = check(given)
                if problems:
                    result = with_refusal(call, visible_in(refused(self.name, problems)), REFUSED)
                else:
                    result = await self._run(context, call, given)
            except asyncio.CancelledError:
                outcome = "cancelled"
                raise
            else:
                outcome = "failed" if result.get("isError") else "done"
                return result
            finally:
                telemetry.call_ended(self.name, call.owner, outcome, time.monotonic() - started)

        return ToolEntry(
            listing={
                "name": self.name,
                "title": title,
                "description": description,
                "inputSchema": _listed(schema),
                "outputSchema": _listed(load_schema(f"{self.name}.output")),
                "annotations": {"title": title, **self.annotations},
            },
            run=run,
            scope=self.scope if callable(self.scope) else partial(_always, self.scope),
            resume=None if self.show is None else partial(self._resume, self.show, context),
            cancel=None if self.show is None else partial(self._cancel, context),
        )

    async def _resume(
        self,
        show: Callable[[ToolContext, Call, Outcome], Awaitable[Result]],
        context: ToolContext,
        call: Call,
        history_id: str,
    ) -> Result | None:
        """Return the result of the job that a task or a call began; None while both are at work."""
        if not re.fullmatch(r"[1-9][0-9]{0,17}", history_id):
            return failed("There is no such generation.")
        try:
            outcome = await context.generation.result_if_ended(call.owner, int(history_id))
            if outcome is None:
                return None
            return fit_to_limit(visible_in(await show(context, call, outcome)), context.profiles.of(call))
        except WorkError as error:
            if error.kind == DELETED:
                return failed(str(error))
            logger.warning("The state of history_id %s of %s could not be looked up: %s", history_id, call.owner, error)
            return None

    async def _cancel(self, context: ToolContext, call: Call, history_id: str) -> bool:
        """Cancel the job that a task began; False where another process works on it."""
        return await context.generation.cancel(call.owner, int(history_id))

    async def _run(self, context: ToolContext, call: Call, arguments: Arguments) -> Result:
        kind = REFUSED
        try:
            result = await self.run(context, call, arguments)
        except WorkError as error:
            result, kind = failed(str(error)), error.kind
        return fit_to_limit(visible_in(with_refusal(call, result, kind)), context.profiles.of(call))


def _always(scope: str, arguments: Arguments) -> str:  # noqa: ARG001 - the signature of `ToolEntry.scope`
    return scope


def without_output(tools: Mapping[str, ToolEntry]) -> dict[str, ToolEntry]:
    """Return the tools as listed for clients that take no structured content (`profiles.Profile.structured`)."""
    return {
        name: replace(entry, listing={key: value for key, value in entry.listing.items() if key != "outputSchema"})
        for name, entry in tools.items()
    }


def answered(text: str, structured: Mapping[str, Any], *, message: str = "") -> Result:
    """Return a result as text, and the same as structured content.

    `message` is the part of the text that no other member says, the whole of it when left out: some clients show their
    model only the structured content.
    """
    content = [{"type": "text", "text": text}]
    return {"content": content, "structuredContent": {**structured, "message": message or text}}


def failed(text: str) -> Result:
    """Return a result that tells the model what went wrong."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def refused(tool: str, problems: Sequence[str]) -> Result:
    """Return a result that tells the model what to correct."""
    return failed(f"Nothing was done: the arguments of {tool} are not right. " + " ".join(problems))


@cache
def load_schema(name: str) -> Schema:
    """Read `schemas/<name>.json`, once for the process. Never change it.

    A `$ref` to another of our files is replaced by the content of that file. Clients get one document: they must not
    fetch a reference (spec 2026-07-28, `$ref` Resolution).
    """
    schema: Schema = _resolve(orjson.loads((SCHEMAS / f"{name}.json").read_bytes()))
    return schema


def _resolve(node: Any) -> Any:
    match node:
        case {"$ref": str(file)} if file.endswith(".json"):
            return {key: value for key, value in load_schema(file.removesuffix(".json")).items() if key != "$schema"}
        case dict():
            return {key: _resolve(value) for key, value in node.items()}
        case list():
            return [_resolve(value) for value in node]
        case _:
            return node


def _listed(schema: Schema) -> Schema:
    """Return the schema as it is listed, without the description that stands beside it in the listing."""
    return plain({key: value for key, value in schema.items() if key != "description"})


_TIMED_OUT: Final = re.compile(r"time[d]?[ -]?out|-32001", re.IGNORECASE)
"""The reasons of `notifications/cancelled` by clients that stopped waiting by themselves: the TypeScript SDK sends
"McpError: MCP error -32001: Request timed out"."""


def waiter_of(call: Call, patience_s: float, pictures_url: str = "") -> Waiter:
    """Return the waiter of a call that waits so many seconds from now, and is not silent meanwhile.

    `pictures_url` stands before the names of pictures that are told as they come.
    """
    progress = call.progress()
    if progress is not None:
        progress.keep_alive()
    return Waiter(
        report=None if progress is None else progress.report,
        until=asyncio.get_running_loop().time() + patience_s,
        begun=(lambda history_id: call.remember(str(history_id))) if call.is_task or call.session else None,
        leaving=lambda: leaving(call),
        pictures_url=pictures_url,
    )


def leaving(call: Call) -> DisconnectReason:
    """Return the reason for which a cancelled call leaves."""
    if call.cancel_reason is None:
        return DisconnectReason.GONE
    return DisconnectReason.GAVE_UP if _TIMED_OUT.search(call.cancel_reason) else DisconnectReason.CANCELLED


LISTED: Final = ("type", "description", "enum", "items", "properties", "required", "minimum", "maximum", "maxItems")
"""The keywords that are listed."""

LARGEST_BOUND: Final = 2**31
"""The largest bound that is listed; a larger one only says that numbers end somewhere."""


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of one of our files, or a property of it, as it is listed. Deprecated properties are left out."""
    listed = {keyword: schema[keyword] for keyword in LISTED if keyword in schema}
    if "description" in schema:
        listed["description"] = _description(schema)
    if (kind := _type(schema)) is not None:
        listed["type"] = kind
    if kind != "array":
        listed.pop("items", None)
        listed.pop("maxItems", None)
    if "items" in listed:
        listed["items"] = {key: value for key, value in plain(listed["items"]).items() if key != "description"}
    if "properties" in listed:
        listed["properties"] = {
            name: plain(each) for name, each in listed["properties"].items() if not each.get("deprecated", False)
        }
    return {keyword: value for keyword, value in listed.items() if keyword != "maximum" or value < LARGEST_BOUND}


def _type(schema: Mapping[str, Any]) -> str | None:
    """Return the one type that is listed: of several the list, which holds any number of the others."""
    match schema.get("type"):
        case str(kind):
            return kind
        case [*kinds]:
            return "array" if "array" in kinds else str(kinds[0])
        case _:
            return None


def _description(schema: Mapping[str, Any]) -> str:
    """Return the description, with the default in words where it does not name it."""
    description: str = schema["description"]
    default = schema.get("default", False)
    if default is False or "left out" in description:
        return description
    return f"{description} {default} when left out."
