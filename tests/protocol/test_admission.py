"""One HTTP request becomes a call, a notification or a response, or is refused with its first mistake and its id."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.protocol.admission import (
    Admitted,
    Batch,
    ClientNotification,
    ClientResponse,
    Refused,
    admit,
    admit_line,
    find_session,
)
from service.protocol.call import Call
from service.protocol.client import Era
from service.protocol.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
)
from service.protocol.session import LIFETIME_S, Session
from tests.protocol.samples import KEYS, NOW, arrival, arrive
from tests.wire import CAPABILITIES_KEY, CLIENT, CLIENT_KEY, MODERN, VERSION_KEY, modern_headers, modern_params, request

LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"


def modern(method: str = "tools/list", params: dict[str, Any] | None = None, **headers: str) -> Admitted:
    sent = modern_headers(method) | {name.replace("_", "-"): value for name, value in headers.items()}
    return arrive(request(method, modern_params() if params is None else params, 7), sent)


def session_id(version: str = "2025-06-18") -> str:
    call = arrive(request("initialize", {"protocolVersion": version}, 0))
    assert isinstance(call, Call)
    assert call.session is not None
    return call.session.id


def test_a_modern_request_is_a_call_without_a_session() -> None:
    call = modern(Mcp_Session_Id="ignored", Last_Event_Id="ignored")
    assert isinstance(call, Call)
    assert (call.era, call.version, call.owner, call.session) == (Era.MODERN, MODERN, "anna", None)
    assert call.client.name == CLIENT["name"]


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
    refused = admit(pairs, body, KEYS, arrival())
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, HEADER_MISMATCH, 9)


def test_a_modern_notification_is_taken_and_needs_no_headers_but_its_version() -> None:
    assert isinstance(arrive({"jsonrpc": "2.0", "method": "x"}, {"Mcp-Protocol-Version": MODERN}), ClientNotification)


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
    """Spec 2026-07-28 has no handshake: it must end as an unknown method, 404, never as a session."""
    call = modern("initialize")
    assert isinstance(call, Call)
    assert call.era is Era.MODERN


def test_a_request_in_a_session_is_a_call_of_its_revision() -> None:
    call = arrive(request("ping"), {"mcp-session-id": session_id(), "mcp-protocol-version": "2025-11-25"})
    assert isinstance(call, Call)
    assert (call.era, call.version, call.opens_session) == (Era.LEGACY, "2025-06-18", False)


def test_notifications_and_responses_in_a_session_are_taken() -> None:
    headers = {"Mcp-Session-Id": session_id()}
    assert isinstance(arrive({"jsonrpc": "2.0", "method": "notifications/initialized"}, headers), ClientNotification)
    reply = arrive({"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "no"}}, headers)
    assert isinstance(reply, ClientResponse)
    assert reply.response.failed


@pytest.mark.parametrize("message", [request("ping", id_=4), {"jsonrpc": "2.0", "id": 4, "result": {}}])
def test_a_message_without_a_session_is_refused(message: dict[str, Any]) -> None:
    """Spec 2025-11-25, Session Management: 400."""
    refused = arrive(message)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_REQUEST, 4)


@pytest.mark.parametrize(
    ("forge", "owner", "now"),
    [
        pytest.param(lambda id_: id_[:-2], "anna", NOW, id="altered"),
        pytest.param(lambda _: "made-up", "anna", NOW, id="made up"),
        pytest.param(lambda _: "", "anna", NOW, id="empty"),
        pytest.param(lambda id_: id_, "ben", NOW, id="of another owner"),
        pytest.param(lambda id_: id_, "anna", NOW + LIFETIME_S, id="expired"),
    ],
)
def test_a_session_that_is_not_known_is_404(forge: Any, owner: str, now: float) -> None:
    """Spec 2025-11-25, Session Management: 404 makes the client open a new one."""
    refused = arrive(request("ping", id_=4), {"Mcp-Session-Id": forge(session_id())}, now, owner)
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


def test_a_repeated_header_refuses_a_batch_as_well() -> None:
    pairs = [("Mcp-Session-Id", "a"), ("mcp-session-id", "b")]
    refused = admit(pairs, json.dumps([request("ping", id_=3)]).encode(), KEYS, arrival())
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, HEADER_MISMATCH, None)


def test_a_modern_client_may_ask_for_log_messages() -> None:
    """Spec 2026-07-28, Logging: the level is said with each request, and none is sent without."""
    call = modern(params=modern_params(None, **{LOG_LEVEL_KEY: "warning"}))
    assert isinstance(call, Call)
    assert call.log_level == "warning"
    silent = modern()
    assert isinstance(silent, Call)
    assert silent.log_level is None
    refused = modern(params=modern_params(None, **{LOG_LEVEL_KEY: "loud"}))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (INVALID_PARAMS, 7)


@pytest.mark.parametrize(
    ("method", "target", "may_ask"),
    [
        pytest.param("tools/call", {"name": "a"}, True, id="tool"),
        pytest.param("prompts/get", {"name": "a"}, True, id="prompt"),
        pytest.param("resources/read", {"uri": "a"}, True, id="resource"),
        pytest.param("tools/list", {}, False, id="list"),
        pytest.param("tasks/get", {"taskId": "a"}, False, id="task"),
    ],
)
def test_only_three_methods_may_ask(method: str, target: dict[str, str], may_ask: bool) -> None:
    """Spec 2026-07-28, MRTR, Supported Requests."""
    call = modern(method, modern_params(target), Mcp_Name="a")
    assert isinstance(call, Call)
    assert (call.round() is not None) is may_ask
    assert call.round() is call.round()


def test_a_state_that_is_not_for_this_call_is_refused_with_its_id() -> None:
    """Spec 2026-07-28, MRTR, Server Requirements; a method that may not ask has no use for it, and lets it be."""
    params = modern_params({"name": "a", "requestState": "forged"})
    refused = modern("tools/call", params, Mcp_Name="a")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_PARAMS, 7)
    assert isinstance(modern("tools/list", modern_params({"requestState": "forged"})), Call)


def test_arguments_without_bottom_are_refused_with_their_id() -> None:
    """Bug: the encoder that binds the state gave up at a depth of 254, and the request ended as a 500."""
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    refused = modern("tools/call", modern_params({"name": "a", "arguments": {"x": deep}}), Mcp_Name="a")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (400, INVALID_REQUEST, 7)


def test_a_batch_of_its_revision_is_admitted_item_by_item() -> None:
    """Spec 2025-03-26, Sending Messages: requests, notifications and responses; each has its own verdict."""
    items = [
        request("ping", id_=1),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "result": {}},
        {"jsonrpc": "2.0", "id": 3, "method": 5},
        request("ping", id_="a"),
    ]
    batch = arrive(items, {"Mcp-Session-Id": session_id("2025-03-26")})
    assert isinstance(batch, Batch)
    assert [type(item) for item in batch.items] == [Call, ClientNotification, ClientResponse, Refused, Call]
    assert [item.id for item in batch.items if isinstance(item, Call | Refused)] == [1, 3, "a"]


def test_initialize_is_not_part_of_a_batch() -> None:
    """Spec 2025-03-26, Lifecycle, Initialization: it MUST NOT be."""
    items = [request("initialize", {"protocolVersion": "2025-03-26"}, 0), request("ping")]
    batch = arrive(items, {"Mcp-Session-Id": session_id("2025-03-26")})
    assert isinstance(batch, Batch)
    refused, call = batch.items
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (INVALID_REQUEST, 0)
    assert isinstance(call, Call)


def test_a_modern_request_in_a_legacy_batch_is_refused() -> None:
    batch = arrive([request("ping", modern_params(), 4)], {"Mcp-Session-Id": session_id("2025-03-26")})
    assert isinstance(batch, Batch)
    (refused,) = batch.items
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (HEADER_MISMATCH, 4)


@pytest.mark.parametrize(
    ("version", "headers", "status", "said"),
    [
        pytest.param("2025-06-18", {}, 400, "2025-06-18", id="the next revision"),
        pytest.param("2025-11-25", {}, 400, "2025-11-25", id="the one after that"),
        pytest.param("2025-03-26", {"Mcp-Protocol-Version": MODERN}, 400, MODERN, id="said to be modern"),
        pytest.param("2025-03-26", {"Mcp-Session-Id": "x"}, 404, "initialize", id="no session of ours"),
    ],
)
def test_other_revisions_have_no_batches(version: str, headers: dict[str, str], status: int, said: str) -> None:
    """Spec 2025-06-18, changelog: batching was taken out again."""
    refused = arrive([request("ping", id_=4)], {"Mcp-Session-Id": session_id(version)} | headers)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.error.code, refused.id) == (status, INVALID_REQUEST, None)
    assert said in refused.error.message


def test_a_batch_without_a_session_is_refused() -> None:
    refused = arrive([request("ping")])
    assert isinstance(refused, Refused)
    assert refused.status == 400


def test_a_session_that_was_ended_is_404() -> None:
    """Spec 2025-11-25, Session Management: after DELETE the id is dead, whoever ended it."""
    id_ = session_id()
    ended = replace(KEYS, is_ended=lambda each: each == id_)
    refused = arrive(request("ping", id_=4), {"Mcp-Session-Id": id_}, keys=ended)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.id) == (404, 4)


def test_a_request_without_a_body_names_its_session_in_the_header() -> None:
    """Spec 2025-11-25, Listening for Messages and Session Management: GET and DELETE."""
    found = find_session([("mcp-session-id", session_id()), ("Last-Event-ID", "s-1")], KEYS, arrival())
    assert not isinstance(found, Refused)
    session, headers = found
    assert (session.version, headers.get("last-event-id")) == ("2025-06-18", "s-1")


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        pytest.param([], 400, id="no session"),
        pytest.param([("Mcp-Session-Id", "x")], 404, id="unknown session"),
        pytest.param([("Mcp-Session-Id", "x"), ("mcp-session-id", "x")], 400, id="twice"),
    ],
)
def test_without_a_session_there_is_nothing_to_get(pairs: list[tuple[str, str]], status: int) -> None:
    refused = find_session(pairs, KEYS, arrival())
    assert isinstance(refused, Refused)
    assert (refused.status, refused.id) == (status, None)


def line(message: object, session: Session | None = None) -> Admitted:
    return admit_line(json.dumps(message).encode(), KEYS, arrival(), session)


def test_over_stdio_initialize_opens_the_session_that_the_rest_is_in() -> None:
    """Spec 2025-11-25, stdio: no headers; the session lasts as long as the process."""
    opening = line(request("initialize", {"protocolVersion": "2025-06-18"}, 0))
    assert isinstance(opening, Call)
    assert opening.opens_session
    call = line(request("ping"), opening.session)
    assert isinstance(call, Call)
    assert (call.era, call.version, call.headers) == (Era.LEGACY, "2025-06-18", None)


def test_over_stdio_nothing_goes_before_initialize_but_modern_requests() -> None:
    refused = line(request("ping", id_=4))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (INVALID_REQUEST, 4)
    call = line(request("tools/list", modern_params()))
    assert isinstance(call, Call)
    assert (call.era, call.session) == (Era.MODERN, None)


def test_over_stdio_an_unknown_version_is_told_what_is_spoken() -> None:
    refused = line(request("tools/list", modern_params(None, **{VERSION_KEY: "v999.0.0"}), 4))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.id) == (UNSUPPORTED_VERSION, 4)


def test_over_stdio_a_line_is_one_message() -> None:
    refused = line([request("ping")])
    assert isinstance(refused, Refused)
    assert "batch" in refused.error.message


@pytest.mark.parametrize("era", Era)
def test_a_call_knows_what_the_url_says_of_its_client(era: Era) -> None:
    """Ours: some hosts do not say who they are, but every person can paste a URL."""
    hinted = replace(arrival(), client_hint="cherry-studio")
    headers = modern_headers("tools/list") if era is Era.MODERN else {"Mcp-Session-Id": session_id()}
    body = json.dumps(request("tools/list", modern_params() if era is Era.MODERN else {})).encode()
    call = admit(headers.items(), body, KEYS, hinted)
    assert isinstance(call, Call)
    assert (call.era, call.client_hint) == (era, "cherry-studio")


def test_over_stdio_a_notification_needs_neither_a_session_nor_meta() -> None:
    """Spec 2026-07-28, stdio, Cancellation: `_meta` is for requests."""
    notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    taken = admit_line(json.dumps(notice).encode(), KEYS, arrival(), None)
    assert isinstance(taken, ClientNotification)
    assert taken.session is None


def test_a_refused_notification_is_nothing_to_answer() -> None:
    """JSON-RPC 2.0, Notification. HTTP answers the request that it came in all the same."""
    notice = {"jsonrpc": "2.0", "method": "notifications/x"}
    unknown = arrive(notice, {"Mcp-Session-Id": "forged"})
    wrong = admit_line(json.dumps({**notice, "params": []}).encode(), KEYS, arrival(), None)
    asked = arrive({**notice, "id": 1}, {"Mcp-Session-Id": "forged"})
    refused = [each for each in (unknown, wrong, asked) if isinstance(each, Refused)]
    assert [each.silent for each in refused] == [True, True, False]
