"""A chat program that shows views: a page of its own with the view in an opaque frame, under the policy of a host.

It answers what views ask as the specification of MCP Apps has it, and hands calls of tools on to a real Easel.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from service.app import Running, running
from service.protocol.client import APP_TYPE, APPS
from service.settings import Settings
from service.tools.app_view import APP_URI
from tests.browser import OpenTab, Tab, browser
from tests.wire import CAPABILITIES_KEY, WireClient, wire_client

APP_CLIENT: Final[dict[str, Any]] = {CAPABILITIES_KEY: {"extensions": {APPS: {"mimeTypes": [APP_TYPE]}}}}
"""The capabilities of a modern client that shows views."""

LOADED: Final = "seen.images.length && seen.images.every((each) => each.width > 0)"
"""All pictures in the view are drawn."""

PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>body { margin: 12px; background: Canvas; color: CanvasText } :root { color-scheme: light dark }
iframe { width: 100%; height: 300px; border: 0 }</style>
<iframe id="frame" title="Easel" sandbox="allow-scripts" src="/view"></iframe>
<script>
const host = HOST, frame = document.getElementById("frame"), asked = [];
let ready = false;
const send = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
const tell = (name, params) => send({ method: `ui/notifications/${name}`, params });
const all = (method) => asked.filter((each) => each.method === method).map((each) => each.params);
async function answer({ method, params }) {
  if (host.refuses[method]) return { error: { code: -32000, message: host.refuses[method] } };
  if (host.answers[method]) return { result: host.answers[method] };
  const about = { protocolVersion: "2026-01-26", hostInfo: { name: "test", version: "1" } };
  const own = { hostCapabilities: host.can, hostContext: host.context };
  if (method === "ui/initialize") return { result: { ...about, ...own } };
  if (method === "tools/call") return (await fetch("/call", { method: "POST", body: JSON.stringify(params) })).json();
  if (method === "ui/request-display-mode") return { result: { mode: params.mode } };
  return { result: {} };
}
addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  asked.push(data);
  if (data.method === "ui/notifications/initialized") ready = true;
  if (data.method === "ui/notifications/size-changed" && host.resizes) frame.style.height = `${data.params.height}px`;
  if (data.id !== undefined && data.method) send({ id: data.id, ...(await answer(data)) });
});
</script>"""

NAMED: Final = 'const named = (each) => each.innerText.trim() || each.getAttribute("aria-label") || each.title;'

LOOK: Final = """(() => {
  NAMED
  const buttons = [...document.querySelectorAll("button:enabled")], root = document.documentElement;
  const width = (image) => image.complete ? image.naturalWidth : 0;
  return {
    text: document.body.innerText, buttons: buttons.map(named), mode: root.dataset.mode, lang: root.lang,
    images: [...document.images].map((each) => ({ source: each.src.slice(0, 120), width: width(each) })),
    small: buttons.filter((each) => Math.min(each.offsetWidth, each.offsetHeight) < 44).map(named),
    height: root.getBoundingClientRect().height, scrolls: root.scrollHeight - innerHeight,
    wide: root.scrollWidth - innerWidth, elements: document.querySelectorAll("#view b, #view script").length,
    ink: getComputedStyle(document.body).color, focus: document.activeElement.id,
  };
})()""".replace("NAMED", NAMED)


@dataclass(frozen=True, kw_only=True)
class Host:
    """The habits of a host: its capabilities and context, and the answers that differ from those of a kind one."""

    can: Mapping[str, Any] = field(default_factory=lambda: {"serverTools": {}, "openLinks": {}, "message": {}})
    context: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    """The result of each method that is answered in a way of its own."""
    refuses: Mapping[str, str] = field(default_factory=dict)
    """The message of the error of each method that is refused."""
    resizes: bool = True
    """True: the frame gets the height that the view tells."""
    lets_pictures_in: bool = True
    """True: the list of origins of the view is heeded."""

    def page(self) -> str:
        """Return the page of the host."""
        names = ("can", "context", "answers", "refuses", "resizes")
        return PAGE.replace("HOST", json.dumps({name: getattr(self, name) for name in names}))

    def policy(self, csp: Mapping[str, Any]) -> str:
        """Return the policy of the frame, as the specification builds it of what the view declares."""
        sources = csp["resourceDomains"] if self.lets_pictures_in else ["data:"]
        connects = csp["connectDomains"] if self.lets_pictures_in else ["'none'"]
        inline = "script-src 'unsafe-inline'; style-src 'unsafe-inline'"
        return f"default-src 'none'; {inline}; img-src {' '.join(sources)}; connect-src {' '.join(connects)}"


@dataclass(frozen=True, kw_only=True)
class AppView:
    """The view in the frame of a host, as a person looks at it."""

    view: Tab

    async def press(self, label: str) -> None:
        """Press the button with this name, once it is there."""
        await self.see(f"seen.buttons.includes({label!r})")
        found = f"[...document.querySelectorAll('button:enabled')].find((each) => named(each) === {label!r})"
        click = f"(() => {{ {NAMED} {found}.click(); }})()"
        await self.view.send("Runtime.evaluate", expression=click, userGesture=True)

    async def write(self, text: str) -> None:
        """Write into the field of the view."""
        field_ = "document.getElementById('change-to')"
        event = "new Event('input', { bubbles: true })"
        await self.view.run(f"(() => {{ {field_}.value = {text!r}; {field_}.dispatchEvent({event}); }})()")

    async def see(self, what: str) -> dict[str, Any]:
        """Wait until something holds for what is seen in the view, and return what is seen."""
        await self.view.until(f"((seen) => {what})({LOOK})")
        seen: dict[str, Any] = await self.view.run(LOOK)
        return seen


@dataclass(frozen=True, kw_only=True)
class AppHost(AppView):
    """A page of the host in a tab, the view in it, and the client by which it speaks with Easel."""

    tab: Tab
    client: WireClient

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as a client that shows views, and hand what comes to the view."""
        result = await self.client.call(tool, arguments, **APP_CLIENT)
        await self.tell("tool-input", {"arguments": arguments})
        await self.tell("tool-result", result)
        return result

    async def tell(self, name: str, params: Any) -> None:
        """Send a notification to the view."""
        await self.tab.run(f"tell({name!r}, {json.dumps(params)})")

    async def asked(self, method: str, count: int = 1) -> list[Any]:
        """Return the params of all requests of a method, once there are so many."""
        await self.tab.until(f"all({method!r}).length >= {count}")
        params: list[Any] = await self.tab.run(f"all({method!r})")
        return params


@asynccontextmanager
async def app_host(tab: Tab, client: WireClient, host: Host | None = None) -> AsyncIterator[AppHost]:
    """Open a host with the view of an Easel."""
    kind = host or Host()
    read = await client.modern("resources/read", {"uri": APP_URI}, **APP_CLIENT)
    [content] = read.result["contents"]
    policy = {"Content-Security-Policy": kind.policy(content["_meta"]["ui"]["csp"])}

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=kind.page(), content_type="text/html")

    async def view(_: web.Request) -> web.Response:
        return web.Response(text=content["text"], content_type="text/html", headers=policy)

    async def call(request: web.Request) -> web.Response:
        asked = await request.json()
        params = {"name": asked["name"], "arguments": asked["arguments"]}
        heard = await client.modern("tools/call", params, **APP_CLIENT, **asked.get("_meta", {}))
        return web.json_response({key: heard.message[key] for key in ("result", "error") if key in heard.message})

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/view", view)
    app.router.add_post("/call", call)
    async with TestServer(app, host="127.0.0.1") as server:
        await tab.open(str(server.make_url("/")))
        await tab.until("ready")
        yield AppHost(tab=tab, view=await tab.frame(), client=client)


@dataclass(frozen=True, kw_only=True)
class AppWorld:
    """One service and one browser for all tests of a module."""

    easel: Running
    client: WireClient
    open_tab: OpenTab


@asynccontextmanager
async def app_world(data: Path, **settings: str) -> AsyncIterator[AppWorld]:
    """Run a service and a browser."""
    env = {"EASEL_PORT": "0", "EASEL_DATA_DIR": str(data), "EASEL_LOG": "error", **settings}
    async with browser() as opener, running(Settings.from_env(env)) as easel, wire_client(easel.mcp_url) as client:
        yield AppWorld(easel=easel, client=client, open_tab=opener)
