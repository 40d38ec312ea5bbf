#!/usr/bin/env bash
set -euo pipefail
# Package: fal-client 1.0.3 (PyPI). Seen on 2026-11-28.
#
# Expectation: `run()` posts a request for a picture once. When the connection breaks after the request went out, nobody
# can tell if the picture is being made, so the client reports the broken connection to its caller.
#
# Behaviour: the client posts the same body again, up to ten times in all, and sends no idempotency key along. A service
# that drops the connection twice and answers the third request has been asked for three pictures by one `run()`. The
# caller sees one picture and no sign of the other two.
#
# Meaning for a server that returns pictures: an upstream client of one's own must treat "sent, then lost" as possibly
# paid, and must leave the second request to a person. A gateway for such clients sees equal requests seconds apart, and
# is the only place that can join them.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check fal-client==1.0.3

cat > "$folder/check.py" <<'PY'
import http.server
import json
import threading

from fal_client import SyncClient, client as fal_module

asked = []


class DropsTwice(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        keys = [name for name in self.headers if "idempotency" in name.lower()]
        asked.append((body, keys))
        if len(asked) < 3:
            self.close_connection = True  # the request arrived whole, its answer is lost
            return
        answer = json.dumps({"images": [{"url": "https://pictures.example/1.png"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DropsTwice)
threading.Thread(target=service.serve_forever, daemon=True).start()
fal_module.RUN_URL_FORMAT = f"http://127.0.0.1:{service.server_port}/"  # the package can only be pointed at https

answer = SyncClient(key="any").run("vendor/model", arguments={"prompt": "a red fox"})
for number, (body, keys) in enumerate(asked, 1):
    print(f"request {number}: {body.decode()} idempotency headers: {keys}")
print(f"answer to the caller: {answer}")
print(f"attempts at most: {fal_module.MAX_ATTEMPTS}")
assert fal_module.MAX_ATTEMPTS == 10, "the number of attempts has changed"
assert len(asked) == 3 and len({body for body, _ in asked}) == 1, "the lost request is no longer repeated"
assert all(keys == [] for _, keys in asked), "an idempotency key is sent now"
print("seen: one run() posted the same paid request 3 times, without an idempotency key")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
