#!/usr/bin/env bash
set -euo pipefail
# Packages: Pillow 13.0.0 (PyPI), sharp 0.35.5 (npm; with libultrahdr 2.0.2). Seen on 2026-11-29.
#
# Expectation: an Ultra HDR photo, as phones take them, is a JPEG with a gain map behind it (ISO 21496-1), which readers
# that know nothing of HDR pass over. So it is named `image/jpeg`, and has one frame.
#
# Behaviour: sharp writes such a file and names it `jpeg`. Pillow opens the same file as `MPO`, names it `image/mpo`,
# and counts the gain map as a second frame, smaller than the first: `is_animated` is true. So the usual way to keep
# animations, WebP with all frames, refuses the photo for its "frame dimensions". Saved in "its own" format (`MPO`), it is
# a plain JPEG, and its gain map is gone without a word.
#
# Meaning for a server that takes pictures: a check for the formats JPEG, PNG and WebP by Pillow's word refuses the photos
# of many phones, and `is_animated` sends them the wrong way. Tell the type by the first bytes, call a JPEG by its own
# name whatever follows its end, and never ask a JPEG for frames.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check pillow==13.0.0
npm install --silent --no-audit --no-fund --prefix "$folder" sharp@0.35.5 > /dev/null

cat > "$folder/make.mjs" <<'JS'
import assert from 'node:assert';
import sharp from 'sharp';

const [width, height] = [64, 48];
const light = new Float32Array(width * height * 3); // linear light, up to four times as bright as white
light.forEach((_, index) => { light[index] = (Math.floor(index / 3) % width) / width * 4; });
const raw = { width, height, channels: 3 };
await sharp(light, { raw }).pipelineColourspace('scrgb').withGainMap().jpeg({ quality: 90 }).toFile(process.argv[2]);
const { format, gainMap } = await sharp(process.argv[2]).metadata();
assert.ok(gainMap.image.length > 0);
console.log(`sharp: ${format}, with a gain map`);
JS
cat > "$folder/look.mjs" <<'JS'
import sharp from 'sharp';

const { format, gainMap } = await sharp(process.argv[2]).metadata();
console.log(`${format}, ${gainMap ? 'with' : 'without'} a gain map`);
JS
cat > "$folder/check.py" <<'PY'
import io
import pathlib
import subprocess
import sys

from PIL import Image

folder = pathlib.Path(sys.argv[1])
photo = folder / "photo.jpg"
with Image.open(photo) as image:
    named = (image.format, image.get_format_mimetype(), image.n_frames, image.is_animated)
    image.seek(1)
    second = image.size
    image.seek(0)
    try:
        image.save(io.BytesIO(), "WEBP", save_all=True)
        refusal = ""
    except RuntimeError as error:
        refusal = str(error)
    image.seek(0)
    image.save(folder / "again.jpg", image.format)
print("Pillow:", *named, "- the second frame has", second)
print("as WebP with all frames:", refusal)
again = Image.open(folder / "again.jpg").format
looked = subprocess.check_output(["node", str(folder / "look.mjs"), str(folder / "again.jpg")], text=True).strip()
print("saved again as MPO:", again, "in Pillow;", looked, "in sharp")
assert named == ("MPO", "image/mpo", 2, True), named
assert second < (64, 48), second
assert "frame dimensions" in refusal, refusal
assert (again, looked) == ("JPEG", "jpeg, without a gain map"), (again, looked)
print("seen: Pillow takes an Ultra HDR photo for an animation of two frames, of type image/mpo")
PY
node "$folder/make.mjs" "$folder/photo.jpg"
"$folder/venv/bin/python" "$folder/check.py" "$folder"
