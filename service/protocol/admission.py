"""One message becomes a `Call`, `ClientNotification`, `ClientResponse`, `Batch` or `Refused`. The era is decided here.

The order of the checks, so that a client learns of its first mistake and with its id (spec 2026-07-28, Server
Validation): JSON-RPC, era; then, modern: `_meta`, the version header against it, the version itself, the routing
headers; legacy: the session. Over stdio there are no headers, and one session at most, which lasts as long as the
process.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from service.protocol.call import Call
from service.protocol.client import (
    BATCHES,
    ERA_OF,
    MODERN_VERSIONS,
    SUPPORTED_VERSIONS,
    Client,
    Era,
    negotiate,
    read_client,
)
from service.protocol.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNSUPPORTED_VERSION,
    RpcError,
    status_of,
)
from service.protocol.headers import PROTOCOL_VERSION, SESSION_ID, Headers, check_routing
from service.protocol.jsonrpc import (
    Malformed,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    error_message,
    malformed,
    parse,
)
from service.protocol.round_trips import RequestState, RoundTrips, begin_state, read_state
from service.protocol.session import Session, Sessions
from service.protocol.subscriptions import read_level

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT: Final = "io.modelcontextprotocol/clientInfo"
META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"

MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods that may answer with `input_required` (spec 2026-07-28, MRTR, Supported Requests)."""


@dataclass(frozen=True, kw_only=True)
class ClientNotification:
    """A notification from the client, to be answered 202. A modern one has no session."""

    notification: Notification
    session: Session | None = None


@dataclass(frozen=True, kw_only=True)
class ClientResponse:
    """A legacy client's response to a request of ours, to be answered 202."""

    response: Response
    session: Session


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A message that goes no further: the HTTP status and the error that says why.

    `silent`: it was a notification, which JSON-RPC has no response to; HTTP answers it all the same.
    """

    status: int
    error: RpcError
    id: RequestId | None = None
    silent: bool = False

    def body(self) -> bytes:
        """Return the JSON-RPC error response."""
        return error_message(self.id, self.error)


Single: TypeAlias = Call | ClientNotification | ClientResponse | Refused


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Several messages in one body, as revision 2025-03-26 has them; all their responses are sent together."""

    items: tuple[Single, ...]


Admitted: TypeAlias = Single | Batch


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of session ids and request state, and the check for sessions that were ended."""

    sessions: Sessions
    request_state: bytes = field(repr=False)
    is_ended: Callable[[str], bool] = lambda session_id: False  # noqa: ARG005 - the signature of the check


@dataclass(kw_only=True, slots=True)
class Arrival:
    """The facts of a message besides its bytes: nothing here reads a clock or makes randomness.

    `owner` is the authenticated owner, `now` seconds since the epoch; `nonce` makes 16 random bytes where they are
    needed. `client_hint` is the client that the endpoint's URL names; `reached_at` and `open_gallery` as in `Call`.
    """

    owner: str
    now: float
    nonce: Callable[[], bytes]
    client_hint: str = ""
    reached_at: str = ""
    open_gallery: Callable[[], str] | None = None


@dataclass(slots=True)
class _Context:
    """The things that one message is judged by. Over stdio `headers` is None, and `session` the open one."""

    keys: Keys
    arrival: Arrival
    headers: Headers | None
    session: Session | None = None


def admit(pairs: Iterable[tuple[str, str]], body: bytes, keys: Keys, arrival: Arrival) -> Admitted:
    """Judge one POST by its raw header lines and its body."""
    message = parse(body)
    try:
        headers = Headers(pairs)
    except RpcError as error:
        id_ = None if isinstance(message, list | Notification) else message.id
        return Refused(status=status_of(Era.MODERN, error), error=error, id=id_)
    context = _Context(keys, arrival, headers)
    if isinstance(message, list):
        return _admit_batch(context, headers, message)
    return _admit(context, message)


def admit_line(line: bytes, keys: Keys, arrival: Arrival, session: Session | None) -> Single:
    """Judge one line of stdio; `session` is the one that an earlier `initialize` opened."""
    message = parse(line)
    if isinstance(message, list):
        message = malformed(None, "Send one message a line, not a batch.")
    return _admit(_Context(keys, arrival, None, session), message)


def find_session(pairs: Iterable[tuple[str, str]], keys: Keys, arrival: Arrival) -> tuple[Session, Headers] | Refused:
    """Return the session that a request without a body (GET, DELETE) names in its header."""
    try:
        headers = Headers(pairs)
        return _find_session(_Context(keys, arrival, headers)), headers
    except RpcError as error:
        return Refused(status=status_of(Era.LEGACY, error), error=error)


def _admit(context: _Context, message: Message) -> Single:
    sent = context.headers.get(PROTOCOL_VERSION) if context.headers is not None else None
    era = ERA_OF.get(sent, Era.MODERN)
    if era is not Era.MODERN and _names_version(message):
        era = Era.MODERN
    try:
        if isinstance(message, Malformed):
            raise message.error
        if era is Era.MODERN:
            return _admit_modern(context, message)
        return _admit_legacy(context, message)
    except RpcError as error:
        return _refuse(era, message, error)


def _refuse(era: Era, message: Message, error: RpcError) -> Refused:
    status = status_of(era, error)
    if isinstance(message, Notification):
        return Refused(status=status, error=error, silent=True)
    return Refused(status=status, error=error, id=message.id, silent=isinstance(message, Malformed) and message.silent)


def _admit_batch(context: _Context, headers: Headers, messages: list[Message]) -> Admitted:
    try:
        _check_batch(context, headers)
    except RpcError as error:
        return Refused(status=status_of(Era.LEGACY, error), error=error)
    return Batch(items=tuple(_admit_item(context, message) for message in messages))


def _check_batch(context: _Context, headers: Headers) -> None:
    """Raise unless the revision has batches: that of the header, if it is modern, or else that of the session."""
    sent = headers.get(PROTOCOL_VERSION)
    is_modern = ERA_OF.get(sent, Era.MODERN) is Era.MODERN
    version = str(sent) if is_modern else _find_session(context).version
    if version not in BATCHES:
        raise RpcError(INVALID_REQUEST, f"Revision {version[:100]!r} has no batches: send one message.")


def _admit_item(context: _Context, message: Message) -> Single:
    if isinstance(message, Request) and message.method == "initialize":
        # Spec 2025-03-26, Lifecycle, Initialization: it MUST NOT be part of a batch.
        return _refuse(Era.LEGACY, message, RpcError(INVALID_REQUEST, "Send initialize alone, not in a batch."))
    return _admit(context, message)


def _names_version(message: Message) -> bool:
    if isinstance(message, Response | Malformed):
        return False
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def _admit_modern(context: _Context, message: Request | Notification | Response) -> Single:
    if isinstance(message, Response):
        raise RpcError(INVALID_REQUEST, "Send no responses: in this revision the server sends no requests.")
    if isinstance(message, Notification):
        # Over HTTP none has a meaning, or required headers, in this revision: it is taken and dropped.
        return ClientNotification(notification=message, session=context.session)
    return _modern_call(context, message)


def _modern_call(context: _Context, request: Request) -> Call:
    """Return a call that says everything itself (spec 2026-07-28, Per-request protocol fields)."""
    meta = request.params.get("_meta")
    fields = meta if isinstance(meta, dict) else {}
    version, capabilities = fields.get(META_VERSION), fields.get(META_CAPABILITIES)
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_VERSION}", a string such as "2026-07-28".')
    if not isinstance(capabilities, dict):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_CAPABILITIES}", an object, {{}} for none.')
    _check_version(context.headers, version)
    if context.headers is not None:
        check_routing(context.headers, request)
    level = fields.get(META_LOG_LEVEL)
    call = Call(
        request=request,
        era=Era.MODERN,
        version=version,
        owner=context.arrival.owner,
        client=read_client(fields.get(META_CLIENT), capabilities),
        client_hint=context.arrival.client_hint,
        reached_at=context.arrival.reached_at,
        open_gallery=context.arrival.open_gallery,
        headers=context.headers,
        log_level=None if level is None else read_level(level),
    )
    if request.method in MAY_ASK:
        _prepare_round(call, context.keys.request_state, context.arrival.now)
    return call


def _check_version(headers: Headers | None, version: str) -> None:
    sent = version if headers is None else headers.get(PROTOCOL_VERSION)
    if sent != version:
        shown = "missing" if sent is None else repr(sent[:100])
        raise RpcError(HEADER_MISMATCH, f"The header {PROTOCOL_VERSION} is {shown}; _meta says {version[:100]!r}.")
    if version not in MODERN_VERSIONS:
        raise RpcError(
            UNSUPPORTED_VERSION,
            f"Revision {version[:100]!r} is not spoken here.",
            {"supported": list(SUPPORTED_VERSIONS), "requested": version},
        )


def _prepare_round(call: Call, key: bytes, now: float) -> None:
    """Let the call ask by round trips; raises -32602 for a `requestState` that was not given for it.

    Nearly every call brings no state and asks nothing: it costs one closure.
    """
    request, owner = call.request, call.owner
    params: Mapping[str, Any] = request.params
    brought: RequestState | None = read_state(key, request, owner, now) if "requestState" in params else None
    if brought is not None:
        call.kept = brought.kept
    call.round_trips = lambda: RoundTrips(
        brought or begin_state(key, request, owner, now), params.get("inputResponses")
    )


def _admit_legacy(context: _Context, message: Request | Notification | Response) -> Single:
    if isinstance(message, Request) and message.method == "initialize":
        session = _open_session(context, message)
    elif isinstance(message, Notification) and context.headers is None and context.session is None:
        # Over stdio a modern client cancels by a notification, which need not carry `_meta`.
        return ClientNotification(notification=message)
    else:
        session = _find_session(context)
    if isinstance(message, Response):
        return ClientResponse(response=message, session=session)
    if isinstance(message, Notification):
        return ClientNotification(notification=message, session=session)
    return Call(
        request=message,
        era=Era.LEGACY,
        version=session.version,
        owner=context.arrival.owner,
        client=session.client,
        client_hint=context.arrival.client_hint,
        reached_at=context.arrival.reached_at,
        open_gallery=context.arrival.open_gallery,
        session=session,
    )


def _open_session(context: _Context, request: Request) -> Session:
    requested = request.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(INVALID_PARAMS, 'params.protocolVersion must be a string such as "2025-11-25".')
    client: Client = read_client(request.params.get("clientInfo"), request.params.get("capabilities"))
    at = context.arrival
    return context.keys.sessions.mint(negotiate(requested), client, at.owner, now=at.now, nonce=at.nonce())


def _find_session(context: _Context) -> Session:
    if context.headers is None:
        if context.session is None:
            raise RpcError(INVALID_REQUEST, "Send initialize first.", status=400)
        return context.session
    id_ = context.headers.get(SESSION_ID)
    if id_ is None:
        raise RpcError(INVALID_REQUEST, f"The header {SESSION_ID} is missing: send initialize first.", status=400)
    session = context.keys.sessions.read(id_, context.arrival.owner, now=context.arrival.now)
    if session is None or context.keys.is_ended(id_):
        message = "This session is not known here, has expired or was ended: send initialize."
        raise RpcError(INVALID_REQUEST, message, status=404)
    return session
