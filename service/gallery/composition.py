"""The composition of the gallery out of the parts of the running service."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from service.bounds.limits import ARCHIVES, InUse
from service.gallery.access import Access
from service.gallery.daily import daily_limits
from service.gallery.drawing import Orders
from service.gallery.events import Elsewhere, Events
from service.gallery.page import GalleryPages
from service.gallery.routes import Gallery
from service.gallery.sign_in import SignIn
from service.image_models.models import Models
from service.references.collect import REFERENCE_BYTES
from service.settings import Settings
from service.storage.ended_sessions import EndedSessions
from service.storage.files import Files
from service.storage.notices import Notices
from service.tools.context import ToolContext
from service.web.guard import Guard
from service.web.identity import StaticTokens
from service.web.mcp import McpEndpoint
from service.web.upload import named


@dataclass(frozen=True, kw_only=True)
class GalleryParts:
    """The parts that the gallery stands on. `key` signs its sessions, `models` gives the models on offer now."""

    settings: Settings
    guard: Guard
    context: ToolContext
    endpoint: McpEndpoint
    key: bytes
    tokens: StaticTokens
    events: Events
    ended: EndedSessions
    files: Files
    notices: Notices
    models: Callable[[], Models]

    def add_routes(self, app: web.Application) -> None:
        """Compose the gallery, and serve it until the service stops: then its streams end first."""
        pages, access = GalleryPages.read(), self._access()
        gallery = self._gallery(access, pages)
        jobs = self.context.generation.jobs
        jobs.heard, jobs.hearers = gallery.heard, self.events.owners
        gallery.add_routes(app)
        SignIn(access=access, pages=pages).add_routes(app)
        app.on_shutdown.append(self._close)
        self.notices.hear(Elsewhere(events=self.events, heard=gallery.heard).hear, lambda: self.events.owners)

    async def _close(self, _: web.Application) -> None:
        self.events.close()

    def _access(self) -> Access:
        return Access(
            key=self.key,
            guard=self.guard,
            tokens=self.tokens,
            ended=self.ended,
            resource=self.guard.resource,
            secure=self.settings.public_url.startswith("https:"),
            trusted=self.settings.trusted_proxies,
        )

    def _gallery(self, access: Access, pages: GalleryPages) -> Gallery:
        context, server = self.context, self.endpoint.server
        return Gallery(
            access=access,
            pages=pages,
            store=context.store,
            files=self.files,
            generation=context.generation,
            retention=context.retention,
            importer=context.references.importer,
            orders=Orders(server=server, beside=context.generation.jobs.run_in_background),
            events=self.events,
            models=self.models,
            public_url=self.settings.public_url,
            max_bytes=min(REFERENCE_BYTES, self.settings.max_file_bytes),
            costs=self.settings.show_costs,
            call_rate=server.call_rate,
            bytes_in_use=self.endpoint.calls.bytes_in_use,
            named=named,
            daily=partial(daily_limits, context.store, self.settings.allowances, costs=self.settings.show_costs),
            archives=InUse(ARCHIVES, self.settings.allowances),
        )
