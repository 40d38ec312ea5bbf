"""The parts that every sketch is painted with."""

from service.upstreams.sketch_canvas import HORIZON, WIDTH, Canvas, gradient, round_glow
from service.upstreams.sketch_words import LIGHTS


def test_a_ridge_goes_over_the_whole_width() -> None:
    """Ours: a line that ends a step early leaves a wedge of sky at the right edge."""
    line = Canvas(LIGHTS["day"], b"seed").ridge(HORIZON, 100, 0.5, 1)
    assert (line[0][0], line[-1][0] >= WIDTH) == (0, True)


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
