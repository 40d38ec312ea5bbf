"""The composition root: opens everything in order and closes it in the reverse.

1. Sockets first: a port in use ends the start before anything was touched.
2. The data folder (`storage/opened.py`). Jobs that a dead process left working are ended or resumed.
3. The one `ClientSession`, the upstreams that are on, the models, the pipeline, the catalog (`features/catalog.py`).
4. Stop: take nothing new, let jobs come to their end for a while, then let go of them, so that each row says how it
   stands; calls get their answers; then close in reverse.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final

from aiohttp import web

from service import image_services, logs
from service.background import background_tasks
from service.composition import OpenedParts
from service.features.catalog import INSTRUCTIONS, offer
from service.gallery.access import SESSIONS, path_of_link
from service.gallery.composition import GalleryParts
from service.image_models.models import Models, read_models
from service.image_models.offered import OfferedModels
from service.images import LOCAL_OWNER
from service.pictures.decoders import DecodeLimits, Decoders
from service.pipeline.upstream_states import UpstreamStates
from service.protocol.admission import Keys
from service.protocol.catalog import Server
from service.protocol.session import Sessions
from service.protocol.subscriptions import TOOLS as TOOLS_CHANGED
from service.protocol.subscriptions import Hub
from service.protocol.tasks import Tasks
from service.redaction import Redactor
from service.references.collect import REFERENCE_BYTES
from service.routes import PICTURES
from service.settings import Settings
from service.storage.notices import CallCancelled, Notice, TaskMessaged, TaskMoved
from service.storage.opened import Storage
from service.storage.secret import Secret
from service.stores import START_PATIENCE_S, open_stores
from service.tools.arguments import load_validators
from service.tools.context import ToolContext
from service.upstreams.base import Upstream
from service.upstreams.connector import client_session
from service.watched_file import WatchedFile
from service.web import images as web_files
from service.web import protected_resource
from service.web import upload as web_upload
from service.web.connections import Connections
from service.web.cross_origin import add_headers as add_cross_origin_headers
from service.web.guard import Guard
from service.web.health import Monitor
from service.web.identity import StaticTokens
from service.web.mcp import MAX_BODY_BYTES, McpEndpoint
from service.web.pages import HomePage
from service.web.protected_resource import ProtectedResource
from service.web.response import name_the_server
from service.web.sessions import add_routes
from service.web.shared_rate import keep_in_sum
from service.web.sockets import Listener, bounds_of, listen, listen_beside

logger = logging.getLogger(__name__)

VERSION: Final = "0.1.0"
AGENT: Final = f"easel/{VERSION}"
GRACE_S: Final = 6.0
"""Seconds that calls may go on once no job runs any more: their answers go out."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service that listens. `settings` hold the port that it really has, `context` the models of the start."""

    settings: Settings
    endpoint: McpEndpoint
    context: ToolContext

    @cached_property
    def origin(self) -> str:
        """The URL by which this machine reaches the service."""
        return self.settings.origin

    @cached_property
    def mcp_url(self) -> str:
        """The URL of the MCP endpoint for a client on this machine."""
        return self.origin + self.settings.path

    @property
    def pictures_url(self) -> str:
        """The URL before a picture's name, with a slash at its end."""
        return self.settings.reached_at + PICTURES.path


@contextlib.asynccontextmanager
async def running(settings: Settings, *, over_http: bool = True) -> AsyncIterator[Running]:
    """Serve until the block ends. Raises `SettingsError` when something a setting names cannot be used.

    Without `over_http` only pictures are served, on loopback, beside a client on standard input and output: then any
    port will do, since several clients may each have started a process of their own.
    """
    async with contextlib.AsyncExitStack() as stack:
        sockets = listen(settings.host, settings.port) if over_http else listen_beside(settings.port)
        for each in sockets:
            stack.callback(each.close)
        session = await stack.enter_async_context(client_session(settings.proxies, AGENT))
        storage = await open_stores(
            settings, stack, session, allowances=settings.allowances, patience_s=START_PATIENCE_S
        )
        read_stored = None if settings.is_own_use else storage.people.tokens
        tokens_stored = read_stored is not None and bool(await read_stored())
        settings = replace(settings, port=sockets[0].getsockname()[1], stored_tokens=tokens_stored)
        settings.check_exposure()
        if settings.auto_token:
            settings = with_auto_token(settings, storage.secret)
        redactor = Redactor(image_services.secrets_of(settings))
        upstreams = image_services.connect(settings, session, redactor)
        models_file = await _models_file(settings, upstreams)
        url = settings.reached_at + settings.path
        resource = await stack.enter_async_context(protected_resource.opened(settings.oauth, url, session))
        endpoint = _endpoint(settings, storage, resource)
        tokens = await StaticTokens.open(settings, logs.follow, redactor.follow, read_stored=read_stored)
        decoders = Decoders(DecodeLimits(memory_bytes=settings.decode_memory_bytes, cpu_s=settings.decode_s))
        stack.push_async_callback(decoders.close)
        states = UpstreamStates(upstreams)
        parts = OpenedParts(
            settings=settings,
            storage=storage,
            upstreams=upstreams,
            decoders=decoders,
            session=session,
            redactor=redactor,
            hub=endpoint.server.hub,
            tokens=tokens,
            states=states,
            has_gallery=over_http,
        )
        offered = OfferedModels(models_file.last_good if models_file else image_services.SKETCHED)
        context = parts.context(offered.models)
        jobs = context.generation.jobs
        offer(endpoint.server, context)
        guard = Guard(settings, resource, tokens)
        app = _application(settings, guard, context, endpoint if over_http else None, storage)
        web_files.add_routes(app, storage.files, storage.imports, context.derivatives, settings.hot_bytes)
        if over_http:
            GalleryParts(
                settings=settings,
                guard=guard,
                context=context,
                endpoint=endpoint,
                key=storage.secret.derive(SESSIONS),
                tokens=tokens,
                events=parts.events,
                ended=storage.ended_sessions,
                files=storage.files,
                notices=storage.notices,
                models=lambda: offered.models,
            ).add_routes(app)
        Monitor(store=storage.store, generation=context.generation, states=states, hub=parts.hub).add_routes(app)
        # The last answers go out after the jobs have ended; that they arrived is written down as well.
        stack.push_async_callback(jobs.close)
        listener = Listener(sockets, Connections(bounds_of(settings.allowances, settings.trusted_proxies)))
        await _listen(app, endpoint, listener, stack, lambda: jobs.close(settings.drain_s))
        await context.generation.resume()
        offered.changed = lambda models: _offer_anew(endpoint.server, replace(context, models=models))
        work = [*_background(context, models_file, offered, states), tokens.watch(parts.revoke)]
        work += [storage.upkeep(), storage.notices.run(), parts.room.keep(context.retention.enforce)]
        work.append(keep_in_sum(endpoint.server.call_rate, storage.replica))
        await stack.enter_async_context(background_tasks(*work))
        yield Running(settings=settings, endpoint=endpoint, context=context)


def with_auto_token(settings: Settings, secret: Secret) -> Settings:
    """Return the settings with the one token that `EASEL_TOKENS=auto` stands for; the log is kept from showing it."""
    token = secret.derive("access token").hex()
    logs.hide(token)
    return replace(settings, tokens={LOCAL_OWNER: token})


def _background(
    context: ToolContext, models_file: WatchedFile[Models] | None, offered: OfferedModels, states: UpstreamStates
) -> list[Coroutine[Any, Any, None]]:
    """Return the work that goes on as long as the service runs."""
    work = [load_validators(), context.generation.keep_resuming(), context.retention.watch()]
    work += [states.watch(offered.take_lists), *([] if context.tiles is None else [context.tiles.make()])]
    return work if models_file is None else [*work, models_file.watch(offered.take_file)]


async def _listen(
    app: web.Application,
    endpoint: McpEndpoint,
    listener: Listener,
    stack: contextlib.AsyncExitStack,
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Serve `app`; at the end stop listening, drain, let running calls end, then close the rest."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=GRACE_S / 2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None, "it was set up"  # noqa: S101 - aiohttp's type covers a runner that was not
    listener.start(app, runner.server)
    stack.push_async_callback(endpoint.close, GRACE_S)
    stack.push_async_callback(drain)
    stack.push_async_callback(listener.stop)


@contextlib.asynccontextmanager
async def upstreams_of(settings: Settings) -> AsyncIterator[Mapping[str, Upstream]]:
    """The upstreams that are on, for a command that asks them something and serves no client."""
    async with client_session(settings.proxies, AGENT) as session:
        yield image_services.connect(settings, session, Redactor(image_services.secrets_of(settings)))


async def _models_file(settings: Settings, upstreams: Mapping[str, Upstream]) -> WatchedFile[Models] | None:
    """Read the models file; None while the sketch stands in for all models of the file."""
    if image_services.SKETCH in upstreams:
        return None
    return await WatchedFile.open("EASEL_MODELS_FILE", settings.models_file, partial(read_models, upstreams=upstreams))


def _endpoint(settings: Settings, storage: Storage, resource: ProtectedResource | None) -> McpEndpoint:
    """Return the endpoint of a server that offers nothing yet."""
    hub = Hub(settings.allowances)
    server = Server(name="easel", version=VERSION, title="Easel", instructions=INSTRUCTIONS, hub=hub)
    server.tasks = Tasks(
        keeper=storage.tasks,
        clock=time.time,
        hub=server.hub,
        look_s=storage.notices.look_s,
        moved=lambda owner, task_id: storage.notices.tell(TaskMoved(owner, task_id)),
        messaged=lambda task_id: storage.notices.tell(TaskMessaged(task_id)),
    )
    keys = Keys(
        sessions=Sessions(storage.secret.derive("session ids")),
        request_state=storage.secret.derive("request state"),
        is_ended=storage.ended_sessions.contains,
    )
    endpoint = McpEndpoint(
        server=server,
        keys=keys,
        resource=resource,
        links_follow_host=not settings.public_url,
        open_gallery=partial(path_of_link, storage.secret.derive(SESSIONS)),
    )
    endpoint.calls.cancelled_elsewhere = lambda *call: storage.notices.tell(CallCancelled(*call))
    storage.notices.hear(partial(_hear_of_calls, endpoint, server.tasks))
    return endpoint


def _hear_of_calls(endpoint: McpEndpoint, tasks: Tasks, notice: Notice) -> None:
    """Cancel the call, or look for the messages of the task, of which another process was told."""
    match notice:
        case CallCancelled(session, request_id, reason):
            endpoint.calls.cancel_for(session, request_id, reason)
        case TaskMessaged(task_id):
            tasks.wake(task_id)


def _offer_anew(server: Server, context: ToolContext) -> None:
    """Offer the catalog of a context with other models, and notify the clients that listen."""
    offer(server, context)
    server.hub.publish(TOOLS_CHANGED)


def _application(
    settings: Settings, guard: Guard, context: ToolContext, endpoint: McpEndpoint | None, storage: Storage
) -> web.Application:
    """Put the routes together, behind the guard; without an endpoint those of pictures, uploads and health."""
    app = web.Application(middlewares=[guard.middleware()], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.extend((name_the_server, add_cross_origin_headers, guard.tries.note))
    if guard.resource is not None:
        protected_resource.add_routes(app, guard.resource, settings.path)
    uploads = web_upload.UploadHandler(
        uploads=context.uploads,
        importer=context.references.importer,
        max_bytes=min(REFERENCE_BYTES, settings.max_file_bytes),
        make_room=context.retention.enforce,
        discard=context.retention.drop,
    )
    if endpoint is not None:
        uploads.in_use = endpoint.calls.bytes_in_use
        add_routes(app, settings.path, endpoint, storage.ended_sessions)
        HomePage(settings).add_routes(app)
    web_upload.add_routes(app, uploads)
    return app
