"""The states of the image services: whether each takes our key and can be reached.

1. At the start each is asked for its list of models, which costs nothing, and every hour from then on. One that fails
   is asked again every minute until it answers.
2. A generation that ended tells, too: a picture that the service is well, a refused key that it is not. A service
   whose list is public counts as well again when it is asked next, until another generation fails: a state that only a
   generation could end would keep a service out for ever that gets no calls while it is not ready.
3. A change is one line of the log: a WARNING with the reason and the setting to change.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final

from service.image_models.comparison import ask
from service.images import Job, JobState, WorkError
from service.logs import fields
from service.upstreams.base import Offers, Upstream

logger = logging.getLogger(__name__)

EVERY_S: Final = 60.0
LISTS_EVERY: Final = 60
"""So many rounds from one list of a service that is well to the next."""


class State(StrEnum):
    """The state of an image service, as `/readyz` names it."""

    OK = "ok"
    NOT_ASKED = "not asked yet"
    UNKNOWN = "not known"
    """It answered, and nothing in its answer is about the key."""
    REFUSES_KEY = "key refused"
    UNREACHABLE = "unreachable"


OF_KIND: Final[Mapping[str, State]] = {
    "auth": State.REFUSES_KEY,
    "account": State.REFUSES_KEY,
    "unreachable": State.UNREACHABLE,
    "timeout": State.UNREACHABLE,
}
"""The states that follow from kinds of failure (`upstreams/kinds.py`)."""

OF_GENERATION: Final = frozenset({"auth", "account", "unreachable"})
"""Kinds of failure of a generation that say something about the next one. A late picture does not."""


@dataclass(frozen=True)
class Standing:
    """The state of one image service, and for one that is not well the reason and the settings to change."""

    state: State
    reason: str = ""
    setting: str = ""

    @property
    def is_well(self) -> bool:
        """True unless pictures are known to fail."""
        return self.state not in OF_KIND.values()


class UpstreamStates:
    """The states of the image services of this process."""

    def __init__(
        self, upstreams: Mapping[str, Upstream], pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Know nothing of `upstreams` yet."""
        self._upstreams = upstreams
        self._pause = pause
        self.standings = dict.fromkeys(upstreams, Standing(State.NOT_ASKED))
        self.unwell: set[str] = set()
        """The names of those of which pictures are known to fail."""

    @property
    def can_draw(self) -> bool:
        """True unless a service refuses our key, or none can be reached."""
        found = self.standings.values()
        return all(each.state is not State.REFUSES_KEY for each in found) and any(each.is_well for each in found)

    async def watch(self, listed: Callable[[Mapping[str, Offers | str]], None] = lambda _: None) -> None:
        """Ask all, and hand their lists to `listed`; those that are not well are asked more often than the others."""
        for number in count():
            names = sorted(self.unwell) if number % LISTS_EVERY else self._upstreams
            listed(await self._ask(names))
            await self._pause(EVERY_S)

    def ended(self, job: Job) -> None:
        """Learn from a generation that came to its end; one that succeeds says something of the unwell alone."""
        if job.upstream not in self.standings:
            return
        if job.state is JobState.DONE:
            self._take(job.upstream, Standing(State.OK))
        elif job.failure is not None and job.failure.kind in OF_GENERATION:
            self._take(job.upstream, Standing(OF_KIND[job.failure.kind], job.failure.fact))

    async def _ask(self, names: Iterable[str]) -> Mapping[str, Offers | str]:
        async with asyncio.TaskGroup() as group:
            asking = {name: group.create_task(self._ask_one(name)) for name in names}
        return {name: task.result() for name, task in asking.items()}

    async def _ask_one(self, name: str) -> Offers | str:
        upstream = self._upstreams[name]
        try:
            answer = await ask(upstream)
        except WorkError as error:
            self._take(name, Standing(OF_KIND.get(error.kind, State.UNKNOWN), error.fact, error.setting))
            return error.fact
        self._take(name, Standing(State.OK))
        return answer

    def _take(self, name: str, now: Standing) -> None:
        before, self.standings[name] = self.standings[name], now
        (self.unwell.discard if now.is_well else self.unwell.add)(name)
        if now.state is before.state:
            return
        if not now.is_well:
            change = f" Setting to change: {now.setting}." if now.setting else ""
            extra = fields(upstream=name, kind=str(now.state), setting=now.setting or None)
            logger.warning("%s: %s. %s%s", name, now.state, now.reason, change, extra=extra)
        elif not before.is_well:
            logger.info("%s: %s again", name, now.state, extra=fields(upstream=name))
