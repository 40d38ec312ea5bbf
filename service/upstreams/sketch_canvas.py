"""What every built-in sketch is painted with: sky, ridges, trees, water. Back to front, each over what is there.

The canvas is twice as large as the picture and reduced at the end, which smooths the edges. Lengths are in its pixels.
All chance comes from one generator seeded by the prompt, so the order of calls is part of the picture.
"""

import hashlib
import math
from collections.abc import Sequence
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

from service.upstreams.sketch_words import Light

WIDTH: Final = 2048
HEIGHT: Final = 1536
HORIZON: Final = 960
STEP: Final = 8
"""Pixels between two points of a ridge."""

Colour = tuple[int, ...]
Line = Sequence[tuple[float, float]]


class Canvas:
    """One picture in the making."""

    def __init__(self, light: Light, seed: bytes) -> None:
        self.light = light
        self.random = Random(seed)  # noqa: S311 - decides where a tree stands, keeps no secret
        self.image = Image.new("RGB", (WIDTH, HEIGHT))
        self.draw = ImageDraw.Draw(self.image)
        self.zenith, self.mist = rgb(light.sky[0]), rgb(light.sky[-1])
        self.far, self.near, self.shine = rgb(light.far), rgb(light.near), rgb(light.disc)
        self.disc_x = self.random.uniform(0.2, 0.8) * WIDTH

    def at(self, x: float, y: float) -> Colour:
        """The colour that a point has so far."""
        colour = self.image.getpixel((min(int(x), WIDTH - 1), min(int(y), HEIGHT - 1)))
        return colour if isinstance(colour, tuple) else (0, 0, 0)

    def land(self, nearness: float) -> Colour:
        """The colour of land between the farthest (0) and the nearest (1)."""
        return mix(self.far, self.near, nearness)

    def sky(self) -> None:
        """From the zenith to the horizon, and its last colour below, for what does not cover it."""
        self.image.paste(gradient([rgb(colour) for colour in self.light.sky], WIDTH, HORIZON))
        self.image.paste(self.mist, (0, HORIZON, WIDTH, HEIGHT))
        self.stars()
        self.disc()
        self.clouds()

    def stars(self) -> None:
        """More of them towards the zenith."""
        for _ in range(self.light.stars):
            x, y = self.random.uniform(0, WIDTH), HORIZON * self.random.random() ** 1.6
            size = self.random.choice((1, 1, 1.5, 1.5, 2, 3))
            self.dot(x, y, size, mix(self.at(x, y), (255, 250, 235), self.random.uniform(0.3, 1)))

    def disc(self) -> None:
        """Sun or moon, in a glow that takes on the colour of the sky."""
        x, y = self.disc_x, self.light.disc_y
        for reach, strength, warmth in ((1100, 0.55, 0.4), (300, 0.6, 0.9)):
            glow = round_glow(strength).resize((2 * reach, 2 * reach), Image.Resampling.BICUBIC)
            self.image.paste(mix(rgb(self.light.sky[-2]), self.shine, warmth), (int(x - reach), y - reach), glow)
        self.dot(x, y, 74, self.shine)

    def clouds(self) -> None:
        """Long and soft: drawn an eighth as large and enlarged."""
        mask = Image.new("L", (WIDTH // 8, HORIZON // 8))
        draw = ImageDraw.Draw(mask)
        for _ in range(self.random.randint(5, 8)):
            left, top = self.random.uniform(-30, 220), self.random.uniform(10, 92)
            for _ in range(14):
                x, y = left + self.random.gauss(0, 16), top + self.random.gauss(0, 1.6)
                draw.ellipse((x - 11, y - 1.7, x + 11, y + 1.7), fill=self.random.randint(40, 110))
        mask = mask.filter(ImageFilter.GaussianBlur(1.8)).resize((WIDTH, HORIZON), Image.Resampling.BICUBIC)
        self.image.paste(mix(self.shine, rgb(self.light.sky[-2]), 0.35), (0, 0), mask)

    def ridge(self, level: float, height: float, sharpness: float, wave: float, *, detail: int = 7) -> Line:
        """A line of hills over the whole width: octaves of waves, folded to peaks as `sharpness` says (0 to 1)."""
        # 2.17, no whole number: else every ridge would repeat itself
        octaves = [(wave * 2.17**n, height * 0.47**n, self.random.uniform(0, math.tau)) for n in range(detail)]
        return [
            (x, level - sum(swell(x, *octave, sharpness) for octave in octaves)) for x in range(0, WIDTH + STEP, STEP)
        ]

    def fill(self, line: Line, top: Colour, base: Colour, depth: int = 420) -> None:
        """Everything under a line, from one colour at its highest point to the other `depth` below."""
        mask = Image.new("L", (WIDTH, HEIGHT))
        ImageDraw.Draw(mask).polygon([*line, (WIDTH, HEIGHT), (0, HEIGHT)], fill=255)
        colours = Image.new("RGB", (WIDTH, HEIGHT), base)
        colours.paste(gradient([top, base], WIDTH, depth), (0, int(min(y for _, y in line))))
        self.image.paste(colours, (0, 0), mask)

    def ranges(self, count: int, height: float, sharpness: float, nearest: float = 0.75) -> None:
        """Ridges one before the other, each nearer than the last and each standing in mist."""
        for index in range(count):
            colour = self.land((index + 0.4) / count * nearest)
            level = HORIZON - height * 0.9 + index * height * 0.75 / count
            line = self.ridge(level, height * (0.42 - 0.16 * index / count), sharpness, self.random.uniform(0.8, 1.7))
            self.fill(line, colour, mix(colour, self.mist, 0.45))

    def pines(self, line: Line, count: int, height: float, colour: Colour) -> None:
        """Conifers along a line, no two alike."""
        for x in sorted(self.random.uniform(-40, WIDTH + 40) for _ in range(count)):
            size = height * self.random.uniform(0.55, 1.15)
            ground = line[min(max(int(x) // STEP, 0), len(line) - 1)][1]
            self.pine(x, ground + 8 + 0.03 * size, size, colour)

    def pine(self, x: float, base: float, height: float, colour: Colour) -> None:
        """A trunk, and boughs that hang, wider towards the ground."""
        self.draw.rectangle((x - height * 0.018, base - height * 0.2, x + height * 0.018, base + 12), fill=colour)
        for bough in range(9):
            top = base - height + height * 0.88 * bough / 9
            half = height * (0.05 + 0.19 * (bough + 1) / 9) * self.random.uniform(0.82, 1.1)
            low = top + height * 0.2
            self.draw.polygon([(x, top), (x + half, low), (x, low - height * 0.05), (x - half, low)], fill=colour)

    def water(self, deep: Colour) -> None:
        """All above the horizon once more below it: upside down, shaken by waves, darker towards us, glittering."""
        depth = HEIGHT - HORIZON
        mirror = self.image.crop((0, 0, WIDTH, HORIZON)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        mirror = mirror.resize((WIDTH, depth)).filter(ImageFilter.BoxBlur((2, 5)))
        phases = [self.random.uniform(0, math.tau) for _ in range(3)]
        for y in range(depth):
            near = y / depth
            waves = (math.sin(y / (3 + 9 * near) * rate + at) for rate, at in zip((1, 0.43, 0.19), phases, strict=True))
            row = ImageChops.offset(mirror.crop((0, y, WIDTH, y + 1)), int(sum(waves) * (3 + 16 * near)), 0)
            self.image.paste(row, (0, HORIZON + y))
        self.image.paste(deep, (0, HORIZON), gradient([(80,) * 3, (215,) * 3], WIDTH, depth).convert("L"))
        self.glitter(depth)

    def glitter(self, depth: int) -> None:
        """The way of light that sun or moon lays on water."""
        mask = Image.new("L", (WIDTH, depth))
        draw = ImageDraw.Draw(mask)
        for _ in range(430):
            near = self.random.random() ** 1.4
            x, y = self.disc_x + self.random.gauss(0, 30 + 130 * near), near * depth
            half = self.random.uniform(6, 14 + 46 * near)
            draw.ellipse((x - half, y - 1 - 2 * near, x + half, y + 1 + 2 * near), fill=self.random.randint(70, 230))
        self.image.paste(self.shine, (0, HORIZON), mask)

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def finished(self) -> Image.Image:
        """Reduced to the picture's size, with a fine grain against bands in the sky."""
        picture = self.image.reduce(2)
        grain = Image.frombytes("L", picture.size, hashlib.shake_128(b"grain").digest(picture.width * picture.height))
        return ImageChops.add(picture, grain.point([level // 43 for level in range(256)]).convert("RGB"), offset=-3)


def swell(x: float, frequency: float, size: float, phase: float, sharpness: float) -> float:
    """How high one octave of a ridge stands at `x`: a wave, or its fold with a sharp top, or between the two."""
    wave = math.sin(frequency * x / WIDTH * math.tau + phase)
    return size * (sharpness * (1 - 2 * abs(wave)) + (1 - sharpness) * wave)


def round_glow(strength: float) -> Image.Image:
    """A mask that fades from the middle to nothing at the edges. Pillow's own radial gradient reaches 181 there."""
    fading = [strength * 255 * max(0, 1 - level / 180) ** 2 for level in range(256)]
    return Image.radial_gradient("L").point([int(level) for level in fading])


def rgb(name: str) -> Colour:
    """A colour of the tables as numbers."""
    return ImageColor.getrgb(name)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two; `share` is the second one's."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def gradient(colours: Sequence[Colour], width: int, height: int) -> Image.Image:
    """Colours from top to bottom."""
    column = Image.new("RGB", (1, len(colours)))
    for y, colour in enumerate(colours):
        column.putpixel((0, y), colour)
    return column.resize((1, height), Image.Resampling.BILINEAR).resize((width, height), Image.Resampling.NEAREST)
