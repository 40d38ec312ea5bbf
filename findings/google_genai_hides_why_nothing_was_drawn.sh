#!/usr/bin/env bash
set -euo pipefail
# Packages: google-genai 3.6.1 (PyPI) and @google/genai 2.32.0 (npm). Seen on 2026-11-28.
#
# Expectation: the Gemini API holds a picture back and says why in `finishMessage`, the sentence beside `finishReason`
# ("Unable to show the generated image … You will not be charged for blocked images"). Both official clients have a
# field of that name in their `Candidate`, and a program shows its person what stands there.
#
# Behaviour: the field is empty in both. The clients copy the fields of a candidate one by one, and leave this one out,
# streamed or not; `finishReason` alone arrives. Only the HTTP body, which they do not hand over, has the sentence.
#
# Meaning for a program that draws with Gemini: whoever has to tell a person why there is no picture, and whether it was
# charged, reads the HTTP answer. For a gateway: an error of your own reaches people who use these clients, where words
# in `finishMessage` do not.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check google-genai==3.6.1
npm install --silent --no-audit --no-fund --prefix "$folder" @google/genai@2.32.0 > /dev/null

cat > "$folder/client.mjs" <<'JS'
import { GoogleGenAI } from '@google/genai';
const { models } = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl: process.argv[2] } });
const [candidate] = (await models.generateContent({ model: 'gemini-3-pro-image', contents: 'a red fox' })).candidates;
console.log(JSON.stringify([candidate.finishReason, candidate.finishMessage ?? null]));
JS
cat > "$folder/check.py" <<'PY'
import http.server
import json
import pathlib
import subprocess
import threading

from google import genai
from google.genai import types

WORDS = "Unable to show the generated image. You will not be charged for blocked images."
CANDIDATE = {"finishReason": "IMAGE_SAFETY", "finishMessage": WORDS, "index": 0}


class HoldsBack(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"candidates": [CANDIDATE]}).encode()
        streams = "streamGenerateContent" in self.path
        answer = b"data: " + answer + b"\r\n\r\n" if streams else answer
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HoldsBack)
threading.Thread(target=service.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{service.server_port}"

client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))
models = client.models
asked = {"model": "gemini-3-pro-image", "contents": "a red fox"}
answers = [models.generate_content(**asked), *models.generate_content_stream(**asked)]
python_said = [(each.candidates[0].finish_reason.value, each.candidates[0].finish_message) for each in answers]
script = pathlib.Path(__file__).with_name("client.mjs")
node_said = json.loads(subprocess.run(["node", script, url], check=True, capture_output=True, timeout=30).stdout)

assert "finish_message" in types.Candidate.model_fields, "the field is gone"
print(f"sent:   {CANDIDATE['finishReason']}, {WORDS!r}")
print(f"Python: {python_said[0]}, streamed {python_said[1]}")
print(f"Node:   {node_said}")
assert python_said == [("IMAGE_SAFETY", None)] * 2, "the client of Python hands the words on now"
assert node_said == ["IMAGE_SAFETY", None], "the client of npm hands the words on now"
print("seen: both official clients drop finishMessage, which says why no picture came and that it costs nothing")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
