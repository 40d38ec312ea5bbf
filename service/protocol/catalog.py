"""A server and its entries: tools, prompts, resources and completions, each with the function behind it.

Lists may be replaced while the server runs, never changed in place: encoded results are cached (`Server.encoded`).
A replacement is published as a change (`subscriptions.py`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from service.bounds.call_rate import CallRate
from service.bounds.limits import Allowances
from service.protocol.call import Call
from service.protocol.channel import TASKS
from service.protocol.client import APPS, Client, Era
from service.protocol.headers import ParamHeaders, find_param_headers
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import LISTS, Hub, ListChanged, SessionMemory

if TYPE_CHECKING:  # Tasks answers calls of tools that stand here
    from service.protocol.tasks import Tasks

ScopeOf: TypeAlias = Callable[[Mapping[str, Any]], str | None]
Run: TypeAlias = Callable[[Call, Mapping[str, Any]], Awaitable[Result]]
Cancel: TypeAlias = Callable[[Call, str], Awaitable[bool]]
Resume: TypeAlias = Callable[[Call, str], Awaitable[Result | None]]
Read: TypeAlias = Callable[[Call, str], Awaitable[Sequence[Result] | None]]
ResourcePages: TypeAlias = Callable[[Call, str | None], Awaitable[tuple[Sequence[Result], str | None]]]
Complete: TypeAlias = Callable[[Call, Mapping[str, Any], Mapping[str, Any]], Awaitable[Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class ToolEntry:
    """One tool: `listing` is its entry of `tools/list`, `run` takes the call and its arguments.

    `run` checks the arguments itself: a wrong one is a result with `isError`, which the model gets to see
    (spec 2026-07-28, Tools, Error Handling). `resume` returns the result of work that a call remembered and whose
    process may be gone, or None while the work goes on; `cancel` stops such work, and returns False where it cannot.
    `scope` returns the scope that a call with these arguments needs. `param_headers` are those of the input schema.
    """

    listing: Mapping[str, Any]
    run: Run
    scope: ScopeOf = lambda arguments: None  # noqa: ARG005 - the signature
    resume: Resume | None = None
    cancel: Cancel | None = None
    param_headers: ParamHeaders = field(init=False)

    def __post_init__(self) -> None:
        """Read the annotations once; raises ValueError for one against the spec."""
        object.__setattr__(self, "param_headers", find_param_headers(self.listing["inputSchema"]))


ListChangesFor: TypeAlias = Callable[[Client, str], Iterable[ListChanged]]
ShowTools: TypeAlias = Callable[[Call], Mapping[str, ToolEntry]]


@dataclass(frozen=True, kw_only=True)
class PromptEntry:
    """One prompt: its entry of `prompts/list`, and the function from arguments to messages."""

    listing: Mapping[str, Any]
    get: Run


@dataclass(frozen=True, kw_only=True)
class ResourceEntry:
    """One resource, or one template of resources: its entry in the list, and the function that reads a URI.

    `read` returns the contents, or None where a template has no resource of that URI.
    """

    listing: Mapping[str, Any]
    read: Read


@dataclass(kw_only=True)
class Server:
    """Everything the method handlers answer from. Entries are listed in the order of their mapping.

    `resource_pages` lists the caller's own resources: it takes a cursor, which comes from outside and is to be checked
    (raises `ValueError` for a foreign one), and returns a page of entries and the cursor of the next page.
    `show_tools` returns the tools that `tools/list` shows to a caller, one of a few mappings that last as long as
    `tools`; None shows `tools` to everybody. `list_changes_for` returns the lists whose changes go to the sessions of a
    client, by its `clientInfo` and the hint of its URL. `tasks` is None where calls cannot become tasks. `app_views`
    are the views of MCP Apps by URI: `resource_pages` lists them to clients that show them. `page_size` counts entries
    of one page of a list. The limits are those of `hub`.
    """

    name: str
    version: str
    title: str
    instructions: str
    tools: Mapping[str, ToolEntry] = field(default_factory=dict)
    show_tools: ShowTools | None = None
    app_views: Mapping[str, ResourceEntry] = field(default_factory=dict)
    prompts: Mapping[str, PromptEntry] = field(default_factory=dict)
    resources: Mapping[str, ResourceEntry] = field(default_factory=dict)
    templates: Mapping[str, ResourceEntry] = field(default_factory=dict)
    resource_pages: ResourcePages | None = None
    complete: Complete | None = None
    list_changes_for: ListChangesFor = lambda client, hint: LISTS.values()  # noqa: ARG005 - the signature
    tasks: "Tasks | None" = None
    hub: Hub = field(default_factory=Hub)
    page_size: int = 100

    def __setattr__(self, name: str, value: object) -> None:
        """Replace an attribute, and drop all encoded results."""
        super().__setattr__(name, value)
        self.encoded.clear()

    @cached_property
    def encoded(self) -> dict[tuple[str, Era, int], bytes]:
        """Encoded results of `fixed` methods, by method, era and the shown tools, until something is replaced."""
        return {}

    def tools_shown(self, call: Call) -> Mapping[str, ToolEntry]:
        """Return the tools as they are listed for this caller."""
        return self.tools if self.show_tools is None else self.show_tools(call)

    def app_extension(self, client: Client) -> dict[str, Any]:
        """The extension MCP Apps with its settings, for a client that shows views."""
        return {APPS: {}} if self.app_views and client.shows_apps else {}

    @property
    def allowances(self) -> Allowances:
        """The limits of requests, streams and subscriptions."""
        return self.hub.allowances

    @cached_property
    def memory(self) -> SessionMemory:
        """The soft state of legacy sessions."""
        return SessionMemory(self.allowances, self.hub.names)

    @cached_property
    def call_rate(self) -> CallRate:
        """The requests that were taken of late."""
        return CallRate(self.allowances)

    @cached_property
    def info(self) -> dict[str, str]:
        """`Implementation` of the schema."""
        return {"name": self.name, "title": self.title, "version": self.version}

    @property
    def has_resources(self) -> bool:
        """True for a server with resources of any kind."""
        return bool(self.resources or self.templates) or self.resource_pages is not None

    @property
    def capabilities(self) -> dict[str, Any]:
        """`ServerCapabilities` of the schema, the same in both eras."""
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
        """The extensions of the modern era that are on, with their settings."""
        return {} if self.tasks is None else {TASKS: {}}
