#!/usr/bin/env bash
set -euo pipefail
# Packages: mcp-use 1.7.1 with mcp 1.30.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: a model leaves an optional argument out, so the host leaves it out of `tools/call` too. The schema says
# "integer" for it, and null is no integer.
#
# Behaviour: the adapter for LangChain fills in every optional argument: one with a default gets this default, and one
# without gets an explicit null, which the server's own schema forbids.
#
# Meaning for a server that returns pictures: a strict check of arguments refuses every call of such a host, and its
# model cannot mend that, since it sent no null. Read null for an optional argument as left out. A default that arrives
# from such a host is nobody's choice, so it must not rule out a setting of the server, nor make two requests differ.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check mcp-use==1.7.1 mcp==1.30.0

cat > "$folder/server.py" <<'PY'
import json
import pathlib
import sys

SCHEMA = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string"},
        "seed": {"type": "integer"},
        "count": {"type": "integer", "default": 1},
    },
    "required": ["prompt"],
}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
    "tools/call": {"content": [{"type": "text", "text": "Picture 1"}]},
}
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "tools/call":
        pathlib.Path(sys.argv[1]).write_text(json.dumps(message["params"]["arguments"]))
    if "id" in message:
        outcome = {"error": {"code": -32601, "message": "Method not found"}}
        if message["method"] in ANSWERS:
            outcome = {"result": ANSWERS[message["method"]]}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | outcome), flush=True)
PY
cat > "$folder/check.py" <<'PY'
import asyncio
import json
import os
import pathlib
import sys

os.environ["MCP_USE_ANONYMIZED_TELEMETRY"] = "false"

from mcp_use import MCPClient
from mcp_use.agents.adapters.langchain_adapter import LangChainAdapter

folder = pathlib.Path(__file__).parent
server = {"command": sys.executable, "args": [str(folder / "server.py"), str(folder / "arguments.json")]}


async def main():
    client = MCPClient.from_dict({"mcpServers": {"pictures": server}})
    await client.create_all_sessions()
    [tool] = await LangChainAdapter().create_tools(client)
    await tool.ainvoke({"prompt": "a red fox"})
    await client.close_all_sessions()


asyncio.run(main())
sent = json.loads((folder / "arguments.json").read_text())
print(f"given: {{'prompt': 'a red fox'}}, sent: {sent}")
assert sent == {"prompt": "a red fox", "seed": None, "count": 1}, "left-out arguments are treated otherwise now"
print("seen: an argument that was left out is sent as null, against the schema of the tool")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py" 2> "$folder/log" || { tail -3 "$folder/log"; exit 1; }
