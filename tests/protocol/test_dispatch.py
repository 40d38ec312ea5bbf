"""A call becomes an answer, and an exception an error; what the method handlers say in both eras."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.catalog import Server, ToolEntry
from service.protocol.client import Client
from service.protocol.dispatch import Answer, answer
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from service.protocol.jsonrpc import Request, Result
from service.protocol.session import Session
from service.protocol.versions import Era


async def echo(call: Call, arguments: Mapping[str, Any]) -> Result:
    for step in (1, 2):
        await call.progress(step, 2, f"step {step}")
    return {"content": [{"type": "text", "text": json.dumps(arguments)}]}


async def broken(call: Call, arguments: Mapping[str, Any]) -> Result:
    raise ZeroDivisionError("secret detail")


async def unencodable(call: Call, arguments: Mapping[str, Any]) -> Result:
    return {"content": [object()]}


SERVER = Server(
    name="test",
    version="1",
    title="Test",
    instructions="Be kind.",
    tools={
        run.__name__: ToolEntry(listing={"name": run.__name__, "inputSchema": {"type": "object"}}, run=run)
        for run in (echo, broken, unencodable)
    },
)


def call(method: str, params: dict[str, Any] | None = None, era: Era = Era.MODERN, **others: Any) -> Call:
    version = {Era.MODERN: "2026-07-28", Era.LEGACY: "2025-11-25"}[era]
    request = Request(id=5, method=method, params=params or {})
    return Call(request=request, era=era, version=version, principal="anna", client=Client(), **others)


def result(given: Answer) -> Any:
    message = json.loads(given.body)
    assert (message["id"], given.failed) == (5, False)
    return message["result"]


def error(given: Answer) -> Any:
    message = json.loads(given.body)
    assert (message["id"], given.failed) == (5, True)
    return message["error"]


async def test_legacy_ping_answers_exactly_nothing() -> None:
    """Conformance 7.1: any extra key is a failure."""
    assert result(await answer(SERVER, call("ping", era=Era.LEGACY))) == {}


async def test_every_modern_result_says_its_type_and_who_answers() -> None:
    """Spec 2026-07-28, Result Responses and Per-response protocol fields."""
    for method, params in [("server/discover", {}), ("tools/list", {}), ("tools/call", {"name": "echo"})]:
        given = result(await answer(SERVER, call(method, params)))
        assert given["resultType"] == "complete"
        assert given["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "test"


async def test_no_legacy_result_has_members_of_the_modern_era() -> None:
    for method in ("tools/list", "initialize"):
        given = result(await answer(SERVER, call(method, era=Era.LEGACY)))
        assert not given.keys() & {"resultType", "_meta", "ttlMs", "cacheScope"}


async def test_modern_lists_say_how_long_they_may_be_kept() -> None:
    for method in ("server/discover", "tools/list"):
        given = result(await answer(SERVER, call(method)))
        assert given["ttlMs"] >= 0
        assert given["cacheScope"] == "public"


async def test_discover_lists_what_an_unsupported_version_is_told() -> None:
    given = result(await answer(SERVER, call("server/discover")))
    assert given["supportedVersions"][0] == "2026-07-28"
    assert given["capabilities"] == {"tools": {}}


async def test_initialize_says_the_negotiated_version() -> None:
    session = Session(id="s", version="2025-11-25", client=Client(), principal="anna")
    given = result(await answer(SERVER, call("initialize", era=Era.LEGACY, session=session)))
    assert (given["protocolVersion"], given["serverInfo"]["name"]) == ("2025-11-25", "test")
    assert given["instructions"] == "Be kind."


@pytest.mark.parametrize(
    ("method", "era", "status"),
    [
        pytest.param("unknown/method", Era.MODERN, 404, id="unknown"),
        pytest.param("initialize", Era.MODERN, 404, id="initialize is legacy"),
        pytest.param("ping", Era.MODERN, 404, id="ping is legacy"),
        pytest.param("server/discover", Era.LEGACY, 200, id="discover is modern"),
    ],
)
async def test_a_method_of_no_or_another_era_is_not_found(method: str, era: Era, status: int) -> None:
    given = await answer(SERVER, call(method, era=era))
    assert (given.status, error(given)["code"]) == (status, METHOD_NOT_FOUND)


@pytest.mark.parametrize("params", [{}, {"name": 5}, {"name": "nope"}, {"name": "echo", "arguments": []}])
async def test_a_tool_call_that_is_no_call_is_the_callers_mistake(params: dict[str, Any]) -> None:
    """Spec 2026-07-28, Tools, Error Handling: unknown tools and malformed requests are protocol errors."""
    given = await answer(SERVER, call("tools/call", params))
    assert (given.status, error(given)["code"]) == (400, INVALID_PARAMS)


async def test_an_unknown_tool_is_told_which_there_are() -> None:
    assert "echo, broken" in error(await answer(SERVER, call("tools/call", {"name": "nope"})))["message"]


async def test_a_cursor_that_we_did_not_give_is_refused() -> None:
    assert error(await answer(SERVER, call("tools/list", {"cursor": "x"})))["code"] == INVALID_PARAMS


@pytest.mark.parametrize("tool", ["broken", "unencodable"])
async def test_a_bug_is_an_internal_error_and_stays_in_the_log(tool: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        given = await answer(SERVER, call("tools/call", {"name": tool}))
    assert (given.status, error(given)["code"]) == (200, INTERNAL_ERROR)
    assert b"secret" not in given.body
    assert caplog.records[0].exc_info


@pytest.mark.parametrize(("token", "heard"), [("a", 2), (0, 2), (None, 0), (True, 0), ({}, 0)])
async def test_progress_goes_to_callers_that_gave_a_token(token: object, heard: int) -> None:
    """Spec 2026-07-28, Progress: a token is a string or an integer, and comes back as it was."""
    sent: list[bytes] = []

    async def send(message: bytes) -> None:
        sent.append(message)

    params = {"name": "echo", "_meta": {"progressToken": token}}
    await answer(SERVER, call("tools/call", params, send=send))
    assert len(sent) == heard
    if heard:
        expected = {"progressToken": token, "progress": 2, "total": 2, "message": "step 2"}
        assert json.loads(sent[1])["params"] == expected


async def test_progress_says_no_more_than_it_was_given() -> None:
    sent: list[bytes] = []

    async def send(message: bytes) -> None:
        sent.append(message)

    await call("x", {"_meta": {"progressToken": 1}}, send=send).progress(3)
    assert json.loads(sent[0])["params"] == {"progressToken": 1, "progress": 3}
    await call("x", {"_meta": {"progressToken": 1}}).progress(3)
