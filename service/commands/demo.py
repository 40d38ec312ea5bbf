"""The first minute: start the service on a free port, be its client once, and show each step.

It draws with the built-in sketch and into the data folder whatever is configured, so that trying it out costs nothing,
and leaves the database and the bucket of replicas alone.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from textwrap import indent
from typing import Any

import aiohttp

from service.app import running
from service.image_services import turned_off
from service.settings import Settings

PROMPT = "A lighthouse above the sea at dusk, waves, a first star"


async def demo(settings: Settings) -> int:
    """Print every step; returns 0 when the picture arrived, 1 when it did not."""
    settings = replace(turned_off(settings), host="127.0.0.1", port=0, public_url="").without_tokens()
    settings = replace(settings, database=None, listen=None, s3=None)
    async with running(settings) as service, aiohttp.ClientSession() as session:
        print(f"1. started        {service.mcp_url}")
        client = _Client(session, f"{service.mcp_url}?client=inspector")  # which is shown everything
        hello = await client.request("initialize", _HELLO)
        print(f"2. initialize     {hello['serverInfo']['title']}, revision {hello['protocolVersion']}")
        tools = (await client.request("tools/list", {}))["tools"]
        print(f"3. tools/list     {', '.join(tool['name'] for tool in tools)}")
        print(f"4. tools/call     generate: {PROMPT}")
        made = await client.call("generate", {"prompt": PROMPT})
        print(f"5. result         {made['content'][0]['text'].splitlines()[0]}")
        image = made["structuredContent"]["images"][0]
        async with session.get(image["url"]) as answer:
            body = await answer.read()
        print(f"6. GET the image  {answer.status} {answer.content_type}, {len(body)} bytes")
        listed = await client.call("history", {"limit": 1})
        print(f"7. history        {indent(listed['content'][0]['text'], ' ' * 18).strip()}")
        name = image["url"].rpartition("/")[2]
        path = settings.data_dir.absolute() / "files" / name[:2] / name
        print(f"\nThe picture: {path}")
        return 0 if answer.status == 200 and path.is_file() else 1


_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "easel-demo", "version": "1"},
}


@dataclass
class _Client:
    """An MCP client, just large enough for one session."""

    session: aiohttp.ClientSession
    url: str
    session_id: str = ""
    sent: int = 0

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool, with a token for its progress."""
        meta = {"progressToken": f"demo-{self.sent}"}
        return await self.request("tools/call", {"name": tool, "arguments": arguments, "_meta": meta})

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its result, printing progress on the way."""
        self.sent += 1
        headers = {"Accept": "application/json, text/event-stream"}
        if self.session_id:
            headers["Mcp-Session-Id"] = self.session_id
        message = {"jsonrpc": "2.0", "id": self.sent, "method": method, "params": params}
        async with self.session.post(self.url, json=message, headers=headers) as answer:
            self.session_id = answer.headers.get("Mcp-Session-Id", self.session_id)
            async for received in _messages(answer):
                if "method" in received:
                    step = received["params"]
                    print(f"                  {step['progress']:3.0f} % {step['message']}")
                elif "result" in received:
                    result: dict[str, Any] = received["result"]
                    return result
                else:
                    raise RuntimeError(received["error"]["message"])
        raise RuntimeError(f"{method} was not answered")


async def _messages(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    if answer.content_type != "text/event-stream":
        yield await answer.json()
        return
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
