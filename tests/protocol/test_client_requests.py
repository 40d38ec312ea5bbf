"""Questions to a client: which may be asked, how they go on the wire, and which values count as an answer."""

from typing import Any

import pytest

from service.protocol.client import Client, read_client
from service.protocol.client_requests import (
    ClientRequest,
    UnaskableError,
    check_capabilities,
    elicit,
    elicit_url,
    list_roots,
    sample,
)
from service.protocol.errors import MISSING_CAPABILITY, RpcError

FORM = elicit("Your name?", {"type": "object", "properties": {}})
URL = elicit_url("Upload a picture.", "https://easel.example.com/upload/x", "e-1")
SAMPLE = sample("Say hello.", max_tokens=9)
ROOTS = list_roots()
TEXT = {"type": "text", "text": "Hello."}


def test_questions_go_on_the_wire_as_their_method_has_them() -> None:
    """Spec 2025-11-25 and 2026-07-28: one shape in requests and in `inputRequests`."""
    assert FORM.wire() == {
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": "Your name?",
            "requestedSchema": {"type": "object", "properties": {}},
        },
    }
    assert SAMPLE.wire() == {
        "method": "sampling/createMessage",
        "params": {
            "messages": [{"role": "user", "content": {"type": "text", "text": "Say hello."}}],
            "maxTokens": 9,
        },
    }
    assert ROOTS.wire() == {"method": "roots/list", "params": {}}


def test_a_question_takes_the_capability_of_its_kind() -> None:
    """Spec 2025-11-25, Elicitation: a server MUST NOT elicit in a mode that was not declared."""
    capabilities = [each.capability for each in (FORM, URL, SAMPLE, ROOTS)]
    assert capabilities == ["elicitation/form", "elicitation/url", "sampling", "roots"]


def test_a_page_has_an_id_in_legacy_revisions_alone() -> None:
    """Spec 2025-11-25, URL Mode Elicitation Requests: `elicitationId` MUST be there; revision 2026-07-28 has none."""
    params = {"mode": "url", "message": "Upload a picture.", "url": "https://easel.example.com/upload/x"}
    assert URL.wire() == {"method": "elicitation/create", "params": params}
    assert URL.legacy_params == {"elicitationId": "e-1"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(FORM, {"action": "accept", "content": {"name": "Ada"}}, id="form filled in"),
        pytest.param(FORM, {"action": "accept"}, id="form without fields"),
        pytest.param(FORM, {"action": "decline"}, id="declined"),
        pytest.param(URL, {"action": "accept"}, id="page opened"),
        pytest.param(URL, {"action": "accept", "content": None}, id="page opened, nothing entered"),
        pytest.param(URL, {"action": "decline"}, id="page declined"),
        pytest.param(FORM, {"action": "cancel", "content": None}, id="closed"),
        pytest.param(SAMPLE, {"role": "assistant", "content": TEXT, "model": "m"}, id="one block"),
        pytest.param(SAMPLE, {"role": "assistant", "content": [TEXT], "model": "m"}, id="blocks"),
        pytest.param(ROOTS, {"roots": []}, id="no roots"),
    ],
)
def test_a_result_of_the_method_is_an_answer(question: ClientRequest, answer: object) -> None:
    assert question.accepts(answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(FORM, None, id="nothing"),
        pytest.param(FORM, 12345, id="a number"),
        pytest.param(FORM, {"action": "accept", "content": "Ada"}, id="content is no object"),
        pytest.param(FORM, {"action": "agree"}, id="no such action"),
        pytest.param(URL, {"action": "agree"}, id="no such action on a page"),
        pytest.param(FORM, {"content": {"name": "Ada"}}, id="no action"),
        pytest.param(FORM, {"roots": []}, id="the answer of another question"),
        pytest.param(SAMPLE, {"role": "assistant", "content": TEXT}, id="no model"),
        pytest.param(SAMPLE, {"role": "assistant", "content": "Hello.", "model": "m"}, id="bare text"),
        pytest.param(ROOTS, {"roots": {}}, id="roots are no list"),
    ],
)
def test_anything_else_is_none(question: ClientRequest, answer: object) -> None:
    """Ours: whether a key is there says nothing; what it holds must be a result of the method."""
    assert not question.accepts(answer)


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param({"elicitation": {}}, id="no mode means forms"),
        pytest.param({"elicitation": {"form": {}, "url": {}}}, id="forms among others"),
    ],
)
def test_a_client_that_fills_in_forms_can_be_asked_to(declared: dict[str, Any]) -> None:
    """Spec 2025-11-25, Elicitation, Capabilities: an empty object is the form mode."""
    check_capabilities(read_client(None, declared), {"name": FORM}, None)


@pytest.mark.parametrize(
    ("declared", "questions", "required"),
    [
        pytest.param({}, [FORM], {"elicitation": {"form": {}}}, id="nothing declared"),
        pytest.param({"elicitation": {"url": {}}}, [FORM], {"elicitation": {"form": {}}}, id="another mode"),
        pytest.param({"roots": {}}, [ROOTS, sample("x", max_tokens=1)], {"sampling": {}}, id="one of two"),
    ],
)
def test_what_was_not_declared_is_not_asked(
    declared: dict[str, Any], questions: list[ClientRequest], required: dict[str, Any]
) -> None:
    """Spec 2026-07-28: -32021 with `requiredCapabilities`, shaped as the client would declare them."""
    asked = {str(number): each for number, each in enumerate(questions)}
    with pytest.raises(RpcError) as missing:
        check_capabilities(read_client(None, declared), asked, None)
    assert (missing.value.code, missing.value.data) == (MISSING_CAPABILITY, {"requiredCapabilities": required})


def test_a_client_that_cannot_be_asked_is_told_what_to_do_instead() -> None:
    with pytest.raises(UnaskableError, match="Pass the argument `name`"):
        check_capabilities(Client(), {"name": FORM}, "Pass the argument `name`.")
