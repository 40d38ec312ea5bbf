"""Tests of service/images.py."""

from service.images import Failure, ImageRequest, Parent, Reference, WorkError


def test_the_parameters_are_what_was_asked_for_beside_model_and_prompt() -> None:
    """Ours: the history keeps them; of references only where they came from, for they may be megabytes, or signed."""
    assert ImageRequest(model="m", prompt="p").parameters == {}
    reference = Reference(url="https://pics.example/a?signature=secret", origin="pics.example")
    asked = ImageRequest(
        model="m", prompt="p", size="8x8", seed=0, count=2, loras={"a/b": 1.0}, references=(reference, Reference())
    )
    parameters = {"size": "8x8", "seed": 0, "count": 2, "loras": {"a/b": 1.0}}
    assert asked.parameters == parameters | {"references": ["pics.example", "a picture"]}


def test_the_parents_are_the_references_of_the_history() -> None:
    references = (Reference(origin="an upload"), Reference(parent=Parent(history_id=3, picture=2)))
    assert ImageRequest(model="m", prompt="p", references=references).parents == (Parent(history_id=3, picture=2),)


def test_a_failure_tells_the_fact_from_the_advice_and_the_quote() -> None:
    """Ours: in a list of old failures the advice of then is wrong now."""
    reason = "The service refused the key.\nOnly the operator can help.\nIt said: “bad key”"
    failure = Failure(kind="auth", reason=reason)
    assert (failure.fact, failure.quote) == ("The service refused the key.", "“bad key”")
    assert WorkError(reason).fact == failure.fact


def test_a_failure_of_one_line_is_a_fact_without_a_quote() -> None:
    """Ours: as earlier versions wrote it, and as most failures of our own are."""
    failure = Failure(kind="interrupted", reason="This server was stopped. It said: nothing.")
    assert (failure.fact, failure.quote) == (failure.reason, "")
