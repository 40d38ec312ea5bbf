"""The composition root: opens everything in order and closes it in the reverse.

1. Sockets first: a port in use ends the start before anything was touched.
2. The data folder (`storage/opened.py`). What a dead process left working is told so.
3. The one `ClientSession`, the upstreams that are on, the models, and what is offered with them
   (`features/catalog.py`).
4. Stop: take nothing new, let jobs come to their end for a while, then let go of them, so that each row says how it
   stands; calls get their answers; then close in reverse.
"""

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import aiohttp
from aiohttp import hdrs, web

from service.background import beside
from service.features.catalog import Offered
from service.features.notifications import PictureNotifications
from service.image_models.file import ModelsFile
from service.image_models.models import Model, Models, ModelsError
from service.image_models.survey import warn_about_removed_models
from service.images import LOCAL_OWNER, Job
from service.pictures.previews import PreviewMemory, Previews
from service.pipeline.retention import Retention
from service.pipeline.running_jobs import RunningJobs
from service.profiles import Profiles, ProfilesError, read_overrides
from service.protocol.admission import Keys
from service.protocol.catalog import Server
from service.protocol.session import Sessions
from service.protocol.subscriptions import TOOLS as TOOLS_CHANGED
from service.protocol.tasks import Tasks
from service.references.collect import REFERENCE_BYTES
from service.references.uploads import Uploads
from service.settings import Settings, SettingsError
from service.storage.data_folder import DataFolderError
from service.storage.opened import Storage, open_storage
from service.upstreams.base import Upstream
from service.upstreams.connector import Connector
from service.upstreams.flow2api import Flow2ApiUpstream
from service.upstreams.modelscope import ModelScopeUpstream, Polling
from service.upstreams.openai import OpenAiUpstream
from service.upstreams.sketch import SketchUpstream
from service.web import health as web_health
from service.web import images as web_files
from service.web import upload as web_upload
from service.web.guard import Guard, own_names
from service.web.mcp import MAX_BODY_BYTES, Endpoint
from service.web.response import SERVER
from service.web.sessions import add_routes
from service.web.sockets import BACKLOG, listen, listen_beside

VERSION: Final = "0.1.0"
GRACE_S: Final = 6.0
"""How long calls may go on once no job runs any more: their answers go out."""

SKETCH: Final = Models(
    listed=(Model(id=SketchUpstream.name, upstream=SketchUpstream.name, references=0),), default=SketchUpstream.name
)
"""What is on offer when no image service is configured."""

IDLE_S: Final = 120.0
"""How long a connection may stay open without a request, or dribble the head of one."""

INSTRUCTIONS: Final = (
    "Easel makes pictures. Call `generate` with a prompt; the result holds a markdown image line: repeat it in your "
    "answer, so that the person sees the picture. When the picture is still being drawn, or the call timed out, call "
    "`history`, which waits for it; nothing is paid twice. To change an earlier picture, pass its history_id to "
    "`generate`; `history` finds it."
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
    jobs: RunningJobs = field(default_factory=RunningJobs)

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
    def public_url(self) -> str:
        """What people reach this service by, without a slash at its end."""
        return self.settings.public_url or self.origin

    @property
    def pictures_url(self) -> str:
        """What stands before a picture's name."""
        return f"{self.public_url}/mcp-cache/"


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
            kept = await open_storage(settings.data_dir, stack)
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
        endpoint = _endpoint(kept)
        previews = Previews()
        stack.push_async_callback(previews.close)
        offered = _offered(service, kept, previews, session, endpoint.server)
        offered.put_on(endpoint.server, models)
        app = _application(service, offered, endpoint if over_http else None)
        generation = offered.generation(models)
        # The last answers go out after the jobs have ended; that they arrived is written down as well.
        stack.push_async_callback(offered.jobs.close)
        await _listen(app, endpoint, sockets, stack, lambda: offered.jobs.close(settings.drain_s))
        await generation.resume()
        at_work = [generation.keep_resuming(), offered.retention.watch()]
        if models_file is not None:
            at_work += [models_file.watch(lambda models: _offer(offered, endpoint.server, models))]
            at_work += [warn_about_removed_models(models, upstreams)]
        await stack.enter_async_context(beside(*at_work))
        yield replace(service, endpoint=endpoint, jobs=offered.jobs)


async def _listen(
    app: web.Application,
    endpoint: Endpoint,
    sockets: list[socket.socket],
    stack: contextlib.AsyncExitStack,
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Serve `app`; at the end stop listening, drain, let running calls end, then close what is left."""
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
    stack.push_async_callback(drain)
    for site in sites:
        stack.push_async_callback(site.stop)


def _client_session() -> aiohttp.ClientSession:
    """The one session."""
    return aiohttp.ClientSession(
        connector=Connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"easel/{VERSION}"},
    )


def _upstreams(settings: Settings, session: aiohttp.ClientSession) -> dict[str, Upstream]:
    """The image services that are on; the built-in sketch when none is."""
    upstreams: list[Upstream] = []
    caps, waits = settings.max_file_bytes, settings.timeouts
    if settings.flow2api is not None:
        upstreams.append(Flow2ApiUpstream(session, settings.flow2api, max_file_bytes=caps, timeouts=waits))
    if settings.modelscope is not None:
        polling = Polling(each_s=settings.modelscope_poll_s, total_s=settings.modelscope_timeout_s)
        upstreams.append(
            ModelScopeUpstream(session, settings.modelscope, max_file_bytes=caps, polling=polling, timeouts=waits)
        )
    if settings.openai is not None:
        upstreams.append(OpenAiUpstream(session, settings.openai, max_file_bytes=caps, timeouts=waits))
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


def _endpoint(kept: Storage) -> Endpoint:
    """The endpoint of a server that offers nothing yet."""
    server = Server(name="easel", version=VERSION, title="Easel", instructions=INSTRUCTIONS)
    server.tasks = Tasks(keeper=kept.tasks, clock=time.time, hub=server.hub)
    keys = Keys(
        sessions=Sessions(kept.secret.derive("session ids")),
        request_state=kept.secret.derive("request state"),
        is_ended=kept.ended_sessions.contains,
    )
    return Endpoint(server=server, keys=keys)


def _offered(
    service: Running, kept: Storage, previews: Previews, session: aiohttp.ClientSession, server: Server
) -> Offered:
    """What the tools and their company stand on."""
    settings = service.settings
    try:
        profiles = Profiles(read_overrides(settings.profiles))
    except ProfilesError as error:
        raise SettingsError("EASEL_PROFILES", str(error)) from error
    notices = PictureNotifications(server.hub)
    retention = Retention(kept.store, kept.files, settings.limits, removed=notices.removed)

    async def ended(job: Job) -> None:
        notices.ended(job)
        await retention.enforce(spare=[picture.name for picture in job.pictures])

    return Offered(
        settings=settings,
        kept=kept,
        previews=previews,
        upstreams=service.upstreams,
        session=session,
        pictures_url=service.pictures_url,
        own_hosts=own_names(settings),
        profiles=profiles,
        uploads=Uploads(kept.uploads, kept.secret.derive("upload links"), f"{service.public_url}/upload/"),
        retention=retention,
        jobs=RunningJobs(),
        memory=PreviewMemory(),
        ended=ended,
    )


def _offer(offered: Offered, server: Server, models: Models) -> None:
    """Offer everything anew, since other models are on offer, and tell who listens."""
    offered.put_on(server, models)
    server.hub.publish(TOOLS_CHANGED)


def _application(service: Running, offered: Offered, endpoint: Endpoint | None) -> web.Application:
    """Put the routes together, behind the guard; without an endpoint those of pictures, uploads and health."""
    app = web.Application(middlewares=[Guard(service.settings).middleware()], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_name_the_server)
    if endpoint is not None:
        add_routes(app, service.settings.path, endpoint, offered.kept.ended_sessions)
    web_files.add_routes(app, offered.kept.files)
    largest = min(REFERENCE_BYTES, service.settings.max_file_bytes)
    uploads = web_upload.UploadHandler(
        uploads=offered.uploads,
        importer=offered.importer,
        max_bytes=largest,
        make_room=offered.retention.enforce,
        discard=offered.retention.drop,
    )
    web_upload.add_routes(app, uploads)
    web_health.add_routes(app)
    return app


async def _name_the_server(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signature
    """Say who answers; aiohttp's own header tells which versions to attack."""
    response.headers[hdrs.SERVER] = SERVER
