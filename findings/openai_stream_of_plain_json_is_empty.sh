#!/usr/bin/env bash
set -euo pipefail
# Packages: openai 3.57.0 (PyPI) and openai 6.49.0 (npm). Seen on 2026-11-28.
#
# Expectation: a program asks for a picture with `stream=True`. A gateway in between does not stream and answers
# 200 with `application/json` and the finished picture. The client either hands over that picture or raises an error.
#
# Behaviour: both official clients ignore the Content-Type, look for `data:` lines in the JSON, find none, and end the
# stream in the ordinary way with zero events. The picture arrived, was paid for, and is gone without any error.
#
# Meaning for a server that returns pictures: as a caller, choose the reader by the Content-Type of the answer and never
# by the request. As a server, answer `stream: true` with an event stream or with an error, since plain JSON with the
# picture in it looks to these clients like an answer without a picture, which their programs then ask for again.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check openai==3.57.0
npm install --silent --no-audit --no-fund --prefix "$folder" openai@6.49.0 > /dev/null

cat > "$folder/client.mjs" <<'JS'
import OpenAI from 'openai';
const client = new OpenAI({ apiKey: 'any', baseURL: process.argv[2] });
const stream = await client.images.generate({ model: 'gpt-image-1', prompt: 'a red fox', stream: true });
let events = 0;
for await (const event of stream) events += 1;
console.log(events);
JS
cat > "$folder/check.py" <<'PY'
import http.server
import json
import pathlib
import subprocess
import threading

from openai import OpenAI

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
asked = []


class AnswersJson(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = json.dumps({"created": 1, "data": [{"b64_json": PICTURE}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AnswersJson)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}/v1"

client = OpenAI(api_key="any", base_url=url)
plain = client.images.generate(model="gpt-image-1", prompt="a red fox")
assert plain.data[0].b64_json == PICTURE, "the fake service is wrong"
python_events = list(client.images.generate(model="gpt-image-1", prompt="a red fox", stream=True))
script = pathlib.Path(__file__).with_name("client.mjs")
node_events = int(subprocess.run(["node", script, url], check=True, capture_output=True, timeout=30).stdout)

assert [request.get("stream") for request in asked] == [None, True, True], asked
print("without stream: 1 picture")
print(f"with stream: {len(python_events)} events in Python, {node_events} events in Node, no error in either")
assert (len(python_events), node_events) == (0, 0), "the plain JSON answer is noticed now"
print("seen: a paid picture in a plain JSON answer to stream=True yields zero events and no error")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
