"""What this server offers: who it is, and its tools."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from service.protocol.call import Call
from service.protocol.jsonrpc import Result

ToolRun: TypeAlias = Callable[[Call, Mapping[str, Any]], Awaitable[Result]]


@dataclass(frozen=True, kw_only=True)
class ToolEntry:
    """One tool: `listing` is its entry of `tools/list`, `run` takes the call and the arguments it brought.

    `run` checks the arguments itself: a wrong one is a result with `isError`, which the model gets to see
    (spec 2026-07-28, Tools, Error Handling).
    """

    listing: Mapping[str, Any]
    run: ToolRun


@dataclass(frozen=True, kw_only=True)
class Server:
    """Everything the method handlers answer from. Tools are listed in the order of the mapping."""

    name: str
    version: str
    title: str
    instructions: str
    tools: Mapping[str, ToolEntry] = field(default_factory=dict)

    @property
    def info(self) -> dict[str, str]:
        """`Implementation` of the schema."""
        return {"name": self.name, "title": self.title, "version": self.version}

    @property
    def capabilities(self) -> dict[str, Any]:
        """`ServerCapabilities` of the schema."""
        return {"tools": {}}
