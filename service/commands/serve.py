"""The command `serve`: serve over HTTP or standard input and output, greet, and stop at a signal."""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

from service.app import GRACE_S, VERSION, running
from service.hosts import is_loopback
from service.image_models.models import Models
from service.images import LOCAL_OWNER
from service.routes import PICTURES
from service.settings import Settings
from service.stdio import StdioServer
from service.upstreams.base import Upstream

logger = logging.getLogger(__name__)


COLLECTED_AFTER: Final = (2_000, 1, 100)
"""Objects, beyond those that were freed, after which the collector looks through the newest for cycles; how many times
it does so before it looks through those that stayed; and that, before it looks through all.

It takes half a microsecond for each object that it looks at, and holds all calls meanwhile: 200 generations that begin
at once are 40,000. Fewer at once cost more for calls that are answered side by side, whose objects go by themselves.
"""

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; a second one ends the process without waiting."""
    stop = _stop_signal()
    async with running(settings) as service:
        print(greeting(service.settings, service.context.upstreams, service.context.models), flush=True)
        spare_the_collector()
        await stop.wait()
        print(farewell(service.context.generation.jobs.at_work, settings.drain_s), flush=True)
    return 0


async def serve_stdio(settings: Settings) -> int:
    """Serve one client on standard input and output, and pictures on loopback beside it.

    Its input ends that, or a signal; another signal, or one after the end of the input, ends the process without
    waiting. Only messages may go to standard output (spec 2026-07-28, stdio): `print` goes to standard error.
    """
    # A reader of our own: at its end the interpreter closes `sys.stdin`, which a thread that reads from it forbids.
    source, output = os.fdopen(os.dup(sys.stdin.fileno()), "rb"), sys.stdout.buffer
    sys.stdout = sys.stderr
    # Only pictures are served, to this machine: the process that started us is the one client.
    settings = replace(settings, host="127.0.0.1").without_tokens()
    stop = _stop_signal()
    async with running(settings, over_http=False) as service:
        spare_the_collector()
        logger.info("serving on standard input and output; pictures at %s", service.pictures_url)
        endpoint = service.endpoint
        stdio = StdioServer(server=endpoint.server, keys=endpoint.keys, owner=LOCAL_OWNER, output=output)

        async def drain() -> None:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            await service.context.generation.jobs.close(settings.drain_s)

        serving = asyncio.create_task(stdio.serve(source, GRACE_S, drain))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        serving.cancel()
        await asyncio.wait({serving, stopped})
        if not serving.cancelled():
            serving.result()
    return 0


def _stop_signal() -> asyncio.Event:
    """Return the event that the first stop signal sets; at the second the system ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    for number in STOP_SIGNALS:
        signal.signal(number, handle)
    return stop


def spare_the_collector() -> None:
    """Have the collector look through less, and more seldom.

    Modules and tables stay loaded, and would take 20 ms each time. Of the rest hardly anything is in a cycle.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def farewell(jobs: int, drain_s: float) -> str:
    """Say how long the stop waits for how many jobs, if at all, and how to end at once."""
    if not jobs or not drain_s:
        return "Stopping."
    pictures = "a picture that is" if jobs == 1 else f"{jobs} pictures that are"
    return f"Stopping. Waiting up to {drain_s:g} s for {pictures} being made; Ctrl-C again ends at once."


def greeting(settings: Settings, upstreams: Mapping[str, Upstream], models: Models) -> str:
    """Return the lines of the start: addresses, upstreams, and the entry to paste into a client."""
    url = settings.reached_at + settings.path
    entry: dict[str, object] = {"type": "streamableHttp", "url": url}
    option = ""
    if settings.tokens or settings.tokens_file or settings.stored_tokens:
        # A token that the person chose is not repeated; one that was made here is shown, or nobody could use it.
        token = settings.tokens[LOCAL_OWNER] if settings.auto_token else "<token>"
        entry["headers"] = {"Authorization": f"Bearer {token}"}
        option = f' --header "Authorization: Bearer {token}"'
    lines = [
        f"Easel {VERSION} is ready.",
        f"  MCP endpoint  {settings.origin}{settings.path}",
        f"  Pictures      {settings.reached_at}{PICTURES.path}<name>",
        f"  Data folder   {settings.data_dir}",
        *([f"  Database      {settings.database.shown}"] if settings.database else []),
        *([f"  Bucket        {settings.s3.shown}"] if settings.s3 else []),
        *([f"  Sign-in       {settings.oauth.issuer}"] if settings.oauth else []),
        *_image_folder(settings),
        *(f"  Image service {upstream.describe()}" for upstream in upstreams.values()),
        f"  Models        {len(models.ids)}, default {models.default}",
    ]
    if not is_loopback(settings.host) and not settings.public_url:
        lines.append(
            f"  Note          picture links begin with {settings.origin}: "
            "set EASEL_PUBLIC_URL if others use another address, or if you published another port."
        )
    if not settings.cache:
        lines.append(
            "  Note          EASEL_CACHE is 0: pictures are not kept. Links are those of the image service, and end "
            "when it says so; a picture that comes without a link is kept."
        )
    public_host = urlsplit(settings.public_url).hostname
    if public_host and not settings.needs_token and not is_loopback(public_host):
        lines.append(
            "  Note          every call is refused, since EASEL_PUBLIC_URL is beyond this machine and there are no "
            "tokens: set EASEL_TOKENS, to auto for instance, or run `token add NAME`."
        )
    lines += [
        "",
        "Paste into your client:",
        f"  {json.dumps({'mcpServers': {'easel': entry}})}",
        f"or, for Claude Code:\n  claude mcp add --transport http easel {url}{option}",
        "",
        "Stop with Ctrl-C.",
    ]
    return "\n".join(lines)


def _image_folder(settings: Settings) -> list[str]:
    """Return the line about the image folder and its faults; none where no folder is set."""
    if settings.image_dir is None:
        return []
    amiss = "" if settings.image_dir.is_dir() else ", which is not there"
    if settings.several_owners:
        amiss = ", not used: it is one person's, and several have tokens"
    return [f"  Image folder  {settings.image_dir}{amiss}"]
