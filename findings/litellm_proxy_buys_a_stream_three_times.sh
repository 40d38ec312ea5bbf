#!/usr/bin/env bash
set -euo pipefail
# Package: litellm 1.108.7 with its extra `proxy` (PyPI). Seen on 2026-11-28.
#
# Expectation: a gateway that is asked for `stream: true` at /v1/images/generations passes the upstream's event stream
# on, or refuses `stream` before it asks anyone.
#
# Behaviour: the proxy passes `stream: true` on, gets a complete stream with the finished picture, fails to turn it into
# its own answer, takes that for a failure of the connection, and asks the upstream twice more. Its client gets status
# 500 ("'str' object has no attribute 'model_dump'") after three complete pictures. The same request without `stream` is
# asked once and answered with 200.
#
# Meaning for a server that returns pictures: behind such a gateway, progress by `stream: true` costs three pictures and
# brings none, so streaming of pictures must be a setting per upstream. A 500 of a gateway says nothing about the costs
# behind it, so another try by oneself would make it six.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check 'litellm[proxy]==1.108.7'

cat > "$folder/check.py" <<'PY'
import http.server
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
asked = []


class DrawsPictures(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(request)
        if request.get("stream"):
            event = {"type": "image_generation.completed", "b64_json": PICTURE}
            kind, answer = "text/event-stream", f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        else:
            kind, answer = "application/json", json.dumps({"created": 1, "data": [{"b64_json": PICTURE}]})
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *arguments):
        pass


upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DrawsPictures)
threading.Thread(target=upstream.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
folder = pathlib.Path(__file__).parent
parameters = {
    "model": "openai/gpt-image-1",
    "api_base": f"http://127.0.0.1:{upstream.server_port}/v1",
    "api_key": "any",
}
models = [{"model_name": "picture", "litellm_params": parameters}]
(folder / "config.yaml").write_text(json.dumps({"model_list": models}))
key = f"sk-{secrets.token_hex(24)}"


def ask(path, body=None):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


environment = os.environ | {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
command = [pathlib.Path(sys.executable).with_name("litellm"), "--config", folder / "config.yaml"]
command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
with open(folder / "proxy.log", "w") as log:
    proxy = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
try:
    for _ in range(120):
        try:
            ask("/health/liveliness")
            break
        except OSError:
            time.sleep(0.5)
    seen = {}
    for name, extra in {"plain": {}, "stream": {"stream": True}}.items():
        asked.clear()
        status, text = ask("/v1/images/generations", {"model": "picture", "prompt": "a red fox"} | extra)
        seen[name] = (status, len(asked), PICTURE in text)
        print(f"{name}: status {status}, upstream asked {len(asked)} times, picture passed on: {PICTURE in text}")
        if status != 200:
            print(f"   {json.loads(text)['error']['message'].splitlines()[0]}")
finally:
    proxy.terminate()
    proxy.wait(timeout=20)
assert seen["plain"] == (200, 1, True), "the fake upstream or the proxy is not set up right"
assert seen["stream"] == (500, 3, False), "a streamed picture is treated otherwise now"
print("seen: stream: true made the upstream draw 3 complete pictures, and the caller got a 500")
PY
timeout 110 "$folder/venv/bin/python" "$folder/check.py"
