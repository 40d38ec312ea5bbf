"""Change notices: who published what, and who wants to hear of it.

A notice says that something changed, never what it is now; so two of the same are one, and a reader that does not read
costs no more memory than one notice of each kind that it asked for. Spec 2026-07-28, Subscriptions.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

from service.protocol.errors import INVALID_PARAMS, RpcError

MAX_NAMED: Final = 1000
"""Resources or tasks that one subscription may name; it bounds what a subscription can hold."""

SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"


@dataclass(frozen=True)
class ListChanged:
    """A list has other entries now: `of` is tools, prompts or resources."""

    of: str


@dataclass(frozen=True)
class ResourceUpdated:
    """A resource reads otherwise now."""

    uri: str


@dataclass(frozen=True)
class TaskChanged:
    """A task has another status now."""

    task_id: str


@dataclass(frozen=True)
class ElicitationCompleted:
    """What a person was sent to by a URL is done."""

    elicitation_id: str


Notice: TypeAlias = ListChanged | ResourceUpdated | TaskChanged | ElicitationCompleted

TOOLS: Final = ListChanged("tools")
PROMPTS: Final = ListChanged("prompts")
RESOURCES: Final = ListChanged("resources")

LISTS: Final[Mapping[str, ListChanged]] = {
    "toolsListChanged": TOOLS,
    "promptsListChanged": PROMPTS,
    "resourcesListChanged": RESOURCES,
}
"""The fields of a notification filter that ask for a list, and what they ask for."""


class Subscription:
    """What one reader wants, and which of it is still to be told. Closed, it ends after what it still holds.

    `owner` is whose reader it is.
    """

    def __init__(self, wanted: Iterable[Notice], owner: str) -> None:
        self.wanted = set(wanted)
        self.owner = owner
        self._pending: dict[Notice, None] = {}
        self._news = asyncio.Event()
        self._closed = False

    def offer(self, notice: Notice) -> None:
        """Take a notice, if it is wanted."""
        if notice in self.wanted:
            self.push(notice)

    def push(self, notice: Notice) -> None:
        """Take a notice that nobody need have asked for, while there is room."""
        if not self._closed and (notice in self.wanted or len(self._pending) < MAX_NAMED):
            self._pending[notice] = None
            self._news.set()

    async def next(self) -> Notice | None:
        """The oldest notice that was not told yet, waiting for one; None when there will be none."""
        while not self._pending:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        notice = next(iter(self._pending))
        del self._pending[notice]
        return notice

    def close(self) -> None:
        """Let the reader finish."""
        self._closed = True
        self._news.set()


@dataclass
class Hub:
    """Hands notices to the subscriptions of those whom they concern; of a session's streams only to the newest.

    Spec 2025-11-25, Multiple Connections: a message MUST NOT be broadcast over several streams of one client.
    """

    _subscriptions: list[Subscription] = field(default_factory=list)
    _sessions: dict[str, list[Subscription]] = field(default_factory=dict)
    _closed: bool = False

    def publish(self, notice: Notice, owner: str | None = None) -> None:
        """Tell everybody who wants to know, or this owner alone. Never waits."""
        newest = (streams[-1] for streams in self._sessions.values())
        for subscription in chain(self._subscriptions, newest):
            if owner is None or subscription.owner == owner:
                subscription.offer(notice)

    def complete_elicitation(self, session_id: str, elicitation_id: str) -> None:
        """Tell the one session whose person was sent somewhere by `elicit_url` that they are done there."""
        for stream in self._sessions.get(session_id, ())[-1:]:
            stream.push(ElicitationCompleted(elicitation_id))

    def open(self, wanted: Iterable[Notice], owner: str) -> Subscription:
        """A new subscription of the modern era."""
        subscription = self._new(wanted, owner)
        self._subscriptions.append(subscription)
        return subscription

    def open_for_session(self, session_id: str, wanted: Iterable[Notice], owner: str) -> Subscription:
        """A new stream of a legacy session."""
        subscription = self._new(wanted, owner)
        self._sessions.setdefault(session_id, []).append(subscription)
        return subscription

    def _new(self, wanted: Iterable[Notice], owner: str) -> Subscription:
        subscription = Subscription(wanted, owner)
        if self._closed:
            subscription.close()
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Let go of a subscription whose reader has ended. Forgetting twice is no mistake."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        for session_id, streams in list(self._sessions.items()):
            if subscription in streams:
                streams.remove(subscription)
                if not streams:
                    del self._sessions[session_id]

    def streams_of(self, session_id: str) -> list[Subscription]:
        """The open streams of a legacy session."""
        return list(self._sessions.get(session_id, ()))

    def close(self) -> None:
        """End every subscription gracefully, as a stopping server does, and those that still come at once."""
        self._closed = True
        for subscription in [*self._subscriptions, *(each for one in self._sessions.values() for each in one)]:
            subscription.close()


def read_filter(value: object) -> dict[str, Any]:
    """The notification filter of `subscriptions/listen`; raises -32602 for one that is not as the schema has it."""
    if not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, "params.notifications must be an object that says which notices are wanted.")
    asked: dict[str, Any] = {}
    for name in LISTS:
        wanted = value.get(name)
        if wanted is not None and not isinstance(wanted, bool):
            raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be true or false.")
        if wanted:
            asked[name] = True
    for name in ("resourceSubscriptions", "taskIds"):
        if value.get(name) is not None:
            asked[name] = _read_names(name, value[name])
    return asked


def notices_of(asked: Mapping[str, Any]) -> list[Notice]:
    """What a filter asks for."""
    lists: list[Notice] = [LISTS[name] for name in asked if name in LISTS]
    resources = [ResourceUpdated(uri) for uri in asked.get("resourceSubscriptions", ())]
    return [*lists, *resources, *(TaskChanged(task_id) for task_id in asked.get("taskIds", ()))]


def notification_of(notice: ListChanged | ResourceUpdated | ElicitationCompleted) -> tuple[str, dict[str, Any]]:
    """Method and params of a notice, but for that of a task, which holds the task."""
    if isinstance(notice, ListChanged):
        return f"notifications/{notice.of}/list_changed", {}
    if isinstance(notice, ElicitationCompleted):
        return "notifications/elicitation/complete", {"elicitationId": notice.elicitation_id}
    return "notifications/resources/updated", {"uri": notice.uri}


def _read_names(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value) or len(value) > MAX_NAMED:
        raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be a list of at most {MAX_NAMED} strings.")
    return list(dict.fromkeys(value))
