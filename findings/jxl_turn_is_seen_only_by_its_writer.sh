#!/usr/bin/env bash
set -euo pipefail
# Packages: pillow-jxl-plugin 1.3.8 with Pillow 13.0.0, and imagecodecs 2026.3.6 with its libjxl (PyPI).
# Seen on 2026-11-28.
#
# Expectation: a JPEG with EXIF orientation 6 that Pillow saves as JPEG XL looks the same in every JPEG XL viewer,
# whichever way the plugin packs it.
#
# Behaviour: it depends on the way. Packed without loss from the JPEG's own data, the turn goes into the codestream
# header, where JPEG XL keeps it, and libjxl returns 32×64. Encoded from pixels, the turn is only in the EXIF box, which
# libjxl gives no meaning, and it returns 64×32. The plugin reads both files as 64×32 with orientation 6, so that a
# round trip through Pillow shows no difference.
#
# Meaning for a server that returns pictures: a test that reads back with the library that wrote proves nothing about
# what people see. Turn the pixels before a JPEG XL is written, and write no orientation.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check \
  pillow==13.0.0 pillow-jxl-plugin==1.3.8 imagecodecs==2026.3.6

cat > "$folder/check.py" <<'PY'
import pathlib

import imagecodecs
import pillow_jxl  # noqa: F401  (registers the format)
from PIL import Image

ORIENTATION = 0x0112
folder = pathlib.Path(__file__).parent
exif = Image.Exif()
exif[ORIENTATION] = 6
Image.new("RGB", (64, 32), "red").save(folder / "turned.jpg", exif=exif)

seen = {}
for name, from_jpeg_data in {"packed from the JPEG's data": True, "encoded from pixels": False}.items():
    path = folder / f"{from_jpeg_data}.jxl"
    with Image.open(folder / "turned.jpg") as jpeg:
        jpeg.save(path, lossless_jpeg=from_jpeg_data)
    with Image.open(path) as opened:
        plugin = (*opened.size, opened.getexif().get(ORIENTATION))
    height, width, _ = imagecodecs.jpegxl_decode(path.read_bytes()).shape
    seen[from_jpeg_data] = (plugin, (width, height))
    print(f"{name}: the plugin reads {plugin[0]}×{plugin[1]} with orientation {plugin[2]}, libjxl {width}×{height}")
assert seen[True] == ((64, 32, 6), (32, 64)), "packing without loss has changed"
assert seen[False] == ((64, 32, 6), (64, 32)), "encoding from pixels has changed"
print("seen: of two JPEG XL files that Pillow reads alike, libjxl turns one only")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
