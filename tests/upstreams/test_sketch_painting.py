"""The parts that every sketch is painted with, and the scenes under the sky."""

import pytest
from PIL import Image, ImageChops

from service.upstreams.sketch import LIGHTS
from service.upstreams.sketch_painting import HEIGHT, HORIZON, SCENES, WIDTH, Canvas, gradient, round_glow


def painted(scene: str, light: str = "night", weather: str = "", things: tuple[str, ...] = ()) -> Image.Image:
    canvas = Canvas(LIGHTS[light], b"seed", weather, things)
    canvas.sky()
    SCENES[scene](canvas)
    return canvas.finished()


def share_changed(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ by more than the grain."""
    counts = ImageChops.difference(one, other).convert("L").histogram()
    return sum(counts[12:]) / sum(counts)


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


@pytest.mark.parametrize("weather", ["rain", "snow"])
@pytest.mark.parametrize("scene", SCENES)
def test_weather_falls_over_the_whole_picture(scene: str, weather: str) -> None:
    """Ours: snow and rain are in the air of every scene, not in one of them."""
    fair, foul = painted(scene), painted(scene, weather=weather)
    for left, top in ((0, 0), (512, 0), (0, 384), (512, 384)):
        box = (left, top, left + 512, top + 384)
        assert share_changed(fair.crop(box), foul.crop(box)) > 0.005


def test_snow_lies_on_the_roofs() -> None:
    def white(weather: str) -> int:
        canvas = Canvas(LIGHTS["day"], b"seed", weather)
        SCENES["city"](canvas)
        return sum(canvas.image.convert("L").crop((0, 200, WIDTH, HORIZON)).histogram()[215:])

    assert white("snow") > white("") + 10_000


@pytest.mark.parametrize("seed", [b"a", b"b", b"c", b"d", b"e", b"f"])
def test_the_lighthouse_stands_away_from_the_moon(seed: bytes) -> None:
    """Ours: it would hide the moon, or the moon it. Nothing but it in the sea is red."""
    canvas = Canvas(LIGHTS["night"], seed, "", ("lighthouse",))
    canvas.sky()
    SCENES["sea"](canvas)
    left, right = canvas.image.crop((0, 0, WIDTH // 2, HORIZON)), canvas.image.crop((WIDTH // 2, 0, WIDTH, HORIZON))
    assert (red_pixels(left) > 5000) is (canvas.disc_x > WIDTH / 2)
    assert (red_pixels(right) > 5000) is (canvas.disc_x <= WIDTH / 2)


def red_pixels(picture: Image.Image) -> int:
    red, green, _ = picture.split()
    return sum(ImageChops.subtract(red, green).histogram()[60:])


def test_by_day_its_lamp_is_dark() -> None:
    """Ours: a beam in sunshine looks like a mistake."""
    without, day = painted("sea", "day"), painted("sea", "day", things=("lighthouse",))
    dark, night = painted("sea"), painted("sea", things=("lighthouse",))
    assert share_changed(without, day) < 0.5 * share_changed(dark, night)


def test_a_ridge_goes_over_the_whole_width() -> None:
    """Ours: a line that ends a step early leaves a wedge of sky at the right edge."""
    line = Canvas(LIGHTS["day"], b"seed").ridge(HORIZON, 100, 0.5, 1)
    assert (line[0][0], line[-1][0] >= WIDTH) == (0, True)


def test_a_reflection_is_not_shifted_in_from_the_other_edge() -> None:
    """Bug: a tower at the right edge was mirrored at the left one as well."""
    canvas = Canvas(LIGHTS["night"], b"seed")
    canvas.image.paste((0, 0, 0), (0, 0, WIDTH, HORIZON))
    canvas.draw.rectangle((WIDTH - 30, 0, WIDTH, HORIZON), fill=(255, 0, 0))
    canvas.water((0, 0, 0))
    assert red_pixels(canvas.image.crop((0, HORIZON, 60, HEIGHT))) == 0
    assert red_pixels(canvas.image.crop((WIDTH - 60, HORIZON, WIDTH, HEIGHT))) > 0


def test_a_glow_fades_to_nothing_at_its_edges() -> None:
    """Bug: Pillow's radial gradient is not at its end on the edges, which showed as a square in the sky."""
    glow = round_glow(0.5)
    width, height = glow.size
    edges = [(0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height)]
    assert [glow.crop(edge).getextrema() for edge in edges] == [(0, 0)] * 4
    assert glow.getextrema() == (0, 127)


def test_a_gradient_stays_between_its_colours() -> None:
    """Bug: bicubic resampling went beyond both ends, which showed as a line where the gradient stopped."""
    shades = gradient([(80, 80, 80), (200, 200, 200)], 4, 100)
    assert shades.getextrema() == ((80, 200),) * 3
    assert (shades.getpixel((0, 0)), shades.getpixel((3, 99))) == ((80, 80, 80), (200, 200, 200))
