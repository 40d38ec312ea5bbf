#!/usr/bin/env bash
set -euo pipefail
# Packages: openrouter 1.3.84 (PyPI) and @openrouter/sdk 1.3.19 (npm). Seen on 2026-11-28.
#
# Expectation: OpenRouter's documentation says that a streamed chat gives its pictures in `delta.images`, as a whole one
# gives them in `message.images`. OpenRouter's own clients hand both to the program.
#
# Behaviour: both clients have `images` in the message of a whole answer, and not in the delta of a streamed one. They
# check each event against their types and leave out what these lack, so the picture is gone, without an error. What
# it cost arrives: `usage` of the last event.
#
# Meaning for a program that draws by OpenRouter: with these clients a streamed chat is a picture that is paid for and
# lost, so ask for whole answers or read the events yourself. For a gateway that streams pictures: a program may report
# "no picture" of an answer that held one, and ask (and pay) again.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check openrouter==1.3.84
npm install --silent --no-audit --no-fund --prefix "$folder" @openrouter/sdk@1.3.19 > /dev/null

cat > "$folder/client.mjs" <<'JS'
import { OpenRouter } from '@openrouter/sdk';
const client = new OpenRouter({ apiKey: 'any', serverURL: process.argv[2] });
const asked = { model: 'm', messages: [{ role: 'user', content: 'a red fox' }], modalities: ['image', 'text'] };
const whole = await client.chat.send({ chatRequest: { ...asked, stream: false } });
const deltas = [];
let cost = 0;
for await (const chunk of await client.chat.send({ chatRequest: { ...asked, stream: true } })) {
  deltas.push(...chunk.choices.map((each) => each.delta));
  cost = chunk.usage?.cost ?? cost;
}
console.log(JSON.stringify([whole.choices[0].message.images.length, JSON.stringify(deltas).includes('base64'), cost]));
JS
cat > "$folder/check.py" <<'PY'
import http.server
import json
import pathlib
import subprocess
import threading

from openrouter import OpenRouter

IMAGES = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
USAGE = {"prompt_tokens": 11, "completion_tokens": 1290, "total_tokens": 1301, "cost": 0.039}
HEAD = {"id": "gen-1", "created": 1, "model": "m", "system_fingerprint": "fp"}
MESSAGE = {"role": "assistant", "content": "Here it is.", "images": IMAGES}


def events():
    chunk = HEAD | {"object": "chat.completion.chunk"}
    yield chunk | {"choices": [{"index": 0, "delta": MESSAGE, "finish_reason": "stop"}]}
    yield chunk | {"choices": [], "usage": USAGE}


class Draws(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        streams = json.loads(self.rfile.read(int(self.headers["Content-Length"]))).get("stream")
        choice = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
        answer = json.dumps(HEAD | {"object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
        if streams:
            answer = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events()) + b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def by_python(url):
    client = OpenRouter(api_key="any", server_url=url)
    asked = {"model": "m", "messages": [{"role": "user", "content": "a red fox"}], "modalities": ["image", "text"]}
    whole = client.chat.send(**asked, stream=False)
    chunks = list(client.chat.send(**asked, stream=True))
    deltas = [choice.delta.model_dump_json() for chunk in chunks for choice in chunk.choices]
    return [len(whole.choices[0].message.images), "base64" in "".join(deltas), chunks[-1].usage.cost]


def by_npm(url):
    script = pathlib.Path(__file__).with_name("client.mjs")
    return json.loads(subprocess.run(["node", script, url], capture_output=True, text=True, check=True).stdout)


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Draws)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}/api/v1"
for name, seen in (("openrouter of PyPI", by_python(url)), ("@openrouter/sdk of npm", by_npm(url))):
    print(f"{name}: pictures of a whole answer {seen[0]}, picture in a stream {seen[1]}, cost of the stream {seen[2]}")
    assert seen == [1, False, 0.039], "the clients have changed"
print("seen: both clients of OpenRouter leave the picture out of a streamed chat, and tell what it cost")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
