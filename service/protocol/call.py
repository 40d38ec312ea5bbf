"""One admitted request, as its handler sees it: who asks, for what, and the ways back to them.

Progress and log messages go out on the call's own stream, `ask` reaches the person, `detach` makes the call a task.
Whatever era it is, the handler is the same text: what differs was decided at admission and lies in these fields.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from service.protocol.client import Client
from service.protocol.headers import Headers
from service.protocol.inquiry import UNASKED, Inquiry, check_askable, missing_capabilities
from service.protocol.jsonrpc import Request, RequestId, is_request_id, notification_message
from service.protocol.log_levels import passes
from service.protocol.questions import Answer, Question
from service.protocol.receipts import Receipts
from service.protocol.session import Session
from service.protocol.versions import COMPLETES_ELICITATION, Era

Send: TypeAlias = Callable[[bytes], Awaitable[bool]]
"""Takes one encoded message to the client, on the stream of the request that it belongs to; whether it went out."""

TASKS: Final = "io.modelcontextprotocol/tasks"
"""The identifier of the tasks extension (SEP-2663)."""

PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - the name of a field of MCP, no secret

MAX_REASON: Final = 200


async def unheard(message: bytes) -> bool:  # noqa: ARG001 - the signature of what takes messages
    """Where messages go when nobody listens."""
    return False


async def nothing_to_open() -> None:
    """Where there is no answer that could begin before its end."""


async def nothing_to_end() -> None:
    """Where there is no connection that could end before its call."""


def read_reason(reason: object) -> str:
    """Why a client cancelled a call, as `notifications/cancelled` says; "" where it says nothing of use."""
    return reason[:MAX_REASON] if isinstance(reason, str) else ""


class Detach(ABC):
    """Turns a call into something that goes on without it."""

    @property
    @abstractmethod
    def detached(self) -> bool:
        """Whether it has done so."""

    @abstractmethod
    async def detach(self, call: "Call", *, required: bool) -> None:
        """Answer the call now, durably; the handler goes on. Where that cannot be and is `required`: -32021."""

    @abstractmethod
    def tell(self, message: str) -> None:
        """Say how far the work is, where there is no stream to say it on."""

    @abstractmethod
    async def remember(self, work: str) -> None:
        """Keep the words by which the tool can tell later how its work ended."""

    @abstractmethod
    def stay_working(self) -> None:
        """End the handler, though not the task, if there is one whose work was remembered."""


class NoTasks(Detach):
    """The call stays a call: its client takes no tasks, or the method makes none."""

    detached = False

    async def detach(self, call: "Call", *, required: bool) -> None:  # noqa: ARG002 - the contract's
        """Go on as a call, or refuse."""
        if required:
            raise missing_capabilities({"extensions": {TASKS: {}}})

    def tell(self, message: str) -> None:
        """Nobody reads it."""

    async def remember(self, work: str) -> None:
        """The call ends with its process."""

    def stay_working(self) -> None:
        """The call is to be answered."""


NO_TASKS: Final = NoTasks()


@dataclass(kw_only=True, eq=False, slots=True)
class Call:
    """All that a handler may know of its caller, and do for it.

    `owner` owns what the call makes. `session` is the legacy session it came in, or the one that `initialize`
    opens; modern calls have none. `log_level` is the least severe level that the client wants, None for none.
    `client_hint` is what the URL says of the client, for those that do not say it of themselves.

    `open_stream` sends the head of the answer and a first byte now: what follows takes long, and clients and proxies
    give up on silence. `hang_up` ends the stream's connection, though not the call, where the era knows that
    (SEP-1699). Both do nothing where there is nothing of the kind to do.

    `cancel_reason` is set before the call is cancelled because its client asked for that: its reason, or "".
    """

    request: Request
    era: Era
    version: str
    owner: str
    client: Client
    client_hint: str = ""
    headers: Headers | None = None
    session: Session | None = None
    log_level: str | None = None
    takes_streams: bool = True
    send: Send = unheard
    inquiry: Inquiry = UNASKED
    task: Detach = NO_TASKS
    open_stream: Callable[[], Awaitable[None]] = nothing_to_open
    hang_up: Callable[[], Awaitable[None]] = nothing_to_end
    cancel_reason: str | None = None
    receipts: Receipts | None = None

    @property
    def id(self) -> RequestId:
        """The request's id."""
        return self.request.id

    @property
    def method(self) -> str:
        """The method asked for."""
        return self.request.method

    @property
    def params(self) -> Mapping[str, Any]:
        """The params, `_meta` included."""
        return self.request.params

    @property
    def opens_session(self) -> bool:
        """Whether the answer tells the client the id of a session that it opens."""
        return self.session is not None and self.method == "initialize"

    @property
    def session_id(self) -> str:
        """The id of the session of a call of an era that has sessions."""
        assert self.session is not None, "METHODS lets no other call come here"  # noqa: S101 - a mistake of ours
        return self.session.id

    @property
    def detached(self) -> bool:
        """Whether it has become a task."""
        return self.task.detached

    @property
    def kept(self) -> Mapping[str, Any]:
        """What the handler gave to `keep` when it asked, in an earlier round or just before."""
        return self.inquiry.kept

    @property
    def progress_token(self) -> RequestId | None:
        """What the caller wants to be told of progress by, if it gave a token (spec 2026-07-28, Progress)."""
        meta = self.params.get("_meta")
        token = meta.get(PROGRESS_TOKEN) if isinstance(meta, dict) else None
        return token if is_request_id(token) else None

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the caller how far the work is, if it gave a token to tell it by."""
        self.task.tell(message or f"{progress:g}")
        token = self.progress_token
        if token is None:
            return
        params: dict[str, Any] = {PROGRESS_TOKEN: token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.send(notification_message("notifications/progress", params))

    async def log(self, level: str, data: object, logger: str | None = None) -> None:
        """Send a log message, if the client wants this level (spec 2026-07-28, Logging)."""
        if passes(level, self.log_level):
            named = {} if logger is None else {"logger": logger}
            await self.send(notification_message("notifications/message", {"level": level, **named, "data": data}))

    async def ask(
        self, key: str, question: Question, *, keep: Mapping[str, Any] | None = None, instead: str | None = None
    ) -> Answer:
        """Ask one question and return the client's result. See `ask_all`."""
        return (await self.ask_all({key: question}, keep=keep, instead=instead))[key]

    async def ask_all(
        self,
        questions: Mapping[str, Question],
        *,
        keep: Mapping[str, Any] | None = None,
        instead: str | None = None,
    ) -> dict[str, Answer]:
        """Ask questions at once. Ask before any effect: a modern call is run again from its start with the answers.

        A key stands for one question in the whole call. `keep` is handed back in `kept` after that; the client can
        read it. One that cannot be asked is told `instead` what to do, such as which argument to pass; without it the
        call ends with -32021. Asking may raise: let what it raises go through.
        """
        check_askable(self.client, questions, instead)
        return await self.inquiry.ask(questions, keep)

    async def complete_elicitation(self, elicitation_id: str) -> None:
        """Tell the client that the person is done where `elicit_url` sent them, in revisions that have a word for it.

        Once the call has ended, `Hub.complete_elicitation` tells it.
        """
        if self.version in COMPLETES_ELICITATION:
            params = {"elicitationId": elicitation_id}
            await self.send(notification_message("notifications/elicitation/complete", params))

    def on_delivered(self, callback: Callable[[], None]) -> None:
        """Have `callback` run, once and on the loop, when the whole result of this call was handed to its client.

        That of a call that became a task is handed over when the client fetches it, or is told it by a notice. An
        error, or a result that asks for input, is no result; then, and when nobody got it, the callback never runs.
        """
        if self.receipts is None:
            self.receipts = Receipts()
        self.receipts.add(callback)

    async def detach(self, *, required: bool = False) -> None:
        """From here on be a task, if the client takes tasks: it is answered now, and looks for the result later.

        `required` work is too long to be waited for: a client that takes no tasks gets -32021.
        """
        await self.task.detach(self, required=required)

    async def remember(self, work: str) -> None:
        """Should this call have become a task: keep by what its tool's `resume` can tell how the work ended."""
        await self.task.remember(work)

    def stay_working(self) -> None:
        """End the handler of a task here; its work, which was remembered, goes on elsewhere. Of a call, do nothing."""
        self.task.stay_working()
