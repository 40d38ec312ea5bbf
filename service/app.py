"""The composition root: knows every concrete class, opens them in order and closes them in the reverse.

1. Sockets first: a port in use ends the start before anything was touched.
2. The data folder: lease, secret, files, store. What a dead process left working is told so.
3. The one `ClientSession`, the upstreams that are on, the models, the pipeline, the tools.
4. Stop: take nothing new, let running calls end for `GRACE_S`, cancel the rest, then close in reverse.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from service import web_files, web_health
from service.background import beside
from service.data_folder import DataFolderError
from service.ended_sessions import EndedSessions
from service.files_disk import DiskFiles
from service.generation import Generation
from service.images import LOCAL_OWNER
from service.lease import Lease
from service.models import Model, Models, ModelsError
from service.models_file import ModelsFile
from service.models_survey import name_gone
from service.owned_tasks import OwnedTasks
from service.previews import Previews
from service.protocol.admission import Keys
from service.protocol.catalog import Server, ToolEntry
from service.protocol.session import Sessions
from service.protocol.subscriptions import TOOLS as TOOLS_CHANGED
from service.protocol.tasks import Tasks
from service.secret import Secret
from service.settings import Settings, SettingsError
from service.sockets import BACKLOG, listen, listen_beside
from service.store_sqlite import SqliteStore
from service.store_tasks import SqliteTasks
from service.tools import TOOLS
from service.upstream import Upstream
from service.upstream_flow2api import Flow2ApiUpstream
from service.upstream_modelscope import ModelScopeUpstream, Polling
from service.upstream_openai import OpenAiUpstream
from service.upstream_sketch import SketchUpstream
from service.web import MAX_BODY_BYTES, Endpoint
from service.web_guard import Guard
from service.web_sessions import add_routes

VERSION: Final = "0.1.0"
GRACE_S: Final = 6.0
"""How long running calls may go on after a stop signal. Engines kill a container after ten seconds."""

SKETCH: Final = Models(
    listed=(Model(id=SketchUpstream.name, upstream=SketchUpstream.name, references=0),), default=SketchUpstream.name
)
"""What is on offer when no image service is configured."""

IDLE_S: Final = 120.0
"""How long a connection may stay open without a request, or dribble the head of one."""

INSTRUCTIONS: Final = (
    "Easel makes pictures. Call `generate` with a prompt; the result holds a markdown image line: repeat it in your "
    "answer, so that the person sees the picture. Each picture has a history_id; `history` finds earlier ones."
)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service that listens. `settings` hold the port that it really has."""

    settings: Settings
    upstreams: Mapping[str, Upstream]
    models: Models
    """What was on offer at the start."""
    models_file: ModelsFile | None = None
    """Where that is written and may change. None while the sketch stands in for all models of the file."""
    endpoint: Endpoint | None = None

    @property
    def origin(self) -> str:
        """Where it listens, as a URL."""
        host = self.settings.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not listened on
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"

    @property
    def mcp_url(self) -> str:
        """What a client on this machine is given."""
        return self.origin + self.settings.path

    @property
    def pictures_url(self) -> str:
        """What stands before a picture's name."""
        return f"{self.settings.public_url or self.origin}/mcp-cache/"


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
        try:
            kept = await _open(settings.data_dir, stack)
        except DataFolderError as error:
            raise SettingsError("EASEL_DATA_DIR", f"cannot be used: {error}") from error
        settings = replace(settings, port=sockets[0].getsockname()[1])
        if settings.auto_token:
            settings = replace(settings, tokens={LOCAL_OWNER: kept.secret.derive("access token").hex()})
        session = await stack.enter_async_context(_client_session())
        upstreams = _upstreams(settings, session)
        models_file = await _models_file(settings, upstreams)
        models = models_file.models if models_file else SKETCH
        service = Running(settings=settings, upstreams=upstreams, models=models, models_file=models_file)
        endpoint = _endpoint(service, kept)
        app = _application(service, kept, endpoint if over_http else None)
        await _listen(app, endpoint, sockets, stack)
        stack.push_async_callback(kept.owned.close)
        await _generation(service, kept, models).resume()
        if models_file is not None:
            watching = models_file.watch(lambda models: _offer_tools(endpoint.server, service, kept, models))
            await stack.enter_async_context(beside(watching, name_gone(models, upstreams)))
        yield replace(service, endpoint=endpoint)


async def _listen(
    app: web.Application, endpoint: Endpoint, sockets: list[socket.socket], stack: contextlib.AsyncExitStack
) -> None:
    """Serve `app`; at the end stop listening, let running calls end, then close what is left."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=GRACE_S / 2,
        keepalive_timeout=IDLE_S,
        auto_decompress=False,  # a compressed body is refused, not unpacked first
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    sites = [web.SockSite(runner, each, backlog=BACKLOG) for each in sockets]
    for site in sites:
        await site.start()
    stack.push_async_callback(endpoint.close, GRACE_S)
    for site in sites:
        stack.push_async_callback(site.stop)


def _client_session() -> aiohttp.ClientSession:
    """The one session. How many requests run at once is for the pipeline to say, not for the connector."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"easel/{VERSION}"},
    )


def _upstreams(settings: Settings, session: aiohttp.ClientSession) -> dict[str, Upstream]:
    """The image services that are on; the built-in sketch when none is."""
    upstreams: list[Upstream] = []
    caps, waits = settings.max_file_bytes, settings.waits
    if settings.flow2api is not None:
        upstreams.append(Flow2ApiUpstream(session, settings.flow2api, max_file_bytes=caps, waits=waits))
    if settings.modelscope is not None:
        polling = Polling(each_s=settings.modelscope_poll_s, total_s=settings.modelscope_timeout_s)
        upstreams.append(
            ModelScopeUpstream(session, settings.modelscope, max_file_bytes=caps, polling=polling, waits=waits)
        )
    if settings.openai is not None:
        upstreams.append(OpenAiUpstream(session, settings.openai, max_file_bytes=caps, waits=waits))
    return {upstream.name: upstream for upstream in upstreams or [SketchUpstream()]}


@contextlib.asynccontextmanager
async def upstreams_of(settings: Settings) -> AsyncIterator[Mapping[str, Upstream]]:
    """The image services that are on, for a command that asks them something and serves nobody."""
    async with _client_session() as session:
        yield _upstreams(settings, session)


async def _models_file(settings: Settings, upstreams: Mapping[str, Upstream]) -> ModelsFile | None:
    """The models file, read."""
    if SketchUpstream.name in upstreams:
        return None
    try:
        return await ModelsFile.open(settings.models_file, upstreams)
    except OSError as error:
        raise SettingsError("EASEL_MODELS_FILE", f"{settings.models_file}: {error.strerror}") from error
    except ModelsError as error:
        raise SettingsError("EASEL_MODELS_FILE", f"{settings.models_file}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What lies in the data folder, opened."""

    secret: Secret
    files: DiskFiles
    store: SqliteStore
    tasks: SqliteTasks
    previews: Previews
    ended: EndedSessions
    owned: OwnedTasks = field(default_factory=OwnedTasks)


async def _open(data: Path, stack: contextlib.AsyncExitStack) -> _Kept:
    """Open the data folder, and have `stack` close it. Raises `DataFolderError`."""
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    secret = await asyncio.to_thread(Secret.open, data, lease.folder)
    files = await DiskFiles.open(data / "files", lease.folder, secret.derive("picture names"))
    store = await SqliteStore.open(data / "easel.db", lease.id, lease.alive)
    stack.push_async_callback(store.close)
    tasks = await SqliteTasks.open(store, lease.id, lease.alive, time.time)
    ended = await asyncio.to_thread(EndedSessions, data / "ended-sessions", time.time)
    previews = Previews()
    stack.push_async_callback(previews.close)
    return _Kept(secret=secret, files=files, store=store, tasks=tasks, previews=previews, ended=ended)


def _endpoint(service: Running, kept: _Kept) -> Endpoint:
    """Put the pipeline and the tools together, as the protocol offers them."""
    server = Server(
        name="easel",
        version=VERSION,
        title="Easel",
        instructions=INSTRUCTIONS,
        tools=_tools(service, kept, service.models),
    )
    server.tasks = Tasks(keeper=kept.tasks, clock=time.time, hub=server.hub)
    keys = Keys(
        sessions=Sessions(kept.secret.derive("session ids")),
        request_state=kept.secret.derive("request state"),
        is_ended=kept.ended.contains,
    )
    return Endpoint(server=server, keys=keys)


def _offer_tools(server: Server, service: Running, kept: _Kept, models: Models) -> None:
    """Offer the tools anew, since other models are on offer. Calls that run keep those that they started with."""
    server.tools = _tools(service, kept, models)
    server.hub.publish(TOOLS_CHANGED)


def _tools(service: Running, kept: _Kept, models: Models) -> dict[str, ToolEntry]:
    """The tools that have what they need, on a pipeline with these models."""
    generation = _generation(service, kept, models)
    return {tool.name: tool.bind(generation) for tool in TOOLS if tool.offered(generation)}


def _generation(service: Running, kept: _Kept, models: Models) -> Generation:
    settings = service.settings
    return Generation(
        models=models,
        upstreams=service.upstreams,
        store=kept.store,
        files=kept.files,
        previews=kept.previews,
        pictures_url=service.pictures_url,
        retries=settings.retries,
        prompt_suffix=settings.prompt_suffix,
        owned=kept.owned,
    )


def _application(service: Running, kept: _Kept, endpoint: Endpoint | None) -> web.Application:
    """Put the routes together, behind the guard; without an endpoint those of pictures and health."""
    app = web.Application(middlewares=[Guard(service.settings).middleware()], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_name_the_server)
    if endpoint is not None:
        add_routes(app, service.settings.path, endpoint, kept.ended)
    web_files.add_routes(app, kept.files)
    web_health.add_routes(app)
    return app


async def _name_the_server(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signature
    """Say who answers; aiohttp's own header tells which versions to attack."""
    response.headers["Server"] = "easel"
