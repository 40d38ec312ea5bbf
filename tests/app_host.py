"""A chat program that shows views: a page of its own with the view in an opaque frame, under the policy of a host.

It answers what views ask, and hands calls of tools on to a real Easel. A few lines beside the view tell what is seen in
it, since nobody else can look into such a frame.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from service.protocol.client import APP_TYPE, APPS
from service.tools.app_view import APP_URI
from tests.browser import Tab
from tests.wire import CAPABILITIES_KEY, WireClient

APP_CLIENT: Final[dict[str, Any]] = {CAPABILITIES_KEY: {"extensions": {APPS: {"mimeTypes": [APP_TYPE]}}}}
"""The capabilities of a modern client that shows views."""

PAGE: Final = """<!doctype html><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>body { margin: 12px; background: Canvas; color: CanvasText } :root { color-scheme: light dark }
iframe { width: 100%; height: 500px; border: 0 }</style>
<iframe id="frame" sandbox="allow-scripts" src="/view"></iframe>
<script>
const frame = document.getElementById("frame"), asked = [], refused = [];
let context = CONTEXT, capabilities = CAPABILITIES, seen = null, ready = false;
const send = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
const tell = (name, params) => send({ method: `ui/notifications/${name}`, params });
const look = () => { seen = null; frame.contentWindow.postMessage({ look: true }, "*"); };
const press = (label) => frame.contentWindow.postMessage({ press: label }, "*");
const write = (text) => frame.contentWindow.postMessage({ write: text }, "*");
async function answer({ method, params }) {
  const about = { protocolVersion: "2026-01-26", hostInfo: { name: "test", version: "1" } };
  if (method === "ui/initialize") return { ...about, hostCapabilities: capabilities, hostContext: context };
  if (method === "tools/call") return (await fetch("/call", { method: "POST", body: JSON.stringify(params) })).json();
  if (method === "ui/request-display-mode") return { mode: params.mode };
  return {};
}
addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  if (data.seen) { seen = data.seen; return; }
  if (data.refused) { refused.push(data.refused); return; }
  asked.push(data);
  if (data.method === "ui/notifications/initialized") ready = true;
  if (data.method === "ui/notifications/size-changed") frame.style.height = `${data.params.height}px`;
  if (data.id !== undefined && data.method) send({ id: data.id, result: await answer(data) });
});
</script>"""

BESIDE: Final = """<script>
addEventListener("securitypolicyviolation", ({ blockedURI }) => parent.postMessage({ refused: blockedURI }, "*"));
addEventListener("message", ({ data }) => {
  const named = (each) => each.innerText.trim() || each.getAttribute("aria-label") || each.title;
  const buttons = [...document.querySelectorAll("button:enabled")], root = document.documentElement;
  if (data.press) buttons.find((each) => named(each) === data.press).click();
  if (data.write) {
    const field = document.getElementById("change");
    field.value = data.write;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (data.look) {
    const width = (image) => image.complete ? image.naturalWidth : 0;
    const images = [...document.images].map((each) => ({ source: each.src, width: width(each) }));
    const small = buttons.filter((each) => Math.min(each.offsetWidth, each.offsetHeight) < 44).map(named);
    parent.postMessage({ seen: {
      text: document.body.innerText, images, buttons: buttons.map(named), small,
      height: root.getBoundingClientRect().height, scrolls: root.scrollHeight - innerHeight,
      wide: root.scrollWidth - innerWidth, elements: document.querySelectorAll("#view b, #view script").length,
      ink: getComputedStyle(document.body).color,
    } }, "*");
  }
});
</script>"""


@dataclass(frozen=True, kw_only=True)
class AppHost:
    """A page of the host in a tab, and the client by which it speaks with Easel."""

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

    async def press(self, label: str) -> None:
        """Press the button with this name, once it is there."""
        await self.see(f"seen.buttons.includes({label!r})")
        await self.tab.run(f"press({label!r})")

    async def write(self, text: str) -> None:
        """Write into the field of the view."""
        await self.tab.run(f"write({text!r})")

    async def see(self, what: str) -> dict[str, Any]:
        """Look at the view until something holds for what is seen there, and return it."""
        await self.tab.run("look()")
        await self.tab.until(f"(() => {{ const there = seen && ({what}); if (!there) look(); return there; }})()")
        seen: dict[str, Any] = await self.tab.run("seen")
        return seen


@asynccontextmanager
async def app_host(
    tab: Tab, client: WireClient, *, lets_pictures_in: bool = True, context: Any = None, capabilities: Any = None
) -> AsyncIterator[AppHost]:
    """Open a host with the view of an Easel. One that `lets_pictures_in` heeds the list of origins of the view."""
    read = await client.modern("resources/read", {"uri": APP_URI}, **APP_CLIENT)
    [content] = read.result["contents"]
    sources = content["_meta"]["ui"]["csp"]["resourceDomains"] if lets_pictures_in else ["data:"]
    inline = "script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    policy = f"default-src 'none'; {inline}; img-src {' '.join(sources)}"
    can = {"serverTools": {}, "openLinks": {}, "message": {}} if capabilities is None else capabilities

    async def page(_: web.Request) -> web.Response:
        text = PAGE.replace("CONTEXT", json.dumps(context or {})).replace("CAPABILITIES", json.dumps(can))
        return web.Response(text=text, content_type="text/html")

    async def view(_: web.Request) -> web.Response:
        text = content["text"].replace("</body>", f"{BESIDE}</body>")
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def call(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response(await client.call(asked["name"], asked["arguments"], **APP_CLIENT))

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/view", view)
    app.router.add_post("/call", call)
    async with TestServer(app, host="127.0.0.1") as server:
        await tab.open(str(server.make_url("/")))
        await tab.until("ready")
        yield AppHost(tab=tab, client=client)
