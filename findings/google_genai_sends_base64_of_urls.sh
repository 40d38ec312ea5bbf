#!/usr/bin/env bash
set -euo pipefail
# Packages: google-genai 3.6.1 (PyPI) and @google/genai 2.32.0 (npm). Seen on 2026-11-28.
#
# Expectation: both official clients of the Gemini API send a picture in `inlineData.data` as base64 of the standard
# alphabet, as the examples of the documentation and curl do, and ask at the address of the documentation, `/v1beta`.
#
# Behaviour: that of npm does. That of Python writes the alphabet of URLs, `-` and `_` for `+` and `/`, and since
# version 3 asks at `/v1`. Google takes both (ProtoJSON names both alphabets), and so nobody notices there.
#
# Meaning for a server that speaks this API: read both alphabets, and serve both versions of the path. A strict decoder
# refuses almost every picture of a Python program. A lenient one does worse: `base64.b64decode` of Python leaves out the
# characters that it does not know, and the reference picture that was sent is not the one that is drawn from.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check google-genai==3.6.1
npm install --silent --no-audit --no-fund --prefix "$folder" @google/genai@2.32.0 > /dev/null

cat > "$folder/client.mjs" <<'JS'
import { GoogleGenAI } from '@google/genai';
const [url, data] = process.argv.slice(2);
const { models } = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl: url } });
await models.generateContent({
  model: 'gemini-3-pro-image',
  contents: ['a red fox', { inlineData: { mimeType: 'image/png', data } }],
});
JS
cat > "$folder/check.py" <<'PY'
import base64
import http.server
import json
import pathlib
import subprocess
import threading

from google import genai
from google.genai import types

PICTURE = bytes(range(256)) * 4
asked = []


class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [data] = [part["inlineData"]["data"] for part in body["contents"][0]["parts"] if "inlineData" in part]
        asked.append((self.path.split("/")[1], data))
        answer = json.dumps({"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}"

client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))
picture = types.Part.from_bytes(data=PICTURE, mime_type="image/png")
client.models.generate_content(model="gemini-3-pro-image", contents=["a red fox", picture])
standard = base64.b64encode(PICTURE).decode()
script = pathlib.Path(__file__).with_name("client.mjs")
subprocess.run(["node", script, url, standard], check=True, capture_output=True, timeout=30)

[(python_version, python_data), (node_version, node_data)] = asked
print(f"Python: /{python_version}, {'-' in python_data=}, {'+' in python_data=}")
print(f"Node:   /{node_version}, {'-' in node_data=}, {'+' in node_data=}")
assert (node_version, node_data) == ("v1beta", standard), "the client of npm is wrong"
assert python_version == "v1", "the client of Python asks at another version now"
assert python_data == base64.urlsafe_b64encode(PICTURE).decode(), "the client of Python writes another alphabet now"
lenient = base64.b64decode(python_data + "===")
assert lenient != PICTURE, "a lenient decoder reads it now"
print(f"a lenient decoder makes {len(lenient)} bytes of {len(PICTURE)}, without an error")
print("seen: one official client sends references as base64 of URLs to /v1, the other as plain base64 to /v1beta")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
