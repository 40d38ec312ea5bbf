"""The values of the pipeline that do more than hold."""

from service.images import ImageRequest, Reference


def test_the_parameters_are_what_was_asked_for_beside_model_and_prompt() -> None:
    """Ours: the history keeps them; of references only how many, since they may be megabytes, or signed URLs."""
    assert ImageRequest(model="m", prompt="p").parameters == {}
    asked = ImageRequest(
        model="m", prompt="p", size="8x8", seed=0, count=2, loras={"a/b": 1.0}, references=(Reference(url="u"),)
    )
    assert asked.parameters == {"size": "8x8", "seed": 0, "count": 2, "loras": {"a/b": 1.0}, "references": 1}
