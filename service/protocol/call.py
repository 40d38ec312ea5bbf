"""One admitted request, as its handler sees it: the facts of the caller, and the ways back to it.

The facts are set at admission and never change. `channel` is the one way back: a transport gives it, a task takes it
over, and the end of the call takes it away. The handler is the same text in both eras; the channels differ.

Progress, once per call: values that rise with every notification, and a sign of life at least each ten seconds. Spec
2026-07-28, Progress: the value MUST increase with each notification. A call hears of several sources one after the
other (a person at the upload page, a job, the job that it joins); they repeat themselves, go back, and say nothing for
minutes, and many clients give up on a call that is silent for so long. So each source reports as it pleases, and the
values are put in order here.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.protocol.channel import NULL_CHANNEL, TASKS, Channel
from service.protocol.client import COMPLETES_ELICITATION, Client, Era
from service.protocol.client_requests import ClientRequest, ClientResult, check_capabilities
from service.protocol.headers import Headers
from service.protocol.jsonrpc import Request, RequestId, is_request_id, notification_message
from service.protocol.origins import Origin
from service.protocol.round_trips import RoundTrips
from service.protocol.session import Session
from service.protocol.subscriptions import passes

SILENCE_S: Final = 10.0
"""Between two notifications at most."""

HIGHEST: Final = 98.0
"""The value of a source's own "100 %": there may be more to say before the result."""

CEILING: Final = 99.0
"""Above every value, however many notifications follow."""

MAX_MESSAGE: Final = 200
"""Characters."""

_STEP: Final = 0.05
"""Without a percentage, the value advances by this share of the distance to `CEILING`."""


class RisingProgress:
    """Puts what is reported in order and passes it on, as a value up to 100 and a line of text."""

    __slots__ = ("_began", "_message", "_notify", "_reported", "_silence_s", "_stopped", "_timer", "_value")

    def __init__(self, notify: Callable[[float, str], None], silence_s: float = SILENCE_S) -> None:
        """Begin without a value. `notify` gets each value and message; it neither waits nor raises."""
        self._notify = notify
        self._silence_s = silence_s
        self._message = "Working"
        self._value = -1.0
        self._stopped = False
        self._began = self._reported = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def keep_alive(self) -> None:
        """Repeat the last message, with the time since now, whenever nothing was reported for `silence_s` seconds."""
        if self._timer is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._began = self._reported = loop.time()
            self._timer = loop.call_later(self._silence_s, self._tick)

    def report(self, message: str, percent: float | None = None) -> None:
        """Pass a message on, with `percent` where that is above the last value, and else a little more than that."""
        self._message = " ".join(message.split())[:MAX_MESSAGE] or self._message
        self._pass_on(self._message, percent)

    def stop(self) -> None:
        """Pass nothing on from now on."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass_on(self, message: str, percent: float | None) -> None:
        if self._stopped:
            return
        if self._timer is not None:
            self._reported = asyncio.get_running_loop().time()
        value = -1.0 if percent is None else min(percent, HIGHEST)
        if value <= self._value:
            last = max(self._value, 0.0)
            value = last + (CEILING - last) * _STEP
        whole = round(value)
        self._value = whole if self._value < whole < CEILING else value
        self._notify(self._value, message)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._reported + self._silence_s
        if loop.time() >= due:
            self._pass_on(f"{self._message} ({loop.time() - self._began:.0f} s)", None)
            due = self._reported + self._silence_s
        if not self._stopped:
            self._timer = loop.call_at(due, self._tick)


PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - the name of a field of MCP, no secret

TASKS_DECLARED: Final = f"extensions/{TASKS}"
"""The capability of a client that takes tasks, as `Client.capabilities` spells it."""

FROM_VIEW: Final = "easel/from_view"
"""The member of `_meta` by which our view marks its calls."""

MAX_REASON: Final = 200
"""Characters of a reason of cancellation."""


class DeliveryCallbacks:
    """Callbacks to run once the whole result of a call was handed to its client. They must not raise or take long.

    The transport runs them after the last byte, a replay after the last event, `tasks/get` and a notice of a task with
    the result. Two of these may deliver one result, as when a stream is replayed that had come through; the second
    finds no callback left.
    """

    def __init__(self) -> None:
        """Begin without callbacks."""
        self._callbacks: list[Callable[[], None]] = []

    def add(self, callback: Callable[[], None]) -> None:
        """Run `callback` at delivery, after those that were added before."""
        self._callbacks.append(callback)

    def run(self) -> None:
        """Run the callbacks: the result was delivered."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


@dataclass(kw_only=True, eq=False, slots=True)
class Call:
    """The facts of one request, its channel, and its own state: what it reported, asked and delivers.

    `owner` owns what the call makes. `session` is the legacy session it came in, or the one that `initialize`
    opens; modern calls have none. `log_level` is the least severe level that the client wants, None for none.
    `client_hint` is the client that the URL names, for clients that do not name themselves. `reached_at` is the
    loopback address by which the call came, such as http://localhost:9000, where links are to begin with it; else
    "". `open_gallery` gives the path of a page that shows the caller's pictures in a browser, once where it is a
    key; None where there is no such page. `round_trips` begins or reads the round of a call that may end with
    `input_required`; None where the revision or the method has no such end.
    """

    request: Request
    era: Era
    version: str
    owner: str
    client: Client
    client_hint: str = ""
    reached_at: str = ""
    open_gallery: Callable[[], str] | None = None
    headers: Headers | None = None
    session: Session | None = None
    log_level: str | None = None
    round_trips: Callable[[], RoundTrips] | None = None

    channel: Channel = NULL_CHANNEL
    kept: Mapping[str, Any] = field(default_factory=dict)
    """The mapping that the handler gave to `keep` when it asked, in an earlier round or just before."""
    cancel_reason: str | None = None
    """The client's reason, or "", set before the call is cancelled at its client's wish; None for a lost connection."""
    delivery: DeliveryCallbacks | None = None
    _round: RoundTrips | None = None
    _progress: RisingProgress | None = None

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
        """True for `initialize`, whose answer tells the client the id of its session."""
        return self.session is not None and self.method == "initialize"

    @property
    def session_id(self) -> str:
        """The id of the session of a call of an era that has sessions."""
        assert self.session is not None, "METHODS lets no other call come here"  # noqa: S101 - a mistake of ours
        return self.session.id

    @property
    def is_task(self) -> bool:
        """True for a call that was answered with a task."""
        return self.channel.is_task

    @property
    def is_from_view(self) -> bool:
        """True for a call of the view of an MCP App, which its host passes on with the capabilities of the host.

        The view gets the answer as it is, and knows no tasks; the bridge of `ext-apps` gives it up after a minute.
        """
        return self._meta.get(FROM_VIEW) is True

    @property
    def progress_token(self) -> RequestId | None:
        """The token of the caller that wants progress notifications (spec 2026-07-28, Progress)."""
        token = self._meta.get(PROGRESS_TOKEN)
        return token if is_request_id(token) else None

    def progress(self) -> RisingProgress | None:
        """Return the progress of this call; None where its caller wants none."""
        if self._progress is None:
            channel = self.channel
            if channel.takes_messages and (channel.is_task or self.progress_token is not None):
                self._progress = RisingProgress(self._notify_progress)
        return self._progress

    def report(self, message: str, percent: float | None = None) -> None:
        """Notify the caller of progress, if it gave a token for it. Values rise (`RisingProgress`)."""
        progress = self.progress()
        if progress is not None:
            progress.report(message, percent)

    async def log(self, level: str, data: object, logger: str | None = None) -> None:
        """Send a log message, if the client wants this level (spec 2026-07-28, Logging)."""
        if passes(level, self.log_level):
            named = {} if logger is None else {"logger": logger}
            message = notification_message("notifications/message", {"level": level, **named, "data": data})
            await self.channel.send(message)

    async def ask(
        self, key: str, request: ClientRequest, *, keep: Mapping[str, Any] | None = None, instead: str | None = None
    ) -> ClientResult:
        """Send one request to the client and return its result. See `ask_all`."""
        return (await self.ask_all({key: request}, keep=keep, instead=instead))[key]

    async def ask_all(
        self,
        requests: Mapping[str, ClientRequest],
        *,
        keep: Mapping[str, Any] | None = None,
        instead: str | None = None,
    ) -> dict[str, ClientResult]:
        """Send requests to the client and return their results. Ask before any effect: a modern call is run again.

        A key stands for one request in the whole call. `keep` is handed back in `kept` after that; the client can read
        it. A client that cannot be asked gets `instead` as the result, such as the argument to pass; without it the
        call ends with -32021. Let through what this raises: it ends the call.
        """
        check_capabilities(self.client, requests, instead)
        return await self.channel.ask(self, requests, keep)

    def round(self) -> RoundTrips | None:
        """The asking of a call that is run again with its results, the same one throughout the call."""
        if self._round is None and self.round_trips is not None:
            self._round = self.round_trips()
        return self._round

    async def complete_elicitation(self, elicitation_id: str) -> None:
        """Notify the client that the page of `elicit_url` is done, in revisions that have a notification for it.

        Once the call has ended, `Hub.complete_elicitation` does it.
        """
        if self.version in COMPLETES_ELICITATION:
            params = {"elicitationId": elicitation_id}
            await self.channel.send(notification_message("notifications/elicitation/complete", params))

    def on_delivered(self, callback: Callable[[], None]) -> None:
        """Run `callback`, once and on the loop, when the whole result of this call was handed to its client.

        The result of a task is handed over when the client fetches it, or gets it in a notice. An error, or a result
        that asks for input, is no result; then, and when nobody got it, the callback never runs.
        """
        if self.delivery is None:
            self.delivery = DeliveryCallbacks()
        self.delivery.add(callback)

    async def become_task(self, *, required: bool = False) -> None:
        """Be a task from here on, if the caller takes tasks: it is answered now, and fetches the result later.

        `required` work is too long to be waited for: a client that takes no tasks gets -32021.
        """
        if required or (TASKS_DECLARED in self.client.capabilities and not self.is_from_view):
            await self.channel.become_task(self, required=required)

    async def remember(self, work: str) -> None:
        """Note the words by which the tool's `resume` can tell how the work ended: of a task they are written down."""
        if self.is_task:
            await self.channel.remember(work)
        elif self.session is not None:
            self.channel.note_origin(Origin(self.params["name"], self.id, work))

    def leave_running(self) -> None:
        """End the handler of a task here; its work, which was remembered, goes on elsewhere. Of a call, do nothing."""
        self.channel.leave_running()

    def end(self) -> None:
        """Send nothing more: the call was answered (spec 2026-07-28, Progress: notifications MUST stop)."""
        self.channel = NULL_CHANNEL
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @property
    def _meta(self) -> Mapping[str, Any]:
        meta = self.request.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    def _notify_progress(self, value: float, message: str) -> None:
        if self.channel.is_task:
            self.channel.show_status(message)
        else:
            token = self.request.params["_meta"][PROGRESS_TOKEN]
            params = {PROGRESS_TOKEN: token, "progress": value, "total": 100, "message": message}
            self.channel.post(notification_message("notifications/progress", params))


def read_reason(reason: object) -> str:
    """Return the reason of `notifications/cancelled`, cut short; "" for one that is no text."""
    return reason[:MAX_REASON] if isinstance(reason, str) else ""
