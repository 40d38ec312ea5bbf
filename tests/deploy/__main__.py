"""Run the shipped proxy configurations before a service: `python -m tests.deploy [--install] [name …]`.

Names choose among `nginx`, `caddy`, `caddy-gzip`, `haproxy`, and `replicas` for the pod of two replicas. `--install`
gets missing programs by apt-get, as root. It takes two minutes, since a generation takes 92 seconds; all cases wait at
the same time. Exit status 0: all passed, 1: a check failed, 2: something could not be run, which must not look like
success.
"""

import argparse
import asyncio
import json
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tests.deploy.checks import CannotRunError, Checks, run
from tests.deploy.pods import check_pod_of_replicas
from tests.deploy.proxies import CASES, PACKAGES, PROXIES, Authority, Case, Ports, authority, missing, running
from tests.deploy.replicas import check_replicas
from tests.deploy.units import check_units
from tests.emulators import slow_pictures
from tests.emulators.pictures import large_jpeg
from tests.emulators.slow_pictures import SlowPictures
from tests.scale.ports import free_ports
from tests.service_process import launched
from tests.wire import ANNA, LEGACY, WireClient, modern_headers, modern_params, request

DRAW_S: Final = 92.0
"""Longer than the minute after which proxies give up by default."""

MODEL: Final = "gpt-image-2"
REPLICAS: Final = "replicas"
FIRST_S: Final = 10.0
MOST_SILENCE_S: Final = 15.0
"""The service sends something every ten seconds; the rest is for a busy machine."""

WHOLE_S: Final = 420.0
UPLOAD_BYTES: Final = 64_000_000
UPLOADED: Final = 8
"""Pictures of one upload, each an eighth of it."""

PERSON: Final = "127.0.0.9"
"""The address from which the person comes: not that of the proxy."""


class Loopback(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A proxy, a service behind it, and a person before it."""

    title: str
    public_url: str
    client: WireClient
    log: Path
    checks: Checks

    def that(self, statement: str, true: object, why: object = "") -> None:
        self.checks.that(f"{self.title}: {statement}", true, why)


async def check(stand: Stand, working: asyncio.Semaphore) -> None:
    """All statements on one stand; those that move megabytes one after the other."""
    async with asyncio.TaskGroup() as group:
        group.create_task(tried(stand, "modern stream", streams(stand, "modern")))
        group.create_task(tried(stand, "legacy stream", streams(stand, "legacy")))
        group.create_task(tried(stand, "silent generation", waits_in_silence(stand)))
        async with working:
            await tried(stand, "wrong token", is_known_by_address(stand))
            await tried(stand, "metadata", leads_to_the_authorization_server(stand))
            await tried(stand, "question", asks_at_once(stand))
            await tried(stand, "upload", takes_an_upload(stand))


async def tried(stand: Stand, what: str, work: Awaitable[None]) -> None:
    """Do one piece of work; a connection that breaks is a failed check."""
    try:
        await work
    except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
        stand.that(what, False, f"{type(error).__name__} {error}"[:300])


async def streams(stand: Stand, era: str) -> None:
    """A generation of a minute and a half whose progress is shown."""
    client = stand.client
    params: dict[str, Any] = {"name": "generate", "arguments": {"prompt": f"a slow {era} picture", "model": MODEL}}
    headers = {**client.headers, "Accept": "application/json, text/event-stream"}
    if era == "modern":
        message = request("tools/call", modern_params(params, progressToken="p"))
        headers |= modern_headers("tools/call", "generate")
    else:
        await client.open(LEGACY)
        message = request("tools/call", {**params, "_meta": {"progressToken": "p"}})
        headers["Mcp-Session-Id"] = client.session_id
    arrivals, messages = [began := time.monotonic()], []
    async with client.session.post(client.url, json=message, headers=headers) as answer:
        pieces = bytearray()
        async for piece in answer.content.iter_any():
            arrivals.append(time.monotonic())
            pieces += piece
        compressed = answer.headers.get("Content-Encoding", "")
    messages = [line for line in bytes(pieces).split(b"\n") if line.startswith(b"data: {")]
    waits = [later - earlier for earlier, later in pairwise(arrivals)]
    took = arrivals[-1] - began
    stand.that(
        f"{era} progress arrives as it happens", len(waits) > 2 and waits[0] < FIRST_S, f"first after {waits[:1]} s"
    )
    stand.that(
        f"{era} stream never falls silent {compressed}".strip(), max(waits) < MOST_SILENCE_S, f"{max(waits):.0f} s"
    )
    drawn = took >= DRAW_S and b"/mcp-cache/" in messages[-1]
    stand.that(f"{era} generation of {took:.0f} s arrives", drawn, messages[-1][:300] if messages else answer.status)


async def waits_in_silence(stand: Stand) -> None:
    """The same for a client that takes no stream: not a byte comes before the answer."""
    client, began = stand.client, time.monotonic()
    params = {"name": "generate", "arguments": {"prompt": "a silent picture", "model": MODEL}}
    headers = {**client.headers, **modern_headers("tools/call", "generate"), "Accept": "application/json"}
    body = request("tools/call", modern_params(params))
    async with client.session.post(client.url, json=body, headers=headers) as answer:
        text = await answer.text()
    took = time.monotonic() - began
    url = (re.findall(r'https?://[^"\\ )]+/mcp-cache/[^"\\ )]+', text) or [""])[0]
    stand.that(f"silent generation of {took:.0f} s arrives", took >= DRAW_S and url, text[:300])
    if url:
        stand.that("its link begins with the public URL", url.startswith(f"{stand.public_url}/mcp-cache/"), url)
        await serves_pictures(stand, url)


async def leads_to_the_authorization_server(stand: Stand) -> None:
    """The metadata of OAuth lies beside the path of the endpoint, not below it (RFC 9728, 3.1)."""
    if not stand.public_url.startswith("https:"):
        return
    endpoint = URL(stand.client.url)
    url = endpoint.with_path(f"/.well-known/oauth-protected-resource{endpoint.path}")
    async with stand.client.session.get(url) as answer:
        text = await answer.text()
    found = answer.status == 200 and json.loads(text)["resource"] == stand.client.url
    stand.that("the metadata of OAuth is found", found, f"{answer.status} {text[:200]}")


async def asks_at_once(stand: Stand) -> None:
    """A question to the person is the first that comes on its stream, and longer than the 512 bytes of Caddy's gzip."""
    client = WireClient(stand.client.session, stand.client.url, stand.client.headers)
    await client.open(LEGACY, elicitation={"url": {}})
    arguments = {"prompt": "my photo, " + "as a painting " * 60, "use_upload": True, "model": MODEL}
    message = request("tools/call", {"name": "generate", "arguments": arguments})
    headers = {**client.headers, "Accept": "application/json, text/event-stream", "Mcp-Session-Id": client.session_id}
    heard = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_S), client.session.post(client.url, json=message, headers=headers) as answer:
            async for piece in answer.content.iter_any():
                heard += piece
                if b"elicitation/create" in heard:
                    break
    stand.that(
        "a long question arrives when it is asked", b"elicitation/create" in heard, f"after {FIRST_S} s: {heard!r}"
    )


async def is_known_by_address(stand: Stand) -> None:
    """A wrong token counts against the person's address, not the proxy's. A header that they wrote is not believed."""
    headers = {"Authorization": "Bearer wrong-0123456789abcdef", "X-Forwarded-For": "203.0.113.7"}
    async with stand.client.session.post(stand.client.url, json={}, headers=headers) as answer:
        status = answer.status
    log = stand.log.read_text()
    known = status == 401 and f"{PERSON}:" in log and "203.0.113.7" not in log
    stand.that("a wrong token counts for the person's address", known, f"{status}, log: {log[-300:]}")


async def takes_an_upload(stand: Stand) -> None:
    """Send 64 MB by the link of the answer."""
    result = await stand.client.call("generate", {"prompt": "from my photo", "use_upload": True, "model": MODEL})
    text = result["content"][0]["text"]
    link = next((word.strip("()<>.,") for word in text.split() if "/upload/" in word), "")
    stand.that("links begin with the public URL", link.startswith(f"{stand.public_url}/upload/"), text[:300])
    link = link.partition("?")[0]
    async with stand.client.session.get(link) as answer:
        page = await answer.text()
        stand.that("the upload page is shown", answer.status == 200 and "<script>" in page, answer.status)
    picture = large_jpeg()
    sent = picture + bytes(UPLOAD_BYTES // UPLOADED - len(picture))
    sizes = ",".join([str(len(sent))] * UPLOADED)
    bodies = b"".join(sent[:-1] + bytes([number]) for number in range(UPLOADED))
    async with stand.client.session.post(f"{link}?sizes={sizes}", data=bodies) as answer:
        told = await answer.text()
    stand.that(
        f"an upload of {len(bodies) // 1_000_000} MB passes", answer.status == 200, f"{answer.status} {told[:300]}"
    )


async def serves_pictures(stand: Stand, url: str) -> None:
    """A picture, a part of it, and the sign that a copy is still good."""
    get = stand.client.session.get
    async with get(url) as answer:
        whole = await answer.read()
        tag, kept = answer.headers.get("ETag", ""), answer.headers.get("Cache-Control", "")
        as_sent = answer.status == 200 and "Content-Encoding" not in answer.headers
        stand.that("a picture comes as it is", as_sent, f"{answer.status} {dict(answer.headers)}")
        stand.that("it may be kept", "immutable" in kept and tag.startswith('"'), f"{kept} {tag}")
    async with get(url, headers={"Range": "bytes=100-199"}) as answer:
        part = await answer.read()
        stand.that("a part of it comes", (answer.status, part) == (206, whole[100:200]), f"{answer.status} {len(part)}")
    async with get(url, headers={"If-None-Match": tag}) as answer:
        stand.that("a copy is not sent again", answer.status == 304, answer.status)


@asynccontextmanager
async def stood(name: str, case: Case, drawing: SlowPictures, local: Authority, checks: Checks) -> AsyncIterator[Stand]:
    """Start a service, the proxy before it, and a client."""
    folder = local.folder.with_name(f"{name}-{case.name}")
    folder.mkdir()
    tls, home, redirect, service = free_ports(4)
    ports = Ports(tls=tls, home=home, redirect=redirect, service=service)
    public_url = case.public_url.format(tls=tls, home=home)
    settings = {
        **drawing.settings(),
        "EASEL_PORT": str(service),
        "EASEL_TOKENS": f"anna:{ANNA}",
        "EASEL_PUBLIC_URL": public_url,
        "EASEL_TRUSTED_PROXIES": "127.0.0.1",
        "EASEL_PROFILES": "*:structured=on,patience=240",
        "EASEL_LOG": "warning",
    }
    if public_url.startswith("https:"):
        settings["EASEL_OAUTH_ISSUER"] = "https://auth.example.com"
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "service.log").open("wb"))
        command = [sys.executable, "-m", "service"]
        await stack.enter_async_context(launched(command, folder / "data", settings, deadline_s=WHOLE_S, stderr=log))
        trusts = await stack.enter_async_context(running(name, folder / name, ports, local))
        connector = aiohttp.TCPConnector(resolver=Loopback(), ssl=trusts, local_addr=(PERSON, 0))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=WHOLE_S))
        )
        headers = {"Authorization": f"Bearer {ANNA}"}
        client = WireClient(session, f"{public_url}/mcp", headers)
        yield Stand(
            title=f"{name} {case.name}", public_url=public_url, client=client, log=folder / "service.log", checks=checks
        )


async def check_all(names: Sequence[str], checks: Checks) -> None:
    """Every case of these proxies at the same time."""
    working = asyncio.Semaphore(1)
    with tempfile.TemporaryDirectory(prefix="easel-deploy-") as folder:
        local = authority(Path(folder) / "authority")
        async with AsyncExitStack() as stack, slow_pictures.running(DRAW_S, 0) as drawing:
            stands: list[Stand] = []
            for name in names:
                own = [stood(name, case, drawing, local, checks) for case in CASES]
                stands += [await stack.enter_async_context(each) for each in own]
            async with asyncio.TaskGroup() as group:
                for stand in stands:
                    group.create_task(check(stand, working))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy")
    parser.add_argument("--install", action="store_true", help="install missing proxies by apt-get, as root")
    parser.add_argument("names", nargs="*", help=f"{', '.join((*PROXIES, REPLICAS))}; all when left out")
    options = parser.parse_args()
    checks = Checks()
    names = options.names or [*PROXIES, REPLICAS]
    programs = {"caddy" if name == REPLICAS else name.partition("-")[0] for name in names}
    try:
        if options.install and (absent := missing(programs)):
            run("apt-get", "update")
            run("apt-get", "install", "--yes", "--no-install-recommends", *(PACKAGES[name] for name in absent))
        if absent := missing(programs):
            packages = " ".join(PACKAGES[name] for name in absent)
            raise CannotRunError(f"it needs {', '.join(absent)}: apt-get install {packages}, or --install")
        check_units(checks)
        if REPLICAS in names:
            check_pod_of_replicas(checks)
            asyncio.run(check_replicas(checks))
        asyncio.run(check_all([name for name in names if name != REPLICAS], checks))
    except CannotRunError as error:
        print(f"deploy-check could not be run: {error}", file=sys.stderr)
        return 2
    return checks.summary()


if __name__ == "__main__":
    sys.exit(main())
