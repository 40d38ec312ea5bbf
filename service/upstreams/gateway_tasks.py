"""Tasks of gateways: a request of the Images or chat API that is answered with a task, asked about until it has ended.

1. The question goes to the address that the answer or its `Location` named, then to the routes that gateways have:
   `tasks/<id>` of APIMart and its kin, `images/tasks/<id>` of sub2api and SVRouter, `images/generations/<id>`. It goes
   to the configured origin alone, with the key: nobody else gets it. The one that knows the task is asked from then on.
2. No question is charged. One that fails, or that the gateway is too busy for, is asked again; `Retry-After` counts.
3. A gateway may not know a task in the first moments. One that it does not know for `KNOWN_S` seconds is given up.
4. The pictures are read as those of any answer, from `output.image_urls`, `result.images[].url`, `data[]`, ….
"""

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote

import aiohttp
from yarl import URL

from service.images import Progress
from service.upstreams.answer import Event, ImageAnswer, read_piece, read_usage
from service.upstreams.base import RemoteTask
from service.upstreams.error_body import find_error, reported_error, sanitize
from service.upstreams.errors import (
    LONGEST_WAIT_S,
    Service,
    UpstreamError,
    read_start,
    request_to,
    retry_after,
    upstream_error,
)
from service.upstreams.fetch import PAGES, bearer
from service.upstreams.image_sources import Source, in_field
from service.upstreams.kinds import Kind
from service.upstreams.tasks import (
    TASK_DONE,
    TASK_FAILED,
    TASK_WAITS,
    WRAPPERS,
    Polling,
    Waiting,
    percent_of,
    poll,
    state_of,
    status_of,
)

ROUTES: Final = ("tasks/", "images/tasks/", "images/generations/")
"""The routes by which gateways tell of a task, below the root of the API."""

ANSWER_S: Final = 30.0
"""Seconds for one answer."""

EACH_S: Final = 3.0
"""Seconds between two questions; sub2api recommends so many."""

KNOWN_S: Final = 20.0
"""Seconds in which a gateway has to know a task that it gave."""

UNKNOWN: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
STILL_THERE: Final = frozenset({408, 425, 429})
"""Statuses that, like all from 500 on, leave open how the task stands."""

LONGEST_WORD: Final = 40

NO_SUCH_TASK: Final = re.compile(r"(?i)not[ _]?(?:found|exist)|no such|unknown task|不存在|未找到|\b404\b")


class TaskAnswer(ImageAnswer[Any]):
    """The answer to one question about a task."""

    def __init__(self) -> None:
        """Begin an answer."""
        super().__init__()
        self.status = ""
        self.percent: float | None = None
        self._values: list[object] = []
        self._found: list[Source] = []

    @property
    def is_unknown(self) -> bool:
        """True where the answer says inside a good HTTP status that there is no such task."""
        words = " ".join(f"{error.message} {error.codes} {error.status}" for error in map(find_error, self._values))
        return not self.status and not self.pictures() and NO_SUCH_TASK.search(words) is not None

    @property
    def goes_on(self) -> bool:
        """True where the work has not ended: its status says so, or nothing says anything."""
        if self.status in TASK_FAILED or self.status in TASK_DONE:
            return False
        return self.status in TASK_WAITS or not (self._failure or self.pictures())

    def without_picture(self) -> UpstreamError:
        """Return the error of a task that ended without a picture. It was taken in, so it may be charged."""
        if self.status in TASK_DONE and self._failure is None:
            return UpstreamError(Kind.NO_IMAGE, detail="(The task has succeeded, and holds no picture.)")
        worded = (value for value in self._values if find_error(value).message)
        coded = filter(None, (reported_error(value) for value in self._values if isinstance(value, dict)))
        told = next(worded, None) or next(coded, {})
        return upstream_error(HTTPStatus.INTERNAL_SERVER_ERROR, told, accepted=True)

    def _find_pictures(self) -> list[Source]:
        """Return the pictures; a URL in a task that goes on or failed is a preview, or a reference."""
        return [] if self.status in TASK_WAITS | TASK_FAILED else list(dict.fromkeys(self._found))

    def _explain_nothing(self) -> UpstreamError:
        return self.without_picture()

    def _read(self, event: Event) -> list[Any]:
        state = state_of(event.value)
        self.status, self.percent = status_of(state), percent_of(state)
        holders = (state, *(state.get(name) for name in WRAPPERS))
        self.usage = next(
            filter(None, (read_usage(each.get("usage")) for each in holders if isinstance(each, dict))), self.usage
        )
        self._values += [state, event.value]
        self._found += in_field(event.value)
        return []


@dataclass(frozen=True, kw_only=True)
class GatewayTasks:
    """Asks one gateway about its tasks."""

    session: aiohttp.ClientSession
    base: URL
    service: Service
    polling: Polling
    connect_s: float
    known_s: float = KNOWN_S

    async def follow(self, task: RemoteTask, progress: Progress) -> TaskAnswer:
        """Ask until the task has ended, and return the answer with its pictures. Raise `UpstreamError`."""
        await progress(f"The image service took the work in: task {sanitize(task.id)}", 2)
        question = _Question(self, task, asyncio.get_running_loop().time() + self.known_s)

        async def look() -> Waiting | TaskAnswer:
            with request_to(self.service, paid=False):
                return await question.ask()

        return await poll(look, self.service.words()["Service"], self.polling, progress)

    def ask(self, address: URL) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send one question."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=self.connect_s)
        return self.session.get(address, headers=bearer(self.service.key), allow_redirects=False, timeout=timeout)

    def addresses(self, task: RemoteTask) -> list[URL]:
        """Return the addresses to ask at, all of the configured origin.

        One that the answer named may lack the path below which a proxy serves the gateway.
        """
        id_, told = task.id, list[URL]()
        if id_.startswith("/"):
            below = self.base.raw_path.rpartition("/")[0]
            told = [self.base.join(URL(f"{path}{id_}", encoded=True)) for path in dict.fromkeys(("", below))]
            id_ = unquote(told[0].raw_name)
        return told + [URL(f"{self.base}/{route}{quote(id_, safe='')}", encoded=True) for route in ROUTES]


class _Question:
    """One task that is asked about again and again, at the addresses that may know it."""

    def __init__(self, tasks: GatewayTasks, task: RemoteTask, known_until: float) -> None:
        self._tasks = tasks
        self._task = task
        self._addresses = tasks.addresses(task)
        self._known_until = known_until
        self._was_known = False

    async def ask(self) -> Waiting | TaskAnswer:
        """Ask once, at one address after the other. When the connection fails, the task is taken to go on."""
        others: list[_Busy | _Refused] = []
        for address in self._addresses:
            try:
                async with self._tasks.ask(address) as response:
                    found = await _read(response)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                found = _Busy("no answer when asked")
            if isinstance(found, _Busy) and found.pause_s:
                return found
            if isinstance(found, _Busy | _Refused):
                others.append(found)
            elif found is not None:
                self._addresses, self._was_known = [address], True
                return found
        busy = next((each for each in others if isinstance(each, _Busy)), None)
        refused = next((each for each in others if isinstance(each, _Refused)), None)
        if refused is not None and busy is None:
            raise refused.error
        return busy or self._unknown()

    def _unknown(self) -> Waiting:
        """Return a wait for a task that may become known; raise `UpstreamError` when it is time."""
        if asyncio.get_running_loop().time() < self._known_until:
            return Waiting("not known yet")
        task = sanitize(self._task.id)
        if self._was_known:
            raise UpstreamError(Kind.LOST, detail=f"(It does not know its task {task} any more.)")
        raise UpstreamError(Kind.ACCEPTED, detail=f"Its task there is {task}.").keeping(task=self._task.id)


class _Busy(Waiting):
    """The gateway gave no answer, which leaves open whether this address knows the task."""


@dataclass(frozen=True)
class _Refused:
    """The gateway refused the question at this address; it may answer at another."""

    error: UpstreamError


async def _read(response: aiohttp.ClientResponse) -> Waiting | TaskAnswer | _Refused | None:
    """Read an answer; None where this address does not know the task. Raise `UpstreamError` for a task that failed."""
    wait_s = min(retry_after(response.headers) or 0.0, LONGEST_WAIT_S)
    if response.status in UNKNOWN:
        return None
    if response.status in STILL_THERE or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _Busy(f"HTTP {response.status} when asked", wait_s)
    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
        return _Refused(upstream_error(response.status, await read_start(response), response.headers, accepted=True))
    if response.content_type in PAGES:
        return None  # a gateway shows its own pages at every address that it does not know
    answer = TaskAnswer()
    while piece := await read_piece(response, answer):
        answer.feed(piece)
        await asyncio.sleep(0)  # reading what is buffered already lets nobody else run
    answer.end()
    if answer.is_unknown:
        return None
    if answer.goes_on:
        return Waiting(sanitize(answer.status, LONGEST_WORD) or "no status", wait_s, answer.percent)
    if not answer.pictures():
        raise answer.without_picture()
    return answer
