"""The upstream without a network: same prompt, same picture, and it says what it is."""

import asyncio
import hashlib
import io
import subprocess
import sys

import pytest
from PIL import Image

from service.images import ImageRequest, Picture, WorkError
from service.upstreams.sketch import NOTE, SketchUpstream
from service.upstreams.sketch_words import SCENE_WORDS

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

    async def __call__(self, message: str, percent: float | None = None) -> None:
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


@pytest.mark.parametrize("prompt", [*SCENE_WORDS, *(f"{scene} at night" for scene in SCENE_WORDS)])
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
        async def __call__(self, message: str, percent: float | None = None) -> None:
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
