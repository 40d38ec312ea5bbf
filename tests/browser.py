"""A real browser for tests of pages: Debian's Chromium, without a window, driven over the DevTools protocol.

`CHROMIUM` is looked for once. Where it is missing, root with apt-get installs it, as in continuous integration; then
nothing but a missing Chromium is a reason to skip, and under CI it is a failure.
"""

import asyncio
import base64
import itertools
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp
from yarl import URL

from tests.debian import program

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # root has none, and its pages here are our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-port=0",
)
START_S: Final = 60.0
"""A cold start on a busy machine takes seconds."""

ANSWER_S: Final = 60.0


KEYS: Final = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    " ": (32, " "),
    "Delete": (46, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    "Home": (36, ""),
    "End": (35, ""),
}
"""Code and text of keys that are no letters."""

DOMAINS: Final = ("Page", "Runtime", "DOM", "Log")
"""The parts of the DevTools protocol that tell what happens in a page."""

MIDDLE: Final = """(() => {
    const element = document.getElementById(%s);
    element.scrollIntoView();
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
})()"""


def chromium() -> str:
    """The browser's path; skips the test without one, or fails it under CI."""
    return program("chromium", *NAMES)


@dataclass
class Tab:
    """One page. `errors` are exceptions that nobody caught in it, and what its policy refused; `origins` its places."""

    socket: aiohttp.ClientWebSocketResponse
    session: str = ""
    context: str = ""
    errors: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def save_into(self, folder: Path) -> None:
        """Save downloads into this folder, without a question."""
        behavior = {"behavior": "allow", "downloadPath": str(folder), "browserContextId": self.context}
        await self.send("Browser.setDownloadBehavior", **behavior)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its result."""
        if method == "Page.navigate" and params["url"].startswith("http"):
            self.origins.add(str(URL(params["url"]).origin()))
        id_ = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        message = {"id": id_, "method": method, "params": params, "sessionId": self.session}
        await self.socket.send_json({key: value for key, value in message.items() if value != ""})
        async with asyncio.timeout(ANSWER_S):
            return await answer

    async def listen(self) -> None:
        """Hand answers to whoever waits for them, until the connection ends."""
        async for message in self.socket:
            match message.json():
                case {"id": int(id_), "error": {"message": str(problem)}}:
                    self._waiting.pop(id_).set_exception(AssertionError(problem))
                case {"id": int(id_), "result": dict(result)}:
                    if not (waiting := self._waiting.pop(id_)).done():  # else nobody waits any longer
                        waiting.set_result(result)
                case {"method": "Runtime.exceptionThrown", "params": params}:
                    self.errors.append(str(params))
                case {"method": "Log.entryAdded", "params": {"entry": {"level": "error", **entry}}}:
                    self.errors.append(str(entry))

    async def open(self, url: str) -> None:
        """Go to a page, and wait until it has run its script."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(ANSWER_S):
            while not await self.run(script):  # noqa: ASYNC110 - the page announces nothing
                await asyncio.sleep(0.02)

    async def frame(self) -> "Tab":
        """The page in a frame of another origin, once it is there. Its errors count among those of the tab."""
        async with asyncio.timeout(ANSWER_S):
            while not (found := await self._frames()):  # noqa: ASYNC110 - the frame comes when its page makes it
                await asyncio.sleep(0.02)
        attached = await self.send("Target.attachToTarget", targetId=found[0]["targetId"], flatten=True)
        inner = replace(self, session=attached["sessionId"])
        for domain in DOMAINS:
            await inner.send(f"{domain}.enable")
        return inner

    async def _frames(self) -> list[dict[str, Any]]:
        targets = (await self.send("Target.getTargets"))["targetInfos"]
        return [each for each in targets if each["type"] == "iframe" and each["browserContextId"] == self.context]

    async def text(self, id_: str) -> str:
        """The text of an element, as a person reads it."""
        text: str = await self.run(f"document.getElementById({id_!r}).innerText")
        return text

    async def click(self, id_: str) -> None:
        """Press a button, as a person does: where it is, by the mouse."""
        x, y = await self.run(MIDDLE % repr(id_))
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def press(self, key: str, *, shift: bool = False, control: bool = False) -> None:
        """Press and release a key: a letter, or one of `KEYS` by its name."""
        code, text = KEYS.get(key, (ord(key.upper()) if len(key) == 1 else 0, key if len(key) == 1 else ""))
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift + 2 * control}
        typed = {"text": text} if text and not control else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **shared, **typed)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def type(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.send("Input.insertText", text=text)

    async def choose(self, id_: str, *files: Path) -> None:
        """Choose files of this machine, as the dialog of a file input does."""
        root = (await self.send("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.send("DOM.querySelector", nodeId=root, selector=f"#{id_}"))["nodeId"]
        await self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    async def screen(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """Be a screen of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        await self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def speak(self, *languages: str) -> None:
        """Be a browser of these languages, in this order."""
        agent = await self.run("navigator.userAgent")
        await self.send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=",".join(languages))

    async def screenshot(self, path: Path) -> None:
        """The page as a person sees it, as a PNG."""
        shot = await self.send("Page.captureScreenshot")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


OpenTab: TypeAlias = Callable[[], AbstractAsyncContextManager[Tab]]


@dataclass(frozen=True)
class _Place:
    """A profile and its one page in the browser."""

    context: str
    target: str


class _Process:
    """A running browser, with nothing in it at first; and the places that are free for a next visitor."""

    def __init__(self) -> None:
        self.free: list[_Place] = []
        self._profile = tempfile.TemporaryDirectory(prefix="easel-browser-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [chromium(), *FLAGS, f"--user-data-dir={self._profile.name}"],
            env={**os.environ, "TMPDIR": self._profile.name},  # it leaves empty folders where it keeps temporary files
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    async def port(self) -> str:
        """Its address: the first line of a file that it writes."""
        written = Path(self._profile.name) / "DevToolsActivePort"
        async with asyncio.timeout(START_S):
            while not (written.exists() and "\n" in written.read_text()):
                assert self.is_running, "the browser ended at its start"
                await asyncio.sleep(0.02)
        return written.read_text().splitlines()[0]

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._profile.cleanup()


class _Kept:
    """The browser that is kept from one block to the next, where one is."""

    is_wanted = False
    process: _Process | None = None


@contextmanager
def kept() -> Iterator[None]:
    """Let all that use a browser inside of this block use the same one: its start costs a second of processor time."""
    _Kept.is_wanted = True
    try:
        yield
    finally:
        _Kept.is_wanted = False
        if _Kept.process is not None:
            _Kept.process.end()
            _Kept.process = None


@asynccontextmanager
async def browser() -> AsyncIterator[OpenTab]:
    """A browser; gives what opens a tab in it, in which nothing is of any other."""
    process = _Kept.process if _Kept.process is not None and _Kept.process.is_running else _Process()
    if _Kept.is_wanted:
        _Kept.process = process
    try:
        port = await process.port()
        yield lambda: _tab(port, process.free)
    finally:
        if _Kept.process is not process:
            await asyncio.to_thread(process.end)


@asynccontextmanager
async def _tab(port: str, free: list[_Place]) -> AsyncIterator[Tab]:
    """A tab in a free place, or in a new one, which costs half a second of processor time."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/version") as answer:
            address = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
        async with session.ws_connect(address, max_msg_size=0) as socket:
            top = Tab(socket)
            listening = asyncio.create_task(top.listen())
            try:
                place = free.pop() if free else await _new_place(top)
                try:
                    tab = await _enter(top, place)
                    yield tab
                    await _clean(tab)
                except BaseException:
                    await top.send("Target.disposeBrowserContext", browserContextId=place.context)
                    raise
                free.append(place)
            finally:
                await socket.close()
                await listening


async def _new_place(top: Tab) -> _Place:
    context = (await top.send("Target.createBrowserContext"))["browserContextId"]
    target = await top.send("Target.createTarget", url="about:blank", browserContextId=context)
    return _Place(context, target["targetId"])


async def _enter(top: Tab, place: _Place) -> Tab:
    attached = await top.send("Target.attachToTarget", targetId=place.target, flatten=True)
    tab = replace(top, context=place.context, session=attached["sessionId"])
    for domain in DOMAINS:
        await tab.send(f"{domain}.enable")
    return tab


async def _clean(tab: Tab) -> None:
    """Leave nothing for the next one. What was emulated ends with our connection."""
    tab.origins.add(await tab.run("window.name = '', location.origin"))
    await tab.send("Page.navigate", url="about:blank")
    await tab.until("location.href === 'about:blank' && document.readyState === 'complete'")
    for origin in tab.origins - {"null"}:
        await tab.send("Storage.clearDataForOrigin", origin=origin, storageTypes="all")
    await tab.send("Storage.clearCookies")
    await tab.send("Network.clearBrowserCache")
    await tab.send("Page.resetNavigationHistory")
