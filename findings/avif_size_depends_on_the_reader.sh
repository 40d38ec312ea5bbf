#!/usr/bin/env bash
set -euo pipefail
# Packages: Pillow 13.0.0, pillow-heif 1.8.1, pyvips 3.2.0 with pyvips-binary 8.18.7, opencv-python-headless 5.0.0.93
# (PyPI). Seen on 2026-11-28.
#
# Expectation: an AVIF keeps its turn as a property of the picture (`irot`), not as a hint in EXIF, so that every reader
# returns the turned picture. A reader that turns a JPEG by its EXIF orientation turns an AVIF all the more.
#
# Behaviour: one file, made from 64×32 stored pixels and a quarter turn, has two sizes. libvips and pillow-heif return
# 32×64, with no orientation left. Pillow returns 64×32 and an EXIF orientation of 6. OpenCV returns 64×32 and
# tells nobody of a turn, though it turns the JPEG with the same orientation.
#
# Meaning for a server that returns pictures: two libraries side by side, one for sizes and one for thumbnails, disagree
# about the same AVIF. Turn the pixels once, at the door, and keep and send only upright pictures without orientation;
# a mask that a caller drew with OpenCV on a turned AVIF has its sides swapped.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check \
  pillow==13.0.0 pillow-heif==1.8.1 pyvips==3.2.0 pyvips-binary==8.18.7 opencv-python-headless==5.0.0.93

cat > "$folder/check.py" <<'PY'
import pathlib

import cv2
import pillow_heif
import pyvips
from PIL import Image

ORIENTATION = 0x0112
folder = pathlib.Path(__file__).parent
picture = Image.new("RGB", (64, 32), "red")
sizes = {}
for kind in ("avif", "jpeg"):
    path = str(folder / f"turned.{kind}")
    exif = Image.Exif()  # one for each file, since saving an AVIF takes the orientation out of it
    exif[ORIENTATION] = 6
    picture.save(path, exif=exif)
    with Image.open(path) as opened:
        sizes[kind, "Pillow"] = (*opened.size, opened.getexif().get(ORIENTATION))
    vips = pyvips.Image.new_from_file(path)
    left = vips.get("orientation") if vips.get_typeof("orientation") else None
    sizes[kind, "libvips"] = (vips.width, vips.height, left)
    height, width, _ = cv2.imread(path).shape
    sizes[kind, "OpenCV"] = (width, height, None)
heif = pillow_heif.open_heif(folder / "turned.avif")
sizes["avif", "pillow-heif"] = (*heif.size, heif.info.get("original_orientation"))

data = (folder / "turned.avif").read_bytes()
assert b"irot" in data, "the AVIF has no turn of its own"
for (kind, reader), (width, height, orientation) in sorted(sizes.items()):
    print(f"{kind} read by {reader}: {width}×{height}, orientation told: {orientation}")
assert sizes["avif", "Pillow"] == (64, 32, 6)
assert sizes["avif", "libvips"] == sizes["avif", "pillow-heif"] == (32, 64, None)
assert sizes["avif", "OpenCV"] == (64, 32, None) and sizes["jpeg", "OpenCV"] == (32, 64, None)
print("seen: one turned AVIF is 64×32 in Pillow and OpenCV, and 32×64 in libvips and pillow-heif")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
