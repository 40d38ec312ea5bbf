"""The pictures of the built-in sketch: a sky, a scene under it, and weather over both, on one `Canvas`.

The canvas is twice as large as the picture and reduced at the end, which smooths the edges. Lengths are in its pixels.
Painting goes from back to front, each part over what is there. All chance comes from one generator seeded by the
prompt, so the order of calls is part of the picture.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

WIDTH: Final = 2048
HEIGHT: Final = 1536
HORIZON: Final = 960
STEP: Final = 8
"""Pixels between two points of a ridge."""

SHAKEN: Final = 60
"""The most that a wave shifts a row of a reflection, in pixels."""

PETALS: Final = ((236, 72, 90), (250, 150, 60), (252, 208, 80), (240, 240, 250), (190, 110, 220), (245, 130, 180))
LAMPLIGHT: Final = (255, 222, 150)
UMBER: Final = (110, 48, 40)
GRASS: Final = (88, 150, 70)
PINE_GREEN: Final = (12, 52, 40)
DEEP_SEA: Final = (0, 70, 90)
WHITE: Final = (252, 253, 255)
RED: Final = (186, 44, 48)
RAINCLOUD: Final = (96, 104, 118)

Colour = tuple[int, ...]
Line = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Light:
    """A time of day: sky from zenith to horizon, land from `far` to `near`, sun or moon, the share of lit windows."""

    sky: tuple[str, ...]
    disc: str
    far: str
    near: str
    disc_y: int
    stars: int
    windows: float


class Canvas:
    """One picture in the making. `weather` is "rain", "snow" or ""; `things` are extras that a scene may show."""

    def __init__(self, light: Light, seed: bytes, weather: str = "", things: Collection[str] = ()) -> None:
        self.light, self.weather, self.things = light, weather, things
        self.random = Random(seed)  # noqa: S311 - decides where a tree stands, keeps no secret
        self.image = Image.new("RGB", (WIDTH, HEIGHT))
        self.draw = ImageDraw.Draw(self.image)
        colours: list[Colour] = [ImageColor.getrgb(name) for name in (*light.sky, light.far, light.near, light.disc)]
        *self.colours, self.far, self.near, self.shine = colours
        self.dark = sum(self.colours[0]) < 128
        if weather == "rain":
            cloud = mix(RAINCLOUD, self.near, 0.6 if self.dark else 0.1)
            self.colours = [mix(colour, cloud, 0.7) for colour in self.colours]
            self.far, self.shine = mix(self.far, cloud, 0.6), mix(self.shine, cloud, 0.6)
        self.zenith, self.mist = self.colours[0], self.colours[-1]
        self.disc_x = self.random.uniform(0.2, 0.8) * WIDTH

    def at(self, x: float, y: float) -> Colour:
        """Return the colour that a point has so far."""
        colour = self.image.getpixel((min(int(x), WIDTH - 1), min(int(y), HEIGHT - 1)))
        return colour if isinstance(colour, tuple) else (0, 0, 0)

    def land(self, nearness: float) -> Colour:
        """Return the colour of land between the farthest (0) and the nearest (1)."""
        return mix(self.far, self.near, nearness)

    def sky(self) -> None:
        """Paint the sky down to the horizon, and its last colour below, for land that does not cover it."""
        self.image.paste(gradient(self.colours, WIDTH, HORIZON))
        self.image.paste(self.mist, (0, HORIZON, WIDTH, HEIGHT))
        if self.weather != "rain":
            self.stars()
            self.disc()
        self.clouds()

    def stars(self) -> None:
        """Paint stars, more of them towards the zenith, and a bright one where the prompt names a star."""
        for _ in range(self.light.stars):
            x, y = self.random.uniform(0, WIDTH), HORIZON * self.random.random() ** 1.6
            size = self.random.choice((1, 1, 1.5, 1.5, 2, 3))
            self.dot(x, y, size, mix(self.at(x, y), (255, 250, 235), self.random.uniform(0.3, 1)))
        if "star" in self.things:
            x, y = WIDTH - self.disc_x, 300
            self.glow(x, y, 90, 0.8, self.shine)
            self.draw.line((x - 28, y, x + 28, y), fill=WHITE, width=4)
            self.draw.line((x, y - 28, x, y + 28), fill=WHITE, width=4)

    def disc(self) -> None:
        """Paint sun or moon, in a glow that takes on the colour of the sky."""
        x, y = self.disc_x, self.light.disc_y
        for reach, strength, warmth in ((1100, 0.55, 0.4), (300, 0.6, 0.9)):
            self.glow(x, y, reach, strength, mix(self.colours[-2], self.shine, warmth))
        self.dot(x, y, 74, self.shine)

    def glow(self, x: float, y: float, reach: int, strength: float, colour: Colour) -> None:
        """Paint a round light that fades to nothing at `reach`."""
        mask = round_glow(strength).resize((2 * reach, 2 * reach), Image.Resampling.BICUBIC)
        self.image.paste(colour, (int(x - reach), int(y - reach)), mask)

    def clouds(self) -> None:
        """Paint long, soft clouds, an eighth as large and enlarged; in rain they cover the sky."""
        mask = Image.new("L", (WIDTH // 8, HORIZON // 8))
        draw = ImageDraw.Draw(mask)
        for _ in range(40 if self.weather == "rain" else self.random.randint(5, 8)):
            left, top = self.random.uniform(-30, 220), self.random.uniform(10, 92)
            for _ in range(14):
                x, y = left + self.random.gauss(0, 16), top + self.random.gauss(0, 1.6)
                draw.ellipse((x - 11, y - 1.7, x + 11, y + 1.7), fill=self.random.randint(40, 110))
        mask = mask.filter(ImageFilter.GaussianBlur(1.8)).resize((WIDTH, HORIZON), Image.Resampling.BICUBIC)
        light = mix(self.zenith, self.near, 0.35) if self.weather == "rain" else mix(self.shine, self.colours[-2], 0.35)
        self.image.paste(light, (0, 0), mask)

    def ridge(self, level: float, height: float, sharpness: float, wave: float, *, detail: int = 7) -> Line:
        """Return a line of hills over the whole width: octaves of waves, folded to peaks by `sharpness` (0 to 1)."""
        # 2.17, no whole number: else every ridge would repeat itself
        octaves = [(wave * 2.17**n, height * 0.47**n, self.random.uniform(0, math.tau)) for n in range(detail)]
        steps = range(0, WIDTH + STEP, STEP)
        return [(x, level - sum(swell(x, *octave, sharpness) for octave in octaves)) for x in steps]

    def fill(self, line: Line, top: Colour, base: Colour, depth: int = 420) -> None:
        """Fill the canvas under a line, from one colour at its highest point to the other `depth` below."""
        mask = Image.new("L", (WIDTH, HEIGHT))
        ImageDraw.Draw(mask).polygon([*line, (WIDTH, HEIGHT), (0, HEIGHT)], fill=255)
        colours = Image.new("RGB", (WIDTH, HEIGHT), base)
        colours.paste(gradient([top, base], WIDTH, depth), (0, int(min(y for _, y in line))))
        self.image.paste(colours, (0, 0), mask)

    def ranges(self, count: int, height: float, sharpness: float, nearest: float = 0.75) -> None:
        """Paint ridges one before the other, each nearer than the last and standing in mist."""
        for index in range(count):
            colour = self.land((index + 0.4) / count * nearest)
            level = HORIZON - height * 0.9 + index * height * 0.75 / count
            line = self.ridge(level, height * (0.42 - 0.16 * index / count), sharpness, self.random.uniform(0.8, 1.7))
            self.fill(line, colour, mix(colour, self.mist, 0.45))

    def pines(self, line: Line, count: int, height: float, colour: Colour) -> None:
        """Paint conifers along a line, no two alike."""
        for x in sorted(self.random.uniform(-40, WIDTH + 40) for _ in range(count)):
            size = height * self.random.uniform(0.55, 1.15)
            ground = line[min(max(int(x) // STEP, 0), len(line) - 1)][1]
            self.pine(x, ground + 8 + 0.03 * size, size, colour)

    def pine(self, x: float, base: float, height: float, colour: Colour) -> None:
        """Paint a trunk, and hanging boughs, wider towards the ground."""
        self.draw.rectangle((x - height * 0.018, base - height * 0.2, x + height * 0.018, base + 12), fill=colour)
        for bough in range(9):
            top = base - height + height * 0.88 * bough / 9
            half = height * (0.05 + 0.19 * (bough + 1) / 9) * self.random.uniform(0.82, 1.1)
            low = top + height * 0.2
            self.draw.polygon([(x, top), (x + half, low), (x, low - height * 0.05), (x - half, low)], fill=colour)

    def water(self, deep: Colour) -> None:
        """Mirror the upper part below the horizon: shaken by waves, darker towards us, glittering."""
        depth = HEIGHT - HORIZON
        mirror = self.image.crop((0, 0, WIDTH, HORIZON)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        mirror = mirror.resize((WIDTH, depth)).filter(ImageFilter.BoxBlur((2, 5)))
        wide = Image.new("RGB", (WIDTH + 2 * SHAKEN, depth))
        for left in (0, 2 * SHAKEN, SHAKEN):  # what a wave shifts in from beside the picture looks like its edge
            wide.paste(mirror, (left, 0))
        phases = [self.random.uniform(0, math.tau) for _ in range(3)]
        for y in range(depth):
            near = y / depth
            waves = (math.sin(y / (3 + 9 * near) * rate + at) for rate, at in zip((1, 0.43, 0.19), phases, strict=True))
            left = SHAKEN + int(sum(waves) * (3 + 16 * near))
            self.image.paste(wide.crop((left, y, left + WIDTH, y + 1)), (0, HORIZON + y))
        self.image.paste(deep, (0, HORIZON), gradient([(80,) * 3, (215,) * 3], WIDTH, depth).convert("L"))
        if self.weather != "rain":
            self.glitter(depth)

    def glitter(self, depth: int) -> None:
        """Paint the way of light that sun or moon lays on water."""
        mask = Image.new("L", (WIDTH, depth))
        draw = ImageDraw.Draw(mask)
        for _ in range(430):
            near = self.random.random() ** 1.4
            x, y = self.disc_x + self.random.gauss(0, 30 + 130 * near), near * depth
            half = self.random.uniform(6, 14 + 46 * near)
            draw.ellipse((x - half, y - 1 - 2 * near, x + half, y + 1 + 2 * near), fill=self.random.randint(70, 230))
        self.image.paste(self.shine, (0, HORIZON), mask)

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Paint a filled circle."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def rain(self) -> None:
        """Paint streaks of rain, slanted by wind."""
        mask = Image.new("L", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(mask)
        for _ in range(800):
            x, y = self.random.uniform(0, WIDTH * 1.1), self.random.uniform(-60, HEIGHT)
            length = self.random.uniform(40, 120)
            draw.line((x, y, x - 0.18 * length, y + length), fill=self.random.randint(40, 130), width=2)
        self.image.paste(mix(self.mist, WHITE, 0.5), (0, 0), mask)

    def flakes(self) -> None:
        """Paint snow in the air, the near flakes large."""
        for _ in range(520):
            x, y = self.random.uniform(0, WIDTH), self.random.uniform(0, HEIGHT)
            self.dot(x, y, self.random.uniform(2, 6), mix(self.at(x, y), WHITE, 0.75))

    def finished(self) -> Image.Image:
        """Return the picture under its weather, at its size, with a fine grain against bands in the sky."""
        if self.weather == "rain":
            self.rain()
        elif self.weather == "snow":
            self.flakes()
        picture = self.image.reduce(2)
        grain = Image.frombytes("L", picture.size, hashlib.shake_128(b"grain").digest(picture.width * picture.height))
        return ImageChops.add(picture, grain.point([level // 43 for level in range(256)]).convert("RGB"), offset=-3)


def mountains(canvas: Canvas) -> None:
    """Paint peaks over a still lake with trees on its shore."""
    canvas.ranges(4, 520, 0.85)
    shore = canvas.ridge(HORIZON - 20, 26, 0.2, 2)
    canvas.fill(shore, canvas.land(0.9), canvas.near)
    canvas.pines(shore, 130, 90, canvas.land(0.95))
    canvas.water(mix(canvas.zenith, canvas.near, 0.4))


def sea(canvas: Canvas) -> None:
    """Paint open water with waves, islands in the distance, a sail or a lighthouse."""
    for colour, height in ((canvas.land(0.15), 60), (canvas.land(0.35), 40)):
        canvas.fill(canvas.ridge(HORIZON + 10, height, 0.6, 1.3), colour, colour)
    if "lighthouse" in canvas.things:
        lighthouse(canvas)
    if "boat" in canvas.things or "lighthouse" not in canvas.things:
        sail(canvas, WIDTH / 2 + canvas.random.uniform(-200, 200))
    canvas.water(mix(canvas.zenith, DEEP_SEA, 0.45))
    for near in sorted(canvas.random.random() ** 1.3 for _ in range(90)):
        x, y = canvas.random.uniform(0, WIDTH), HORIZON + 20 + (HEIGHT - HORIZON) * near
        half, crest = 12 + 90 * near, mix(canvas.at(x, y), WHITE, 0.12 + 0.2 * canvas.random.random())
        canvas.draw.arc((x - half, y, x + half, y + half / 2), 215, 325, fill=crest, width=2 + int(4 * near))


def sail(canvas: Canvas, x: float) -> None:
    """Paint a boat on the horizon."""
    y = HORIZON - 8
    canvas.draw.polygon([(x, y - 150), (x + 6, y - 20), (x + 82, y - 20)], fill=mix(canvas.shine, canvas.far, 0.15))
    canvas.draw.polygon([(x - 6, y - 130), (x - 6, y - 20), (x - 56, y - 20)], fill=mix(canvas.shine, canvas.far, 0.45))
    canvas.draw.polygon([(x - 70, y - 12), (x + 90, y - 12), (x + 62, y + 10), (x - 50, y + 10)], fill=canvas.near)


def lighthouse(canvas: Canvas) -> None:
    """Paint a banded tower on a headland away from sun or moon. Its lamp is lit unless it is bright day."""
    side = -1 if canvas.disc_x > WIDTH / 2 else 1
    x, foot, top = WIDTH / 2 + side * 0.29 * WIDTH, HORIZON - 85, HORIZON - 560
    lit = canvas.light.stars > 0 or canvas.weather == "rain"
    if lit:
        beam(canvas, x, top - 28, -side)
    edge = WIDTH / 2 * (1 + side)
    canvas.draw.chord((edge - 730, HORIZON - 110, edge + 730, HORIZON + 126), 180, 360, fill=canvas.land(0.9))
    for band in range(6):
        colour = mix(RED if band % 2 else WHITE, canvas.near, 0.35 if canvas.dark else 0.08)
        low, high = (foot + (top - foot) * end / 6 for end in (band, band + 1))
        wide, narrow = 52 - 3.7 * band, 52 - 3.7 * (band + 1)
        for left, shade in ((-1, 0), (0.2, 0.3)):
            corners = ((left * wide, low), (wide, low), (narrow, high), (left * narrow, high))
            canvas.draw.polygon([(x + side * out, y) for out, y in corners], fill=mix(colour, canvas.near, shade))
    dark, glass = mix(canvas.near, UMBER, 0.3), LAMPLIGHT if lit else mix(canvas.mist, canvas.near, 0.2)
    canvas.draw.rectangle((x - 42, top - 8, x + 42, top), fill=dark)
    canvas.draw.rectangle((x - 22, top - 50, x + 22, top - 8), fill=glass)
    canvas.draw.polygon([(x - 30, top - 50), (x + 30, top - 50), (x, top - 92)], fill=mix(RED, canvas.near, 0.3))
    for y in (foot - 30, foot - 200):
        canvas.draw.rectangle((x - 9, y - 26, x + 9, y), fill=mix(dark, LAMPLIGHT, 0.7 if lit else 0))
    if lit:
        canvas.glow(x, top - 28, 150, 0.75, LAMPLIGHT)


def beam(canvas: Canvas, x: float, y: float, side: int) -> None:
    """Paint the light of a lamp to one side, an eighth as large and enlarged."""
    mask = Image.new("L", (WIDTH // 8, HORIZON // 8))
    at, lamp = x / 8, y / 8
    ImageDraw.Draw(mask).polygon([(at, lamp), (at + side * 190, lamp - 26), (at + side * 190, lamp + 14)], fill=150)
    away = Image.linear_gradient("L").rotate(-90 * side).resize((190, mask.height))
    fading = Image.new("L", mask.size)
    fading.paste(away, (int(at if side > 0 else at - 190), 0))
    mask = ImageChops.multiply(mask, fading).filter(ImageFilter.GaussianBlur(1.5))
    canvas.image.paste(LAMPLIGHT, (0, 0), mask.resize((WIDTH, HORIZON), Image.Resampling.BICUBIC))


def forest(canvas: Canvas) -> None:
    """Paint rows of conifers that come out of the mist, before mountains."""
    canvas.ranges(2, 420, 0.7, nearest=0.4)
    green = mix(canvas.near, PINE_GREEN, 0.4)
    for row in range(5):
        colour = mix(canvas.far, green, 0.25 + 0.75 * row / 4)
        line = canvas.ridge(HORIZON - 40 + row * 125, 40, 0, 1.2)
        canvas.pines(line, 150 - row * 27, 150 + 95 * row, colour)
        canvas.fill(line, colour, mix(colour, canvas.mist, 0.3 if row < 3 else 0), depth=150)


def snowfield(canvas: Canvas) -> None:
    """Paint white peaks and white ground with conifers."""
    white = mix(WHITE, canvas.zenith, 0.3 if canvas.dark else 0.06)
    for row in range(3):
        line = canvas.ridge(HORIZON - 330 + 130 * row, 200 - 40 * row, 0.9, 1.1)
        canvas.fill(line, white, mix(white, canvas.land(0.5), 0.75), depth=360)
    for row in range(3):
        line = canvas.ridge(HORIZON + 60 + row * 150, 34, 0, 0.9)
        canvas.pines(line, 46 - row * 13, 170 + 130 * row, mix(canvas.far, canvas.near, 0.55 + 0.2 * row))
        canvas.fill(line, white, mix(white, canvas.far, 0.45), depth=260)


def city(canvas: Canvas) -> None:
    """Paint three rows of towers with lit windows, over water."""
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
    """Paint one building: walls, and rows of windows of which some are lit."""
    wall = canvas.land(0.3 + 0.32 * row)
    canvas.draw.rectangle((x, top, x + width, HORIZON), fill=wall)
    if canvas.weather == "snow":
        canvas.draw.rectangle((x - 3, top - 7, x + width + 3, top + 5), fill=mix(WHITE, wall, 0.25))
    lit, unlit = mix(wall, LAMPLIGHT, 0.4 + 0.25 * row), mix(wall, canvas.mist, 0.18)
    pane = 5 + 2 * row
    for pane_y in range(int(top) + 16, HORIZON - 24, 3 * pane):
        for pane_x in range(int(x) + 9, int(x + width) - pane - 4, 2 * pane + 3):
            glass = lit if canvas.random.random() < canvas.light.windows else unlit
            canvas.draw.rectangle((pane_x, pane_y, pane_x + pane, pane_y + 1.5 * pane), fill=glass)


def flowers(canvas: Canvas) -> None:
    """Paint a meadow in bloom before hills, the near flowers large."""
    canvas.ranges(3, 260, 0.15, nearest=0.5)
    grass = mix(GRASS, canvas.near, 0.6 if canvas.dark else 0.15)
    meadow = canvas.ridge(HORIZON - 30, 40, 0, 0.8)
    canvas.fill(meadow, mix(grass, canvas.far, 0.4), mix(grass, canvas.near, 0.5), depth=560)
    petals = canvas.random.sample(PETALS, 3)
    for near in sorted(canvas.random.random() for _ in range(420)):
        x, y = canvas.random.uniform(-20, WIDTH + 20), HORIZON + 30 + (HEIGHT - HORIZON) * near**1.3
        shade = mix(canvas.random.choice(petals), canvas.near, 0.35 if canvas.dark else 0)
        flower(canvas, x, y, 5 + 44 * near**2, mix(canvas.far, shade, 0.55 + 0.45 * near))


def flower(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Paint a stem, petals in a ring, a yellow heart."""
    foot = (x + canvas.random.uniform(-0.5, 0.5) * size, y + size * 3.4)
    canvas.draw.line([(x, y), foot], fill=mix(GRASS, canvas.near, 0.6), width=max(2, int(size / 7)))
    turn, count = canvas.random.uniform(0, math.tau), canvas.random.choice((5, 6, 8))
    for petal in range(count):
        angle = turn + petal * math.tau / count
        shade = mix(colour, WHITE, 0.14 if petal % 2 else 0)
        canvas.dot(x + math.cos(angle) * size * 0.62, y + math.sin(angle) * size * 0.5, size * 0.44, shade)
    canvas.dot(x, y, size * 0.3, mix(PETALS[2], UMBER, 0.15))


SCENES: Final[Mapping[str, Callable[[Canvas], None]]] = {
    "city": city, "flowers": flowers, "snow": snowfield, "forest": forest, "sea": sea,
    "mountains": mountains,
}  # fmt: skip
"""The parts of a picture below its sky, by name."""


def swell(x: float, frequency: float, size: float, phase: float, sharpness: float) -> float:
    """Return the height of one octave of a ridge at `x`: a wave, its fold with a sharp top, or between the two."""
    wave = math.sin(frequency * x / WIDTH * math.tau + phase)
    return size * (sharpness * (1 - 2 * abs(wave)) + (1 - sharpness) * wave)


def round_glow(strength: float) -> Image.Image:
    """Return a mask that fades from its middle to nothing at the edges; Pillow's radial gradient reaches 181 there."""
    fading = [strength * 255 * max(0, 1 - level / 180) ** 2 for level in range(256)]
    return Image.radial_gradient("L").point([int(level) for level in fading])


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two; `share` is the second one's."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def gradient(colours: Sequence[Colour], width: int, height: int) -> Image.Image:
    """Return an image of colours that pass into each other from top to bottom."""
    column = Image.new("RGB", (1, len(colours)))
    for y, colour in enumerate(colours):
        column.putpixel((0, y), colour)
    return column.resize((1, height), Image.Resampling.BILINEAR).resize((width, height), Image.Resampling.NEAREST)
