"""The routes of monitors: `/healthz`, `/readyz` and `/metrics`.

1. `/healthz` and `/health` are a sign that this process serves. They reveal nothing else, so they need no token.
2. `/readyz` is 200, or 503 where a call would fail: the data folder cannot be read, the service stops, an image service
   refuses our key, or none can be reached. It names checks and states; reasons and settings are for the scope admin.
3. `/metrics` is for the scope admin, in the text format of Prometheus, whatever `Accept` says: all scrapers take it,
   and the library reads no `q` there. Counts are of this process, pictures and bytes of the data folder.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from service.authorization import ADMIN
from service.images import LOCAL_OWNER, WorkError
from service.pipeline.generation import Generation
from service.pipeline.upstream_states import UpstreamStates
from service.protocol.subscriptions import Hub
from service.routes import HEALTH, METRICS, READY
from service.storage.store import Store
from service.telemetry import COUNTS
from service.web.guard import error_response
from service.web.identity import IDENTITY

UNCACHED: Final = {hdrs.CACHE_CONTROL: "no-store"}

PROCESS: Final = CollectorRegistry()
"""Memory, processor time and open files of this process, where the system tells them."""

ProcessCollector(registry=PROCESS)


NO_PICTURE: Final = f"{'0' * 32}.png"
"""The name of a picture that is not there: looking for it shows that the storage answers."""


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """The parts of the service whose state monitors see."""

    store: Store
    generation: Generation
    states: UpstreamStates
    hub: Hub

    async def readyz(self, request: web.Request) -> web.Response:
        """Return the checks, 200 where all calls can be served."""
        folder = await self._trouble_of_folder()
        stops = self.generation.jobs.closing
        checks: dict[str, dict[str, str]] = {
            "service": {"state": "stopping" if stops else "ok"},
            "data folder": {"state": "failed" if folder else "ok", "reason": folder, "setting": ""},
        }
        for name, each in self.states.standings.items():
            checks[name] = {"state": each.state, "reason": each.reason, "setting": each.setting}
        shown = ("state", "reason", "setting") if _is_admin(request) else ("state",)
        ready = not folder and not stops and self.states.can_draw
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: {key: check[key] for key in shown if check.get(key)} for name, check in checks.items()},
        }
        return web.json_response(body, status=200 if ready else 503, headers=UNCACHED)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the counts of this process, and what is at work now."""
        if not _is_admin(request):
            return error_response(403, f"Metrics need a token with the scope {ADMIN}.")
        now = CollectorRegistry()
        for name, words, value in await self._levels():
            Gauge(name, words, registry=now).set(value)
        up = Gauge("easel_upstream_up", "0 where it refuses the key or is unreachable.", ("upstream",), registry=now)
        for name, each in self.states.standings.items():
            up.labels(name).set(each.is_well)
        parts = [await asyncio.to_thread(generate_latest, each) for each in (COUNTS, now, PROCESS)]
        return web.Response(body=b"".join(parts), headers={**UNCACHED, hdrs.CONTENT_TYPE: CONTENT_TYPE_PLAIN_0_0_4})

    def add_routes(self, app: web.Application) -> None:
        """Serve the routes; that of health under both names that monitors use."""
        for route in HEALTH:
            app.router.add_get(route.path, healthz)
        app.router.add_get(READY.path, self.readyz)
        app.router.add_get(METRICS.path, self.metrics)

    async def _levels(self) -> list[tuple[str, str, int]]:
        jobs, turns = self.generation.jobs, self.generation.worker.asking.turns
        levels = [
            ("easel_generations_at_work", "Generations at work in this process.", jobs.at_work),
            ("easel_generations_waiting", "Those of them that wait for a turn.", turns.waiting),
            ("easel_streams", "Open streams of notices.", self.hub.streams.overall),
        ]
        try:
            total = await self.store.files_total(None)
        except WorkError:
            return levels  # the log and /readyz say why
        return [
            *levels,
            ("easel_cache_files", "Pictures that are kept in the data folder.", total.entries),
            ("easel_cache_bytes", "Bytes of these pictures.", total.bytes),
        ]

    async def _trouble_of_folder(self) -> str:
        """Return why the history or the pictures cannot be reached; "" where they can."""
        try:
            await self.store.job(LOCAL_OWNER, 1)
            await self.generation.pictures.files.find(NO_PICTURE)
        except WorkError as error:
            return error.fact
        return ""


def _is_admin(request: web.Request) -> bool:
    return IDENTITY in request and ADMIN in request[IDENTITY].scopes


async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    """Return 200 with a small JSON body."""
    return web.json_response({"status": "ok"}, headers=UNCACHED)
