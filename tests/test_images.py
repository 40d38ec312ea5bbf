"""What a request says of itself."""

from service.images import ImageRequest, Parent, Reference


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
