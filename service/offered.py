"""What the server offers, put together for the models that there are: tools, prompts, resources and completions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from service.generation import Generation
from service.images import Job
from service.intake import Intake
from service.keepings import Keepings
from service.models import Models
from service.offered_completions import Completions
from service.offered_prompts import Prompts
from service.offered_resources import Resources
from service.preview_memory import PreviewMemory
from service.profiles import Profiles
from service.prompt_words import PromptWords
from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.references import References, guarded
from service.retention import Retention
from service.running_jobs import RunningJobs
from service.settings import Settings
from service.tools import TOOLS
from service.tools.base import without_output
from service.uploads import Uploads
from service.upstream import Upstream
from service.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What everything on offer stands on, and stays the same when the models change."""

    settings: Settings
    kept: Keepings
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
        bench = self.workbench(models)
        tools = {tool.name: tool.bind(bench) for tool in TOOLS if tool.offered(bench)}
        plain = without_output(tools)

        def show_tools(call: Call) -> Mapping[str, ToolEntry]:
            return tools if self.profiles.of(call).structured else plain

        kept = self.kept
        prompts = Prompts(words=PromptWords.read(), models=models, store=kept.store, tools=tools)
        resources = Resources(
            store=kept.store, files=kept.files, previews=kept.previews, pictures_url=self.pictures_url
        )
        server.tools, server.show_tools = tools, show_tools
        server.prompts = prompts.entries()
        server.templates, server.resource_pages = resources.templates(), resources.pages
        server.complete = Completions(models=models, store=kept.store).complete

    def workbench(self, models: Models) -> Workbench:
        """What the tools work with."""
        generation = self.generation(models)
        return Workbench(
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
            previews=self.kept.previews,
            pictures_url=self.pictures_url,
            retries=self.settings.retries,
            prompt_suffix=self.settings.prompt_suffix,
            ended=self.ended,
            jobs=self.jobs,
            memory=self.memory,
        )

    @property
    def intake(self) -> Intake:
        """Where pictures come in that nobody drew for us."""
        return Intake(files=self.kept.files, store=self.kept.store, previews=self.kept.previews)

    def _references(self, generation: Generation) -> References:
        return References(
            store=self.kept.store,
            files=self.kept.files,
            intake=self.intake,
            uploads=self.uploads,
            download=guarded(self.session),
            picture=generation.picture,
            kept=self.retention.enforce,
            own_hosts=self.own_hosts,
            image_dir=self.settings.image_dir,
            several_owners=len(self.settings.tokens) > 1,
        )
