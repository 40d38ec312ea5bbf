"""What of a prompt is printed: never a box in place of a letter, never over the label."""

import pytest
from PIL import Image

from service.upstreams.sketch_strip import HEIGHT, add_strip, drawable, shortened


@pytest.mark.parametrize(
    ("prompt", "printed"),
    [
        pytest.param("a cat,\n on a\tmat ", "a cat, on a mat", id="one-line"),
        pytest.param("Café über dem See", "Cafe uber dem See", id="accents-go"),
        pytest.param("a cat \N{CAT FACE}!", "a cat !", id="symbols-go"),
        pytest.param("一只猫 by the sea", "", id="chinese-is-not-printed-in-part"),
        pytest.param("море", "", id="cyrillic"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_only_what_the_font_can_draw_is_printed(prompt: str, printed: str) -> None:
    """Ours: a row of boxes looks broken, and half of a sentence misquotes it."""
    assert drawable(prompt) == printed


def test_a_long_prompt_is_cut() -> None:
    """Ours: the label beside it has to stay readable."""
    cut = shortened("a very long prompt " * 40, 600)
    assert cut.startswith("a very long prompt")
    assert cut.endswith("…")
    assert len(cut) < 120


def test_the_strip_covers_the_foot_alone() -> None:
    """Ours: the drawing above is not touched."""
    picture = Image.new("RGB", (1024, 768), "white")
    add_strip(picture, "a cat")
    assert picture.crop((0, 0, 1024, 768 - HEIGHT)).getcolors() == [(1024 * (768 - HEIGHT), (255, 255, 255))]
    assert picture.getpixel((1023, 767)) != (255, 255, 255)
