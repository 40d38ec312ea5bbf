"""Tasks of gateways: a request of the Images or chat API that is answered with a task, asked about until it has ended.

1. The question goes to the address that the answer named, else to the routes that gateways have: `tasks/<id>` of
   APIMart and its kin, `images/tasks/<id>` of sub2api and SVRouter, `images/generations/<id>`. It goes to the
   configured origin alone, with the key: nobody else gets it.
2. No question is charged. One that fails, or that the gateway is too busy for, is asked again; `Retry-After` counts.
3. A gateway may not know a task in the first moments. One that it does not know for `KNOWN_S` seconds is lost.
4. The pictures are read as those of any answer, from `output.image_urls`, `result.images[].url`, `data[]`, ….
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from service.images import Progress
from service.upstreams.answer import PIECE, Event, ImageAnswer
from service.upstreams.base import RemoteTask
from service.upstreams.error_body import find_error, sanitize
from service.upstreams.errors import (
    LONGEST_WAIT_S,
    Service,
    UpstreamError,
    read_start,
    request_to,
    retry_after,
    upstream_error,
)
from service.upstreams.fetch import bearer
from service.upstreams.image_sources import Source, in_field
from service.upstreams.kinds import Kind
from service.upstreams.tasks import (
    TASK_DONE,
    TASK_FAILED,
    TASK_WAITS,
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
    def goes_on(self) -> bool:
        """True where the work has not ended: its status says so, or nothing says anything."""
        if self.status in TASK_FAILED or self.status in TASK_DONE:
            return False
        return self.status in TASK_WAITS or not (self._failure or self.pictures())

    def without_picture(self) -> UpstreamError:
        """Return the error of a task that ended without a picture. It was taken in, so it may be charged."""
        if self.status in TASK_DONE and self._failure is None:
            return UpstreamError(Kind.NO_IMAGE, detail="(The task has succeeded, and holds no picture.)")
        told = next((value for value in self._values if find_error(value).message), {})
        return upstream_error(HTTPStatus.INTERNAL_SERVER_ERROR, told, accepted=True)

    def _find_pictures(self) -> list[Source]:
        """Return the pictures; a URL in a task that goes on or failed is a preview, or a reference."""
        return [] if self.status in TASK_WAITS | TASK_FAILED else list(dict.fromkeys(self._found))

    def _explain_nothing(self) -> UpstreamError:
        return self.without_picture()

    def _read(self, event: Event) -> list[Any]:
        state = state_of(event.value)
        self.status, self.percent = status_of(state), percent_of(state)
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
        """Return the addresses to ask at, all of the configured origin."""
        if task.id.startswith("/"):
            return [self.base.join(URL(task.id, encoded=True))]
        return [URL(f"{self.base}/{route}{quote(task.id, safe='')}", encoded=True) for route in ROUTES]


class _Question:
    """One task that is asked about again and again, at the addresses that may know it."""

    def __init__(self, tasks: GatewayTasks, task: RemoteTask, known_until: float) -> None:
        self._tasks = tasks
        self._task = task
        self._addresses = tasks.addresses(task)
        self._known_until = known_until

    async def ask(self) -> Waiting | TaskAnswer:
        """Ask once. When the connection fails, the task is taken to go on."""
        for address in self._addresses:
            try:
                async with self._tasks.ask(address) as response:
                    if response.status in UNKNOWN:
                        continue
                    self._addresses = [address]
                    return await _read(response)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return Waiting("no answer when asked")
        if asyncio.get_running_loop().time() < self._known_until:
            return Waiting("not known yet")
        raise UpstreamError(Kind.LOST, detail=f"(It does not know its task {sanitize(self._task.id)}.)")


async def _read(response: aiohttp.ClientResponse) -> Waiting | TaskAnswer:
    """Read an answer of an address that knows the task."""
    wait_s = min(retry_after(response.headers) or 0.0, LONGEST_WAIT_S)
    if response.status in STILL_THERE or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Waiting(f"HTTP {response.status} when asked", wait_s)
    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise upstream_error(response.status, await read_start(response), response.headers, accepted=True)
    answer = TaskAnswer()
    while piece := await response.content.read(PIECE):
        answer.feed(piece)
        await asyncio.sleep(0)  # reading what is buffered already lets nobody else run
    answer.end()
    if answer.goes_on:
        return Waiting(sanitize(answer.status, LONGEST_WORD) or "no status", wait_s, answer.percent)
    if not answer.pictures():
        raise answer.without_picture()
    return answer
