#!/usr/bin/env bash
set -euo pipefail
# Packages: dspy 3.4.1 and praisonaiagents 1.7.17 with mcp 1.30.0 (PyPI). Seen on 2026-11-29.
#
# Expectation: `content` is a list, so an agent gets all of it: the text with the number of the picture, and the picture.
#
# Behaviour: in dspy one text hides everything that is none: the picture is dropped, whether it stands before or behind
# the text, and comes through only where no text is beside it. PraisonAI takes the first block and drops the rest: with
# the text first its agent has no picture, with the picture first it has no text, but the picture as the words of a
# Python object, all its base64 in them. Neither says that something was left out.
#
# Meaning for a server that returns pictures: whatever a person or a model must know stands in one text block, and that
# block comes first: the URL, the number of the picture, and what to do next. A second text block is not read, and a
# result that is a picture alone is no shorter way, but the longest.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check dspy==3.4.1 praisonaiagents==1.7.17 mcp==1.30.0

cat > "$folder/server.py" <<'PY'
import base64
import json
import sys

TEXT = {"type": "text", "text": "history_id: 7"}
IMAGE = {"type": "image", "data": base64.b64encode(b"\7" * 300).decode(), "mimeType": "image/png"}
CONTENT = {"text first": [TEXT, IMAGE], "picture first": [IMAGE, TEXT], "picture alone": [IMAGE]}
SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        outcome = {"error": {"code": -32601, "message": "Method not found"}}
        if message["method"] in ANSWERS:
            outcome = {"result": ANSWERS[message["method"]]}
        if message["method"] == "tools/call":
            outcome = {"result": {"content": CONTENT[message["params"]["arguments"]["order"]]}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | outcome), flush=True)
PY
cat > "$folder/check.py" <<'PY'
import asyncio
import os
import sys

os.environ["PRAISONAI_TELEMETRY_DISABLED"] = "true"
import dspy
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from praisonaiagents import MCP

ORDERS = ("text first", "picture first", "picture alone")


async def by_dspy(server):
    async with stdio_client(StdioServerParameters(command=sys.executable, args=[server])) as streams:
        async with ClientSession(*streams) as session:
            await session.initialize()
            [listed] = (await session.list_tools()).tools
            tool = dspy.Tool.from_mcp_tool(session, listed)
            return [await tool.acall(order=order) for order in ORDERS]


def by_praisonai(server):
    [tool] = MCP(f"{sys.executable} {server}")
    return [tool(order=order) for order in ORDERS]


def seen_in(result):
    words = str(result)
    return [name for name, sign in (("text", "history_id: 7"), ("base64", "BwcHBwcH")) if sign in words]


seen = {
    "dspy": [seen_in(each) for each in asyncio.run(by_dspy(sys.argv[1]))],
    "PraisonAI": [seen_in(each) for each in by_praisonai(sys.argv[1])],
}
for name, parts in seen.items():
    for order, part in zip(ORDERS, parts, strict=True):
        print(f"{name}, {order}: {part}", flush=True)
assert seen == {
    "dspy": [["text"], ["text"], ["base64"]],
    "PraisonAI": [["text"], ["base64"], ["base64"]],
}, seen
print("seen: dspy drops a picture beside a text, and PraisonAI all but the first block", flush=True)
os._exit(0)  # PraisonAI leaves threads behind that do not end
PY
"$folder/venv/bin/python" "$folder/check.py" "$folder/server.py"
