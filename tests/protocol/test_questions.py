"""What may be asked, how it goes on the wire, and what counts as an answer."""

import pytest

from service.protocol.questions import Question, elicit, elicit_url, list_roots, sample

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
def test_a_result_of_the_method_is_an_answer(question: Question, answer: object) -> None:
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
def test_anything_else_is_none(question: Question, answer: object) -> None:
    """Ours: whether a key is there says nothing; what it holds must be a result of the method."""
    assert not question.accepts(answer)
