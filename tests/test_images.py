"""Tests of service/images.py."""

from service.images import Failure, ImageRequest, Parent, Reference, Usage, WorkError


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


def test_a_mask_is_kept_as_its_origin() -> None:
    asked = ImageRequest(model="m", prompt="p", mask=Reference(data=b"x", origin="an upload"))
    assert asked.parameters == {"mask": "an upload"}


def test_use_of_several_answers_adds_up_and_is_an_estimate_if_one_is() -> None:
    told = Usage(cost=0.02, input_tokens=3, output_tokens=5)
    assert told + Usage(cost=0.01, input_tokens=1, estimated=True) == Usage(
        cost=0.03, input_tokens=4, output_tokens=5, estimated=True
    )
    assert told + Usage(output_tokens=1) == Usage(cost=0.02, input_tokens=3, output_tokens=6)
    assert (Usage() + Usage()).cost is None


def test_costs_in_two_currencies_have_no_sum() -> None:
    assert (Usage(cost=1.0) + Usage(cost=2.0, currency="CNY")).cost is None


def test_a_request_has_as_many_parts_as_draw_its_pictures() -> None:
    asked = [ImageRequest(model="m", prompt="p", count=count, native_count=4) for count in (1, 4, 5)]
    assert [each.parts for each in asked] == [1, 1, 2]
