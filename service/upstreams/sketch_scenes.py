"""The seven scenes that a built-in sketch may show under its sky. Each is a function over a `Canvas`."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from service.upstreams.sketch_canvas import HEIGHT, HORIZON, STEP, WIDTH, Canvas, Colour, Line, mix

PETALS: Final = ((236, 72, 90), (250, 150, 60), (252, 208, 80), (240, 240, 250), (190, 110, 220), (245, 130, 180))
LAMPLIGHT: Final = (255, 222, 150)
SAND: Final = (236, 178, 106)
UMBER: Final = (110, 48, 40)
GRASS: Final = (88, 150, 70)
PINE_GREEN: Final = (12, 52, 40)
DEEP_SEA: Final = (0, 70, 90)
WHITE: Final = (252, 253, 255)


def mountains(canvas: Canvas) -> None:
    """Peaks over a still lake with trees on its shore."""
    canvas.ranges(4, 520, 0.85)
    shore = canvas.ridge(HORIZON - 20, 26, 0.2, 2)
    canvas.fill(shore, canvas.land(0.9), canvas.near)
    canvas.pines(shore, 130, 90, canvas.land(0.95))
    canvas.water(mix(canvas.zenith, canvas.near, 0.4))


def sea(canvas: Canvas) -> None:
    """Open water, islands in the distance, a sail."""
    for nearness, height in ((0.15, 60), (0.35, 40)):
        colour = canvas.land(nearness)
        canvas.fill(canvas.ridge(HORIZON + 10, height, 0.6, 1.3), colour, colour)
    x, y = WIDTH - canvas.disc_x + canvas.random.uniform(-200, 200), HORIZON - 8
    lit, shaded = mix(canvas.shine, canvas.far, 0.15), mix(canvas.shine, canvas.far, 0.45)
    canvas.draw.polygon([(x, y - 150), (x + 6, y - 20), (x + 82, y - 20)], fill=lit)
    canvas.draw.polygon([(x - 6, y - 130), (x - 6, y - 20), (x - 56, y - 20)], fill=shaded)
    canvas.draw.polygon([(x - 70, y - 12), (x + 90, y - 12), (x + 62, y + 10), (x - 50, y + 10)], fill=canvas.near)
    canvas.water(mix(canvas.zenith, DEEP_SEA, 0.45))


def forest(canvas: Canvas) -> None:
    """Rows of conifers that come out of the mist, before mountains."""
    canvas.ranges(2, 420, 0.7, nearest=0.4)
    green = mix(canvas.near, PINE_GREEN, 0.4)
    for row in range(5):
        colour = mix(canvas.far, green, 0.25 + 0.75 * row / 4)
        line = canvas.ridge(HORIZON - 40 + row * 125, 40, 0, 1.2)
        canvas.pines(line, 150 - row * 27, 150 + 95 * row, colour)
        canvas.fill(line, colour, mix(colour, canvas.mist, 0.3 if row < 3 else 0), depth=150)


def snow(canvas: Canvas) -> None:
    """White peaks, white ground, flakes in the air."""
    white = mix(WHITE, canvas.zenith, 0.3 if is_dark(canvas) else 0.06)
    for row in range(3):
        line = canvas.ridge(HORIZON - 330 + 130 * row, 200 - 40 * row, 0.9, 1.1)
        canvas.fill(line, white, mix(white, canvas.land(0.5), 0.75), depth=360)
    for row in range(3):
        line = canvas.ridge(HORIZON + 60 + row * 150, 34, 0, 0.9)
        canvas.pines(line, 46 - row * 13, 170 + 130 * row, mix(canvas.far, canvas.near, 0.55 + 0.2 * row))
        canvas.fill(line, white, mix(white, canvas.far, 0.45), depth=260)
    for _ in range(420):
        x, y = canvas.random.uniform(0, WIDTH), canvas.random.uniform(0, HEIGHT)
        canvas.dot(x, y, canvas.random.uniform(1.5, 5), mix(canvas.at(x, y), WHITE, 0.75))


def desert(canvas: Canvas) -> None:
    """Dunes, whose slopes away from the light lie in shade."""
    dark = is_dark(canvas)
    sand, shade = mix(SAND, canvas.land(0.4), 0.75 if dark else 0), mix(UMBER, canvas.near, 0.85 if dark else 0.1)
    canvas.ranges(2, 240, 0.5, nearest=0.35)
    for row in range(5):
        near = (row + 1) / 5
        dune = canvas.ridge(HORIZON - 10 + row * 112, 36 + 24 * row, 0.3, 1.1 - 0.1 * row, detail=2)
        colour = mix(canvas.far, sand, 0.35 + 0.65 * near)
        canvas.fill(dune, colour, mix(colour, shade, 0.15 + 0.1 * near), depth=330)
        canvas.draw.polygon(shaded_slopes(dune, canvas.disc_x < WIDTH / 2), fill=mix(colour, shade, 0.15 + 0.3 * near))


def shaded_slopes(dune: Line, light_from_left: bool) -> Line:
    """The part of a dune under its crests where the ground falls away from the light."""
    foot = []
    for index, (x, y) in enumerate(dune):
        before, after = dune[max(0, index - 6)], dune[min(len(dune) - 1, index + 6)]
        fall = (after[1] - before[1]) / (12 * STEP)
        foot.append((x, y + 520 * max(0, fall if light_from_left else -fall)))
    return [*dune, *reversed(foot)]


def city(canvas: Canvas) -> None:
    """Three rows of towers with lit windows, over water."""
    canvas.ranges(1, 200, 0.4, nearest=0.2)
    for row, (tallest, widest) in enumerate(((600, 110), (500, 130), (350, 160))):
        x = -40.0
        while x < WIDTH:
            width = canvas.random.uniform(0.45, 1) * widest
            centre = 1 - 1.1 * abs(x / WIDTH - 0.5)
            tower(canvas, x, HORIZON - tallest * centre * canvas.random.uniform(0.35, 1), width, row)
            x += width + canvas.random.choice((0, 0, 6, 24))
    canvas.draw.rectangle((0, HORIZON - 8, WIDTH, HORIZON), fill=canvas.near)
    canvas.water(mix(canvas.zenith, canvas.near, 0.5))


def tower(canvas: Canvas, x: float, top: float, width: float, row: int) -> None:
    """One building: walls, perhaps an antenna, and rows of windows of which some are lit."""
    wall = canvas.land(0.3 + 0.32 * row)
    canvas.draw.rectangle((x, top, x + width, HORIZON), fill=wall)
    if canvas.random.random() < 0.3:
        middle = x + width / 2
        canvas.draw.rectangle((middle - 2, top - canvas.random.uniform(30, 90), middle + 2, top), fill=wall)
    lit, unlit = mix(wall, LAMPLIGHT, 0.4 + 0.25 * row), mix(wall, canvas.mist, 0.18)
    pane = 5 + 2 * row
    for pane_y in range(int(top) + 16, HORIZON - 24, 3 * pane):
        for pane_x in range(int(x) + 9, int(x + width) - pane - 4, 2 * pane + 3):
            glass = lit if canvas.random.random() < canvas.light.windows else unlit
            canvas.draw.rectangle((pane_x, pane_y, pane_x + pane, pane_y + 1.5 * pane), fill=glass)


def flowers(canvas: Canvas) -> None:
    """A meadow in bloom before hills, the near flowers large."""
    canvas.ranges(3, 260, 0.15, nearest=0.5)
    grass = mix(GRASS, canvas.near, 0.6 if is_dark(canvas) else 0.15)
    meadow = canvas.ridge(HORIZON - 30, 40, 0, 0.8)
    canvas.fill(meadow, mix(grass, canvas.far, 0.4), mix(grass, canvas.near, 0.5), depth=560)
    petals = canvas.random.sample(PETALS, 3)
    for near in sorted(canvas.random.random() for _ in range(420)):
        x, y = canvas.random.uniform(-20, WIDTH + 20), HORIZON + 30 + (HEIGHT - HORIZON) * near**1.3
        shade = mix(canvas.random.choice(petals), canvas.near, 0.35 if is_dark(canvas) else 0)
        flower(canvas, x, y, 5 + 44 * near**2, mix(canvas.far, shade, 0.55 + 0.45 * near))


def flower(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """A stem, petals in a ring, a yellow heart."""
    foot = (x + canvas.random.uniform(-0.5, 0.5) * size, y + size * 3.4)
    canvas.draw.line([(x, y), foot], fill=mix(GRASS, canvas.near, 0.6), width=max(2, int(size / 7)))
    turn, count = canvas.random.uniform(0, math.tau), canvas.random.choice((5, 6, 8))
    for petal in range(count):
        angle = turn + petal * math.tau / count
        shade = mix(colour, WHITE, 0.14 if petal % 2 else 0)
        canvas.dot(x + math.cos(angle) * size * 0.62, y + math.sin(angle) * size * 0.5, size * 0.44, shade)
    canvas.dot(x, y, size * 0.3, mix(PETALS[2], UMBER, 0.15))


def is_dark(canvas: Canvas) -> bool:
    """Whether snow, sand and petals lose their own colour to the night."""
    return sum(canvas.zenith) < 128


SCENES: Final[Mapping[str, Callable[[Canvas], None]]] = {
    "city": city,
    "flowers": flowers,
    "snow": snow,
    "desert": desert,
    "forest": forest,
    "sea": sea,
    "mountains": mountains,
}
"""By the names that `sketch_words.SCENE_WORDS` chooses."""
