"""The state between rounds: carried by the client, believed only for the very call that it was given for."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.protocol import signing
from service.protocol.client_requests import ClientRequest, elicit, list_roots
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Request
from service.protocol.round_trips import (
    LIFETIME_S,
    InputRequiredError,
    RequestState,
    RoundTrips,
    begin_state,
    read_state,
)
from tests.protocol.samples import NOW

NAME = elicit("Your name?", {"type": "object", "properties": {"name": {"type": "string"}}})
ROOTS = list_roots()
ADA = {"action": "accept", "content": {"name": "Ada"}}
BOB = {"action": "accept", "content": {"name": "Bob"}}
HOME = {"roots": [{"uri": "file:///home"}]}
KEY = b"s" * 32
DRAW: Mapping[str, Any] = {"name": "draw", "arguments": {"prompt": "a fox", "size": {"w": 1, "h": 2}}}


def read(
    params: Mapping[str, Any], key: bytes = KEY, owner: str = "anna", method: str = "tools/call", now: float = NOW
) -> RequestState:
    of = key, Request(id=1, method=method, params=params), owner, now
    return read_state(*of) or begin_state(*of)


def given_token(params: Mapping[str, Any] = DRAW) -> str:
    state = read(params)
    state.results["name"] = {"action": "decline"}
    token = state.token({"seed": 7}, ["size"])
    assert token is not None
    return token


def test_a_call_that_brings_nothing_has_a_state_of_its_own() -> None:
    assert read_state(KEY, Request(id=1, method="tools/call", params=DRAW), "anna", NOW) is None
    state = read(DRAW)
    assert (state.results, state.kept, state.asked) == ({}, {}, frozenset())


def test_there_is_no_token_when_there_is_nothing_to_carry() -> None:
    """Spec 2026-07-28, MRTR: `requestState` is optional; a client that got none sends none."""
    assert read(DRAW).token(None, ["name"]) is None


def test_answers_what_was_kept_and_what_was_asked_come_back() -> None:
    state = read({**DRAW, "requestState": given_token()})
    assert state.results == {"name": {"action": "decline"}}
    assert state.kept == {"seed": 7}
    assert state.asked == {"size"}


def test_what_was_kept_stays_unless_it_is_replaced() -> None:
    state = read({**DRAW, "requestState": given_token()})
    for keep, kept in [(None, {"seed": 7}), ({}, {}), ({"seed": 8}, {"seed": 8})]:
        assert read({**DRAW, "requestState": state.token(keep, [])}).kept == kept


def test_what_differs_from_round_to_round_does_not_count() -> None:
    """Spec 2026-07-28, MRTR: the retry has another id, `inputResponses`, and a `_meta` of its own."""
    later = {**DRAW, "_meta": {"progressToken": 2}, "inputResponses": {"size": {}}, "requestState": given_token()}
    assert read(later).kept == {"seed": 7}


def test_the_order_of_members_does_not_count() -> None:
    reordered = {"arguments": {"size": {"h": 2, "w": 1}, "prompt": "a fox"}, "name": "draw"}
    assert read({**reordered, "requestState": given_token()}).kept == {"seed": 7}


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        pytest.param({}, {"owner": "ben"}, id="another owner"),
        pytest.param({}, {"method": "prompts/get"}, id="another method"),
        pytest.param({"name": "erase"}, {}, id="another tool"),
        pytest.param({"arguments": {"prompt": "a cat", "size": {"w": 1, "h": 2}}}, {}, id="another argument"),
        pytest.param({"arguments": {"prompt": "a fox", "size": {"w": 1, "h": 3}}}, {}, id="another inner argument"),
        pytest.param({"extra": 1}, {}, id="one more parameter"),
        pytest.param({}, {"key": b"x" * 32}, id="signed with another key"),
        pytest.param({}, {"now": NOW + LIFETIME_S}, id="expired"),
    ],
)
def test_a_state_of_another_call_is_refused(changed: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Spec 2026-07-28, MRTR, Server Requirements: bound to the owner and the request, and expiring."""
    with pytest.raises(RpcError, match="requestState") as refused:
        read({**DRAW, **changed, "requestState": given_token()}, **others)
    assert refused.value.code == INVALID_PARAMS


def test_a_state_lives_until_it_expires() -> None:
    assert read({**DRAW, "requestState": given_token()}, now=NOW + LIFETIME_S - 1).kept == {"seed": 7}


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda token: token + "-TAMPERED", id="characters appended"),
        pytest.param(lambda token: token + "=", id="padding appended"),
        pytest.param(lambda token: token.replace(".", "\n."), id="a line break before the signature"),
        pytest.param(lambda token: token.partition(".")[0], id="no signature"),
        pytest.param(lambda token: token.partition(".")[0] + ".", id="an empty signature"),
        pytest.param(lambda token: token.swapcase(), id="another case"),
        pytest.param(lambda token: "é" + token, id="beyond ASCII"),
        pytest.param(lambda token: [token], id="no string"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_an_altered_state_is_refused(forge: Any) -> None:
    """Spec 2026-07-28, MRTR: servers MUST reject state that fails verification."""
    with pytest.raises(RpcError) as refused:
        read({**DRAW, "requestState": forge(given_token())})
    assert refused.value.code == INVALID_PARAMS


def test_a_payload_that_somebody_else_wrote_is_refused() -> None:
    body, _, signature = given_token().partition(".")
    payload = orjson.loads(signing.decode(body)) | {"k": {"seed": 666}}
    forged = signing.encode(orjson.dumps(payload))
    with pytest.raises(RpcError):
        read({**DRAW, "requestState": f"{forged}.{signature}"})


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_state(text: str) -> None:
    with pytest.raises(RpcError):
        read({**DRAW, "requestState": text})


def test_the_key_is_not_shown() -> None:
    """Ours: whatever is logged of a state, its key is not."""
    assert "ssss" not in repr(read(DRAW))


def trips(responses: object = None, state: str | None = None) -> RoundTrips:
    """One round: what a client brings when it comes (again)."""
    brought = {} if state is None else {"requestState": state}
    request = Request(id=1, method="tools/call", params={"name": "t", **brought})
    bound = b"s" * 32, request, "anna", NOW
    return RoundTrips(read_state(*bound) or begin_state(*bound), responses)


def refused(
    round_: RoundTrips, questions: Mapping[str, ClientRequest], keep: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The result that asks the client to come again."""
    with pytest.raises(InputRequiredError) as early:
        round_.ask(questions, keep)
    return early.value.result


def test_a_question_without_answer_ends_the_call_with_what_is_asked() -> None:
    """Spec 2026-07-28, MRTR. Without anything to carry there is no `requestState`."""
    assert refused(trips(), {"name": NAME}) == {
        "resultType": "input_required",
        "inputRequests": {"name": NAME.wire()},
    }


def test_an_answer_that_comes_with_the_call_is_the_answer() -> None:
    """Spec 2026-07-28, MRTR, Error Handling: what is not recognised is ignored."""
    assert trips({"name": ADA, "other": 5}).ask({"name": NAME}, None) == {"name": ADA}


@pytest.mark.parametrize(
    "responses",
    [None, [], "Ada", {}, {"wrong": ADA}, {"name": 12345}, {"name": None}],
    ids=["null", "a list", "a text", "empty", "another key", "a number", "a null answer"],
)
def test_what_is_no_answer_is_asked_again(responses: object) -> None:
    """Spec 2026-07-28, MRTR, Error Handling: ask again for what is missing, rather than fail."""
    assert (refused(trips(responses), {"name": NAME}))["inputRequests"] == {"name": NAME.wire()}


def test_of_several_questions_only_the_open_ones_are_asked_again() -> None:
    first = refused(trips({"name": ADA}), {"name": NAME, "roots": ROOTS})
    assert list(first["inputRequests"]) == ["roots"]
    round_ = trips({"roots": HOME}, first["requestState"])
    assert round_.ask({"name": NAME, "roots": ROOTS}, None) == {"name": ADA, "roots": HOME}


def test_answers_of_earlier_rounds_are_carried_and_stand() -> None:
    """Ours: a handler went on from an answer; the client cannot change it afterwards."""
    first = trips({"name": ADA})
    first.ask({"name": NAME}, None)
    second = refused(first, {"roots": ROOTS})
    round_ = trips({"name": BOB, "roots": HOME}, second["requestState"])
    assert round_.ask({"name": NAME}, None) == {"name": ADA}
    assert round_.ask({"roots": ROOTS}, None) == {"roots": HOME}


def test_every_round_has_another_state() -> None:
    """Ours: a state stands for one round; that of round two differs from that of round one."""
    first = refused(trips(), {"name": NAME}, {"step": 1})
    round_ = trips({"name": ADA}, first["requestState"])
    round_.ask({"name": NAME}, {"step": 1})
    second = refused(round_, {"roots": ROOTS}, {"step": 2})
    assert second["requestState"] != first["requestState"]


def test_what_was_kept_is_there_in_the_next_round() -> None:
    first = refused(trips(), {"name": NAME}, {"price": 3})
    round_ = trips({"name": ADA}, first["requestState"])
    assert round_.kept == {"price": 3}
    round_.ask({"name": NAME}, {"price": 4})
    assert round_.kept == {"price": 3}


@pytest.mark.parametrize("keep", [{"price": 3}, {}], ids=["something", "nothing"])
def test_an_answer_without_the_state_kept_beside_its_question_is_asked_for_again(keep: dict[str, int]) -> None:
    """Ours: what the person saw when they answered is in the state; without it, the answer may be to something else."""
    cold = refused(trips({"name": ADA}), {"name": NAME}, keep)
    assert list(cold["inputRequests"]) == ["name"]
    assert trips({"name": ADA}, cold["requestState"]).ask({"name": NAME}, keep) == {"name": ADA}


def test_an_answer_ahead_of_its_question_does_not_count_where_something_is_kept() -> None:
    first = refused(trips(), {"name": NAME}, {"step": 1})
    round_ = trips({"name": ADA, "roots": HOME}, first["requestState"])
    round_.ask({"name": NAME}, {"step": 1})
    second = refused(round_, {"roots": ROOTS}, {"step": 2})
    assert trips(None, second["requestState"]).kept == {"step": 2}
