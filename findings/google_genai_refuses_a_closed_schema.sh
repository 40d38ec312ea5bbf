#!/usr/bin/env bash
set -euo pipefail
# Packages: google-genai 3.6.1 with mcp 2.3.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: an MCP session given as a tool to `generate_content` works with every valid input schema. What Gemini's
# schema cannot say is left out, or is said in another way.
#
# Behaviour: "additionalProperties": false, which closes an input schema and is plain JSON Schema, ends the whole request
# with "AttributeError: 'bool' object has no attribute 'items'" before anything is sent. Without it the request goes out,
# but a property written with `oneOf` or `const` arrives as {}, of no type at all, while `anyOf` and `enum` arrive whole.
#
# Meaning for a server that returns pictures: one closed tool schema in the list breaks every message of such a program,
# also those that need no picture. Leave additionalProperties out of the listing and still refuse unknown arguments when
# called. Write `anyOf` for `oneOf`, and a one-member `enum` for `const`.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check google-genai==3.6.1 mcp==2.3.0

cat > "$folder/server.py" <<'PY'
import json
import os
import sys

SCHEMA = {
    "type": "object",
    "properties": {
        "one_of": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "any_of": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "const": {"const": "png"},
        "enum": {"type": "string", "enum": ["png"]},
    },
}
if os.environ["CLOSED"] == "yes":
    SCHEMA["additionalProperties"] = False
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
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": ANSWERS[message["method"]]}), flush=True)
PY
cat > "$folder/check.py" <<'PY'
import asyncio
import http.server
import json
import os
import pathlib
import sys
import threading

from google import genai
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

asked = []


class Gemini(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        content = {"role": "model", "parts": [{"text": "Hello."}]}
        answer = json.dumps({"candidates": [{"content": content, "finishReason": "STOP"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gemini)
threading.Thread(target=service.serve_forever, daemon=True).start()
gemini = genai.Client(api_key="any", http_options={"base_url": f"http://127.0.0.1:{service.server_port}"})
script = str(pathlib.Path(__file__).with_name("server.py"))


async def ask(closed):
    server = StdioServerParameters(command=sys.executable, args=[script], env=os.environ | {"CLOSED": closed})
    async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        config = {"tools": [session]}
        try:
            answer = await gemini.aio.models.generate_content(model="gemini-3.1-flash", contents="Hi.", config=config)
            return answer.text
        except AttributeError as error:
            return str(error)


refused = asyncio.run(ask(closed="yes"))
print(f"closed schema: {refused}; requests sent: {len(asked)}")
assert refused == "'bool' object has no attribute 'items'" and not asked, "a closed schema is taken now"
assert asyncio.run(ask(closed="no")) == "Hello."
sent = asked[0]["tools"][0]["functionDeclarations"][0]["parameters"]["properties"]
for name, schema in sent.items():
    print(f"open schema, {name}: {json.dumps(schema)}")
assert sent["one_of"] == {} and sent["const"] == {}, "oneOf or const is kept now"
assert sent["any_of"] and sent["enum"]
print("seen: additionalProperties: false ends the request with an AttributeError; oneOf and const become {}")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
