"""Pictures of the view in chats for the documentation: `python -m tests.app_pictures [folder]`.

They are taken in Chromium, in the host of the tests, of an Easel that draws sketches. They go to `docs/images`.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from tests.app_host import APP_CLIENT, LOADED, AppHost, AppWorld, Host, app_host, app_world
from tests.paths import ROOT

FOLDER: Final = ROOT / "docs" / "images"
COLOURS: Final = 256
PAINTED: Final = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
"""The frame is painted in a process of its own, after the page knows its height."""

FULL: Final = {"availableDisplayModes": ["inline", "fullscreen"]}
PROMPTS: Final = (
    "a lighthouse in a storm at night", "a city in the rain", "mountains in snow under stars", "a quiet lake at noon",
    "a lighthouse on a clear morning", "a city by night", "hills in autumn", "a forest in snow", "an island at sunset",
    "a city in the snow at night", "a road in the desert", "a castle in fog", "a harbour at dawn", "a tall ship",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Takes pictures of the view in one world, into a folder."""

    world: AppWorld
    folder: Path

    @asynccontextmanager
    async def takes(
        self, name: str, size: tuple[int, int], context: dict[str, Any], *, phone: bool = False
    ) -> AsyncIterator[AppHost]:
        """Give a host of this size, of which a picture is taken at the end."""
        host = Host(context=FULL | context)
        async with self.world.open_tab() as tab, app_host(tab, self.world.client, host) as opened:
            await tab.screen(*size, phone=phone, dark=context.get("theme") == "dark")
            yield opened
            for each in (opened.view, tab, tab):
                await each.run(PAINTED)
            path = self.folder / f"{name}.png"
            await tab.screenshot(path)
            await asyncio.to_thread(lambda: Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True))

    async def take_all(self) -> None:
        """Take a picture of each main state."""
        call = self.world.client.call
        for prompt in PROMPTS:
            await call("generate", {"prompt": prompt})
        drawn = await call("generate", {"prompt": "a lighthouse in the snow at dusk", "count": 3}, **APP_CLIENT)
        async with self.takes("app", (680, 532), {}) as host:
            await host.tell("tool-result", drawn)
            await host.see(f"{LOADED} && !seen.scrolls")
        async with self.takes("app-drawing", (680, 136), {}) as host:
            await host.tell("tool-input", {"arguments": {"prompt": "a lighthouse in the snow at dusk"}})
            await host.see("seen.text.includes('being drawn')")
        async with self.takes("app-history", (680, 500), {"theme": "dark"}) as host:
            await host.call("history", limit=20)
            await host.see(f"{LOADED} && seen.images.length > 7 && !seen.scrolls")
        async with self.takes("app-phone", (380, 500), {"theme": "dark", "locale": "zh-CN"}, phone=True) as host:
            await host.tell("tool-result", drawn)
            await host.see(f"{LOADED} && !seen.scrolls")
        async with self.takes("app-change", (380, 450), {}, phone=True) as host:
            await host.tell("tool-result", drawn)
            await host.press("Change…")
            await host.write("the same at night, with a ship")
            await host.see(f"{LOADED} && !seen.scrolls")


async def main(folder: Path) -> None:
    """Take the pictures of the view into this folder."""
    with tempfile.TemporaryDirectory() as data:
        async with app_world(Path(data)) as world:
            await Camera(world=world, folder=folder).take_all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.app_pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    asyncio.run(main(parser.parse_args().folder))
