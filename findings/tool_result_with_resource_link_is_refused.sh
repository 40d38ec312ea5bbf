#!/usr/bin/env bash
set -euo pipefail
# Packages: kani 1.10.0 with mcp 1.30.0, and chatlas 0.23.0 with mcp 2.3.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: a host that cannot show a `resource_link` block of a tool result leaves this block out, and gives the
# other blocks (here a text with the picture's address) to its model.
#
# Behaviour: both raise an error while they convert the result, after the call succeeded: kani "Unsupported MCP return
# value", chatlas "Unexpected content type: resource_link". The text beside the link is lost with it.
#
# Meaning for a server that returns pictures: a link block added as a courtesy turns a paid picture into a failed call,
# and a model that reads of a failure asks again. Send `resource_link` only to hosts that are known to take it, and put
# the address into the text for all.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/kani"
python3 -m venv "$folder/chatlas"
"$folder/kani/bin/pip" install -qq --disable-pip-version-check 'kani[mcp]==1.10.0' mcp==1.30.0
"$folder/chatlas/bin/pip" install -qq --disable-pip-version-check chatlas==0.23.0 mcp==2.3.0

cat > "$folder/server.py" <<'PY'
import json
import os
import sys

ADDRESS = "https://pictures.example/1.png"
BLOCKS = [{"type": "text", "text": f"Picture 1: {ADDRESS}"}]
if os.environ["WITH_LINK"] == "yes":
    BLOCKS.append({"type": "resource_link", "uri": ADDRESS, "name": "1.png", "mimeType": "image/png"})
SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method = message["method"]
    answers = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "pictures", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
        "tools/call": {"content": BLOCKS},
    }
    outcome = {"error": {"code": -32601, "message": "Method not found"}}
    if method in answers:
        outcome = {"result": answers[method]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | outcome), flush=True)
PY
cat > "$folder/kani.host.py" <<'PY'
import asyncio
import os
import sys

from kani.mcp import tools_from_mcp_servers
from mcp.client.session_group import StdioServerParameters


async def main():
    server = StdioServerParameters(command=sys.executable, args=[sys.argv[1]], env=dict(os.environ))
    async with tools_from_mcp_servers([server]) as tools:
        try:
            print("result:", await tools[0](prompt="a red fox"))
        except Exception as error:
            print("raised:", type(error).__name__, str(error)[:60])


asyncio.run(main())
PY
cat > "$folder/chatlas.host.py" <<'PY'
import asyncio
import os
import sys

from chatlas import Tool
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main():
    server = StdioServerParameters(command=sys.executable, args=[sys.argv[1]], env=dict(os.environ))
    async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        tool = Tool.from_mcp(session, (await session.list_tools()).tools[0])
        try:
            print("result:", (await tool.func(prompt="a red fox")).value)
        except Exception as error:
            print("raised:", type(error).__name__, str(error)[:60])


asyncio.run(main())
PY
changed=0
for host in kani chatlas; do
  for link in no yes; do
    said=$(WITH_LINK=$link timeout 40 "$folder/$host/bin/python" "$folder/$host.host.py" "$folder/server.py" 2> "$folder/log")
    echo "$host, link block: $link: $said"
    if [[ $link == no ]]; then wanted="result: Picture 1: *"; else wanted="raised: *"; fi
    # shellcheck disable=SC2053 # the right side is a pattern
    [[ $said == $wanted ]] || changed=1
  done
done
if ((changed)); then echo "changed: a resource_link beside a text is treated otherwise now"; exit 1; fi
echo "seen: a resource_link beside the text makes kani and chatlas raise an error and lose both"
