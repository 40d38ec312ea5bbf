#!/usr/bin/env bash
set -euo pipefail
# Package: Pillow 13.0.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: an animated PNG may hold a picture for readers without animation (its IDAT, before the first fcTL), which
# is no part of the animation. A reader that knows animated PNG counts two frames in an animation of two, and writes two
# frames into an animated WebP.
#
# Behaviour: Pillow counts three. Frame 0 is the hidden picture, and has no duration. Saved as an animated WebP, it
# becomes a real first frame, which people then see at each start of the loop. Only `info["default_image"]` tells.
#
# Meaning for a server that returns pictures: a preview of frame 0 shows a picture that no browser shows for this file,
# and a check or description made from frame 0 speaks of another picture than the one that people see. Skip frame 0 when
# `default_image` is set, for previews and for conversion.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check pillow==13.0.0

cat > "$folder/check.py" <<'PY'
import io
import struct
import zlib

from PIL import Image

SIDE = 8
HIDDEN, FIRST, SECOND = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pixels(color):
    return zlib.compress((b"\0" + bytes(color) * SIDE) * SIDE)


def frame(sequence, color):
    control = struct.pack(">IIIIIHHBB", sequence, SIDE, SIDE, 0, 0, 1, 10, 0, 0)
    return chunk(b"fcTL", control) + chunk(b"fdAT", struct.pack(">I", sequence + 1) + pixels(color))


header = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
animation = chunk(b"acTL", struct.pack(">II", 2, 0))
hidden = chunk(b"IDAT", pixels(HIDDEN))
data = b"\x89PNG\r\n\x1a\n" + header + animation + hidden + frame(0, FIRST) + frame(2, SECOND) + chunk(b"IEND", b"")


def frames(picture):
    found = []
    for number in range(picture.n_frames):
        picture.seek(number)
        found.append((picture.convert("RGB").getpixel((4, 4)), picture.info.get("duration")))
    return found


with Image.open(io.BytesIO(data)) as apng:
    told = apng.info.get("default_image")
    read = frames(apng)
    apng.seek(0)
    webp = io.BytesIO()
    apng.save(webp, "WEBP", save_all=True, lossless=True)
written = frames(Image.open(webp))
print(f"the file: 2 frames, {FIRST} and {SECOND}, and the hidden picture {HIDDEN}")
print(f"Pillow reads: {read}, default_image: {told}")
print(f"as WebP: {written}")
assert told is True and [color for color, _ in read] == [HIDDEN, FIRST, SECOND] and read[0][1] is None
assert [color for color, _ in written] == [HIDDEN, FIRST, SECOND], "the hidden picture is left out now"
print("seen: the hidden picture of an APNG is frame 0 in Pillow, and the first frame of the WebP made from it")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
