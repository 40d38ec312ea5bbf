"""One HTTP request becomes a Call, a Notice, a Reply, or is Refused; the first mistake is named, with its id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocol.admission import Admitted, Arrival, Notice, Refused, Reply, admit
from service.protocol.call import Call
from service.protocol.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
)
from service.protocol.session import LIFETIME_S, Sessions
from service.protocol.versions import Era
from tests.wire import CAPABILITIES_KEY, CLIENT_KEY, MODERN, VERSION_KEY, modern_headers, modern_params, request

SESSIONS = Sessions(b"k" * 32)
NOW = 1_800_000_000.0


def arrive(
    message: object, headers: dict[str, str] | None = None, now: float = NOW, principal: str = "anna"
) -> Admitted:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    arrival = Arrival(principal=principal, now=now, nonce=b"n" * 16)
    return admit((headers or {}).items(), body, SESSIONS, arrival)


def modern(method: str = "tools/list", params: dict[str, Any] | None = None, **headers: str) -> Admitted:
    sent = modern_headers(method) | {name.replace("_", "-"): value for name, value in headers.items()}
    return arrive(request(method, modern_params() if params is None else params, 7), sent)


def session_id() -> str:
    call = arrive(request("initialize", {"protocolVersion": "2025-06-18"}, 0))
    assert isinstance(call, Call)
    assert call.session is not None
    return call.session.id


def test_a_modern_request_is_a_call_without_a_session() -> None:
    call = modern(Mcp_Session_Id="ignored", Last_Event_Id="ignored")
    assert isinstance(call, Call)
    assert (call.era, call.version, call.principal, call.session) == (Era.MODERN, MODERN, "anna", None)
    assert call.client.name == "test"


def test_a_modern_client_need_not_say_who_it_is() -> None:
    """Spec 2026-07-28, Per-request protocol fields: clientInfo is optional."""
    params = modern_params()
    del params["_meta"][CLIENT_KEY]
    assert isinstance(modern(params=params), Call)


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param(None, id="no meta"),
        pytest.param({CAPABILITIES_KEY: {}}, id="no version"),
        pytest.param({VERSION_KEY: MODERN}, id="no capabilities"),
        pytest.param({VERSION_KEY: 5, CAPABILITIES_KEY: {}}, id="version is no string"),
        pytest.param({VERSION_KEY: MODERN, CAPABILITIES_KEY: []}, id="capabilities are no object"),
    ],
)
def test_a_modern_request_without_its_meta_is_invalid(meta: object) -> None:
    """Spec 2026-07-28: -32602 and 400, before any header is compared."""
    refused = modern("server/discover", {} if meta is None else {"_meta": meta})
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_PARAMS, 7)


def test_a_version_header_that_differs_from_meta_is_a_mismatch_before_it_is_unsupported() -> None:
    refused = modern(params=modern_params(None, **{VERSION_KEY: "v999.0.0"}))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, HEADER_MISMATCH, 7)


def test_meta_without_the_version_header_is_a_mismatch() -> None:
    """Spec 2026-07-28, Server Validation: a required standard header is missing."""
    refused = arrive(request("tools/list", modern_params()), {"Mcp-Method": "tools/list"})
    assert isinstance(refused, Refused)
    assert refused.error.code == HEADER_MISMATCH


def test_an_unknown_version_is_told_what_is_spoken() -> None:
    refused = modern(params=modern_params(None, **{VERSION_KEY: "v999.0.0"}), Mcp_Protocol_Version="v999.0.0")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, UNSUPPORTED_VERSION, 7)
    assert refused.error.data is not None
    assert refused.error.data["requested"] == "v999.0.0"
    assert MODERN in refused.error.data["supported"]


def test_a_method_header_sent_twice_is_a_mismatch() -> None:
    """Spec 2026-07-28, Server Validation: 400 and -32020."""
    pairs = [*modern_headers("ping").items(), ("mcp-method", "ping")]
    body = json.dumps(request("ping", modern_params(), 9)).encode()
    refused = admit(pairs, body, SESSIONS, Arrival(principal="anna", now=NOW, nonce=b""))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, HEADER_MISMATCH, 9)


def test_a_modern_notification_is_taken_and_needs_no_headers_but_its_version() -> None:
    assert isinstance(arrive({"jsonrpc": "2.0", "method": "x"}, {"Mcp-Protocol-Version": MODERN}), Notice)


def test_a_modern_client_sends_no_responses() -> None:
    """Spec 2026-07-28, Sending Messages: the client MUST NOT send JSON-RPC responses."""
    refused = arrive({"jsonrpc": "2.0", "id": 3, "result": {}}, {"Mcp-Protocol-Version": MODERN})
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_REQUEST, 3)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no version header"),
        pytest.param({"Mcp-Protocol-Version": "2025-11-25"}, id="legacy header"),
        pytest.param({"Mcp-Protocol-Version": "2025-11-25", "Mcp-Method": "initialize"}, id="and a method header"),
    ],
)
def test_initialize_opens_a_session(headers: dict[str, str]) -> None:
    call = arrive(request("initialize", {"protocolVersion": "2026-07-28", "capabilities": {}}, 0), headers)
    assert isinstance(call, Call)
    assert (call.era, call.version, call.id, call.opens_session) == (Era.LEGACY, "2025-11-25", 0, True)


def test_initialize_must_say_its_version() -> None:
    refused = arrive(request("initialize", {}, 0))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (INVALID_PARAMS, 0)


def test_initialize_with_the_modern_header_is_a_modern_call() -> None:
    """Conformance 3.3: it must end as an unknown method, 404, never as a session."""
    call = modern("initialize")
    assert isinstance(call, Call)
    assert call.era is Era.MODERN


def test_a_request_in_a_session_is_a_call_of_its_revision() -> None:
    call = arrive(request("ping"), {"mcp-session-id": session_id(), "mcp-protocol-version": "2025-11-25"})
    assert isinstance(call, Call)
    assert (call.era, call.version, call.opens_session) == (Era.LEGACY, "2025-06-18", False)


def test_notifications_and_responses_in_a_session_are_taken() -> None:
    headers = {"Mcp-Session-Id": session_id()}
    assert isinstance(arrive({"jsonrpc": "2.0", "method": "notifications/initialized"}, headers), Notice)
    reply = arrive({"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "no"}}, headers)
    assert isinstance(reply, Reply)
    assert reply.response.failed


@pytest.mark.parametrize("message", [request("ping", id_=4), {"jsonrpc": "2.0", "id": 4, "result": {}}])
def test_a_message_without_a_session_is_refused(message: dict[str, Any]) -> None:
    """Spec 2025-11-25, Session Management: 400."""
    refused = arrive(message)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_REQUEST, 4)


@pytest.mark.parametrize(
    ("forge", "principal", "now"),
    [
        pytest.param(lambda id_: id_[:-2], "anna", NOW, id="altered"),
        pytest.param(lambda _: "made-up", "anna", NOW, id="made up"),
        pytest.param(lambda _: "", "anna", NOW, id="empty"),
        pytest.param(lambda id_: id_, "ben", NOW, id="of another principal"),
        pytest.param(lambda id_: id_, "anna", NOW + LIFETIME_S, id="expired"),
    ],
)
def test_a_session_that_is_not_known_is_404(forge: Any, principal: str, now: float) -> None:
    """Spec 2025-11-25, Session Management: 404 makes the client open a new one."""
    refused = arrive(request("ping", id_=4), {"Mcp-Session-Id": forge(session_id())}, now, principal)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.id) == (404, 4)


def test_a_refused_notification_has_no_id() -> None:
    refused = arrive({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert isinstance(refused, Refused)
    assert json.loads(refused.body()).keys() == {"jsonrpc", "error"}


def test_what_is_no_json_is_refused() -> None:
    refused = arrive(b"{")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code) == (400, PARSE_ERROR)


def containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values) | st.dictionaries(st.text(), values)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), containers)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON,
        "id": JSON,
        "method": st.text() | JSON,
        "params": JSON,
        "result": JSON,
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(["Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Mcp-Protocol-Version"]),
    st.text() | st.sampled_from([MODERN, "2025-11-25"]),
)


@given(message=MESSAGES, headers=HEADERS)
def test_no_message_makes_admission_raise(message: dict[str, Any], headers: dict[str, str]) -> None:
    arrive(json.dumps(message).encode(errors="surrogatepass"), headers)
