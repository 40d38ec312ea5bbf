"""Calls that became tasks: `tasks/get`, `tasks/update`, `tasks/cancel` (SEP-2663, io.modelcontextprotocol/tasks).

1. A handler that says `call.detach()` is answered with a task once its record is kept; it goes on as our own work.
2. What it asks from then on parks the task in `input_required` until `tasks/update` brings the answers.
3. Its end is kept as the record's result or error; a task of a process that died is kept as failed.

The keeper is a contract: the protocol opens nothing. A task of another principal does not exist.
"""

import asyncio
import contextlib
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from service.protocol.call import TASKS, Call, Detach, unheard
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from service.protocol.inquiry import Inquiry
from service.protocol.jsonrpc import Result
from service.protocol.questions import Answer, Question
from service.protocol.subscriptions import Hub, TaskChanged

logger = logging.getLogger(__name__)

DECLARED: Final = f"extensions/{TASKS}"
"""The client capability, as `client.py` names it."""

WORKING: Final = "working"
INPUT_REQUIRED: Final = "input_required"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
ENDED: Final = frozenset({COMPLETED, FAILED, CANCELLED})

TTL_MS: Final = 24 * 3600 * 1000
"""A person comes back to a chat the next day."""

POLL_MS: Final = 2000
MAX_STATUS_MESSAGE: Final = 200


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One task as it is kept. Times are seconds since the epoch; `result` and `error` as they go on the wire."""

    id: str
    principal: str
    status: str = WORKING
    created_at: float
    updated_at: float
    ttl_ms: int = TTL_MS
    message: str = ""
    input_requests: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """`DetailedTask` of the extension's schema; members that do not apply are absent."""
        task: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _iso(self.created_at),
            "lastUpdatedAt": _iso(self.updated_at),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": POLL_MS,
        }
        if self.message:
            task["statusMessage"] = self.message
        if self.status == INPUT_REQUIRED:
            task["inputRequests"] = dict(self.input_requests)
        if self.status == COMPLETED:
            task["result"] = self.result
        if self.status == FAILED:
            task["error"] = self.error
        return task

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return now >= self.created_at + self.ttl_ms / 1000


class TaskKeeper(ABC):
    """Keeps the records of tasks. A method returns only after what it wrote would survive a power cut."""

    @abstractmethod
    async def save(self, record: TaskRecord) -> None:
        """Keep a record in place of what was kept under its id."""

    @abstractmethod
    async def load(self, principal: str, task_id: str) -> TaskRecord | None:
        """The record of this principal's task, or None."""


class MemoryKeeper(TaskKeeper):
    """Keeps records as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[str, TaskRecord] = {}

    async def save(self, record: TaskRecord) -> None:
        """Keep it."""
        self._records[record.id] = record

    async def load(self, principal: str, task_id: str) -> TaskRecord | None:
        """Look it up."""
        record = self._records.get(task_id)
        return record if record is not None and record.principal == principal else None


class _Running(Inquiry, Detach):
    """The work behind one task, and how it speaks: as the call's inquiry, and as where it was detached to."""

    def __init__(self, tasks: "Tasks", principal: str) -> None:
        self.announced: asyncio.Future[TaskRecord] = asyncio.get_running_loop().create_future()
        self.record: TaskRecord | None = None
        self.work: asyncio.Task[Result] | None = None
        self.kept: Mapping[str, Any] = {}
        self._tasks = tasks
        self._principal = principal
        self._asked: set[str] = set()
        self._waiting: dict[str, tuple[Question, asyncio.Future[Answer]]] = {}

    async def detach(self, call: Call, *, required: bool) -> None:  # noqa: ARG002 - met by being here
        """Become a task, durably, before anybody is told."""
        if self.record is not None:
            return
        now = self._tasks.clock()
        record = TaskRecord(id=secrets.token_urlsafe(24), principal=self._principal, created_at=now, updated_at=now)
        await self._tasks.keeper.save(record)
        self.record, self.kept = record, call.kept
        self._tasks.running[record.id] = self
        call.send, call.inquiry = unheard, self
        self.announced.set_result(record)

    def tell(self, message: str) -> None:
        """Progress of a task is its status message; it is not worth a write."""
        if self.record is not None and self.record.status == WORKING:
            self.record = self._changed(message=message[:MAX_STATUS_MESSAGE])

    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:
        """Park the task until `tasks/update` has brought every answer."""
        loop = asyncio.get_running_loop()
        if keep is not None:
            self.kept = keep
        waiting = {key: (self._own_key(key), each, loop.create_future()) for key, each in questions.items()}
        self._waiting = {own: (each, answer) for own, each, answer in waiting.values()}
        await self._park()
        answers = {key: await answer for key, (_, _, answer) in waiting.items()}
        await self.save(status=WORKING, input_requests={})
        return answers

    async def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the answers that fit a question that is open; any other is ignored (SEP-2663, Task Update Requests)."""
        for key, response in responses.items():
            question, waiting = self._waiting.get(key, (None, None))
            if question is not None and waiting is not None and not waiting.done() and question.accepts(response):
                waiting.set_result(response)
        await self._park()

    async def save(self, **changes: Any) -> None:
        """Keep the record with these changes, and tell who listens."""
        self.record = self._changed(**changes)
        await self._tasks.keeper.save(self.record)
        self._tasks.hub.publish(TaskChanged(self.record.id))

    def _changed(self, **changes: Any) -> TaskRecord:
        assert self.record is not None, "only a task has a record"  # noqa: S101 - a mistake of ours, not of a caller
        return replace(self.record, updated_at=self._tasks.clock(), **changes)

    async def _park(self) -> None:
        still = {key: question.wire() for key, (question, answer) in self._waiting.items() if not answer.done()}
        if still and self.record is not None:
            await self.save(status=INPUT_REQUIRED, input_requests=still)

    def _own_key(self, key: str) -> str:
        """A key that this task has not used: each MUST be unique over its lifetime."""
        own, count = key, 1
        while own in self._asked:
            count += 1
            own = f"{key}-{count}"
        self._asked.add(own)
        return own


@dataclass(kw_only=True)
class Tasks:
    """Runs calls that may become tasks, and answers for those that did."""

    keeper: TaskKeeper
    clock: Callable[[], float]
    hub: Hub
    running: dict[str, _Running] = field(default_factory=dict)
    _endings: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, call: Call, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `work`, or `CreateTaskResult` as soon as it detaches. Cancelled before, the work ends too."""
        running = _Running(self, call.principal)
        call.task = running
        running.work = asyncio.ensure_future(work())
        try:
            either: set[asyncio.Future[Any]] = {running.work, running.announced}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not running.announced.done():
                running.work.cancel()
                await asyncio.wait({running.work})
                raise
            self._own(running)
            raise
        if not running.announced.done():
            return running.work.result()
        self._own(running)
        return {"resultType": "task", **running.announced.result().wire()}

    def taken_by(self, call: Call) -> bool:
        """Whether this call's client takes tasks. Said with each request, and never remembered."""
        return DECLARED in call.client.capabilities

    async def exists(self, principal: str, task_id: str) -> bool:
        """Whether this principal has such a task."""
        try:
            await self.get(principal, task_id)
        except RpcError:
            return False
        return True

    async def get(self, principal: str, task_id: object) -> TaskRecord:
        """A task of this principal; raises -32602 when there is none, or its time is over."""
        running = self.running.get(task_id) if isinstance(task_id, str) else None
        if running is not None and running.record is not None and running.record.principal == principal:
            return running.record
        record = await self.keeper.load(principal, task_id) if isinstance(task_id, str) else None
        if record is None:
            raise RpcError(INVALID_PARAMS, "There is no such task: params.taskId is not known, or was discarded.")
        if record.expired(self.clock()):
            raise RpcError(INVALID_PARAMS, "This task has expired; call the tool again.")
        return record

    async def update(self, principal: str, task_id: object, responses: object) -> None:
        """Bring answers to a task."""
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "params.inputResponses must be an object of answers by key.")
        record = await self.get(principal, task_id)
        running = self.running.get(record.id)
        if running is not None:
            await running.answer(responses)

    async def cancel(self, principal: str, task_id: object) -> None:
        """Stop the work of a task that runs here; of one that has ended there is nothing to stop."""
        record = await self.get(principal, task_id)
        running = self.running.get(record.id)
        if running is not None and running.work is not None:
            running.work.cancel()

    async def close(self, grace_s: float) -> None:
        """Give running tasks `grace_s` seconds, cancel the rest, and wait until every end is kept."""
        works = {each.work for each in self.running.values() if each.work is not None}
        if works:
            await asyncio.wait(works, timeout=grace_s)
        for work in works:
            work.cancel()
        if self._endings:
            await asyncio.wait(set(self._endings))

    def _own(self, running: _Running) -> None:
        ending = asyncio.create_task(self._finish(running))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _finish(self, running: _Running) -> None:
        """Wait for the work, keep how it ended, and let go of it."""
        assert running.work is not None  # noqa: S101 - `run` has set it
        await asyncio.wait({running.work})
        with contextlib.suppress(Exception):  # the keeper's failure is in its own log; the task must not stay for ever
            await running.save(**_ending(running.work), input_requests={})
        if running.record is not None:
            self.running.pop(running.record.id, None)


def _ending(work: asyncio.Task[Result]) -> dict[str, Any]:
    """How a work that has ended is kept: a bug is an internal error, whose details stay in the log."""
    if work.cancelled():
        return {"status": CANCELLED, "message": "Cancelled."}
    error = work.exception()
    if error is None:
        return {"status": COMPLETED, "result": work.result()}
    if not isinstance(error, RpcError):
        logger.error("a task failed", exc_info=error)
        error = RpcError(INTERNAL_ERROR, "Internal error. The service's log has the details.")
    return {"status": FAILED, "message": error.message[:MAX_STATUS_MESSAGE], "error": error.body()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
