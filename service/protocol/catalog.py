"""What a server offers: who it is, and its tools, prompts, resources and completions, each with the function behind it.

Lists may be replaced while the server runs, never changed in place: what they encode to is kept (`Server.encoded`).
Whoever replaces one publishes the change (`subscriptions.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from service.protocol.call import TASKS, Call
from service.protocol.jsonrpc import Result
from service.protocol.param_headers import ParamHeaders, find_param_headers
from service.protocol.session_memory import SessionMemory
from service.protocol.subscriptions import Hub
from service.protocol.versions import Era

if TYPE_CHECKING:  # Tasks answers calls of tools that stand here
    from service.protocol.tasks import Tasks

Run: TypeAlias = Callable[[Call, Mapping[str, Any]], Awaitable[Result]]
Resume: TypeAlias = Callable[[Call, str], Awaitable[Result | None]]
Read: TypeAlias = Callable[[Call, str], Awaitable[Sequence[Result] | None]]
ResourcePages: TypeAlias = Callable[[Call, str | None], Awaitable[tuple[Sequence[Result], str | None]]]
Complete: TypeAlias = Callable[[Call, Mapping[str, Any], Mapping[str, Any]], Awaitable[Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class ToolEntry:
    """One tool: `listing` is its entry of `tools/list`, `run` takes the call and the arguments it brought.

    `run` checks the arguments itself: a wrong one is a result with `isError`, which the model gets to see
    (spec 2026-07-28, Tools, Error Handling). `resume` gives the result of work that a call remembered, whose process
    may be gone, or None while it goes on. `param_headers` follow from the `x-mcp-header` of the input schema.
    """

    listing: Mapping[str, Any]
    run: Run
    resume: Resume | None = None
    param_headers: ParamHeaders = field(init=False)

    def __post_init__(self) -> None:
        """Read the annotations once; raises ValueError when one is not as the spec has it."""
        object.__setattr__(self, "param_headers", find_param_headers(self.listing["inputSchema"]))


ShowTools: TypeAlias = Callable[[Call], Mapping[str, ToolEntry]]


@dataclass(frozen=True, kw_only=True)
class PromptEntry:
    """One prompt: its entry of `prompts/list`, and what makes its messages of the arguments."""

    listing: Mapping[str, Any]
    get: Run


@dataclass(frozen=True, kw_only=True)
class ResourceEntry:
    """One resource, or one template of resources: its entry in the list, and what reads a URI.

    `read` gives the contents, or None for a URI that does not exist, as a template's may not.
    """

    listing: Mapping[str, Any]
    read: Read


@dataclass(kw_only=True)
class Server:
    """Everything the method handlers answer from. Entries are listed in the order of their mapping.

    `resource_pages` lists the resources that the caller alone has: one page of entries after a cursor of its own, which
    comes from outside and is to be checked (`ValueError`: not one of its own), and the cursor of the next page.
    `show_tools` gives what `tools/list` shows to a caller, out of a few mappings that last as long as `tools`; None
    shows `tools` to everybody. `tasks` is None where calls cannot become tasks. `page_size` counts entries of one page
    of a list.
    """

    name: str
    version: str
    title: str
    instructions: str
    tools: Mapping[str, ToolEntry] = field(default_factory=dict)
    show_tools: ShowTools | None = None
    prompts: Mapping[str, PromptEntry] = field(default_factory=dict)
    resources: Mapping[str, ResourceEntry] = field(default_factory=dict)
    templates: Mapping[str, ResourceEntry] = field(default_factory=dict)
    resource_pages: ResourcePages | None = None
    complete: Complete | None = None
    tasks: "Tasks | None" = None
    hub: Hub = field(default_factory=Hub)
    memory: SessionMemory = field(default_factory=SessionMemory)
    page_size: int = 100

    def __setattr__(self, name: str, value: object) -> None:
        """Replace something, and with it whatever was encoded before."""
        super().__setattr__(name, value)
        self.encoded.clear()

    @cached_property
    def encoded(self) -> dict[tuple[str, Era, int], bytes]:
        """Results that are the same for many callers until something here is replaced, as they go on the wire."""
        return {}

    def tools_shown(self, call: Call) -> Mapping[str, ToolEntry]:
        """The tools as they are listed for this caller."""
        return self.tools if self.show_tools is None else self.show_tools(call)

    @cached_property
    def info(self) -> dict[str, str]:
        """`Implementation` of the schema."""
        return {"name": self.name, "title": self.title, "version": self.version}

    @property
    def has_resources(self) -> bool:
        """Whether there are resources of any kind."""
        return bool(self.resources or self.templates) or self.resource_pages is not None

    @property
    def capabilities(self) -> dict[str, Any]:
        """What both eras can use, as `ServerCapabilities` of the schema has it."""
        offered: dict[str, Any] = {"tools": {"listChanged": True}, "logging": {}}
        if self.prompts:
            offered["prompts"] = {"listChanged": True}
        if self.has_resources:
            offered["resources"] = {"listChanged": True, "subscribe": True}
        if self.complete is not None:
            offered["completions"] = {}
        return offered

    @property
    def extensions(self) -> dict[str, Any]:
        """The extensions of the modern era that are spoken, with their settings."""
        return {} if self.tasks is None else {TASKS: {}}
