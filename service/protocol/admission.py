"""One message becomes a Call, a Notice, a Reply, a Batch, or is Refused. Here, and only here, the era is decided.

The order, so that a client is told of its first mistake and with its id (spec 2026-07-28, Server Validation):
JSON-RPC, era; then, modern: `_meta`, the version header against it, the version itself, the routing headers; legacy:
the session. Over stdio there are no headers, and one session at most, which lasts as long as the process.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from service.protocol.call import Call
from service.protocol.client import Client, read_client
from service.protocol.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNSUPPORTED_VERSION,
    RpcError,
    status_of,
)
from service.protocol.headers import PROTOCOL_VERSION, SESSION_ID, Headers, check_routing
from service.protocol.inquiry import UNASKED, Inquiry, RoundTrips
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
from service.protocol.log_levels import read_level
from service.protocol.request_state import begin_state, read_state
from service.protocol.session import Session, Sessions
from service.protocol.versions import BATCHES, MODERN_VERSIONS, SUPPORTED_VERSIONS, Era, era_of, negotiate

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT: Final = "io.modelcontextprotocol/clientInfo"
META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"

MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods that may answer with `input_required` (spec 2026-07-28, MRTR, Supported Requests)."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notification from the client, to be answered 202. A modern one has no session."""

    notification: Notification
    session: Session | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A legacy client's answer to a request of ours, to be answered 202."""

    response: Response
    session: Session


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A request that goes no further: its HTTP status and the error that says why.

    `silent`: it was a notification, which JSON-RPC has no answer to; HTTP answers it all the same.
    """

    status: int
    error: RpcError
    id: RequestId | None = None
    silent: bool = False

    def body(self) -> bytes:
        """The JSON-RPC error response."""
        return error_message(self.id, self.error)


Single: TypeAlias = Call | Notice | Reply | Refused


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Several messages in one body, as revision 2025-03-26 has them: answered by all their answers together."""

    items: tuple[Single, ...]


Admitted: TypeAlias = Single | Batch


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What admission verifies by: session ids, request state, and which sessions were ended."""

    sessions: Sessions
    request_state: bytes = field(repr=False)
    is_ended: Callable[[str], bool] = lambda session_id: False  # noqa: ARG005 - the signature of what stands here


@dataclass(kw_only=True, slots=True)
class Arrival:
    """What the edge knows of a message besides its bytes, since nothing here reads a clock or makes randomness.

    `owner` is the authenticated owner, `now` seconds since the epoch; `nonce` makes 16 random bytes, for those who
    need them. `client_hint` is what the endpoint's URL says of the client.
    """

    owner: str
    now: float
    nonce: Callable[[], bytes]
    client_hint: str = ""


@dataclass(slots=True)
class _Desk:
    """Everything that one message is judged by. Over stdio `headers` is None, and `session` the open one."""

    keys: Keys
    arrival: Arrival
    headers: Headers | None
    session: Session | None = None


def admit(pairs: Iterable[tuple[str, str]], body: bytes, keys: Keys, arrival: Arrival) -> Admitted:
    """Read one POST: its raw header lines and its body."""
    read = parse(body)
    try:
        headers = Headers(pairs)
    except RpcError as error:
        id_ = None if isinstance(read, list | Notification) else read.id
        return Refused(status=status_of(Era.MODERN, error), error=error, id=id_)
    desk = _Desk(keys, arrival, headers)
    if isinstance(read, list):
        return _admit_batch(desk, headers, read)
    return _admit(desk, read)


def admit_line(line: bytes, keys: Keys, arrival: Arrival, session: Session | None) -> Single:
    """Read one line of stdio; `session` is what an earlier `initialize` opened."""
    read = parse(line)
    if isinstance(read, list):
        read = malformed(None, "Send one message a line, not a batch.")
    return _admit(_Desk(keys, arrival, None, session), read)


def find_session(pairs: Iterable[tuple[str, str]], keys: Keys, arrival: Arrival) -> tuple[Session, Headers] | Refused:
    """The session that a request without a body (GET, DELETE) names in its header."""
    try:
        headers = Headers(pairs)
        return _find_session(_Desk(keys, arrival, headers)), headers
    except RpcError as error:
        return Refused(status=status_of(Era.LEGACY, error), error=error)


def _admit(desk: _Desk, message: Message) -> Single:
    sent = desk.headers.get(PROTOCOL_VERSION) if desk.headers is not None else None
    era = era_of(sent, _names_version(message))
    try:
        if isinstance(message, Malformed):
            raise message.error
        if era is Era.MODERN:
            return _admit_modern(desk, message)
        return _admit_legacy(desk, message)
    except RpcError as error:
        return _refuse(era, message, error)


def _refuse(era: Era, message: Message, error: RpcError) -> Refused:
    status = status_of(era, error)
    if isinstance(message, Notification):
        return Refused(status=status, error=error, silent=True)
    return Refused(status=status, error=error, id=message.id, silent=isinstance(message, Malformed) and message.silent)


def _admit_batch(desk: _Desk, headers: Headers, messages: list[Message]) -> Admitted:
    try:
        _check_batch(desk, headers)
    except RpcError as error:
        return Refused(status=status_of(Era.LEGACY, error), error=error)
    return Batch(items=tuple(_admit_item(desk, message) for message in messages))


def _check_batch(desk: _Desk, headers: Headers) -> None:
    """Raise unless the revision has batches: the one that the header says, if it is modern, or else the session's."""
    sent = headers.get(PROTOCOL_VERSION)
    is_modern = era_of(sent, meta_names_version=False) is Era.MODERN
    version = str(sent) if is_modern else _find_session(desk).version
    if version not in BATCHES:
        raise RpcError(INVALID_REQUEST, f"Revision {version[:100]!r} has no batches: send one message.")


def _admit_item(desk: _Desk, message: Message) -> Single:
    if isinstance(message, Request) and message.method == "initialize":
        # Spec 2025-03-26, Lifecycle, Initialization: it MUST NOT be part of a batch.
        return _refuse(Era.LEGACY, message, RpcError(INVALID_REQUEST, "Send initialize alone, not in a batch."))
    return _admit(desk, message)


def _names_version(message: Message) -> bool:
    if not isinstance(message, Request | Notification):
        return False
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def _admit_modern(desk: _Desk, message: Request | Notification | Response) -> Single:
    if isinstance(message, Response):
        raise RpcError(INVALID_REQUEST, "Send no responses: in this revision the server sends no requests.")
    if isinstance(message, Notification):
        # Over HTTP none has a meaning, or required headers, in this revision: taken, and let go.
        return Notice(notification=message, session=desk.session)
    return _modern_call(desk, message)


def _modern_call(desk: _Desk, request: Request) -> Call:
    """A call that says everything itself (spec 2026-07-28, Per-request protocol fields)."""
    meta = request.params.get("_meta")
    fields = meta if isinstance(meta, dict) else {}
    version, capabilities = fields.get(META_VERSION), fields.get(META_CAPABILITIES)
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_VERSION}", a string such as "2026-07-28".')
    if not isinstance(capabilities, dict):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_CAPABILITIES}", an object, {{}} for none.')
    _check_version(desk.headers, version)
    if desk.headers is not None:
        check_routing(desk.headers, request)
    level = fields.get(META_LOG_LEVEL)
    return Call(
        request=request,
        era=Era.MODERN,
        version=version,
        owner=desk.arrival.owner,
        client=read_client(fields.get(META_CLIENT), capabilities),
        client_hint=desk.arrival.client_hint,
        headers=desk.headers,
        log_level=None if level is None else read_level(level),
        inquiry=_round_trips(desk, request),
    )


def _check_version(headers: Headers | None, version: str) -> None:
    sent = version if headers is None else headers.get(PROTOCOL_VERSION)
    if sent != version:
        said = "missing" if sent is None else repr(sent[:100])
        raise RpcError(HEADER_MISMATCH, f"The header {PROTOCOL_VERSION} is {said}; _meta says {version[:100]!r}.")
    if version not in MODERN_VERSIONS:
        raise RpcError(
            UNSUPPORTED_VERSION,
            f"Revision {version[:100]!r} is not spoken here.",
            {"supported": list(SUPPORTED_VERSIONS), "requested": version},
        )


def _round_trips(desk: _Desk, request: Request) -> Inquiry:
    if request.method not in MAY_ASK:
        return UNASKED
    bound = desk.keys.request_state, request, desk.arrival.owner, desk.arrival.now
    return RoundTrips(request.params.get("inputResponses"), read_state(*bound), partial(begin_state, *bound))


def _admit_legacy(desk: _Desk, message: Request | Notification | Response) -> Single:
    if isinstance(message, Request) and message.method == "initialize":
        session = _open_session(desk, message)
    elif isinstance(message, Notification) and desk.headers is None and desk.session is None:
        # Over stdio a modern client cancels by a notification, which need not carry `_meta`.
        return Notice(notification=message)
    else:
        session = _find_session(desk)
    if isinstance(message, Response):
        return Reply(response=message, session=session)
    if isinstance(message, Notification):
        return Notice(notification=message, session=session)
    return Call(
        request=message,
        era=Era.LEGACY,
        version=session.version,
        owner=desk.arrival.owner,
        client=session.client,
        client_hint=desk.arrival.client_hint,
        session=session,
    )


def _open_session(desk: _Desk, request: Request) -> Session:
    requested = request.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(INVALID_PARAMS, 'params.protocolVersion must be a string such as "2025-11-25".')
    client: Client = read_client(request.params.get("clientInfo"), request.params.get("capabilities"))
    at = desk.arrival
    return desk.keys.sessions.mint(negotiate(requested), client, at.owner, now=at.now, nonce=at.nonce())


def _find_session(desk: _Desk) -> Session:
    if desk.headers is None:
        if desk.session is None:
            raise RpcError(INVALID_REQUEST, "Send initialize first.", status=400)
        return desk.session
    id_ = desk.headers.get(SESSION_ID)
    if id_ is None:
        raise RpcError(INVALID_REQUEST, f"The header {SESSION_ID} is missing: send initialize first.", status=400)
    session = desk.keys.sessions.read(id_, desk.arrival.owner, now=desk.arrival.now)
    if session is None or desk.keys.is_ended(id_):
        message = "This session is not known here, has expired or was ended: send initialize."
        raise RpcError(INVALID_REQUEST, message, status=404)
    return session
