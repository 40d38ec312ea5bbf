"""Calls that became tasks: `tasks/get`, `tasks/update`, `tasks/cancel` (SEP-2663, io.modelcontextprotocol/tasks).

1. A handler that says `call.become_task()` is answered with a task once its record is stored; its work goes on here.
2. Requests to its client from then on park the task in `input_required` until `tasks/update` brings the results.
3. Its end is stored as the record's result or error.
4. Work that was remembered may outlast its handler, or its process: its tool is asked for the end when the client asks.
5. Several processes may share the records. One that is asked to cancel or update a task of another leaves it a message,
   and says so where no process takes it: an answer without an error means that it was done.

A task of another owner does not exist.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from service.protocol.call import Call, DeliveryCallbacks
from service.protocol.channel import NULL_CHANNEL, Channel
from service.protocol.client_requests import ClientRequest, ClientResult
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import Hub, TaskChanged
from service.protocol.task_endings import BROKEN, ending_of
from service.protocol.task_records import (
    COMPLETED,
    ENDED,
    INPUT_REQUIRED,
    MAX_STATUS_MESSAGE,
    WORKING,
    TaskKeeper,
    TaskRecord,
)

logger = logging.getLogger(__name__)

R = TypeVar("R")

MAX_UNFETCHED: Final = 1000
"""Results whose delivery callbacks wait for a client to fetch them; those of older results never run."""


LOOK_S: Final = 1.0
"""Seconds between two looks of a running task for messages of other processes."""

CONFIRMED_S: Final = 5.0
"""Longest wait until another process has cancelled its task."""

NOT_ANSWERED: Final = (
    "This task was not cancelled: another process of this server runs it and did not answer. Try again, or wait for "
    "its result."
)
NOT_STOPPED: Final = "This task was not cancelled: another process of this server works on it. Wait for its result."
NOBODY_ASKS: Final = "The process that asked for this has stopped; call the tool again."


class StillWorkingError(Exception):
    """Ends the handler of a task, and not the task."""


class _TaskChannel(Channel):
    """The channel of a call whose client takes tasks: the transport's, until the call becomes a task."""

    def __init__(self, tasks: "Tasks", before: Channel) -> None:
        self.announced: asyncio.Future[TaskRecord] = asyncio.get_running_loop().create_future()
        self.record: TaskRecord | None = None
        self.work: asyncio.Future[Result] | None = None
        self.takes_messages = before.takes_messages
        self._before = before
        self._tasks = tasks
        self._used_keys: set[str] = set()
        self._remembered = ""
        self._pending: dict[str, tuple[ClientRequest, asyncio.Future[ClientResult]]] = {}
        self._saving = asyncio.Lock()

    async def send(self, message: bytes) -> bool:
        """Send on the stream of the call; a task has none."""
        return await self._before.send(message)

    def post(self, message: bytes) -> None:
        """Send on the stream of the call; a task has none."""
        self._before.post(message)

    def open(self) -> None:
        """Begin the answer of the call; that of a task is over."""
        self._before.open()

    def hang_up(self, call: Call) -> None:
        """Do nothing: a client that takes tasks has no use for it."""

    async def become_task(self, call: Call, *, required: bool) -> None:  # noqa: ARG002 - a task is had either way
        """Store the record, and only then announce the task."""
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
        self.record, self._before = record, NULL_CHANNEL
        self.is_task = self.takes_messages = True
        self._tasks.own(call, self, record.id)
        self.announced.set_result(record)

    def show_status(self, message: str) -> None:
        """Set the status message in memory; it is not worth a write."""
        if self.record is not None and self.record.status == WORKING:
            self.record = self._changed(self.record, message=message[:MAX_STATUS_MESSAGE])

    async def remember(self, work: str) -> None:
        """Store the words of the work. A failure to do so leaves the task to its handler's end."""
        try:
            await self.save(work=work)
            self._remembered = work
        except Exception:
            logger.exception("the work of a task was not stored")

    def leave_running(self) -> None:
        """End the handler, if the work was remembered."""
        if self._remembered:
            raise StillWorkingError

    async def ask(
        self, call: Call, requests: Mapping[str, ClientRequest], keep: Mapping[str, Any] | None
    ) -> dict[str, ClientResult]:
        """Park the task until `tasks/update` has brought every result."""
        if not self.is_task:
            return await self._before.ask(call, requests, keep)
        loop = asyncio.get_running_loop()
        if keep is not None:
            call.kept = keep
        waiting = {key: (self._unused_key(key), each, loop.create_future()) for key, each in requests.items()}
        self._pending.update({own: (each, result) for own, each, result in waiting.values()})
        await self._park()
        return {key: await result for key, (_, _, result) in waiting.items()}

    async def resolve(self, responses: Mapping[str, Any]) -> None:
        """Take the results that fit a pending request; any other is ignored (SEP-2663, Task Update Requests)."""
        pending_before = len(self._pending)
        for key, (request, waiting) in list(self._pending.items()):
            if request.accepts(responses.get(key)) and not waiting.done():
                del self._pending[key]
                waiting.set_result(responses[key])
        if len(self._pending) < pending_before:
            await self._park()

    async def save(self, **changes: Any) -> None:
        """Store the record with these changes, and publish it. One at a time; an end stays as it is."""
        async with self._saving:
            if self.record is None or self.record.status in ENDED:
                return
            record = self._changed(self.record, **changes)
            await self._tasks.keeper.save(record)
            self.record = record
        self._tasks.publish(record)

    def _changed(self, record: TaskRecord, **changes: Any) -> TaskRecord:
        return replace(record, updated_at=self._tasks.clock(), **changes)

    async def _park(self) -> None:
        """Store the pending requests; without any, the task works."""
        pending = {key: request.wire() for key, (request, _) in self._pending.items()}
        await self.save(status=INPUT_REQUIRED if pending else WORKING, input_requests=pending)

    def _unused_key(self, key: str) -> str:
        """Return a key that this task has not used: each MUST be unique over its lifetime."""
        unused, count = key, 1
        while unused in self._used_keys:
            count += 1
            unused = f"{key}-{count}"
        self._used_keys.add(unused)
        return unused


@dataclass
class _Running:
    """A task whose work this process does: its call, which may be cancelled, and its channel."""

    call: Call
    channel: _TaskChannel

    @property
    def is_left(self) -> bool:
        """True once the handler has ended, and the work goes on."""
        work = self.channel.work
        if work is None or not work.done() or work.cancelled():
            return False
        return isinstance(work.exception(), StillWorkingError)

    def cancel(self) -> None:
        """Cancel the work, as its client asked for it."""
        if self.channel.work is not None:
            self.call.cancel_reason = ""
            self.channel.work.cancel()


@dataclass(kw_only=True)
class Tasks:
    """Runs calls that may become tasks, and holds the running ones."""

    keeper: TaskKeeper
    clock: Callable[[], float]
    hub: Hub
    max_unfetched: int = MAX_UNFETCHED
    look_s: float = LOOK_S
    confirmed_s: float = CONFIRMED_S
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    moved: Callable[[str, str], None] = lambda owner, task_id: None  # noqa: ARG005 - the signature
    """Tells other processes of a task of an owner whose status has changed. It neither waits nor raises."""
    messaged: Callable[[str], None] = lambda task_id: None  # noqa: ARG005 - the signature
    """Tells them of a task for which a message was left."""
    running: dict[str, _Running] = field(default_factory=dict)
    _endings: set[asyncio.Task[None]] = field(default_factory=set)
    _unfetched: OrderedDict[str, DeliveryCallbacks] = field(default_factory=OrderedDict)

    async def run(self, call: Call, work: Awaitable[Result]) -> Result:
        """Return the result of `work`, or `CreateTaskResult` as soon as it is a task.

        A call that is cancelled before cancels the work; a task goes on.
        """
        before = call.channel
        channel = call.channel = _TaskChannel(self, before)
        channel.work = asyncio.ensure_future(work)
        try:
            either: set[asyncio.Future[Any]] = {channel.work, channel.announced}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not channel.is_task:
                channel.work.cancel()
                await asyncio.wait({channel.work})
            raise
        finally:
            if not channel.is_task:
                call.channel = before
        if channel.is_task:
            return {"resultType": "task", **channel.announced.result().wire()}
        return channel.work.result()

    def own(self, call: Call, channel: _TaskChannel, task_id: str) -> None:
        """Hold a task until its work has ended."""
        self.running[task_id] = _Running(call, channel)
        self._go_on_with(self._finish(call, channel, task_id))

    def _go_on_with(self, work: Coroutine[Any, Any, None]) -> None:
        """Run some work whose end `close` waits for."""
        task = asyncio.create_task(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def exists(self, owner: str, task_id: str) -> bool:
        """Return whether this owner has such a task."""
        try:
            await self.get(owner, task_id)
        except RpcError:
            return False
        return True

    async def get(self, owner: str, task_id: object) -> TaskRecord:
        """Return a task of this owner; raises -32602 when there is none, or its time is over."""
        running = self.running.get(task_id) if isinstance(task_id, str) else None
        record = None if running is None else running.channel.record
        if record is not None and record.owner == owner:
            return record
        record = await self.keeper.load(owner, task_id) if isinstance(task_id, str) else None
        if record is None:
            raise RpcError(INVALID_PARAMS, "There is no such task: params.taskId is not known, or was discarded.")
        if record.expired(self.clock()):
            raise RpcError(INVALID_PARAMS, "This task has expired; call the tool again.")
        return record

    async def update(self, owner: str, task_id: object, responses: object) -> None:
        """Hand results to the pending requests of a task."""
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "params.inputResponses must be an object of answers by key.")
        record = await self.get(owner, task_id)
        running = self.running.get(record.id)
        if running is not None:
            await running.channel.resolve(responses)
        elif record.status == INPUT_REQUIRED and not await self._send(record, {"responses": responses}):
            raise RpcError(INVALID_PARAMS, NOBODY_ASKS)

    async def cancel(self, record: TaskRecord) -> bool:
        """Cancel the work of a task, here or in the process that runs it; False where no process runs it.

        One that has ended stays as it is. Raises -32603 when the other process does not answer.
        """
        if record.status in ENDED:
            return True
        running = self.running.get(record.id)
        if running is not None and not running.is_left:
            running.cancel()
        elif not await self._send(record, {"cancel": True}):
            return False
        else:
            await self._confirmed(record)
        return True

    async def end(self, record: TaskRecord, **ending: Any) -> TaskRecord:
        """Store the end of a task that no process runs, by the changes of its record."""
        ended = replace(record, **ending, input_requests={}, updated_at=self.clock())
        await self.keeper.save(ended)
        self.publish(record)
        return ended

    def publish(self, record: TaskRecord) -> None:
        """Tell the listeners of a task, here and elsewhere, that its status has changed."""
        self.hub.publish(TaskChanged(record.id), record.owner)
        self.moved(record.owner, record.id)

    def wake(self, task_id: str) -> None:
        """Look for the messages of other processes at once, if the task runs here."""
        if task_id in self.running:
            self._go_on_with(self._take_messages(task_id))

    async def _send(self, record: TaskRecord, message: Mapping[str, Any]) -> bool:
        """Leave a message for the process that runs a task; False where none does."""
        sent = await self.keeper.send(record.id, message)
        if sent:
            self.messaged(record.id)
        return sent

    async def _confirmed(self, record: TaskRecord) -> None:
        """Wait until the task of another process has ended."""
        try:
            async with asyncio.timeout(self.confirmed_s):
                while (await self.get(record.owner, record.id)).status not in ENDED:
                    await self.pause(self.look_s / 4)
        except TimeoutError as late:
            raise RpcError(INTERNAL_ERROR, NOT_ANSWERED) from late

    def is_unfetched(self, task_id: str) -> bool:
        """Return whether delivery callbacks wait for the result of this task to be fetched."""
        return task_id in self._unfetched

    def fetched(self, task_id: str) -> None:
        """Run the delivery callbacks of this task: its result has arrived at its client."""
        if (delivery := self._unfetched.pop(task_id, None)) is not None:
            delivery.run()

    async def close(self, grace_s: float) -> None:
        """Give running tasks `grace_s` seconds, cancel the rest, and wait until every end is stored."""
        works = {each.channel.work for each in self.running.values() if each.channel.work is not None}
        if works:
            await asyncio.wait(works, timeout=grace_s)
        for work in works:
            work.cancel()
        if self._endings:
            await asyncio.wait(set(self._endings))

    async def _finish(self, call: Call, channel: _TaskChannel, task_id: str) -> None:
        """Wait for the work, store its end, and let go of it."""
        assert channel.work is not None, "a task has work"  # noqa: S101 - a mistake of ours, not of a caller
        while not (await asyncio.wait({channel.work}, timeout=self.look_s))[0]:
            await self._take_messages(task_id)
        call.end()
        if self.running[task_id].is_left:
            await _logged(self.keeper.release(task_id))
            del self.running[task_id]
            return
        # A result that cannot be stored, such as one that is no JSON, must not leave a task that works for ever.
        for ending in (ending_of(channel.work), BROKEN):
            try:
                await channel.save(**ending, input_requests={})
                break
            except Exception:
                logger.exception("the end of a task was not stored")
        if channel.record is not None and channel.record.status == COMPLETED and call.delivery is not None:
            self._unfetched[task_id] = call.delivery
            while len(self._unfetched) > self.max_unfetched:
                self._unfetched.popitem(last=False)
        del self.running[task_id]

    async def _take_messages(self, task_id: str) -> None:
        """Do what other processes were asked to do with a task that runs here."""
        for message in await _logged(self.keeper.receive(task_id)) or ():
            if (running := self.running.get(task_id)) is None:
                return
            match message:
                case {"cancel": True}:
                    running.cancel()
                case {"responses": dict(responses)}:
                    await running.channel.resolve(responses)


async def _logged(work: Awaitable[R]) -> R | None:
    """Do what a task can go on without; a failure is logged."""
    try:
        return await work
    except Exception:
        logger.exception("the messages of a task were not looked up")
        return None
