#!/usr/bin/env bash
set -euo pipefail
# Packages: openrouter 1.3.84 (PyPI) and @openrouter/sdk 1.3.19 (npm). Seen on 2026-11-28.
#
# Expectation: `images.generate` posts a request for a picture once, or a few times at most. Of an answer that a proxy
# lost (502, 504) nobody knows whether it was paid, so the client leaves the next step to its caller.
#
# Behaviour: both clients post the same body again after each 5xx, for up to an hour, unless they are made with another
# rule of retries. They send no idempotency key along. A service that answers 502, then 504, and the third time with
# a picture was asked for three by one call, and its caller sees no sign of it.
#
# Meaning for a server that returns pictures: a gateway in front of such clients sees equal requests seconds apart, and
# is the only place that can join them; a 5xx after work that was paid invites the next purchase. Who draws by these
# clients turns their retries off (`retry_config=None`, `retryConfig: {strategy: "none"}`).

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check openrouter==1.3.84
npm install --silent --no-audit --no-fund --prefix "$folder" @openrouter/sdk@1.3.19 > /dev/null

cat > "$folder/client.mjs" <<'JS'
import { OpenRouter } from '@openrouter/sdk';
const client = new OpenRouter({ apiKey: 'any', serverURL: process.argv[2] });
const answer = await client.images.generate({ imageGenerationRequest: { model: 'm', prompt: 'a red fox' } });
console.log(answer.data.length);
JS
cat > "$folder/check.py" <<'PY'
import http.server
import inspect
import json
import pathlib
import subprocess
import threading

from openrouter import OpenRouter
from openrouter.images import Images

asked = []


class LosesTwo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked.append((body, [name for name in self.headers if "idempotency" in name.lower()]))
        answer = json.dumps({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}]}).encode()
        self.send_response((502, 504, 200)[len(asked) - 1])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def by_python(url):
    return len(OpenRouter(api_key="any", server_url=url).images.generate(model="m", prompt="a red fox").data)


def by_npm(url):
    script = pathlib.Path(__file__).with_name("client.mjs")
    return int(subprocess.run(["node", script, url], capture_output=True, text=True, check=True).stdout)


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LosesTwo)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}/api/v1"
for name, draw in (("openrouter of PyPI", by_python), ("@openrouter/sdk of npm", by_npm)):
    asked.clear()
    pictures = draw(url)
    print(f"{name}: asked {len(asked)} times for {pictures} picture, idempotency headers: {[keys for _, keys in asked]}")
    assert (pictures, len(asked), len({body for body, _ in asked})) == (1, 3, 1), "the request is no longer repeated"
    assert all(keys == [] for _, keys in asked), "an idempotency key is sent now"
assert "3600000" in inspect.getsource(Images.generate), "the hour has changed"
print("seen: both clients of OpenRouter post a paid request again after a 502 and a 504, for up to an hour")
PY
timeout 90 "$folder/venv/bin/python" "$folder/check.py"
