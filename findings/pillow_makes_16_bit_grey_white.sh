#!/usr/bin/env bash
set -euo pipefail
# Packages: Pillow 13.0.0, opencv-python-headless 4.12.0.88 and numpy 2.2.6 (PyPI), sharp 0.35.5 (npm). Seen on 2026-11-29.
#
# Expectation: a PNG with 16 bits for each sample becomes one with 8 bits by division: a mid grey stays a mid grey, as
# in a browser. Pillow does so with 16-bit colours when it opens the file.
#
# Behaviour: 16-bit grey is opened as mode I;16, and `convert("L")`, `convert("RGB")` and saving as WebP do not divide,
# but cut off: every value above 255, which is nearly all of them, becomes white. No error and no warning tells it. The
# same grey as a 16-bit RGB file comes out right, and so does the grey file in OpenCV and in sharp.
#
# Meaning for a server that returns pictures: depth maps, masks and edges for ControlNet are 16-bit grey. Their preview
# is a white area, and so is the mask that a service gets. Divide by 256 wherever the mode begins with "I", before
# anything is converted.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check \
  pillow==13.0.0 opencv-python-headless==4.12.0.88 numpy==2.2.6
npm install --silent --no-audit --no-fund --prefix "$folder" sharp@0.35.5 > /dev/null

cat > "$folder/check.py" <<'PY'
import io
import pathlib
import struct
import subprocess
import sys
import zlib

import cv2
from PIL import Image

GREY, RGB = 0, 2  # colour types of PNG
MID = 0x8080  # 128 of 255, as 16 bits


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour_type, samples):
    rows = (b"\0" + struct.pack(">H", MID) * samples * 8) * 8
    head = struct.pack(">IIBBBBB", 8, 8, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def by_pillow(data, mode):
    return Image.open(io.BytesIO(data)).convert(mode).getpixel((4, 4))


folder = pathlib.Path(sys.argv[1])
(folder / "grey.png").write_bytes(png(GREY, 1))
(folder / "rgb.png").write_bytes(png(RGB, 3))
grey, rgb = (folder / "grey.png").read_bytes(), (folder / "rgb.png").read_bytes()
webp = io.BytesIO()
Image.open(io.BytesIO(grey)).save(webp, "WEBP", lossless=True)
seen = {
    "Pillow, grey, L": by_pillow(grey, "L"),
    "Pillow, grey, RGB": by_pillow(grey, "RGB")[0],
    "Pillow, grey, as WebP": by_pillow(webp.getvalue(), "L"),
    "Pillow, the same as RGB": by_pillow(rgb, "RGB")[0],
    "OpenCV, grey": int(cv2.imread(str(folder / "grey.png"), cv2.IMREAD_GRAYSCALE)[4][4]),
    "sharp, grey": int(subprocess.check_output(["node", str(folder / "check.mjs"), str(folder / "grey.png")])),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert list(seen.values()) == [255, 255, 255, 128, 128, 128], seen
print("seen: a 16-bit grey of 50 % is white in Pillow, and mid grey in OpenCV and sharp")
PY
cat > "$folder/check.mjs" <<'JS'
import sharp from 'sharp';

const raw = await sharp(process.argv[2]).toColourspace('b-w').raw({ depth: 'uchar' }).toBuffer();
console.log(raw[0]);
JS
"$folder/venv/bin/python" "$folder/check.py" "$folder"
