"""One HTTP request becomes a Call, a Notice, a Reply, or is Refused. Here, and only here, the era is decided.

The order, so that a client is told of its first mistake and with its id (spec 2026-07-28, Server Validation):
JSON-RPC, era; then, modern: `_meta`, the version header against it, the version itself, the routing headers; legacy:
the session.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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
from service.protocol.jsonrpc import (
    Malformed,
    Message,
    Notification,
    Request,
    RequestId,
    Response,
    error_message,
    parse,
)
from service.protocol.session import Session, Sessions
from service.protocol.versions import MODERN_VERSIONS, SUPPORTED_VERSIONS, Era, era_of, negotiate

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT: Final = "io.modelcontextprotocol/clientInfo"
META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"


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
    """A request that goes no further: its HTTP status and the error that says why."""

    status: int
    error: RpcError
    id: RequestId | None = None

    def body(self) -> bytes:
        """The JSON-RPC error response."""
        return error_message(self.id, self.error)


Admitted: TypeAlias = Call | Notice | Reply | Refused


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What the edge knows of a request besides its bytes, since nothing here reads a clock or makes randomness.

    `principal` is the authenticated owner, `now` seconds since the epoch, `nonce` 16 random bytes.
    """

    principal: str
    now: float
    nonce: bytes


def admit(pairs: Iterable[tuple[str, str]], body: bytes, sessions: Sessions, arrival: Arrival) -> Admitted:
    """Read one POST: its raw header lines and its body."""
    message = parse(body)
    era = Era.LEGACY
    try:
        headers = Headers(pairs)
        era = era_of(headers.get(PROTOCOL_VERSION), _names_version(message))
        if isinstance(message, Malformed):
            raise message.error
        if era is Era.MODERN:
            return _admit_modern(headers, message, arrival)
        return _admit_legacy(headers, message, sessions, arrival)
    except RpcError as error:
        id_ = None if isinstance(message, Notification) else message.id
        return Refused(status=status_of(era, error), error=error, id=id_)


def _names_version(message: Message) -> bool:
    if not isinstance(message, Request | Notification):
        return False
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def _admit_modern(headers: Headers, message: Request | Notification | Response, arrival: Arrival) -> Admitted:
    match message:
        case Response():
            raise RpcError(INVALID_REQUEST, "Send no responses: in this revision the server sends no requests.")
        case Notification():
            # No notification over HTTP has a meaning, or required headers, in this revision: taken, and let go.
            return Notice(notification=message)
        case Request():
            version, client = _read_meta(headers, message)
            check_routing(headers, message)
            return Call(request=message, era=Era.MODERN, version=version, principal=arrival.principal, client=client)


def _read_meta(headers: Headers, request: Request) -> tuple[str, Client]:
    """Version and client of a modern request (spec 2026-07-28, Per-request protocol fields)."""
    meta = request.params.get("_meta")
    fields = meta if isinstance(meta, dict) else {}
    version, capabilities = fields.get(META_VERSION), fields.get(META_CAPABILITIES)
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_VERSION}", a string such as "2026-07-28".')
    if not isinstance(capabilities, dict):
        raise RpcError(INVALID_PARAMS, f'params._meta must hold "{META_CAPABILITIES}", an object, {{}} for none.')
    sent = headers.get(PROTOCOL_VERSION)
    if sent != version:
        said = "missing" if sent is None else repr(sent[:100])
        raise RpcError(HEADER_MISMATCH, f"The header {PROTOCOL_VERSION} is {said}; _meta says {version[:100]!r}.")
    if version not in MODERN_VERSIONS:
        raise RpcError(
            UNSUPPORTED_VERSION,
            f"Revision {version[:100]!r} is not spoken here.",
            {"supported": list(SUPPORTED_VERSIONS), "requested": version},
        )
    return version, read_client(fields.get(META_CLIENT), capabilities)


def _admit_legacy(
    headers: Headers, message: Request | Notification | Response, sessions: Sessions, arrival: Arrival
) -> Admitted:
    if isinstance(message, Request) and message.method == "initialize":
        session = _open_session(message, sessions, arrival)
    else:
        session = _find_session(headers, sessions, arrival)
    match message:
        case Response():
            return Reply(response=message, session=session)
        case Notification():
            return Notice(notification=message, session=session)
        case Request():
            return Call(
                request=message,
                era=Era.LEGACY,
                version=session.version,
                principal=arrival.principal,
                client=session.client,
                session=session,
            )


def _open_session(request: Request, sessions: Sessions, arrival: Arrival) -> Session:
    requested = request.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(INVALID_PARAMS, 'params.protocolVersion must be a string such as "2025-11-25".')
    client = read_client(request.params.get("clientInfo"), request.params.get("capabilities"))
    return sessions.mint(negotiate(requested), client, arrival.principal, now=arrival.now, nonce=arrival.nonce)


def _find_session(headers: Headers, sessions: Sessions, arrival: Arrival) -> Session:
    id_ = headers.get(SESSION_ID)
    if id_ is None:
        raise RpcError(INVALID_REQUEST, f"The header {SESSION_ID} is missing: send initialize first.", status=400)
    session = sessions.read(id_, arrival.principal, now=arrival.now)
    if session is None:
        raise RpcError(INVALID_REQUEST, "This session is not known here or has expired: send initialize.", status=404)
    return session
