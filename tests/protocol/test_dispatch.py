"""A call becomes an answer, and an exception an error, in both eras."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.client import Era
from service.protocol.dispatch import CACHING, SERVER_INFO, respond, respond_from_cache, stamp
from service.protocol.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.methods import METHODS
from service.protocol.round_trips import InputRequiredError
from tests.protocol.samples import call, error, result, said, server

Arguments = Mapping[str, Any]


async def echo(call: Call, arguments: Arguments) -> Result:
    return said("Echo.")


async def broken(call: Call, arguments: Arguments) -> Result:
    raise ZeroDivisionError("secret detail")


async def unencodable(call: Call, arguments: Arguments) -> Result:
    return {"content": [object()]}


async def inventive(call: Call, arguments: Arguments) -> Result:
    raise RpcError(-32002, "A code of its own.")


async def asking(call: Call, arguments: Arguments) -> Result:
    raise InputRequiredError({"resultType": "input_required", "inputRequests": {}})


SERVER = server(echo, broken, unencodable, inventive, asking)


async def test_legacy_ping_answers_exactly_nothing() -> None:
    """Spec 2025-11-25, Ping: an empty response; the conformance suite takes any extra key for a failure."""
    assert result(await respond(SERVER, call("ping", era=Era.LEGACY))) == {}


async def test_every_modern_result_says_its_type_and_who_answers() -> None:
    """Spec 2026-07-28, Result Responses and Per-response protocol fields."""
    for method, params in [("server/discover", {}), ("tools/list", {}), ("tools/call", {"name": "echo"})]:
        given = result(await respond(SERVER, call(method, params)))
        assert given["resultType"] == "complete"
        assert given["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "test"


async def test_no_legacy_result_has_members_of_the_modern_era() -> None:
    for method in ("tools/list", "initialize"):
        given = result(await respond(SERVER, call(method, era=Era.LEGACY)))
        assert not given.keys() & {"resultType", "_meta", "ttlMs", "cacheScope"}


async def test_discover_lists_what_an_unsupported_version_is_told() -> None:
    given = result(await respond(SERVER, call("server/discover")))
    assert given["supportedVersions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
    assert given["instructions"] == "Be kind."


async def test_initialize_says_the_negotiated_version() -> None:
    given = result(await respond(SERVER, call("initialize", era=Era.LEGACY)))
    assert (given["protocolVersion"], given["serverInfo"]["name"]) == ("2025-11-25", "test")
    assert given["instructions"] == "Be kind."


@pytest.mark.parametrize(
    ("method", "era", "status"),
    [
        pytest.param("unknown/method", Era.MODERN, 404, id="unknown"),
        pytest.param("initialize", Era.MODERN, 404, id="initialize is legacy"),
        pytest.param("ping", Era.MODERN, 404, id="ping is legacy"),
        pytest.param("server/discover", Era.LEGACY, 200, id="discover is modern"),
        pytest.param("x" * 100_000, Era.MODERN, 404, id="endless"),
    ],
)
async def test_a_method_of_no_or_another_era_is_not_found(method: str, era: Era, status: int) -> None:
    given = await respond(SERVER, call(method, era=era))
    assert (given.status, error(given)["code"]) == (status, METHOD_NOT_FOUND)
    assert len(given.body) < 300


@pytest.mark.parametrize("tool", ["broken", "unencodable"])
@pytest.mark.parametrize("era", Era)
async def test_a_bug_is_an_internal_error_and_stays_in_the_log(
    tool: str, era: Era, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        given = await respond(SERVER, call("tools/call", {"name": tool}, era))
    assert (given.status, error(given)["code"]) == (200, INTERNAL_ERROR)
    assert b"secret" not in given.body
    assert b"Traceback" not in given.body
    assert caplog.records[0].exc_info


async def test_a_code_that_is_not_ours_is_still_an_answer() -> None:
    """Bug: a code without an HTTP status ended as a KeyError, outside of what becomes an answer."""
    given = await respond(SERVER, call("tools/call", {"name": "inventive"}))
    assert (given.status, error(given)["code"]) == (200, -32002)


async def test_a_call_that_asks_ends_with_a_result_that_nobody_keeps() -> None:
    """Spec 2026-07-28, Caching: what is not complete has no caching hints."""
    given = result(await respond(SERVER, call("tools/call", {"name": "asking"})))
    assert given.keys() == {"resultType", "inputRequests", "_meta"}


@pytest.mark.parametrize("era", Era)
async def test_what_is_the_same_for_everybody_is_worked_out_once_and_anew_when_it_changes(era: Era) -> None:
    """Ours: lists are most of what clients ask for; a replaced one is listed with the very next answer."""
    given = server(echo)
    asked = call("server/discover" if era is Era.MODERN else "tools/list", era=era)
    assert respond_from_cache(given, asked) is None
    first = await respond(given, asked)
    again = respond_from_cache(given, asked)
    assert again is not None
    assert again.body == first.body
    given.tools, given.instructions = {}, "Be kinder."
    assert respond_from_cache(given, asked) is None
    assert (await respond(given, asked)).body != first.body


async def test_who_is_shown_other_tools_is_answered_for_itself() -> None:
    """Ours: a client that must not be told of an output schema does not get the list of one that may."""
    given = server(echo)
    given.show_tools = lambda asking: {} if asking.client_hint else given.tools
    asked, other = call("tools/list"), call("tools/list")
    other.client_hint = "plain"
    await respond(given, asked)
    assert respond_from_cache(given, other) is None
    assert result(await respond(given, other))["tools"] == []
    again = [respond_from_cache(given, each) for each in (asked, other)]
    assert [len(result(each)["tools"]) for each in again if each is not None] == [1, 0]


async def test_only_what_is_the_same_for_everybody_is_answered_again() -> None:
    """Ours: neither another page, nor another era, nor what depends on the caller."""
    given = server(echo)
    asked = [
        call("tools/list", era=Era.LEGACY),
        call("tools/list", {"cursor": None}),
        call("tools/call", {"name": "echo"}),
        call("resources/list"),
        call("nothing"),
    ]
    for each in (call("tools/list"), *asked[1:]):
        await respond(given, each)
    assert respond_from_cache(given, call("tools/list")) is not None
    assert [respond_from_cache(given, each) for each in asked] == [None] * 5


@pytest.mark.parametrize("id_", [0, -7, "x", 'quo"ted', "ü", "<id>", "%d"], ids=str)
@pytest.mark.parametrize("method", ["tools/list", "server/discover"])
async def test_what_was_encoded_before_is_the_same_message_under_any_id(id_: int | str, method: str) -> None:
    given, asked = server(echo), call(method)
    first = result(await respond(given, asked))
    asked.request = asked.request._replace(id=id_)
    again = respond_from_cache(given, asked)
    assert again is not None
    assert json.loads(again.body) == {"jsonrpc": "2.0", "id": id_, "result": first}


PLAIN = Server(name="test", version="1", title="Test", instructions="")


def test_a_legacy_result_stays_as_it_was_made() -> None:
    result = {"a": 1}
    assert stamp(PLAIN, Era.LEGACY, "tools/list", result) is result


def test_a_modern_result_keeps_what_its_handler_said() -> None:
    stamped = stamp(PLAIN, Era.MODERN, "tools/call", {"resultType": "input_required", "_meta": {"own": 1}})
    assert stamped["resultType"] == "input_required"
    assert stamped["_meta"] == {"own": 1, SERVER_INFO: PLAIN.info}


@pytest.mark.parametrize("method", sorted(CACHING))
def test_what_may_be_kept_says_how_long_and_by_whom(method: str) -> None:
    """Spec 2026-07-28, Caching: both hints, on discovery, every list and every reading; whole milliseconds."""
    assert method in METHODS
    stamped = stamp(PLAIN, Era.MODERN, method, {})
    assert isinstance(stamped["ttlMs"], int)
    assert stamped["ttlMs"] >= 0
    assert stamped["cacheScope"] in {"public", "private"}


def test_what_a_principal_made_is_its_own_to_keep() -> None:
    """Ours: a shared cache must not hand one's pictures to another, nor tools as one client is shown them."""
    assert {method for method, hints in CACHING.items() if hints["cacheScope"] == "private"} == {
        "tools/list",
        "resources/list",
        "resources/read",
    }


def test_what_is_not_complete_is_nothing_to_keep() -> None:
    stamped = stamp(PLAIN, Era.MODERN, "resources/read", {"resultType": "input_required"})
    assert stamped.keys() == {"resultType", "_meta"}
