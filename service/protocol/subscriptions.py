"""Changes of lists, resources and tasks: published at the hub, and handed to the subscriptions that want them.

A change names its subject and carries no content. So two equal changes are one, and a slow reader costs no more memory
than one change of each kind that it subscribed to. Spec 2026-07-28, Subscriptions.

A legacy session subscribes too, and sets the level of its log: soft state, which everything else about a session is
not. A client whose session was forgotten, as by a restart, sets the level and subscribes again. The sessions heard from
longest ago are forgotten first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

from service.bounds.limits import SESSIONS, STREAMS, SUBSCRIPTIONS, UNLIMITED, Allowances, InUse
from service.protocol.errors import INVALID_PARAMS, RpcError

MAX_NAME: Final = 500
"""Characters of the URI of a resource, or of the id of a task, that can be subscribed to. Ours have a hundred."""

MAX_NAMED: Final = 1000
"""Resources or tasks that one subscription may name; it bounds what a subscription can hold."""

SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"


@dataclass(frozen=True)
class ListChanged:
    """A list has other entries: `of` is tools, prompts or resources."""

    of: str


@dataclass(frozen=True)
class ResourceUpdated:
    """A resource has other contents."""

    uri: str


@dataclass(frozen=True)
class TaskChanged:
    """A task has another status."""

    task_id: str


@dataclass(frozen=True)
class ElicitationCompleted:
    """The page of an elicitation by URL is done."""

    elicitation_id: str


Change: TypeAlias = ListChanged | ResourceUpdated | TaskChanged | ElicitationCompleted

TOOLS: Final = ListChanged("tools")
PROMPTS: Final = ListChanged("prompts")
RESOURCES: Final = ListChanged("resources")

LISTS: Final[Mapping[str, ListChanged]] = {
    "toolsListChanged": TOOLS,
    "promptsListChanged": PROMPTS,
    "resourcesListChanged": RESOURCES,
}
"""The fields of a notification filter that ask for a list, and the change of each."""


class Subscription:
    """The changes that one reader of `owner` wants, and those not read yet. Closed, it ends after the unread ones.

    `session_id` is that of a legacy session, "" in the modern era.
    """

    # There are thousands.
    __slots__ = ("_closed", "_unread", "_waiting", "owner", "session_id", "wanted")

    def __init__(self, wanted: Iterable[Change], owner: str, session_id: str = "") -> None:
        """Begin without unread changes."""
        self.wanted = set(wanted)
        self.owner = owner
        self.session_id = session_id
        self._unread: dict[Change, None] = {}
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False

    def offer(self, change: Change) -> None:
        """Take a change, if it is wanted."""
        if change in self.wanted:
            self.push(change)

    def push(self, change: Change) -> None:
        """Take a change, wanted or not, while there is room."""
        if not self._closed and (change in self.wanted or len(self._unread) < MAX_NAMED):
            self._unread[change] = None
            self._tell()

    async def next(self) -> Change | None:
        """Return the oldest unread change, waiting for one; None when it is closed and all were read."""
        while not self._unread:
            if self._closed:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        change = next(iter(self._unread))
        del self._unread[change]
        return change

    def close(self) -> None:
        """Take no more changes; the reader ends after the unread ones."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@dataclass
class Hub:
    """Hands changes to the subscriptions that they concern; of a session's streams only to the newest.

    Spec 2025-11-25, Multiple Connections: a message MUST NOT be broadcast over several streams of one client.
    """

    allowances: Allowances = UNLIMITED
    is_heard: bool = False
    """True while there is any subscription. A publisher may look here before it makes a change."""
    _modern: dict[Subscription, None] = field(default_factory=dict)
    _sessions: dict[str, dict[Subscription, None]] = field(default_factory=dict)
    """The streams of each legacy session, the newest last."""
    _closed: bool = False

    def __post_init__(self) -> None:
        """Begin without streams and names."""
        self.streams = InUse(STREAMS, self.allowances)
        """The open streams of notices, of both eras; a transport, or the method, holds one for its stream."""
        self.names = InUse(SUBSCRIPTIONS, self.allowances)
        """The resources and tasks that modern subscriptions and legacy sessions name."""

    def publish(self, change: Change, owner: str | None = None) -> None:
        """Offer a change to every subscription, or to those of this owner alone. Never waits."""
        if not self.is_heard:
            return
        newest = (next(reversed(streams)) for streams in self._sessions.values())
        for subscription in chain(self._modern, newest):
            if owner is None or subscription.owner == owner:
                subscription.offer(change)

    def complete_elicitation(self, session_id: str, elicitation_id: str) -> None:
        """Push the end of an `elicit_url` page to the session that was asked to open it."""
        for stream in self.streams_of(session_id)[-1:]:
            stream.push(ElicitationCompleted(elicitation_id))

    def open(self, wanted: Iterable[Change], owner: str) -> Subscription:
        """Return a new subscription of the modern era."""
        subscription = self._new(Subscription(wanted, owner))
        self._modern[subscription] = None
        return subscription

    def open_for_session(self, session_id: str, wanted: Iterable[Change], owner: str) -> Subscription:
        """Return a new subscription of a legacy session, for its newest stream."""
        subscription = self._new(Subscription(wanted, owner, session_id))
        self._sessions.setdefault(session_id, {})[subscription] = None
        return subscription

    def _new(self, subscription: Subscription) -> Subscription:
        self.is_heard = True
        if self._closed:
            subscription.close()
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Remove a subscription whose reader has ended, if it is there."""
        self._modern.pop(subscription, None)
        streams = self._sessions.get(subscription.session_id, {})
        streams.pop(subscription, None)
        if not streams:
            self._sessions.pop(subscription.session_id, None)
        self.is_heard = bool(self._modern or self._sessions)

    @property
    def owners(self) -> set[str]:
        """The owners who have a subscription."""
        return {subscription.owner for subscription in self._all()}

    def streams_of(self, session_id: str) -> list[Subscription]:
        """Return the open streams of a legacy session."""
        return list(self._sessions.get(session_id, ()))

    def close_owners(self, owners: Collection[str]) -> None:
        """End the subscriptions of owners that may no longer use the service."""
        for subscription in self._all():
            if subscription.owner in owners:
                subscription.close()

    def close(self) -> None:
        """End every subscription gracefully, as a stopping server does; later ones end at once."""
        self._closed = True
        for subscription in self._all():
            subscription.close()

    def _all(self) -> Iterable[Subscription]:
        return chain(self._modern, *self._sessions.values())


def read_filter(value: object) -> dict[str, Any]:
    """Return the notification filter of `subscriptions/listen`; raises -32602 for one against the schema."""
    if not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, "params.notifications must be an object that says which notices are wanted.")
    read: dict[str, Any] = {}
    for name in LISTS:
        wanted = value.get(name)
        if wanted is not None and not isinstance(wanted, bool):
            raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be true or false.")
        if wanted:
            read[name] = True
    for name in ("resourceSubscriptions", "taskIds"):
        if value.get(name) is not None:
            read[name] = _read_names(name, value[name])
    return read


def names_in(filter_: Mapping[str, Any]) -> int:
    """Return how many resources and tasks a filter names."""
    return sum(len(filter_.get(name, ())) for name in ("resourceSubscriptions", "taskIds"))


def changes_of(filter_: Mapping[str, Any]) -> list[Change]:
    """Return the changes that a filter names."""
    lists: list[Change] = [LISTS[name] for name in filter_ if name in LISTS]
    resources = [ResourceUpdated(uri) for uri in filter_.get("resourceSubscriptions", ())]
    return [*lists, *resources, *(TaskChanged(task_id) for task_id in filter_.get("taskIds", ()))]


def notification_of(change: ListChanged | ResourceUpdated | ElicitationCompleted) -> tuple[str, dict[str, Any]]:
    """Return the method and params of a change's notification. That of a task holds the task, and is made with it."""
    if isinstance(change, ListChanged):
        return f"notifications/{change.of}/list_changed", {}
    if isinstance(change, ElicitationCompleted):
        return "notifications/elicitation/complete", {"elicitationId": change.elicitation_id}
    return "notifications/resources/updated", {"uri": change.uri}


def _read_names(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value) or len(value) > MAX_NAMED:
        raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be a list of at most {MAX_NAMED} strings.")
    if any(len(each) > MAX_NAME for each in value):
        raise RpcError(INVALID_PARAMS, f"Each of params.notifications.{name} must have at most {MAX_NAME} characters.")
    return list(dict.fromkeys(value))


LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The levels of `notifications/message` (RFC 5424), from the least to the most severe."""

LEGACY_DEFAULT: Final = "info"
"""The level of a session that never called `logging/setLevel`: the spec leaves it to the server."""


def read_level(value: object) -> str:
    """Return `value` as a level; raises -32602 with the list of levels."""
    if not isinstance(value, str) or value not in LEVELS:
        raise RpcError(INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}.")
    return value


def passes(level: str, threshold: str | None) -> bool:
    """Return whether a message of this level is sent; without a threshold none is (spec 2026-07-28, Logging)."""
    return threshold is not None and LEVELS.index(level) >= LEVELS.index(threshold)


@dataclass
class Remembered:
    """The level and the subscriptions of one session, and its owner."""

    owner: str = ""
    log_level: str = LEGACY_DEFAULT
    resources: set[str] = field(default_factory=set)


@dataclass
class SessionMemory:
    """The sessions that set a level or subscribed to a resource. `names` counts the resources, as `Hub.names` does."""

    allowances: Allowances = UNLIMITED
    names: InUse = field(default_factory=lambda: InUse(SUBSCRIPTIONS), compare=False)
    _sessions: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)
    _of_owners: dict[str, OrderedDict[str, None]] = field(default_factory=dict)

    def look(self, session_id: str) -> Remembered:
        """Return the state of a session, or the defaults. The returned object is for reading only."""
        if session_id not in self._sessions:
            return Remembered()
        return self._touch(session_id)

    def level_of(self, session_id: str) -> str:
        """Return the least severe level that a session wants."""
        return self.look(session_id).log_level if session_id in self._sessions else LEGACY_DEFAULT

    def set_level(self, session_id: str, level: str, owner: str) -> None:
        """Set the least severe level that a session of this owner wants."""
        self._of(session_id, owner).log_level = level

    def subscribe(self, session_id: str, uri: str, owner: str) -> None:
        """Add a resource to the subscriptions of a session of this owner.

        Raises -32602 when the session has too many, `LimitError` when its owner has.
        """
        if len(uri) > MAX_NAME:
            raise RpcError(INVALID_PARAMS, f"params.uri must have at most {MAX_NAME} characters to be subscribed to.")
        resources = self.look(session_id).resources
        if uri in resources:
            return
        if len(resources) >= MAX_NAMED:
            raise RpcError(INVALID_PARAMS, f"A session can subscribe to {MAX_NAMED} resources at most.")
        self.names.take(owner)
        self._of(session_id, owner).resources.add(uri)

    def unsubscribe(self, session_id: str, uri: str) -> None:
        """Remove a resource from a session's subscriptions, if it is there."""
        remembered = self.look(session_id)
        if uri in remembered.resources:
            remembered.resources.remove(uri)
            self.names.give_back(remembered.owner)

    def forget(self, session_id: str) -> None:
        """Forget a session that was ended, if it is there."""
        remembered = self._sessions.pop(session_id, None)
        if remembered is None:
            return
        own = self._of_owners[remembered.owner]
        del own[session_id]
        if not own:
            del self._of_owners[remembered.owner]
        if remembered.resources:
            self.names.give_back(remembered.owner, len(remembered.resources))

    def _of(self, session_id: str, owner: str) -> Remembered:
        """Return the state of a session to be changed; older sessions beyond the limits are forgotten for a new one."""
        if session_id not in self._sessions:
            own = self._of_owners.setdefault(owner, OrderedDict())
            self._sessions[session_id], own[session_id] = Remembered(owner), None
            for sessions, most in (
                (own, self.allowances.each(SESSIONS, owner)),
                (self._sessions, self.allowances.overall(SESSIONS)),
            ):
                if len(sessions) > most:
                    self.forget(next(iter(sessions)))
        return self._touch(session_id)

    def _touch(self, session_id: str) -> Remembered:
        """Return the state of a session that is there, as the one heard from last."""
        remembered = self._sessions[session_id]
        self._sessions.move_to_end(session_id)
        self._of_owners[remembered.owner].move_to_end(session_id)
        return remembered
