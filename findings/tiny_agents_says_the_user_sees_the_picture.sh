#!/usr/bin/env bash
set -euo pipefail
# Packages: huggingface-hub 2.4.0 with mcp 1.30.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: a host whose model cannot be given the picture of a tool result says so to the model, for example "an
# image was left out", so that the model tells the person where the picture is.
#
# Behaviour: the `Agent` puts this sentence of its own in the place of the image block: "The task is complete and the
# content accessible to the User". Nothing in the library shows or stores the bytes; they are dropped. A resource_link
# block is dropped without any sentence, and a result of only such a block reaches the model as an empty text.
#
# Meaning for a server that returns pictures: a model that reads this ends its turn content, and the person sees no
# picture. The text block has to carry the address and has to say plainly that the model should show that address.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check huggingface-hub==2.4.0 mcp==1.30.0

cat > "$folder/server.py" <<'PY'
import json
import os
import sys

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
BLOCKS = {
    "image": {"type": "image", "data": PICTURE, "mimeType": "image/png"},
    "link": {"type": "resource_link", "uri": "https://pictures.example/1.png", "name": "1.png"},
}
SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
    "tools/call": {"content": [BLOCKS[os.environ["BLOCK"]]]},
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

from huggingface_hub import Agent

asked = []


class Model(http.server.BaseHTTPRequestHandler):
    """Asks for one picture, and is content with any result."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(request)
        call = {"name": "draw", "arguments": json.dumps({"prompt": "a red fox"})}
        delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "type": "function", "function": call}]}
        if request["messages"][-1]["role"] == "tool":
            delta = {"role": "assistant", "content": "Done."}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
        chunk = {"id": "1", "created": 1, "model": "m", "system_fingerprint": "", "choices": [choice]}
        answer = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}/v1"
script = str(pathlib.Path(__file__).with_name("server.py"))


async def draw(block):
    environment = dict(os.environ) | {"BLOCK": block}
    server = {"type": "stdio", "command": sys.executable, "args": [script], "env": environment}
    async with Agent(model="m", base_url=url, api_key="any", servers=[server]) as agent:
        await agent.load_tools()
        async for _ in agent.run("Draw a red fox."):
            pass
    return [message["content"] for message in asked[-1]["messages"] if message["role"] == "tool"][0]


image, link = asyncio.run(draw("image")), asyncio.run(draw("link"))
print(f"image block, as the model reads it: {image!r}")
print(f"link block, as the model reads it: {link!r}")
assert image.endswith("The task is complete and the content accessible to the User"), "the sentence has changed"
assert link == "", "a link block is no longer dropped"
print("seen: the model is told that the user has the picture, while the picture was dropped")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
