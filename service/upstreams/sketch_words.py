"""Which words of a prompt choose which scene and light of the built-in sketch, and the colours of each light."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Light:
    """A time of day. The sky goes from top to horizon; land fades from `near` to `far`; `disc` is the sun or moon."""

    sky: tuple[str, ...]
    disc: str
    far: str
    near: str
    disc_y: int
    stars: int = 0
    windows: float = 0.1


LIGHTS: Final[Mapping[str, Light]] = {
    "night": Light(
        sky=("#050818", "#0d153a", "#232d66", "#4a4f90", "#8c82b4"),
        disc="#fdf6dc",
        far="#5d61a0",
        near="#080b1e",
        disc_y=300,
        stars=520,
        windows=0.5,
    ),
    "sunset": Light(
        sky=("#272a5c", "#5d3a7a", "#b84f78", "#f0825c", "#ffd691"),
        disc="#fff3cc",
        far="#d08a86",
        near="#21122b",
        disc_y=780,
        stars=50,
        windows=0.35,
    ),
    "dawn": Light(
        sky=("#7aa3cf", "#a6c1dc", "#d9d2de", "#f7d8c6", "#ffebd2"),
        disc="#fffaf0",
        far="#cdc6d4",
        near="#2f4359",
        disc_y=640,
        windows=0.2,
    ),
    "day": Light(
        sky=("#2a78c2", "#559edb", "#8fc5ec", "#c6e4f4", "#f0f7f2"),
        disc="#fffdf0",
        far="#a9c8da",
        near="#1b4648",
        disc_y=260,
    ),
}

LIGHT_WORDS: Final[Mapping[str, str]] = {
    "night": "night midnight moon moonlit moonlight star starry galaxy space dark neon 夜 月 星 宇宙",
    "sunset": "sunset dusk evening autumn fall fire warm red orange golden 夕 黄昏 晚霞 日落 秋 红",
    "dawn": "dawn sunrise morning mist misty fog foggy spring soft pastel pink 晨 早 日出 雾 春 粉",
    "day": "day noon sun sunny summer blue bright clear 白天 晴 夏 阳光 蓝",
}

SCENE_WORDS: Final[Mapping[str, str]] = {
    "city": "city town skyline street building tower neon skyscraper cyberpunk robot car 城市 都市 街 楼 机器人",
    "flowers": "flower garden meadow rose tulip blossom sakura poppy field bee butterfly cat dog 花 樱 草 田 猫 狗",
    "snow": "snow snowy winter ice frost glacier christmas penguin polar 雪 冬 冰",
    "desert": "desert dune sand sahara camel pyramid mars canyon 沙 漠 骆驼",
    "forest": "forest tree wood pine jungle fox deer bear owl wolf dragon 森 林 树 狐 鹿 熊 龙",
    "sea": "sea ocean beach wave island lake river water boat ship fish whale lighthouse 海 湖 河 水 船 岛 鱼",
    "mountains": "mountain hill peak valley alp cliff castle 山 峰 谷",
}


def chosen(table: Mapping[str, str], prompt: str, otherwise: int) -> str:
    """The first entry with a word of the prompt in it, else the one that the number `otherwise` falls on."""
    spoken = {form for word in re.findall("[a-z]+", prompt.lower()) for form in (word, word.removesuffix("s"))}
    for name, words in table.items():
        if any(word in (spoken if word.isascii() else prompt) for word in words.split()):
            return name
    return list(table)[otherwise % len(table)]
