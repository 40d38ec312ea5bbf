"""Asking by round trips, and who may be asked at all."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from service.protocol.client import Client, read_client
from service.protocol.errors import MISSING_CAPABILITY, RpcError
from service.protocol.inquiry import InputRequiredError, RoundTrips, UnaskableError, Unasked, check_askable
from service.protocol.jsonrpc import Request
from service.protocol.questions import Question, elicit, list_roots, sample
from service.protocol.request_state import begin_state, read_state
from tests.protocol.samples import NOW

NAME = elicit("Your name?", {"type": "object", "properties": {"name": {"type": "string"}}})
ROOTS = list_roots()
ADA = {"action": "accept", "content": {"name": "Ada"}}
BOB = {"action": "accept", "content": {"name": "Bob"}}
HOME = {"roots": [{"uri": "file:///home"}]}


def trips(responses: object = None, state: str | None = None) -> RoundTrips:
    """One round: what a client brings when it comes (again)."""
    brought = {} if state is None else {"requestState": state}
    request = Request(id=1, method="tools/call", params={"name": "t", **brought})
    bound = b"s" * 32, request, "anna", NOW
    return RoundTrips(responses, read_state(*bound), partial(begin_state, *bound))


async def refused(
    round_: RoundTrips, questions: Mapping[str, Question], keep: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The result that asks the client to come again."""
    with pytest.raises(InputRequiredError) as early:
        await round_.ask(questions, keep)
    return early.value.result


async def test_a_question_without_answer_ends_the_call_with_what_is_asked() -> None:
    """Spec 2026-07-28, MRTR. Without anything to carry there is no `requestState`."""
    assert await refused(trips(), {"name": NAME}) == {
        "resultType": "input_required",
        "inputRequests": {"name": NAME.wire()},
    }


async def test_an_answer_that_comes_with_the_call_is_the_answer() -> None:
    """Spec 2026-07-28, MRTR, Error Handling: what is not recognised is ignored."""
    assert await trips({"name": ADA, "other": 5}).ask({"name": NAME}, None) == {"name": ADA}


@pytest.mark.parametrize(
    "responses",
    [None, [], "Ada", {}, {"wrong": ADA}, {"name": 12345}, {"name": None}],
    ids=["null", "a list", "a text", "empty", "another key", "a number", "a null answer"],
)
async def test_what_is_no_answer_is_asked_again(responses: object) -> None:
    """Spec 2026-07-28, MRTR, Error Handling: ask again for what is missing, rather than fail."""
    assert (await refused(trips(responses), {"name": NAME}))["inputRequests"] == {"name": NAME.wire()}


async def test_of_several_questions_only_the_open_ones_are_asked_again() -> None:
    first = await refused(trips({"name": ADA}), {"name": NAME, "roots": ROOTS})
    assert list(first["inputRequests"]) == ["roots"]
    round_ = trips({"roots": HOME}, first["requestState"])
    assert await round_.ask({"name": NAME, "roots": ROOTS}, None) == {"name": ADA, "roots": HOME}


async def test_answers_of_earlier_rounds_are_carried_and_stand() -> None:
    """Ours: a handler went on from an answer; the client cannot change it afterwards."""
    first = trips({"name": ADA})
    await first.ask({"name": NAME}, None)
    second = await refused(first, {"roots": ROOTS})
    round_ = trips({"name": BOB, "roots": HOME}, second["requestState"])
    assert await round_.ask({"name": NAME}, None) == {"name": ADA}
    assert await round_.ask({"roots": ROOTS}, None) == {"roots": HOME}


async def test_every_round_has_another_state() -> None:
    """Ours: a state stands for one round; that of round two differs from that of round one."""
    first = await refused(trips(), {"name": NAME}, {"step": 1})
    round_ = trips({"name": ADA}, first["requestState"])
    await round_.ask({"name": NAME}, {"step": 1})
    second = await refused(round_, {"roots": ROOTS}, {"step": 2})
    assert second["requestState"] != first["requestState"]


async def test_what_was_kept_is_there_in_the_next_round() -> None:
    first = await refused(trips(), {"name": NAME}, {"price": 3})
    round_ = trips({"name": ADA}, first["requestState"])
    assert round_.kept == {"price": 3}
    await round_.ask({"name": NAME}, {"price": 4})
    assert round_.kept == {"price": 3}


@pytest.mark.parametrize("keep", [{"price": 3}, {}], ids=["something", "nothing"])
async def test_an_answer_without_the_state_kept_beside_its_question_is_asked_for_again(keep: dict[str, int]) -> None:
    """Ours: what the person saw when they answered is in the state; without it, the answer may be to something else."""
    cold = await refused(trips({"name": ADA}), {"name": NAME}, keep)
    assert list(cold["inputRequests"]) == ["name"]
    assert await trips({"name": ADA}, cold["requestState"]).ask({"name": NAME}, keep) == {"name": ADA}


async def test_an_answer_ahead_of_its_question_does_not_count_where_something_is_kept() -> None:
    first = await refused(trips(), {"name": NAME}, {"step": 1})
    round_ = trips({"name": ADA, "roots": HOME}, first["requestState"])
    await round_.ask({"name": NAME}, {"step": 1})
    second = await refused(round_, {"roots": ROOTS}, {"step": 2})
    assert trips(None, second["requestState"]).kept == {"step": 2}


async def test_where_nobody_can_be_asked_asking_is_refused() -> None:
    with pytest.raises(UnaskableError):
        await Unasked().ask({"name": NAME}, None)


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param({"elicitation": {}}, id="no mode means forms"),
        pytest.param({"elicitation": {"form": {}, "url": {}}}, id="forms among others"),
    ],
)
def test_a_client_that_fills_in_forms_can_be_asked_to(declared: dict[str, Any]) -> None:
    """Spec 2025-11-25, Elicitation, Capabilities: an empty object is the form mode."""
    check_askable(read_client(None, declared), {"name": NAME}, None)


@pytest.mark.parametrize(
    ("declared", "questions", "required"),
    [
        pytest.param({}, [NAME], {"elicitation": {"form": {}}}, id="nothing declared"),
        pytest.param({"elicitation": {"url": {}}}, [NAME], {"elicitation": {"form": {}}}, id="another mode"),
        pytest.param({"roots": {}}, [ROOTS, sample("x", max_tokens=1)], {"sampling": {}}, id="one of two"),
    ],
)
def test_what_was_not_declared_is_not_asked(
    declared: dict[str, Any], questions: list[Question], required: dict[str, Any]
) -> None:
    """Spec 2026-07-28: -32021 with `requiredCapabilities`, shaped as the client would declare them."""
    asked = {str(number): each for number, each in enumerate(questions)}
    with pytest.raises(RpcError) as missing:
        check_askable(read_client(None, declared), asked, None)
    assert (missing.value.code, missing.value.data) == (MISSING_CAPABILITY, {"requiredCapabilities": required})


def test_a_client_that_cannot_be_asked_is_told_what_to_do_instead() -> None:
    with pytest.raises(UnaskableError, match="Pass the argument `name`"):
        check_askable(Client(), {"name": NAME}, "Pass the argument `name`.")
