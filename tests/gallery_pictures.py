"""Pictures of the gallery for the documentation: `python -m tests.gallery_pictures [folder]`.

They are taken in Chromium, of an Easel whose image service paints landscapes. They go to `docs/images`.
"""

import argparse
import asyncio
import base64
import hashlib
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from PIL import Image, ImageOps

from service.app import running
from service.settings import Settings
from service.upstreams.sketch import canvas_for, scene_for
from service.upstreams.sketch_painting import SCENES
from tests.app_pictures import FOLDER, PAINTED
from tests.browser import OpenTab, Tab, browser
from tests.emulators.loopback import serving
from tests.gallery.visitor import Visitor, visitor

DESK, PHONE = (1280, 800), (390, 780)
COLOURS: Final = 72
"""So many that a page loads on a slow line: a picture of the README has fewer than 150 kB."""

FAMILY: Final = (
    ("A lighthouse at night, waves breaking over the rocks", 1), ("The same lighthouse at sunset, red sky", 4),
    ("The second one, with a ship on the horizon at sunset", 1),
)  # fmt: skip
"""Each after the first is drawn from the one before; the numbers are those of the pictures."""

PROMPTS: Final = (
    ("A lighthouse on a cliff at dawn", "16:9"), ("Hills in autumn, red trees", "4:3"), ("A city at sunset", "16:9"),
    ("A quiet lake in the evening", "4:3"), ("A meadow of poppies in the rain", "4:3"),
    ("A harbour city at sunset, warm windows", "16:9"), ("A clear morning by the sea", "3:4"),
    ("A forest in snow", "1:1"), ("Mountains in snow at noon", "16:9"), ("A sailing boat at sunset", "4:3"),
    ("A tall ship by the islands in the evening", "3:4"), ("A city in the rain at night", "16:9"),
    ("A meadow of flowers below the mountains", "1:1"), ("A lighthouse at night in a storm", "16:9"),
)  # fmt: skip
BUTTONS: Final = "[...document.querySelectorAll('button')]"
LOADED: Final = "[...document.images].every((each) => each.complete && each.naturalWidth)"
TILES: Final = f"document.querySelectorAll('.tile img').length >= 8 && {LOADED}"
WHOLE: Final = f"[...document.images].some((each) => each.naturalWidth > 900) && {LOADED}"


def painted(prompt: str, size: tuple[int, int], number: int) -> str:
    """A landscape as base64; each number is another one."""
    seed = hashlib.sha256(f"{number} {prompt}".encode()).digest()
    canvas = canvas_for(prompt, seed)
    canvas.sky()
    SCENES[scene_for(prompt, seed)](canvas)
    drawn = io.BytesIO()
    ImageOps.fit(canvas.finished(), size).save(drawn, "JPEG", quality=85)
    return base64.b64encode(drawn.getvalue()).decode()


def reduce(path: Path) -> None:
    """Leave the picture in this file so many colours."""
    with Image.open(path) as picture:
        fewer = picture.convert("RGB").quantize(COLOURS, kmeans=4, dither=Image.Dither.NONE)
    fewer.save(path, optimize=True)


async def paint(request: web.Request) -> web.Response:
    """Answer as the Images API does, to a JSON body or to a form."""
    asked: Any = await request.json() if request.content_type == "application/json" else await request.post()
    width, height = map(int, str(asked["size"]).split("x"))
    numbers = range(int(asked.get("n", 1)))
    drawn = [await asyncio.to_thread(painted, str(asked["prompt"]), (width, height), number) for number in numbers]
    return web.json_response({"created": 1, "data": [{"b64_json": each} for each in drawn]})


async def fill(person: Visitor) -> None:
    """Draw all that is seen, the family first."""
    origin: dict[str, Any] = {}
    for prompt, count in FAMILY:
        drawn = await person.draw(prompt, aspect_ratio="16:9", count=count, **origin)
        origin = {"history_id": drawn["history_id"]}
    for prompt, shape in PROMPTS:
        await person.draw(prompt, aspect_ratio=shape)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Takes pictures of the gallery, into a folder."""

    origin: str
    open_tab: OpenTab
    folder: Path

    @asynccontextmanager
    async def takes(
        self, name: str, size: tuple[int, int], place: str = "", *, dark: bool = False, language: str = "en-GB"
    ) -> AsyncIterator[Tab]:
        """Give a tab at this place of the gallery, of which a picture is taken at the end."""
        async with self.open_tab() as tab:
            await tab.screen(*size, dark=dark)
            await tab.speak(language)
            await tab.open(f"{self.origin}/gallery{place}")
            yield tab
            await tab.run(PAINTED)
            path = self.folder / f"{name}.png"
            await tab.screenshot(path)
            await asyncio.to_thread(reduce, path)

    async def take_all(self) -> None:
        """Take a picture of each main state."""
        for name, size, language in (
            ("gallery", DESK, "en-GB"), ("gallery-zh", DESK, "zh-CN"), ("gallery-phone", PHONE, "en-GB"),
        ):  # fmt: skip
            async with self.takes(name, size, language=language) as tab:
                await tab.until(TILES)
        async with self.takes("gallery-picture", DESK, "#/p/2/2", dark=True) as tab:
            await tab.until(WHOLE)
        async with self.takes("gallery-compare", DESK, "#/compare/2.1/2.2") as tab:
            await tab.until(WHOLE)
            await tab.run(
                "[...document.querySelectorAll('button')].find((each) => each.innerText === 'Slider').click()"
            )
            await tab.until(WHOLE)
        async with self.takes("gallery-select", DESK, dark=True) as tab:
            await tab.until(TILES)
            for number in (1, 2, 3):
                await tab.run(f"document.querySelectorAll('.tile .mark')[{number}].click()")


async def main(folder: Path) -> None:
    """Take the pictures of the gallery into this folder."""
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/images/{route:generations|edits}", paint)
    with tempfile.TemporaryDirectory() as data:
        async with serving(app) as url, browser() as open_tab:
            env = {"EASEL_PORT": "0", "EASEL_DATA_DIR": data, "EASEL_LOG": "error"}
            service = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-1", "EASEL_PICTURES_PER_DAY": "0"}
            async with running(Settings.from_env(env | service)) as easel, visitor(easel) as person:
                await fill(person)
                await Camera(origin=easel.origin, open_tab=open_tab, folder=folder).take_all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.gallery_pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    asyncio.run(main(parser.parse_args().folder))
