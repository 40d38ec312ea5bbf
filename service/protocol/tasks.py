"""Calls that became tasks: `tasks/get`, `tasks/update`, `tasks/cancel` (SEP-2663, io.modelcontextprotocol/tasks).

1. A handler that says `call.detach()` is answered with a task once its record is kept; it goes on as our own work.
2. What it asks from then on parks the task in `input_required` until `tasks/update` brings the answers.
3. Its end is kept as the record's result or error.
4. Work that was remembered may outlast its handler, or its process: the tool is asked for its end when the client asks.

A task of another owner does not exist.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from service.protocol.call import TASKS, Call, Detach, nothing_to_open, unheard
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from service.protocol.inquiry import Inquiry
from service.protocol.jsonrpc import Result
from service.protocol.questions import Answer, Question
from service.protocol.receipts import Receipts
from service.protocol.subscriptions import Hub, TaskChanged
from service.protocol.task_records import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    INPUT_REQUIRED,
    MAX_STATUS_MESSAGE,
    WORKING,
    TaskKeeper,
    TaskRecord,
)
from service.protocol.versions import HAS_TASKS

logger = logging.getLogger(__name__)

DECLARED: Final = f"extensions/{TASKS}"
"""The client capability, as `client.py` names it."""

MAX_UNFETCHED: Final = 1000
"""Results whose receipts wait for a client to fetch them; of an older one nobody learns any more that it arrived."""


class StillWorkingError(Exception):
    """Ends the handler of a task, and not the task."""


class _Running(Inquiry, Detach):
    """The work behind one task, and how it speaks: as the call's inquiry, and as where it was detached to."""

    def __init__(self, tasks: "Tasks", call: Call) -> None:
        self.announced: asyncio.Future[TaskRecord] = asyncio.get_running_loop().create_future()
        self.record: TaskRecord | None = None
        self.work: asyncio.Task[Result] | None = None
        self.call = call
        self.kept: Mapping[str, Any] = {}
        self._tasks = tasks
        self._asked: set[str] = set()
        self._work = ""
        self._waiting: dict[str, tuple[Question, asyncio.Future[Answer]]] = {}
        self._saving = asyncio.Lock()

    @property
    def detached(self) -> bool:
        """Whether there is a task."""
        return self.record is not None

    async def detach(self, call: Call, *, required: bool) -> None:  # noqa: ARG002 - met by being here
        """Become a task, durably, before anybody is told."""
        if self.record is not None:
            return
        now = self._tasks.clock()
        record = TaskRecord(
            id=secrets.token_urlsafe(24),
            owner=call.owner,
            tool=call.params["name"],
            created_at=now,
            updated_at=now,
        )
        await self._tasks.keeper.save(record)
        self.record, self.kept = record, call.kept
        call.send, call.open_stream, call.inquiry = unheard, nothing_to_open, self
        self._tasks.own(self, record.id)
        self.announced.set_result(record)

    def tell(self, message: str) -> None:
        """Progress of a task is its status message; it is not worth a write."""
        if self.record is not None and self.record.status == WORKING:
            self.record = self._changed(self.record, message=message[:MAX_STATUS_MESSAGE])

    async def remember(self, work: str) -> None:
        """What cannot be kept leaves the task to its handler's end."""
        if self.record is None:
            return
        try:
            await self.save(work=work)
            self._work = work
        except Exception:
            logger.exception("what a task works on was not kept")

    def stay_working(self) -> None:
        """Leave the task to be asked about."""
        if self._work:
            raise StillWorkingError

    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:
        """Park the task until `tasks/update` has brought every answer."""
        loop = asyncio.get_running_loop()
        if keep is not None:
            self.kept = keep
        waiting = {key: (self._own_key(key), each, loop.create_future()) for key, each in questions.items()}
        self._waiting.update({own: (each, answer) for own, each, answer in waiting.values()})
        await self._park()
        return {key: await answer for key, (_, _, answer) in waiting.items()}

    async def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the answers that fit a question that is open; any other is ignored (SEP-2663, Task Update Requests)."""
        open_before = len(self._waiting)
        for key, (question, waiting) in list(self._waiting.items()):
            if question.accepts(responses.get(key)) and not waiting.done():
                del self._waiting[key]
                waiting.set_result(responses[key])
        if len(self._waiting) < open_before:
            await self._park()

    async def save(self, **changes: Any) -> None:
        """Keep the record with these changes, and tell who listens. One at a time; an end stays what it is."""
        async with self._saving:
            if self.record is None or self.record.status in ENDED:
                return
            record = self._changed(self.record, **changes)
            await self._tasks.keeper.save(record)
            self.record = record
        self._tasks.hub.publish(TaskChanged(record.id), record.owner)

    def _changed(self, record: TaskRecord, **changes: Any) -> TaskRecord:
        return replace(record, updated_at=self._tasks.clock(), **changes)

    async def _park(self) -> None:
        """Keep what is still open; while nothing is, the task works."""
        still = {key: question.wire() for key, (question, _) in self._waiting.items()}
        await self.save(status=INPUT_REQUIRED if still else WORKING, input_requests=still)

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
    max_unfetched: int = MAX_UNFETCHED
    running: dict[str, _Running] = field(default_factory=dict)
    _endings: set[asyncio.Task[None]] = field(default_factory=set)
    _unfetched: OrderedDict[str, Receipts] = field(default_factory=OrderedDict)

    async def run(self, call: Call, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `work`, or `CreateTaskResult` as soon as it detaches. Cancelled before, the work ends too."""
        running = _Running(self, call)
        call.task = running
        work_task = running.work = asyncio.ensure_future(work())
        try:
            either: set[asyncio.Future[Any]] = {work_task, running.announced}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not running.announced.done():
                work_task.cancel()
                await asyncio.wait({work_task})
            raise
        if running.announced.done():
            return {"resultType": "task", **running.announced.result().wire()}
        return work_task.result()

    def own(self, running: _Running, task_id: str) -> None:
        """Answer for a task from now on, to its end."""
        self.running[task_id] = running
        ending = asyncio.create_task(self._finish(running, task_id))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def taken_by(self, call: Call) -> bool:
        """Whether this call's client takes tasks. Said with each request, and never remembered."""
        return call.era in HAS_TASKS and DECLARED in call.client.capabilities

    async def exists(self, owner: str, task_id: str) -> bool:
        """Whether this owner has such a task."""
        try:
            await self.get(owner, task_id)
        except RpcError:
            return False
        return True

    async def get(self, owner: str, task_id: object) -> TaskRecord:
        """A task of this owner; raises -32602 when there is none, or its time is over."""
        running = self.running.get(task_id) if isinstance(task_id, str) else None
        if running is not None and running.record is not None and running.record.owner == owner:
            return running.record
        record = await self.keeper.load(owner, task_id) if isinstance(task_id, str) else None
        if record is None:
            raise RpcError(INVALID_PARAMS, "There is no such task: params.taskId is not known, or was discarded.")
        if record.expired(self.clock()):
            raise RpcError(INVALID_PARAMS, "This task has expired; call the tool again.")
        return record

    async def update(self, owner: str, task_id: object, responses: object) -> None:
        """Bring answers to a task."""
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "params.inputResponses must be an object of answers by key.")
        record = await self.get(owner, task_id)
        running = self.running.get(record.id)
        if running is not None:
            await running.answer(responses)

    async def cancel(self, owner: str, task_id: object) -> None:
        """Stop the work of a task that runs here; of one that has ended there is nothing to stop."""
        record = await self.get(owner, task_id)
        running = self.running.get(record.id)
        if running is not None and running.work is not None:
            running.call.cancel_reason = ""
            running.work.cancel()

    def is_unfetched(self, task_id: str) -> bool:
        """Whether somebody wants to know when the result of this task has arrived."""
        return task_id in self._unfetched

    def fetched(self, task_id: str) -> None:
        """The result of this task has arrived at its client."""
        self._unfetched.pop(task_id, Receipts()).run()

    async def complete(self, record: TaskRecord, result: Result) -> TaskRecord:
        """Keep how a task ended whose process is gone."""
        ended = replace(record, status=COMPLETED, message="", result=result, updated_at=self.clock())
        await self.keeper.save(ended)
        self.hub.publish(TaskChanged(record.id), record.owner)
        return ended

    async def close(self, grace_s: float) -> None:
        """Give running tasks `grace_s` seconds, cancel the rest, and wait until every end is kept."""
        works = {each.work for each in self.running.values() if each.work is not None}
        if works:
            await asyncio.wait(works, timeout=grace_s)
        for work in works:
            work.cancel()
        if self._endings:
            await asyncio.wait(set(self._endings))

    async def _finish(self, running: _Running, task_id: str) -> None:
        """Wait for the work, keep how it ended, and let go of it."""
        assert running.work is not None, "only work detaches"  # noqa: S101 - a mistake of ours, not of a caller
        await asyncio.wait({running.work})
        if not running.work.cancelled() and isinstance(running.work.exception(), StillWorkingError):
            del self.running[task_id]
            return
        # What cannot be kept, such as a result that is no JSON, must not leave a task that works for ever.
        for ending in (_ending(running.work), BROKEN):
            try:
                await running.save(**ending, input_requests={})
                break
            except Exception:
                logger.exception("the end of a task was not kept")
        if running.record is not None and running.record.status == COMPLETED and running.call.receipts is not None:
            self._unfetched[task_id] = running.call.receipts
            while len(self._unfetched) > self.max_unfetched:
                self._unfetched.popitem(last=False)
        del self.running[task_id]


def _ending(work: asyncio.Task[Result]) -> Mapping[str, Any]:
    """How a work that has ended is kept: a bug is an internal error, whose details stay in the log."""
    if work.cancelled():
        return {"status": CANCELLED, "message": "Cancelled."}
    error = work.exception()
    if error is None:
        return {"status": COMPLETED, "message": "", "result": work.result()}
    if isinstance(error, RpcError):
        return _failure(error)
    logger.error("a task failed", exc_info=error)
    return BROKEN


def _failure(error: RpcError) -> dict[str, Any]:
    return {"status": FAILED, "message": error.message[:MAX_STATUS_MESSAGE], "error": error.body()}


BROKEN: Final[Mapping[str, Any]] = _failure(
    RpcError(INTERNAL_ERROR, "Internal error. The server's log has the details.")
)
"""How a task ends that met a bug of ours."""
