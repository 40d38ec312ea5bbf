"""The composition root: knows every concrete class, opens them in order and closes them in the reverse.

1. Sockets first: a port in use ends the start before anything was touched.
2. The data folder: lease, secret, files, store. What a dead process left working is told so.
3. The one `ClientSession`, the upstreams that are on, the models, the pipeline, the tools.
4. Stop: take nothing new, let running calls end for `GRACE_S`, cancel the rest, then close in reverse.
"""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from service import web_files, web_health
from service.data_folder import DataFolderError
from service.ended_sessions import EndedSessions
from service.files_disk import DiskFiles
from service.generation import Generation
from service.images import LOCAL_OWNER
from service.lease import Lease
from service.models import Models, ModelsError, read_models
from service.previews import Previews
from service.protocol.admission import Keys
from service.protocol.catalog import Server
from service.protocol.session import Sessions
from service.secret import Secret
from service.settings import Settings, SettingsError
from service.store_sqlite import SqliteStore
from service.tools import TOOLS
from service.upstream import Upstream
from service.upstream_flow2api import Flow2ApiUpstream
from service.upstream_sketch import SketchUpstream
from service.web import MAX_BODY_BYTES, Endpoint
from service.web_guard import Guard
from service.web_sessions import add_routes

VERSION: Final = "0.1.0"
GRACE_S: Final = 6.0
"""How long running calls may go on after a stop signal. Engines kill a container after ten seconds."""

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, when many clients come at once."""

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
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Serve until the block ends. Raises `SettingsError` when something a setting names cannot be used."""
    async with contextlib.AsyncExitStack() as stack:
        sockets = listen(settings.host, settings.port)
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
        service = Running(settings=settings, upstreams=upstreams, models=_models(settings, upstreams))
        endpoint = _endpoint(service, kept)
        await _listen(_application(service, kept, endpoint), endpoint, sockets, stack)
        yield service


async def _listen(
    app: web.Application, endpoint: Endpoint, sockets: list[socket.socket], stack: contextlib.AsyncExitStack
) -> None:
    """Serve `app`; at the end stop listening, let running calls end, then close what is left."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=GRACE_S / 2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    sites = [web.SockSite(runner, each, backlog=BACKLOG) for each in sockets]
    for site in sites:
        await site.start()
    stack.push_async_callback(endpoint.close, GRACE_S)
    for site in sites:
        stack.push_async_callback(site.stop)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`, all on one port; raises `SettingsError`."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((entry[0], entry[4][:2]) for entry in found):
            # A free port is chosen once, for the first address; the others take the same.
            taken = sockets[0].getsockname()[1] if sockets else port
            sockets.append(socket.create_server((str(address[0]), taken), family=family, backlog=BACKLOG))
    except UnicodeError as error:  # of a name whose parts are empty or too long
        raise SettingsError("EASEL_HOST", f"{host[:100]!r} is not the name of a host") from error
    except OSError as error:
        for each in sockets:
            each.close()
        raise _listening_error(host, port, error) from error
    return sockets


def _listening_error(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            "EASEL_PORT", f"port {port} of {host} is in use: stop what listens there, or choose another, as --port 8867"
        )
    if error.errno == errno.EACCES:
        return SettingsError("EASEL_PORT", f"this account may not listen on port {port}: choose one above 1023")
    return SettingsError("EASEL_HOST", f"cannot listen on {host}: {error.strerror or error}")


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
    if settings.flow2api is not None:
        upstreams.append(Flow2ApiUpstream(session, settings.flow2api, max_file_bytes=settings.max_file_bytes))
    return {upstream.name: upstream for upstream in upstreams or [SketchUpstream()]}


def _models(settings: Settings, upstreams: Mapping[str, Upstream]) -> Models:
    """What the models file offers; the sketch is no model of that file, but what stands in for all of them."""
    if SketchUpstream.name in upstreams:
        return Models(upstream_of={SketchUpstream.name: SketchUpstream.name}, default=SketchUpstream.name, guide="")
    try:
        return read_models(settings.models_file.read_bytes(), upstreams)
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
    previews: Previews
    ended: EndedSessions


async def _open(data: Path, stack: contextlib.AsyncExitStack) -> _Kept:
    """Open the data folder, and have `stack` close it. Raises `DataFolderError`."""
    lease = await asyncio.to_thread(Lease.claim, data)
    stack.callback(lease.release)
    secret = await asyncio.to_thread(Secret.open, data, lease.folder)
    files = await DiskFiles.open(data / "files", lease.folder, secret.derive("picture names"))
    store = await SqliteStore.open(data / "easel.db", lease.id, lease.alive)
    stack.push_async_callback(store.close)
    ended = await asyncio.to_thread(EndedSessions, data / "ended-sessions", time.time)
    previews = Previews()
    stack.push_async_callback(previews.close)
    return _Kept(secret=secret, files=files, store=store, previews=previews, ended=ended)


def _endpoint(service: Running, kept: _Kept) -> Endpoint:
    """Put the pipeline and the tools together, as the protocol offers them."""
    settings = service.settings
    generation = Generation(
        models=service.models,
        upstreams=service.upstreams,
        store=kept.store,
        files=kept.files,
        previews=kept.previews,
        pictures_url=service.pictures_url,
        retries=settings.retries,
        prompt_suffix=settings.prompt_suffix,
    )
    server = Server(
        name="easel",
        version=VERSION,
        title="Easel",
        instructions=INSTRUCTIONS,
        tools={tool.name: tool.bind(generation) for tool in TOOLS},
    )
    keys = Keys(
        sessions=Sessions(kept.secret.derive("session ids")),
        request_state=kept.secret.derive("request state"),
        is_ended=kept.ended.contains,
    )
    return Endpoint(server=server, keys=keys)


def _application(service: Running, kept: _Kept, endpoint: Endpoint) -> web.Application:
    """Put the routes together, behind the guard."""
    app = web.Application(middlewares=[Guard(service.settings).middleware()], client_max_size=MAX_BODY_BYTES)
    add_routes(app, service.settings.path, endpoint, kept.ended)
    web_files.add_routes(app, kept.files)
    web_health.add_routes(app)
    return app
