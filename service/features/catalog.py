"""The catalog: tools, prompts, resources and completions of one context, put on a server."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from service.features.app import AppPage
from service.features.completions import Completions
from service.features.prompts import Prompts, PromptTemplates
from service.features.resources import Resources
from service.images import WorkError
from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.protocol.errors import INTERNAL_ERROR, RpcError
from service.protocol.subscriptions import LISTS, RESOURCES
from service.tools import APP_TOOLS, TOOLS
from service.tools.base import without_output
from service.tools.context import ToolContext

TELLING: Final = tuple(LISTS.values())
"""The lists whose changes a session is told."""

QUIET: Final = tuple(each for each in TELLING if each is not RESOURCES)
"""The same for clients that show each change of the list of pictures to the person."""

INSTRUCTIONS: Final = (
    "Easel makes pictures. Call `generate` with a prompt; the result holds a markdown image line: repeat it in your "
    "answer, so that the person sees the picture. When the picture is still being drawn, or the call timed out, call "
    "`history`, which waits for it; nothing is paid twice. To change an earlier picture, pass its history_id to "
    "`generate`; `history` finds it."
)
"""The words about the whole server, which a client may show its model."""

P = ParamSpec("P")
R = TypeVar("R")


def offer(server: Server, context: ToolContext) -> None:
    """Have `server` offer everything that stands on `context`. Calls that run keep the context they started with."""
    tools = {tool.name: tool.bind(context) for tool in TOOLS if tool.offered(context)}
    plain = without_output(tools)
    app = AppPage(html=context.app_html, pictures=context.pictures)
    with_app = app.tools(tools, {tool.name: tool.bind(context) for tool in APP_TOOLS})
    plain_with_app = without_output(with_app)

    def show_tools(call: Call) -> Mapping[str, ToolEntry]:
        if app.html and call.client.shows_apps:
            return with_app if context.profiles.of(call).structured else plain_with_app
        return tools if context.profiles.of(call).structured else plain

    templates = PromptTemplates.read()
    prompts = Prompts(templates=templates, models=context.models, store=context.store, tools=tools).entries()
    resources = Resources(
        store=context.store,
        pictures=context.pictures,
        models=context.models,
        app=app,
        costs=lambda call: context.profiles.of(call).costs,
    )
    server.tools, server.show_tools = tools, show_tools
    server.list_changes_for = lambda client, hint: TELLING if context.profiles.named(client, hint).notices else QUIET
    server.prompts = {name: replace(each, get=with_rpc_errors(each.get)) for name, each in prompts.items()}
    server.resources, server.app_views = resources.fixed(), app.entries()
    server.templates = {
        uri: replace(each, read=with_rpc_errors(each.read)) for uri, each in resources.templates().items()
    }
    server.resource_pages = with_rpc_errors(resources.pages)
    server.complete = with_rpc_errors(Completions(models=context.models, store=context.store).complete)


def with_rpc_errors(work: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Wrap a function whose failures no tool result can tell: its `WorkError` becomes a JSON-RPC error."""

    @wraps(work)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await work(*args, **kwargs)
        except WorkError as error:
            raise RpcError(INTERNAL_ERROR, str(error)) from error

    return run
