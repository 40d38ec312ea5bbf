"""The strip at the foot of the built-in sketch: the prompt, as far as the font can draw it, and what the picture is."""

import unicodedata
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

LABEL: Final = "Easel sketch, drawn without an image service"
HEIGHT: Final = 40
MARGIN: Final = 16
LONGEST: Final = 200
"""Characters of a prompt that are looked at: more never fit, and measuring text costs time by its length."""

TEXT_SIZE: Final = 16
PAPER: Final = (18, 20, 28)
INK: Final = (232, 230, 222)
FAINT: Final = (160, 162, 172)


def add_strip(picture: Image.Image, prompt: str) -> None:
    """Draw the strip over the foot of the picture."""
    font = ImageFont.load_default(TEXT_SIZE)
    draw = ImageDraw.Draw(picture)
    top, right = picture.height - HEIGHT, picture.width - MARGIN
    draw.rectangle((0, top, picture.width, picture.height), fill=PAPER)
    middle = top + HEIGHT / 2
    draw.text((right, middle), LABEL, fill=FAINT, font=font, anchor="rm")
    room = right - font.getlength(LABEL) - 3 * MARGIN
    draw.text((MARGIN, middle), shortened(drawable(prompt[:LONGEST]), room), fill=INK, font=font, anchor="lm")


def drawable(text: str) -> str:
    """The text in one line without accents and symbols, or nothing where a letter has no glyph: no boxes, no gaps."""
    plain = [mark for mark in unicodedata.normalize("NFKD", " ".join(text.split())) if not unicodedata.combining(mark)]
    if any(mark.isalnum() and not has_glyph(mark) for mark in plain):
        return ""
    return "".join(mark for mark in plain if has_glyph(mark)).strip()


@lru_cache(maxsize=4096)
def has_glyph(mark: str) -> bool:
    """Whether the built-in font draws this character as something else than its box for a missing one."""
    font = ImageFont.load_default(TEXT_SIZE)
    return bytes(font.getmask(mark)) != bytes(font.getmask("\uffff"))


def shortened(text: str, room: float) -> str:
    """The text, or its beginning and an ellipsis, no wider than `room`."""
    font = ImageFont.load_default(TEXT_SIZE)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text.rstrip()}…"
