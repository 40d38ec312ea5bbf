"""Which prompt gets which scene and light."""

import pytest

from service.upstreams.sketch_scenes import SCENES
from service.upstreams.sketch_words import LIGHT_WORDS, LIGHTS, SCENE_WORDS, chosen


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        pytest.param("A lighthouse, by the SEA.", "sea", id="capitals-and-commas"),
        pytest.param("two mountains", "mountains", id="plural"),
        pytest.param("雪山，写实风格", "snow", id="chinese-has-no-spaces"),
        pytest.param("a pinecone on a seat", "mountains", id="part-of-a-word-is-no-word"),
    ],
)
def test_a_word_of_the_prompt_chooses_the_scene(prompt: str, scene: str) -> None:
    """Ours: who asks for the sea sees the sea."""
    assert chosen(SCENE_WORDS, prompt, list(SCENE_WORDS).index("mountains")) == scene


def test_without_a_known_word_the_number_chooses() -> None:
    """Ours: any prompt has a scene, and any byte of a hash names one."""
    assert {chosen(SCENE_WORDS, "x", number) for number in range(256)} == set(SCENE_WORDS)


def test_the_tables_agree() -> None:
    """Ours: a scene that can be chosen and not drawn would fail one prompt in some hundred."""
    assert set(SCENE_WORDS) == set(SCENES)
    assert set(LIGHT_WORDS) == set(LIGHTS)
