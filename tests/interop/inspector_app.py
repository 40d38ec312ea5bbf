"""The page of the Inspector shows our view, in both eras: it draws, pages through the history, saves, fills the screen.

The view lies in a frame of a frame there. Only the errors of a policy count: the page wants a font from elsewhere.
"""

import asyncio
import base64
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from tests.app_host import LOADED, AppView
from tests.browser import Tab, browser
from tests.interop.environments import UnavailableError, node, node_environment
from tests.interop.report import explain
from tests.scale.ports import free_port

ERAS: Final = {"legacy": "initialize", "modern": "server/discover"}
"""The eras by their names in the Inspector, each with the method by which it begins."""

WHOLE: Final = f"{LOADED} && seen.images[0].source.includes('/mcp-cache/')"
START_S: Final = 30.0
STEP_S: Final = 60.0
Line = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Visit(AppView):
    """The Inspector in a tab, with the view in it; `folder` takes what is saved."""

    tab: Tab
    folder: Path
    begins_with: str

    async def draw(self) -> None:
        """Wait for the picture, which the host had drawn: the whole one, and not its small copy."""
        await self.see(WHOLE)

    async def draw_another(self) -> None:
        """Press a button that draws: the host passes the call on, also where it takes tasks."""
        await self.press("Another one")
        await self._has_drawn()

    async def page(self) -> None:
        """Have the view call the tool that models have not, then go back to a picture."""
        await self.press("All pictures")
        await self.see(f"{LOADED} && seen.images.length === 2 && seen.text.includes('2 in all')")
        await self.view.run("document.querySelector('.tile').click()")
        await self.see(f"{WHOLE} && seen.buttons.includes('Change…')")

    async def change(self) -> None:
        """Change the picture by words."""
        await self.press("Change…")
        await self.write("at night")
        await self.press("Draw")
        assert "at night" in (await self._has_drawn())["text"]

    async def _has_drawn(self) -> dict[str, Any]:
        """Return what is seen once the buttons are in use again, and no word says that it failed."""
        seen = await self.see(f"{WHOLE} && seen.buttons.includes('Another one')")
        assert "did not work" not in seen["text"], seen["text"]
        return seen

    async def fill_the_screen(self) -> None:
        """Go to full screen and back."""
        await self.press("Full screen")
        await self.see("seen.mode === 'fullscreen'")
        await self.press("Leave full screen")
        await self.see("seen.mode === 'inline'")

    async def open(self) -> None:
        """Open the picture in a tab of its own."""
        await self.press("Open full size")
        async with asyncio.timeout(STEP_S):
            while not await self._has_opened():  # noqa: ASYNC110 - the browser announces it to nobody here
                await asyncio.sleep(0.05)

    async def _has_opened(self) -> bool:
        targets = (await self.tab.send("Target.getTargets"))["targetInfos"]
        return any(each["type"] == "page" and "/mcp-cache/" in each["url"] for each in targets)

    async def save(self) -> None:
        """Save the original: the Inspector asks the person first."""
        await self.tab.save_into(self.folder)
        await self.press("Download")
        async with asyncio.timeout(STEP_S):
            while not await self._agrees():  # noqa: ASYNC110 - the question comes once the file was read
                await asyncio.sleep(0.05)
            while not (saved := [*self.folder.glob("easel-*.[jp]*g")]):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        source = (await self.see(WHOLE))["images"][0]["source"]
        async with ClientSession() as http, http.get(source) as answer:
            assert saved[0].read_bytes() == await answer.read()

    async def _agrees(self) -> bool:
        try:
            await self.tab.send("Page.handleJavaScriptDialog", accept=True)
        except AssertionError:  # there is no question yet
            return False
        return True

    async def stay_within_the_policy(self) -> None:
        """Look for what the browser refused to load or run."""
        refused = [each for each in self.tab.errors if "Content Security Policy" in each]
        assert not refused, refused[0]

    async def speak_the_era(self) -> None:
        """Look at the messages that the Inspector lists."""
        leaves = "[...document.querySelectorAll('*')].filter((each) => !each.children.length)"
        await self.tab.run(f"{leaves}.find((each) => each.textContent.trim() === 'Protocol').click()")
        await self.tab.until(f"document.body.innerText.toLowerCase().includes({self.begins_with!r})")


STEPS: Final = (
    ("render", Visit.draw),
    ("era", Visit.speak_the_era),
    ("draw another", Visit.draw_another),
    ("app-only tool", Visit.page),
    ("change", Visit.change),
    ("full screen", Visit.fill_the_screen),
    ("open full size", Visit.open),
    ("download", Visit.save),
    ("policy", Visit.stay_within_the_policy),
)


async def check(era: str, url: str, folder: Path) -> AsyncIterator[Line]:
    """Yield a line for each step: its name, outcome, why. `url` is an Easel whose history is empty."""
    try:
        packages = await node()
        async with inspector(packages, era, url, folder) as page, browser() as opener, opener() as tab:
            await tab.screen(1300, 900)
            await tab.open(page)
            await tab.until("!!document.querySelector('[data-app-status=ready]')")
            visit = Visit(tab=tab, view=await tab.frame(), folder=folder, begins_with=ERAS[era])
            for name, step in STEPS:
                try:
                    await step(visit)
                except Exception as error:  # noqa: BLE001 - the finding
                    yield name, "FAIL", explain(error)
                else:
                    yield name, "ok", ""
    except (UnavailableError, pytest.skip.Exception, pytest.fail.Exception, TimeoutError) as reason:
        yield "open", "FAIL", explain(reason)


@asynccontextmanager
async def inspector(packages: Path, era: str, url: str, folder: Path) -> AsyncIterator[str]:
    """Run the Inspector for one server; yields the address that connects to it and has a picture drawn.

    The address has no place for the era, so the server stands in the file too, under the name that such a link takes.
    """
    config = folder / "servers.json"
    server = {"type": "streamable-http", "url": url, "protocolEra": era}
    config.write_text(json.dumps({"mcpServers": {"deep-link": server}}))
    port, token = free_port(), secrets.token_hex(16)
    settings = {
        "HOST": "127.0.0.1",
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": str(free_port()),
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_API_TOKEN": token,
        "MCP_INSPECTOR_SECRET_STORE": "memory",
    }
    process = await asyncio.create_subprocess_exec(
        "mcp-inspector", "--web", "--config", str(config), env=os.environ | node_environment(packages) | settings,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_S):
            while not await _listens(port):  # noqa: ASYNC110 - it says so in words that may change
                await asyncio.sleep(0.1)
        arguments = base64.urlsafe_b64encode(json.dumps({"prompt": "a red fox in snow"}).encode()).decode().rstrip("=")
        asked = {"serverUrl": url, "transport": "http", "autoConnect": token, "autoOpen": token}
        yield f"http://127.0.0.1:{port}/?{urlencode(asked | {'openApp': 'generate', 'appArgs': arguments})}"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
