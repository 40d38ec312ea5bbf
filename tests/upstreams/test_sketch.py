"""The upstream without a network: same prompt, same picture, and it says what it is."""

import asyncio
import hashlib
import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from service.commands.demo import PROMPT
from service.images import ImageRequest, Picture, WorkError
from service.upstreams.sketch import (
    LIGHT_WORDS,
    LIGHTS,
    NOTE,
    SCENE_WORDS,
    STRIP,
    SketchUpstream,
    add_caption,
    canvas_for,
    caption,
    scene_for,
    shortened,
)
from service.upstreams.sketch_painting import SCENES

PRINT_DIGEST = """
import asyncio, hashlib, sys
from service.images import ImageRequest
from service.upstreams.sketch import SketchUpstream

async def silent(message, percent=None): pass

[picture] = asyncio.run(SketchUpstream().generate(ImageRequest(model="sketch", prompt=sys.argv[1]), silent))
print(hashlib.sha256(picture.data).hexdigest())
"""


class Steps(list[tuple[str, float | None]]):
    """A Progress that keeps what it was told."""

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
        self.append((message, percent))


async def sketch(prompt: str) -> Picture:
    [picture] = await SketchUpstream().generate(ImageRequest(model="sketch", prompt=prompt), Steps())
    return picture


async def test_the_same_prompt_gives_the_same_bytes_in_every_process() -> None:
    """Ours: tests and demonstrations can rely on it. Hash seeds differ between these processes."""
    digests = {
        subprocess.run(  # noqa: ASYNC221 - our own interpreter; nothing else runs in this loop
            [sys.executable, "-c", PRINT_DIGEST, "a lighthouse at night"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {hashlib.sha256((await sketch("a lighthouse at night")).data).hexdigest()}


async def test_sketches_made_at_once_do_not_disturb_each_other() -> None:
    """Ours: each has a random generator of its own; a shared one would deal its numbers to whoever asks first."""
    alone = [(await sketch(prompt)).data for prompt in ("sea", "forest", "city")]
    at_once = await asyncio.gather(*(sketch(prompt) for prompt in ("sea", "forest", "city")))
    assert [picture.data for picture in at_once] == alone


async def test_different_prompts_give_different_pictures() -> None:
    """Ours: "the sea" and "the sea, please" are two pictures, as with a real service."""
    assert len({(await sketch(prompt)).data for prompt in ("sea", "sea, please", "海", "")}) == 4


@pytest.mark.parametrize("prompt", [*SCENES, *(f"{scene} at night" for scene in SCENES)])
async def test_every_scene_is_drawn_by_day_and_by_night(prompt: str) -> None:
    """Ours: any prompt ends in one of these."""
    picture = Image.open(io.BytesIO((await sketch(prompt)).data))
    assert (picture.format, picture.size) == ("JPEG", (1024, 768))
    assert len(picture.getcolors(1024 * 768) or []) > 5000


async def test_the_note_says_what_it_is_and_how_to_get_a_real_service() -> None:
    """Ours: nobody should take the sketch for what the model service would have made."""
    assert (await sketch("sea")).note == NOTE
    assert all(said in NOTE for said in ("built-in sketch", "FLOW2API_API_KEY", "OPENAI_API_KEY", "MODELSCOPE_API_KEY"))


async def test_progress_rises() -> None:
    """Spec 2025-11-25, Progress: the progress value must increase with each notification."""
    steps = Steps()
    await SketchUpstream().generate(ImageRequest(model="sketch", prompt="a city"), steps)
    percents = [percent for _, percent in steps if percent is not None]
    assert len(percents) == len(steps) >= 3
    assert percents == sorted(set(percents))


async def test_a_cancelled_call_stops_at_once() -> None:
    """Ours: an upstream stops promptly when cancelled, and swallows nothing."""
    begun = asyncio.Event()

    class Begun(Steps):
        async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:  # noqa: ARG002 - a Progress
            await super().__call__(message, percent)
            begun.set()

    steps = Begun()
    request = ImageRequest(model="sketch", prompt="sea")
    drawing = asyncio.create_task(SketchUpstream().generate(request, steps))
    await begun.wait()
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert len(steps) == 1


async def test_it_costs_nothing_and_keeps_nothing() -> None:
    """Ours: so nobody is told that it may have charged."""
    assert not SketchUpstream.charges
    with pytest.raises(WorkError, match="cannot be had again") as raised:
        await SketchUpstream().fetch_again("sketch")
    assert (raised.value.kind, raised.value.may_be_charged) == ("gone", False)


def test_it_describes_itself() -> None:
    """Ours: the person who starts the service sees that this is not a real one."""
    assert SketchUpstream().describe().startswith("sketch: built in")


# The words of a prompt.

SEED = hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("prompt", "scene", "light", "weather", "things"),
    [
        pytest.param(PROMPT, "sea", "sunset", "", ["lighthouse", "star"], id="the demo"),
        pytest.param("snow on mountains at noon", "snow", "day", "snow", [], id="snow"),
        pytest.param("rainy city at night", "city", "night", "rain", [], id="rain"),
        pytest.param("夕阳下海边的灯塔，写实风格", "sea", "sunset", "", ["lighthouse"], id="chinese-has-no-spaces"),
        pytest.param("东京夜景，雨", "city", "night", "rain", [], id="a city by its name"),
        pytest.param("雪夜的城市", "city", "night", "snow", [], id="a city in snow"),
        pytest.param("A BOAT, on the Sea; moonlight.", "sea", "night", "", ["boat"], id="capitals-and-commas"),
        pytest.param("two mountains in the morning", "mountains", "dawn", "", [], id="plural"),
    ],
)
def test_a_sketch_shows_what_the_prompt_names(
    prompt: str, scene: str, light: str, weather: str, things: list[str]
) -> None:
    """Ours: someone who asks for the sea sees the sea."""
    canvas = canvas_for(prompt, SEED)
    assert (scene_for(prompt, SEED), canvas.light, canvas.weather, canvas.things) == (
        scene, LIGHTS[light], weather, things,
    )  # fmt: skip


def test_part_of_a_word_is_no_word() -> None:
    assert scene_for("a pinecone on a seat", SEED) == scene_for("", SEED)


def test_without_a_known_word_the_seed_chooses() -> None:
    """Ours: any prompt has a scene and a light, and any byte of a hash names one."""
    seeds = [bytes([number, number]) for number in range(256)]
    assert {scene_for("x", seed) for seed in seeds} == set(SCENES)
    assert {id(canvas_for("x", seed).light) for seed in seeds[:20]} == set(map(id, LIGHTS.values()))


def test_the_tables_agree() -> None:
    """Ours: a scene that can be chosen and not drawn would fail one prompt in some hundred."""
    assert {name for name, _ in SCENE_WORDS} == set(SCENES)
    assert {name for name, _ in LIGHT_WORDS} == set(LIGHTS)


# The caption.

BARE = Image.new("RGB", (1024, 768), "white")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, ...]:
    """A folder with one font that has three Chinese letters and a comma, beside a file that is none."""
    shutil.copy(Path(__file__).parent / "four_glyphs.ttf", tmp_path / "NotoSansSC-Regular.ttf")
    (tmp_path / "NotoSansCJK-Regular.ttc").write_bytes(b"no font")
    return (str(tmp_path / "missing"), str(tmp_path))


@pytest.mark.parametrize(
    ("prompt", "printed"),
    [
        pytest.param("a cat,\n on a\tmat ", "a cat, on a mat", id="one-line"),
        pytest.param("Café über dem See", "Cafe uber dem See", id="accents-go"),
        pytest.param("a cat \N{CAT FACE}!", "a cat !", id="symbols-go"),
        pytest.param("海，灯塔", "海，灯塔", id="chinese-by-a-font-that-has-it"),
        pytest.param("一只猫 by the sea", "", id="chinese-is-not-printed-in-part"),
        pytest.param("مرحبا", "", id="letters-that-join-need-shaping"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_only_what_a_font_can_draw_is_printed(folders: tuple[str, ...], prompt: str, printed: str) -> None:
    """Ours: a row of boxes looks broken, and half of a sentence misquotes it."""
    assert caption(prompt, folders)[0] == printed


def test_a_long_prompt_is_cut() -> None:
    """Ours: the label beside it has to stay readable."""
    cut = shortened("a very long prompt " * 40, 600, ImageFont.load_default(16))
    assert cut.startswith("a very long prompt")
    assert cut.endswith("…")
    assert len(cut) < 120


def test_the_strip_covers_the_foot_alone() -> None:
    """Ours: the drawing above is not touched."""
    picture = BARE.copy()
    add_caption(picture, "a cat")
    assert picture.crop((0, 0, 1024, 768 - STRIP)).getcolors() == [(1024 * (768 - STRIP), (255, 255, 255))]
    assert picture.getpixel((0, 767)) != (255, 255, 255)
    assert picture.getpixel((1023, 767)) != (255, 255, 255)


@pytest.mark.parametrize("prompt", ["", "一只猫"])
def test_without_a_caption_there_is_no_strip(folders: tuple[str, ...], prompt: str) -> None:
    """Ours: an empty strip looks broken. The label stays, since nobody should take a sketch for a real picture."""
    picture = BARE.copy()
    add_caption(picture, prompt, folders)
    assert picture.crop((0, 0, 512, 768)).getcolors() == [(512 * 768, (255, 255, 255))]
    assert picture.getpixel((1023, 767)) != (255, 255, 255)


def test_a_chinese_caption_is_on_the_picture(folders: tuple[str, ...]) -> None:
    """Bug: people who write Chinese saw an empty strip."""
    picture, other = BARE.copy(), BARE.copy()
    add_caption(picture, "灯塔", folders)
    add_caption(other, "海", folders)
    assert picture.crop((0, 728, 500, 768)).tobytes() != other.crop((0, 728, 500, 768)).tobytes()
