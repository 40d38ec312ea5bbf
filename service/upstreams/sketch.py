"""The upstream that needs no image service: a landscape drawn here from the words of the prompt.

It shows a newcomer the whole way, to the picture in the client, before there is a key. The same prompt gives the same
bytes. The picture says on itself what it is, and so does its note. `sketch_painting.py` paints; this module reads the
prompt and writes the caption.
"""

import asyncio
import hashlib
import io
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final

from PIL import Image, ImageDraw, ImageFont

from service.images import ImageRequest, Picture, Progress
from service.upstreams.base import Offers, Upstream
from service.upstreams.sketch_painting import SCENES, Canvas, Light

NOTE: Final = (
    "This is Easel's built-in sketch, drawn without an image service. "
    "To turn on a real one, set its key: FLOW2API_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY or "
    "MODELSCOPE_API_KEY."
)

JPEG_QUALITY: Final = 90

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Words = Sequence[tuple[str, str]]
"""Names and the words of a prompt that call for them. The first row with such a word counts."""

LIGHTS: Final = {
    "night": Light(sky=("#050818", "#0d153a", "#232d66", "#4a4f90", "#8c82b4"), disc="#fdf6dc", far="#5d61a0",
                   near="#080b1e", disc_y=300, stars=520, windows=0.5),
    "sunset": Light(sky=("#272a5c", "#5d3a7a", "#b84f78", "#f0825c", "#ffd691"), disc="#fff3cc", far="#d08a86",
                    near="#21122b", disc_y=780, stars=50, windows=0.35),
    "dawn": Light(sky=("#7aa3cf", "#a6c1dc", "#d9d2de", "#f7d8c6", "#ffebd2"), disc="#fffaf0", far="#cdc6d4",
                  near="#2f4359", disc_y=640, stars=0, windows=0.2),
    "day": Light(sky=("#2a78c2", "#559edb", "#8fc5ec", "#c6e4f4", "#f0f7f2"), disc="#fffdf0", far="#a9c8da",
                 near="#1b4648", disc_y=260, stars=0, windows=0.1),
}  # fmt: skip

LIGHT_WORDS: Final[Words] = (
    ("sunset", "sunset dusk evening twilight 夕 黄昏 傍晚 晚霞 日落"),
    ("dawn", "dawn sunrise morning 晨 早 日出"),
    ("night", "night midnight moon moonlit moonlight starry galaxy space dark neon 夜 月 宇宙"),
    ("day", "day noon sun sunny daylight 白天 晴 阳光 中午"),
    ("sunset", "autumn fall fire warm orange golden 秋"),
    ("dawn", "mist misty fog foggy spring soft pastel pink 雾 春 粉"),
    ("night", "star 星"),
    ("day", "summer blue bright clear 夏 蓝"),
)

SCENE_WORDS: Final[Words] = (
    ("sea", "lighthouse 灯塔 燈塔"),
    (
        "city",
        "city town skyline street building tower neon skyscraper cyberpunk robot car "
        "城市 都市 街 楼 机器人 夜景 东京 東京 上海",
    ),
    ("flowers", "flower garden meadow rose tulip blossom sakura poppy field bee butterfly cat dog 花 樱 草 田 猫 狗"),
    ("snow", "snow snowy winter ice frost glacier christmas penguin polar 雪 冬 冰"),
    ("forest", "forest tree wood pine jungle fox deer bear owl wolf dragon 森 林 树 狐 鹿 熊 龙"),
    ("sea", "sea ocean beach wave island lake river water boat ship fish whale 海 湖 河 船 岛 鱼"),
    ("mountains", "mountain hill peak valley alp cliff castle 山 峰 谷"),
)

WEATHER_WORDS: Final[Words] = (
    ("snow", "snow snowy snowing snowfall snowflake blizzard winter christmas 雪 冬"),
    ("rain", "rain rainy raining storm stormy thunderstorm drizzle 雨 暴风"),
)

THING_WORDS: Final[Words] = (
    ("lighthouse", "lighthouse 灯塔 燈塔"),
    ("boat", "boat ship sail sailboat yacht 船 帆"),
    ("star", "star 星"),
)


class SketchUpstream(Upstream):
    """Draws in threads, a stage at a time, so that a cancelled call ends with the stage it is in."""

    name: ClassVar[str] = "sketch"
    charges: ClassVar[bool] = False
    deadline_s = 30.0
    """A sketch takes a fifth of a second; a hundred may wait for two cores."""

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """Draw one picture."""
        seed = hashlib.sha256(request.prompt.encode()).digest()
        canvas = canvas_for(request.prompt, seed)
        scene = scene_for(request.prompt, seed)
        await progress("Sketching the sky", 10)
        await asyncio.to_thread(canvas.sky)
        await progress("Sketching the landscape", 35)
        await asyncio.to_thread(SCENES[scene], canvas)
        await progress("Finishing the sketch", 80)
        return [Picture(data=await asyncio.to_thread(encoded, canvas, request.prompt), note=NOTE)]

    def describe(self) -> str:
        """Return one line for the person who starts the service."""
        return "sketch: built in, draws a landscape from the prompt, reaches nothing"

    async def offers(self) -> Offers:
        """Return the one model there is."""
        return Offers(images=(self.name,))


def named(table: Words, prompt: str) -> list[str]:
    """Return the names of the rows that have a word of the prompt, in the order of the table."""
    spoken = {form for word in re.findall("[a-z]+", prompt.lower()) for form in (word, word.removesuffix("s"))}
    return [
        name for name, words in table if any(word in (spoken if word.isascii() else prompt) for word in words.split())
    ]


def canvas_for(prompt: str, seed: bytes) -> Canvas:
    """Return an empty canvas in the light and weather of the prompt; the seed chooses a light that it does not name."""
    light = (*named(LIGHT_WORDS, prompt), list(LIGHTS)[seed[0] % len(LIGHTS)])[0]
    weather = (*named(WEATHER_WORDS, prompt), "")[0]
    return Canvas(LIGHTS[light], seed, weather, named(THING_WORDS, prompt))


def scene_for(prompt: str, seed: bytes) -> str:
    """Return the scene that the prompt names, else one that the seed chooses."""
    return (*named(SCENE_WORDS, prompt), list(SCENES)[seed[1] % len(SCENES)])[0]


def encoded(canvas: Canvas, prompt: str) -> bytes:
    """Return the finished picture with its caption, as JPEG."""
    picture = canvas.finished()
    add_caption(picture, prompt)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


# The caption: what the picture is, and on a strip beside it the prompt, where a font can draw it.

LABEL: Final = "Easel sketch, drawn without an image service"
STRIP: Final = 40
MARGIN: Final = 16
TEXT_SIZE: Final = 16
LONGEST: Final = 200
"""Characters of a prompt that are looked at: more never fit, and measuring text costs time by its length."""

PAPER: Final = (18, 20, 28)
INK: Final = (232, 230, 222)
FAINT: Final = (160, 162, 172)

FONT_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts",
                       "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts")  # fmt: skip
FONT_NAMES: Final = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "wqy-", "DroidSansFallback", "PingFang", "STHeiti",
                     "Hiragino", "msyh", "simhei", "simsun", "malgun", "unifont", "DejaVuSans", "NotoSans-Regular",
                     "FreeSans", "LiberationSans", "Arial")  # fmt: skip
"""Beginnings of the file names of fonts with many letters, the likeliest first."""

MOST_FONTS: Final = 20
SHAPELESS: Final = re.compile(
    r"(LATIN|GREEK|CYRILLIC|ARMENIAN|CJK|HIRAGANA|KATAKANA|HANGUL|BOPOMOFO|DIGIT|FULLWIDTH)\b"
)
"""Scripts whose letters stand one beside the other. Others need shaping and look broken without it."""


def add_caption(picture: Image.Image, prompt: str, folders: tuple[str, ...] = FONT_FOLDERS) -> None:
    """Write the label, and the prompt before it on a strip over the foot of the picture."""
    draw, label = ImageDraw.Draw(picture), ImageFont.load_default(TEXT_SIZE)
    right, middle = picture.width - MARGIN, picture.height - STRIP / 2
    left = right - label.getlength(LABEL) - MARGIN
    text, font = caption(prompt[:LONGEST], folders)
    draw.rectangle((0 if text else left, picture.height - STRIP, picture.width, picture.height), fill=PAPER)
    draw.text((right, middle), LABEL, fill=FAINT, font=label, anchor="rm")
    draw.text((MARGIN, middle), shortened(text, left - 2 * MARGIN, font), fill=INK, font=font, anchor="lm")


def caption(prompt: str, folders: tuple[str, ...]) -> tuple[str, Font]:
    """Return the prompt in one line without symbols, and a font that has all its letters; no text where none has."""
    line = unicodedata.normalize("NFC", " ".join(prompt.split()))
    built_in = ImageFont.load_default(TEXT_SIZE)
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", line) if not unicodedata.combining(mark))
    if draws(built_in, plain):
        return shown(built_in, plain), built_in
    if all(SHAPELESS.match(unicodedata.name(mark, "")) for mark in line if mark.isalnum()):
        for font in map(opened, fonts(folders)):
            if font and draws(font, line):
                return shown(font, line), font
    return "", built_in


@lru_cache
def opened(path: Path) -> ImageFont.FreeTypeFont | None:
    """Return the font of a file; None for one that cannot be read."""
    try:
        return ImageFont.truetype(path, TEXT_SIZE)
    except OSError:
        return None


def draws(font: Font, text: str) -> bool:
    """Tell that a font has every letter and digit of a text."""
    return all(has_glyph(font, mark) for mark in set(text) if mark.isalnum())


def shown(font: Font, text: str) -> str:
    """Return a text without the symbols that a font has no glyph for: no boxes, no gaps."""
    return " ".join("".join(mark for mark in text if has_glyph(font, mark)).split())


def has_glyph(font: Font, mark: str) -> bool:
    """Tell that a font draws a character as something else than its box for a missing one."""
    return bytes(font.getmask(mark)) != bytes(font.getmask("\uffff"))


@lru_cache
def fonts(folders: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files of fonts with many letters, the likeliest first. Blocks, once for each process."""
    found = [
        (rank, len(path.name), path)
        for folder in folders
        for path in Path(folder).expanduser().rglob("*.*")
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
        for rank, name in enumerate(FONT_NAMES)
        if path.name.lower().startswith(name.lower())
    ]
    return tuple(path for _, _, path in sorted(found)[:MOST_FONTS])


def shortened(text: str, room: float, font: Font) -> str:
    """Return the text, or its beginning and an ellipsis, no wider than `room`."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text.rstrip()}…"
