#!/usr/bin/env bash
set -euo pipefail
# Packages: agent-framework-core 1.23.0 with agent-framework-openai 1.17.0 and tenacity 9.2.1, ag2 1.2.1 with
# openai 3.57.0, both with mcp 2.3.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: a `resource_link` block of a tool result is a pointer. The host shows it, reads it through MCP, or gives
# its address to the model as text.
#
# Behaviour: with OpenAI's Responses API both frameworks turn a link of type image/png into an `input_image` whose
# `image_url` is the link. Neither asks the MCP server for it. The model's service is the one that has to fetch it. With
# Chat Completions, ag2 raises UnsupportedInputError after the call and ends the whole turn, on the link and on an
# ordinary image block alike; the text beside it is lost.
#
# Meaning for a server that returns pictures: a link that only the person's browser can open (a private network, a
# cookie, a short life) is handed to a stranger on the internet to fetch, so a link must be good without a session, or
# must not be sent as a link. Blocks other than text are safe only for hosts that are known to take them.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/agent-framework"
python3 -m venv "$folder/ag2"
"$folder/agent-framework/bin/pip" install -qq --disable-pip-version-check \
  agent-framework-core==1.23.0 agent-framework-openai==1.17.0 tenacity==9.2.1 mcp==2.3.0
"$folder/ag2/bin/pip" install -qq --disable-pip-version-check 'ag2[mcp,openai]==1.2.1' openai==3.57.0 mcp==2.3.0

cat > "$folder/server.py" <<'PY'
import json
import os
import sys

ADDRESS = "https://pictures.example/1.png"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
BLOCKS = {
    "link": {"type": "resource_link", "uri": ADDRESS, "name": "1.png", "mimeType": "image/png"},
    "image": {"type": "image", "data": PICTURE, "mimeType": "image/png"},
}
SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "ping": {},
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
    "tools/call": {"content": [{"type": "text", "text": "Picture 1"}, BLOCKS[os.environ["BLOCK"]]]},
}
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    print(message["method"], file=sys.stderr, flush=True)
    outcome = {"error": {"code": -32601, "message": "Method not found"}}
    if message["method"] in ANSWERS:
        outcome = {"result": ANSWERS[message["method"]]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | outcome), flush=True)
PY
cat > "$folder/model.py" <<'PY'
"""A model service that asks for one picture, and is content with any result."""

import http.server
import json
import threading

asked = []
CALL = {"name": "draw", "arguments": json.dumps({"prompt": "a red fox"})}


def responses_api(request):
    done = any(item.get("type") == "function_call_output" for item in request["input"])
    text = {"type": "output_text", "text": "Done.", "annotations": []}
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "status": "completed"} | CALL
    answer = {"id": "r1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "tools": []}
    return answer | {"parallel_tool_calls": True, "tool_choice": "auto", "output": [message if done else call]}


def chat_completions(request):
    done = request["messages"][-1]["role"] == "tool"
    tool_calls = [{"id": "c1", "type": "function", "function": CALL}]
    message = {"role": "assistant", "content": "Done."} if done else {"role": "assistant", "tool_calls": tool_calls}
    choice = {"index": 0, "message": message, "finish_reason": "stop" if done else "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(request)
        answer = json.dumps((responses_api if "input" in request else chat_completions)(request)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def start():
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{service.server_port}/v1"


def picture_parts():
    """The parts of the tool's result as the model got it, other than text."""
    outputs = [item["output"] for item in asked[-1]["input"] if item.get("type") == "function_call_output"]
    return [{"type": part["type"], "image_url": part["image_url"]} for part in outputs[0] if part["type"] != "input_text"]
PY
cat > "$folder/agent-framework.host.py" <<'PY'
import asyncio
import os
import sys

import model
from agent_framework import Agent, MCPStdioTool
from agent_framework.openai import OpenAIChatClient


async def main():
    client = OpenAIChatClient(model="gpt-4o", api_key="any", base_url=model.start())
    async with MCPStdioTool(name="p", command=sys.executable, args=[sys.argv[1]], env=dict(os.environ)) as tool:
        await Agent(client, tools=[tool]).run("Draw a red fox.")
    print(model.picture_parts())


asyncio.run(main())
PY
cat > "$folder/ag2.host.py" <<'PY'
import asyncio
import os
import sys

import model
from ag2 import Agent
from ag2.config import OpenAIConfig, OpenAIResponsesConfig
from ag2.tools.toolkits import MCPStdioServerConfig, MCPToolkit


async def main():
    config = OpenAIResponsesConfig if sys.argv[2] == "responses" else OpenAIConfig
    environment = dict(os.environ)
    server = MCPStdioServerConfig(command=sys.executable, args=[sys.argv[1]], env=environment, server_label="p")
    made = config(model="gpt-4o", api_key="any", base_url=model.start(), streaming=False)
    try:
        await Agent("a", config=made, tools=[MCPToolkit(server)]).ask("Draw a red fox.")
        print(model.picture_parts())
    except Exception as error:
        print(f"raised: {type(error).__name__}, the model was asked {len(model.asked)} time(s)")


asyncio.run(main())
PY
changed=0
try() { # HOST API BLOCK WANTED
  local said
  said=$(BLOCK=$3 timeout 40 "$folder/$1/bin/python" "$folder/$1.host.py" "$folder/server.py" "$2" 2> "$folder/log")
  echo "$1, $2, $3 block: $said"
  [[ $said == "$4" ]] || changed=1
  if ! grep -q '^tools/call$' "$folder/log" || grep -q '^resources/read$' "$folder/log"; then changed=1; fi
}
link="[{'type': 'input_image', 'image_url': 'https://pictures.example/1.png'}]"
lost='raised: UnsupportedInputError, the model was asked 1 time(s)'
try agent-framework responses link "$link"
try ag2 responses link "$link"
try ag2 chat link "$lost"
try ag2 chat image "$lost"
if ((changed)); then echo "changed: a picture in a tool result is treated otherwise now"; exit 1; fi
echo "seen: a resource_link reaches the model's service as a picture to fetch; ag2 with Chat Completions ends the turn"
