"""The way from the public URL to the service, tried from outside in: names, proxies, path, streams, large bodies.

1. Requests go to the public URL, and the answers are compared with those of the service on its own port.
2. Where no service runs, a stand-in listens on that port for as long as the requests last. It draws nothing.
3. Nothing is drawn and nothing is changed: the requests are `/healthz`, a stream of notifications, and names of a
   picture and of an upload link that do not exist.
"""

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs, web

from service.hosts import is_loopback
from service.references.collect import REFERENCE_BYTES
from service.routes import HEALTH, PICTURES, UPLOADS
from service.settings import Settings
from service.settings_reader import SettingsError
from service.tokens import static_tokens
from service.web.guard import Guard
from service.web.identity import StaticTokens
from service.web.response import SERVER
from service.web.sockets import listen

ANSWER_S: Final = 10.0
"""Seconds for a small request; a proxy that waits for a dead service takes longer, which is an answer, too."""

STREAM_S: Final = 5.0
"""Seconds within which the first line of a stream must come. It is sent at once."""

BODY_S: Final = 120.0
"""Seconds for the large body, over a slow uplink."""

PIECE: Final = bytes(64 * 1024)
MEGABYTE: Final = 1_000_000
SHOWN: Final = 4096
STRANGER: Final = "doctor-0000000000"
"""A name that no picture and no upload link has."""

VERSION: Final = "2026-07-28"
LISTEN: Final = {
    "jsonrpc": "2.0",
    "id": "doctor",
    "method": "subscriptions/listen",
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "easel-doctor", "version": "1"},
        },
    },
}
"""A request whose answer is a stream that stays open: its first message comes at once (spec 2026-07-28)."""

LISTEN_HEADERS: Final = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "subscriptions/listen",
}

UNBUFFERED: Final = "nginx: proxy_buffering off; Caddy: flush_interval -1; docs/troubleshooting.md has others"


class State(StrEnum):
    """The outcome of one check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: the subject that was looked at, and one line that says what is wrong and the cure."""

    check: str
    state: State
    message: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The start of an HTTP answer, or the `trouble` in place of one."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: str = ""

    @property
    def is_healthy(self) -> bool:
        """True for the answer of `/healthz`."""
        return self.status == HTTPStatus.OK and _read_json(self.body).get("status") == "ok"

    @property
    def message(self) -> str:
        """The words of a refusal of ours; "" for the answer of anybody else."""
        error = _read_json(self.body).get("error")
        return str(error.get("message", "")) if isinstance(error, dict) else ""


@dataclass(frozen=True, kw_only=True)
class Way:
    """The way that is tried: from the public URL to the service at `origin`, with a token or ""."""

    session: aiohttp.ClientSession
    settings: Settings
    token: str

    @property
    def origin(self) -> str:
        """The URL by which this machine reaches the service."""
        return self.settings.origin

    @property
    def public(self) -> str:
        """The public URL."""
        return self.settings.public_url

    async def look(self) -> AsyncIterator[Finding]:
        """Yield the findings about the service on its port, and about the public URL where one is set."""
        local = await self.ask(self.origin + HEALTH[0].path)
        if local.is_healthy and local.headers.get(hdrs.SERVER) == SERVER:
            yield Finding("service", State.OK, f"it runs and answers at {self.origin}")
            async for finding in self._look_through():
                yield finding
            return
        try:
            sockets = listen(self.settings.host, self.settings.port)
        except SettingsError as error:
            yield Finding("service", State.FAIL, str(error))
            return
        token = secrets.token_urlsafe()
        settings = replace(self.settings, port=sockets[0].getsockname()[1])
        yield Finding("service", State.OK, "it does not run now; its address and port are free")
        async with stand_in(settings, token, sockets):
            async for finding in replace(self, settings=settings, token=token)._look_through():
                yield finding

    async def _look_through(self) -> AsyncIterator[Finding]:
        if not self.public:
            host = self.settings.host
            note = "" if is_loopback(host) else "; set EASEL_PUBLIC_URL where others use another address"
            yield Finding("public URL", State.OK, f"none is set: links begin with {self.origin}{note}")
            return
        wrong = self._wrong_with(await self.ask(self.public + HEALTH[0].path))
        if wrong:
            yield Finding("public URL", State.FAIL, wrong)
            return
        yield Finding("public URL", State.OK, f"{self.public} leads here, and its host name is taken")
        yield await self._pictures()
        yield await self._stream()
        yield await self._large_body()

    async def ask(self, url: str, method: str = "GET") -> Answer:
        """Send one small request without a body; redirects are not followed."""
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_S)
            async with self.session.request(method, url, timeout=timeout, allow_redirects=False) as answer:
                return await _read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(trouble=_trouble(error))

    def _wrong_with(self, health: Answer) -> str:
        """Return why the public URL does not lead to the service, and the cure; "" where it does."""
        public, status = self.public, health.status
        path = urlsplit(public).path
        if health.is_healthy:
            return ""
        if health.trouble:
            return f"{public} cannot be reached from this machine: {health.trouble}"
        if status == HTTPStatus.MISDIRECTED_REQUEST and health.message:
            return (
                f"the proxy of {public} sends another Host than people use: {health.message.partition('. ')[0]}. Let "
                "the proxy pass it on (nginx: proxy_set_header Host $host), or add that name to EASEL_ALLOWED_HOSTS"
            )
        if location := health.headers.get(hdrs.LOCATION, ""):
            return f"{public} redirects to {location[:200]}: set EASEL_PUBLIC_URL to the address that it ends at"
        if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
            return (
                f"the proxy of {public} does not reach Easel (HTTP {status}): let it pass requests on to "
                f"{self.origin}, or to the name or address that the proxy has for this machine or container"
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return (
                f"the proxy of {public} refuses requests itself (HTTP {status}): take its password or its list of "
                "addresses off; clients and pictures cannot pass it, and Easel has EASEL_TOKENS"
            )
        prefix = f"; a proxy must take {path} off (nginx: location {path}/ {{ proxy_pass {self.origin}/; }})"
        return (
            f"{public}{HEALTH[0].path} is answered, but not by Easel's sign of life (HTTP {status}): let "
            f"EASEL_PUBLIC_URL name the address before {self.settings.path}{prefix if path else ''}, or let the proxy "
            f"pass everything below it on to {self.origin}"
        )

    async def _pictures(self) -> Finding:
        """Compare the answers about a picture that is not there."""
        path = PICTURES.path + STRANGER
        here, there = await self.ask(self.origin + path), await self.ask(self.public + path)
        if (here.status, here.body) == (there.status, there.body):
            return Finding("pictures", State.OK, f"{self.public}{PICTURES.path} leads to the pictures")
        return Finding(
            "pictures",
            State.FAIL,
            f"{self.public}{PICTURES.path} does not lead to Easel ({there.trouble or f'HTTP {there.status}'}): "
            f"let the proxy pass on {PICTURES.path} and {UPLOADS.path}, not {self.settings.path} alone",
        )

    async def _stream(self) -> Finding:
        """Open a stream, and wait for its first line."""
        check, url = "streams", self.public + self.settings.path
        refusal = await self._open_stream(url)
        if refusal is None:
            return Finding(check, State.OK, "the proxy passes on what is sent when it is sent")
        if refusal.trouble == BUFFERED:
            if (await self._open_stream(self.origin + self.settings.path)) is not None:
                return Finding(check, State.WARN, "the service itself sends nothing at once: look at its load and log")
            return Finding(
                check,
                State.FAIL,
                f"the proxy holds answers back: nothing came within {STREAM_S:g} s, so progress comes at once at the "
                f"end, and long calls break. Switch its buffering off ({UNBUFFERED})",
            )
        if refusal.status == HTTPStatus.UNAUTHORIZED and refusal.message:
            return await self._without_token(check)
        if refusal.message:
            return Finding(check, State.FAIL, f"HTTP {refusal.status}: {refusal.message}")
        said = refusal.trouble or f"HTTP {refusal.status}"
        return Finding(check, State.FAIL, f"{url} does not lead to Easel ({said}): let the proxy pass on POST there")

    async def _without_token(self, check: str) -> Finding:
        if not self.token:
            return Finding(
                check, State.WARN, "not looked at, since no token is at hand: pass one with --token, or - to type it"
            )
        here = await self._open_stream(self.origin + self.settings.path)
        if here is None:
            return Finding(
                check, State.FAIL, "the proxy takes the header Authorization away: let it pass it on, as it is"
            )
        return Finding(
            check, State.WARN, "not looked at: the running service does not know the token; restart it, or use --token"
        )

    async def _open_stream(self, url: str) -> Answer | None:
        """Open a stream and leave it again. Return None where its first line came at once, else the answer."""
        headers = {**LISTEN_HEADERS, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            async with (
                asyncio.timeout(STREAM_S),
                self.session.post(url, json=LISTEN, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status != HTTPStatus.OK or answer.content_type != "text/event-stream":
                    return await _read(answer)
                return None if await answer.content.readany() else Answer(trouble="the stream ended at once")
        except TimeoutError:
            return Answer(trouble=BUFFERED)
        except (aiohttp.ClientError, OSError) as error:
            return Answer(trouble=_trouble(error))

    async def _large_body(self) -> Finding:
        """Send a body of the largest picture that people may send, to an upload link that does not exist."""
        check, size = "large bodies", min(REFERENCE_BYTES, self.settings.max_file_bytes)
        megabytes = size // MEGABYTE
        try:
            async with self.session.post(
                self.public + UPLOADS.path + STRANGER,
                data=_zeros(size),
                headers={hdrs.CONTENT_LENGTH: str(size), hdrs.CONTENT_TYPE: "application/octet-stream"},
                timeout=aiohttp.ClientTimeout(total=BODY_S),
                allow_redirects=False,
            ) as response:
                answer = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            answer = Answer(trouble=_trouble(error))
        if answer.status == HTTPStatus.NOT_FOUND and answer.message:
            return Finding(check, State.OK, f"{megabytes} MB pass, the largest picture that people may send")
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or answer.trouble:
            said = answer.trouble or "HTTP 413"
            return Finding(
                check,
                State.FAIL,
                f"a body of {megabytes} MB does not pass the proxy ({said}), so people cannot send large pictures: "
                "raise its limit (nginx: client_max_body_size 64m; Caddy: request_body max_size 64MB)",
            )
        return Finding(
            check,
            State.FAIL,
            f"{self.public}{UPLOADS.path} does not lead to Easel (HTTP {answer.status}): let the proxy pass it on",
        )


BUFFERED: Final = "nothing came"


@contextlib.asynccontextmanager
async def stand_in(settings: Settings, token: str, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Answer on the sockets as the service would, for as long as the block lasts; `token` is the one it takes."""
    tokens = StaticTokens(static_tokens([("doctor", token)]) if settings.needs_token else ())
    app = web.Application(middlewares=[Guard(settings, tokens=tokens).middleware()])
    app.router.add_get(HEALTH[0].path, _healthz)
    app.router.add_post(settings.path, _stream)
    app.router.add_get(PICTURES.path + "{name}", _absent)
    app.router.add_post(UPLOADS.path + "{name}", _absent)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for each in sockets:
            await web.SockSite(runner, each).start()
        yield
    finally:
        await runner.cleanup()


async def _healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    return web.json_response({"status": "ok"}, headers={hdrs.SERVER: SERVER})


async def _stream(request: web.Request) -> web.StreamResponse:
    """Send the first line of a stream with the headers of the service's own, then be silent."""
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", **headers})
    await response.prepare(request)
    await response.write(b": ready\n\n")
    await asyncio.sleep(2 * STREAM_S)
    return response


async def _absent(request: web.Request) -> web.Response:
    async for _ in request.content.iter_chunked(len(PIECE)):
        pass
    return web.json_response({"error": {"code": "unknown", "message": "There is no such name."}}, status=404)


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for at in range(0, size, len(PIECE)):
        yield PIECE[: size - at]


async def _read(answer: aiohttp.ClientResponse) -> Answer:
    body = await answer.content.read(SHOWN)
    return Answer(status=answer.status, headers=answer.headers, body=body)


def _read_json(body: bytes) -> dict[str, object]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _trouble(error: Exception) -> str:
    """Return a failed connection in words, with the cure where there is one."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known; add it to the DNS, or mend the name in EASEL_PUBLIC_URL"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted ({error.certificate_error}); renew it, or trust its authority here"
        case aiohttp.ClientSSLError():
            return "it does not speak TLS there; mend the proxy, or write http:// in EASEL_PUBLIC_URL"
        case aiohttp.ClientConnectorError():
            return (
                f"{error.strerror or 'no connection'}; start the proxy, publish or forward its port, or mend the port "
                "in EASEL_PUBLIC_URL"
            )
        case TimeoutError():
            return "no answer in time; look at the firewall, and at the router, which may not lead back inside"
        case _:
            return "the connection was closed without an answer"
