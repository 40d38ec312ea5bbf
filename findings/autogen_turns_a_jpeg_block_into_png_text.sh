#!/usr/bin/env bash
set -euo pipefail
# Packages: autogen-ext 0.7.5 with autogen-core 0.7.5, mcp 1.30.0 and Pillow 12.0.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: an image block of a tool result is passed on with the bytes and the media type that the server chose. A
# preview that the server pressed into 20 kB of JPEG stays 20 kB.
#
# Behaviour: `McpWorkbench` decodes the picture and keeps only its pixels. Its text form, the one that an agent's model
# reads, encodes them anew as PNG in base64: a noisy JPEG comes out more than five times as long, and the JPEG is gone.
#
# Meaning for a server that returns pictures: the weight of a preview cannot be governed by its quality alone, since
# this host counts pixels. Only a small width and height keep the text of the result short; no preview is shortest.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check \
  'autogen-ext[mcp]==0.7.5' autogen-core==0.7.5 mcp==1.30.0 pillow==12.0.0

cat > "$folder/server.py" <<'PY'
import base64
import json
import pathlib
import sys

picture = base64.b64encode(pathlib.Path(sys.argv[1]).read_bytes()).decode()
BLOCKS = [{"type": "text", "text": "Picture 1"}, {"type": "image", "data": picture, "mimeType": "image/jpeg"}]
SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "pictures", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "draw", "description": "Draw a picture.", "inputSchema": SCHEMA}]},
    "tools/call": {"content": BLOCKS},
}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": ANSWERS[message["method"]]}), flush=True)
PY
cat > "$folder/check.py" <<'PY'
import asyncio
import base64
import pathlib
import random
import sys

from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams
from PIL import Image

folder = pathlib.Path(__file__).parent
noise = Image.frombytes("L", (256, 256), random.Random(1).randbytes(256 * 256)).convert("RGB")
noise.save(folder / "preview.jpg", quality=40)
preview = base64.b64encode((folder / "preview.jpg").read_bytes()).decode()


async def main():
    server = StdioServerParams(command=sys.executable, args=[str(folder / "server.py"), str(folder / "preview.jpg")])
    async with McpWorkbench(server) as workbench:
        return (await workbench.call_tool("draw", {"prompt": "a red fox"})).to_text()


text = asyncio.run(main())
start = text.index("[Image: ") + len("[Image: ")
print(f"the server sent {len(preview)} characters of base64 (JPEG), the model's text has {len(text)}")
print(f"   sent: {preview[:24]}…  in the text: {text[start : start + 24]}…")
assert preview not in text and text[start:].startswith("iVBORw0KGgo"), "the JPEG is passed on as it is now"
assert len(text) > 5 * len(preview), "the PNG is not as large as it was"
print(f"seen: a JPEG block becomes PNG in the model's text, {len(text) / len(preview):.1f} times as long")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
