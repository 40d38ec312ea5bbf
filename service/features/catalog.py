"""What the server offers, put together for the models that there are: tools, prompts, resources and completions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from service.features.completions import Completions
from service.features.prompt_templates import PromptTemplates
from service.features.prompts import Prompts
from service.features.resources import Resources
from service.image_models.models import Models
from service.images import Job
from service.pictures.importer import Importer
from service.pictures.previews import PreviewMemory, Previews
from service.pipeline.generation import Generation
from service.pipeline.retention import Retention
from service.pipeline.running_jobs import RunningJobs
from service.profiles import Profiles
from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.references.collect import References, guarded
from service.references.uploads import Uploads
from service.settings import Settings
from service.storage.opened import Storage
from service.tools import TOOLS
from service.tools.base import without_output
from service.tools.context import ToolContext
from service.upstreams.base import Upstream


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What everything on offer stands on, and stays the same when the models change."""

    settings: Settings
    kept: Storage
    previews: Previews
    upstreams: Mapping[str, Upstream]
    session: aiohttp.ClientSession
    pictures_url: str
    own_hosts: frozenset[str]
    profiles: Profiles
    uploads: Uploads
    retention: Retention
    jobs: RunningJobs
    memory: PreviewMemory
    ended: Callable[[Job], Awaitable[None]]

    def put_on(self, server: Server, models: Models) -> None:
        """Have the server offer this. Calls that run keep what they started with."""
        context = self.workbench(models)
        tools = {tool.name: tool.bind(context) for tool in TOOLS if tool.offered(context)}
        plain = without_output(tools)

        def show_tools(call: Call) -> Mapping[str, ToolEntry]:
            return tools if self.profiles.of(call).structured else plain

        kept = self.kept
        prompts = Prompts(words=PromptTemplates.read(), models=models, store=kept.store, tools=tools)
        resources = Resources(
            store=kept.store, files=kept.files, previews=self.previews, pictures_url=self.pictures_url
        )
        server.tools, server.show_tools = tools, show_tools
        server.prompts = prompts.entries()
        server.templates, server.resource_pages = resources.templates(), resources.pages
        server.complete = Completions(models=models, store=kept.store).complete

    def workbench(self, models: Models) -> ToolContext:
        """What the tools work with."""
        generation = self.generation(models)
        return ToolContext(
            generation=generation,
            profiles=self.profiles,
            references=self._references(generation),
            uploads=self.uploads,
            retention=self.retention,
            history_recent=self.settings.history_recent,
            history_archive=self.settings.history_archive,
        )

    def generation(self, models: Models) -> Generation:
        """The pipeline with these models."""
        return Generation(
            models=models,
            upstreams=self.upstreams,
            store=self.kept.store,
            files=self.kept.files,
            previews=self.previews,
            pictures_url=self.pictures_url,
            retries=self.settings.retries,
            prompt_suffix=self.settings.prompt_suffix,
            ended=self.ended,
            jobs=self.jobs,
            memory=self.memory,
        )

    @property
    def importer(self) -> Importer:
        """The importer of references and uploads."""
        return Importer(files=self.kept.files, store=self.kept.store, previews=self.previews)

    def _references(self, generation: Generation) -> References:
        return References(
            store=self.kept.store,
            files=self.kept.files,
            importer=self.importer,
            uploads=self.uploads,
            download=guarded(self.session),
            picture=generation.picture,
            make_room=self.retention.enforce,
            own_hosts=self.own_hosts,
            image_dir=self.settings.image_dir,
            several_owners=len(self.settings.tokens) > 1,
        )
