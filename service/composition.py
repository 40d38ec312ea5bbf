"""The pipeline and the context of the tools, composed of the opened parts; and the notices between processes.

What happens here is told to the listeners of this process at once, and to other processes by notices, which tell their
own listeners.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import aiohttp

from service.bounds.byte_budget import ByteBudget
from service.bounds.limits import DERIVATIVES, InUse
from service.features.resources import PictureNotifications
from service.gallery.app_page import read_app
from service.gallery.events import Events
from service.image_models.models import Models
from service.images import Job
from service.pictures.decoders import Decoders
from service.pictures.derivatives import Derivatives
from service.pictures.library import Importer, Pictures
from service.pictures.tiles import Tiles
from service.pipeline.asking import Asking, Turns
from service.pipeline.clock_watch import ClockWatch
from service.pipeline.elsewhere import JobsElsewhere
from service.pipeline.generation import Generation
from service.pipeline.keeping import Keeping
from service.pipeline.restoration import Restoration
from service.pipeline.retention import Retention, Room
from service.pipeline.running_jobs import RunningJobs
from service.pipeline.upstream_states import UpstreamStates
from service.pipeline.worker import Worker
from service.profiles import Profiles, ProfilesError, read_overrides
from service.protocol.subscriptions import Hub
from service.redaction import Redactor
from service.references.collect import GuardedDownload, References
from service.references.uploads import Uploads
from service.routes import PICTURES, UPLOADS
from service.settings import Settings
from service.settings_reader import SettingsError
from service.storage.notices import HistoryChanged
from service.storage.opened import Storage
from service.tools.context import ToolContext
from service.upstreams.base import Upstream
from service.web.guard import own_names
from service.web.identity import StaticTokens


@dataclass(frozen=True, kw_only=True)
class OpenedParts:
    """The opened parts, of which the pipeline and the context of the tools are composed."""

    settings: Settings
    storage: Storage
    upstreams: Mapping[str, Upstream]
    decoders: Decoders
    session: aiohttp.ClientSession
    redactor: Redactor
    hub: Hub
    tokens: StaticTokens
    states: UpstreamStates
    has_gallery: bool
    events: Events = field(default_factory=Events)

    @cached_property
    def room(self) -> Room:
        """The way to the replica that makes room for all."""
        return Room(self.storage.notices, self.storage.replica)

    def revoke(self, owners: Collection[str]) -> None:
        """End the streams of owners who have no token any more."""
        self.hub.close_owners(owners)
        for owner in owners:
            self.events.close(owner)

    def context(self, models: Models) -> ToolContext:
        """Compose everything that tools work with, the pipeline included: once for the process."""
        settings, storage, public_url = self.settings, self.storage, self.settings.reached_at
        notifications = PictureNotifications(self.hub)
        storage.notices.hear(notifications.hear, lambda: self.hub.owners)

        def removed(owner: str) -> None:
            notifications.removed(owner)
            self.events.tell(owner, "changed", {})
            storage.notices.tell(HistoryChanged(owner))

        retention = Retention(
            storage.store,
            storage.files,
            settings.limits,
            removed,
            clock=ClockWatch(),
            replica=storage.replica,
            ask_leader=self.room.ask,
        )
        pictures = Pictures(
            files=storage.files,
            decoders=self.decoders,
            url=public_url + PICTURES.path,
            cdn_url=settings.cdn_url,
            keeps=settings.cache,
        )
        uploads = Uploads(storage.uploads, storage.secret.derive("upload links"), public_url + UPLOADS.path)

        def ended(job: Job) -> Awaitable[None]:
            """Tell of a job that has ended; what is awaited makes room for its pictures."""
            spare = [picture.name for picture in job.pictures]
            if self.states.unwell or job.failure is not None:
                self.states.ended(job)
            if self.hub.is_heard:
                notifications.ended(job)
            if self.has_gallery:
                tiles.ended(job)
            return retention.enforce(spare)

        in_use = InUse(DERIVATIVES, settings.allowances)
        derivatives = Derivatives(storage.files, storage.store, self.decoders, in_use, retention.enforce)
        tiles = Tiles(storage.files, self.decoders, derivatives, pictures.memory.find)
        generation = self._generation(pictures, ended)
        return ToolContext(
            models=models,
            upstreams=self.upstreams,
            store=storage.store,
            pictures=pictures,
            generation=generation,
            profiles=_profiles(settings),
            references=self._references(generation, uploads, retention),
            uploads=uploads,
            retention=retention,
            redactor=self.redactor,
            history_recent=settings.history_recent,
            history_archive=settings.history_archive,
            has_gallery=self.has_gallery,
            derivatives=derivatives,
            tiles=tiles,
            app_html=read_app(),
        )

    def _generation(self, pictures: Pictures, ended: Callable[[Job], Awaitable[None]]) -> Generation:
        store, jobs, settings = self.storage.store, RunningJobs(drained=self.decoders.stop), self.settings
        turns = Turns(settings.allowances, self.storage.replica)
        worker = Worker(
            upstreams=self.upstreams,
            store=store,
            jobs=jobs,
            asking=Asking(
                store=store,
                retries=settings.retries,
                prompt_suffix=settings.prompt_suffix,
                turns=turns,
                replica=self.storage.replica,
            ),
            keeping=Keeping(store=store, arrivals=self.storage.arrivals, pictures=pictures, jobs=jobs),
            ended=ended,
            budget=ByteBudget(settings.in_flight_bytes),
        )
        restoration = Restoration(upstreams=self.upstreams, store=store, pictures=pictures, ended=ended)
        generation = Generation(
            store=store,
            pictures=pictures,
            jobs=jobs,
            worker=worker,
            restoration=restoration,
            elsewhere=JobsElsewhere(self.storage.notices, jobs),
            resume_each_s=self.storage.replica.claims_each_s,
        )
        generation.elsewhere.stop = self.storage.replica.stop = generation.stop_here
        self.storage.replica.lost = jobs.abandon
        return generation

    def _references(self, generation: Generation, uploads: Uploads, retention: Retention) -> References:
        storage = self.storage
        return References(
            store=storage.store,
            files=storage.files,
            importer=Importer(files=storage.files, store=storage.store, decoders=self.decoders),
            uploads=uploads,
            download=GuardedDownload(self.session, self.settings.allowances),
            picture=generation.picture,
            make_room=retention.enforce,
            drop=retention.drop,
            own_hosts=own_names(self.settings),
            cdn_url=self.settings.cdn_url,
            image_dir=self.settings.image_dir,
            several_owners=lambda: self.settings.several_owners or len(self.tokens.names) > 1,
        )


def _profiles(settings: Settings) -> Profiles:
    try:
        return Profiles(read_overrides(settings.profiles), costs=settings.show_costs)
    except ProfilesError as error:
        raise SettingsError("EASEL_PROFILES", str(error)) from error
