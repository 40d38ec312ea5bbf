#!/usr/bin/env bash
set -euo pipefail
# Packages: semantic-kernel 1.45.0 with mcp 1.30.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: a tool whose input schema has a list of types for one property, as JSON Schema allows, is offered to the
# model, or is left out alone.
#
# Behaviour: connecting and listing succeed, and the tool can even be called. The schema is first looked at when an agent
# is made or the tools are turned into their form for the model, and then a ValidationError ("Input should be a valid
# string") ends that, so that no tool of any plugin is left. The message names neither the tool nor the property.
#
# Meaning for a server that returns pictures: one liberal property ("a picture, or a list of pictures") takes every tool
# away from such a program, and the person who reads the error cannot see which server to switch off. List one type, or
# `anyOf`, and accept both forms when called.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check 'semantic-kernel[mcp]==1.45.0' mcp==1.30.0

cat > "$folder/server.py" <<'PY'
import json
import os
import sys

PROPERTIES = {
    "type list": {"type": ["string", "array"], "items": {"type": "string"}},
    "anyOf": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}
SCHEMA = {"type": "object", "properties": {"image_url": PROPERTIES[os.environ["WRITTEN_AS"]]}}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "ping": {},
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
    "tools/call": {"content": [{"type": "text", "text": "Picture 1"}]},
}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        outcome = {"error": {"code": -32601, "message": "Method not found"}}
        if message["method"] in ANSWERS:
            outcome = {"result": ANSWERS[message["method"]]}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | outcome), flush=True)
PY
cat > "$folder/check.py" <<'PY'
import asyncio
import os
import pathlib
import sys

from pydantic import ValidationError
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.connectors.mcp import MCPStdioPlugin

script = str(pathlib.Path(__file__).with_name("server.py"))


async def outcome(written_as):
    environment = dict(os.environ) | {"WRITTEN_AS": written_as}
    async with MCPStdioPlugin(name="p", command=sys.executable, args=[script], env=environment) as plugin:
        called = [str(item) for item in await plugin.call_tool("draw")]
        service = OpenAIChatCompletion(ai_model_id="any", api_key="any")
        try:
            ChatCompletionAgent(service=service, name="painter", plugins=[plugin])
        except ValidationError as error:
            return called, str(error)
        return called, "an agent"


seen = {written_as: asyncio.run(outcome(written_as)) for written_as in ("anyOf", "type list")}
for written_as, (called, made) in seen.items():
    print(f"{written_as}: called {called}, made {made.splitlines()[:3]}")
assert seen["anyOf"] == (["Picture 1"], "an agent")
called, made = seen["type list"]
assert called == ["Picture 1"] and "valid string" in made, "a list of types is taken now"
assert "draw" not in made and "image_url" not in made, "the error names the tool or the property now"
print("seen: a list of types in one property keeps the agent from being made")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
