"""The scenes under the sky."""

import pytest
from PIL import ImageChops

from service.upstreams.sketch_canvas import HEIGHT, HORIZON, WIDTH, Canvas
from service.upstreams.sketch_scenes import SCENES
from service.upstreams.sketch_words import LIGHTS


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_covers_all_below_the_horizon(scene: str, light: str) -> None:
    """Ours: before it, there is one colour below the horizon; what is left of it would show as a hole."""
    canvas = Canvas(LIGHTS[light], b"seed")
    canvas.sky()
    bare = canvas.image.copy()
    SCENES[scene](canvas)
    changed = ImageChops.difference(canvas.image, bare).convert("L").crop((0, HORIZON + 60, WIDTH, HEIGHT))
    untouched = changed.histogram()[0]
    assert untouched < 0.02 * changed.width * changed.height
