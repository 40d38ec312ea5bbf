#!/usr/bin/env bash
set -euo pipefail
# Packages: Pillow 13.0.0, pyvips 3.2.0 with pyvips-binary 8.18.7 (PyPI), and sharp 0.35.5 (npm). Seen on 2026-11-28.
#
# Expectation: a picture saved as lossless WebP comes back with each of its values, as it does from PNG.
#
# Behaviour: all three writers replace the colours wherever alpha is 0, with `lossless` on. A second option, `exact`
# (tried here with Pillow and sharp), keeps them. The alpha itself is kept, so the two files look the same.
#
# Meaning for a server that returns pictures: an edit with a mask in the alpha channel takes the picture's own colours
# below alpha 0 as the place to repaint, and a model that is shown them gets flat filling instead. Keep and forward masks
# as PNG; a "lossless" WebP copy of a transparent picture is for looking at only.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7
npm install --silent --no-audit --no-fund --prefix "$folder" sharp@0.35.5 > /dev/null

cat > "$folder/write.mjs" <<'JS'
import sharp from 'sharp';
const [from, to, exact] = process.argv.slice(2);
await sharp(from).webp({ lossless: true, exact: exact === 'exact' }).toFile(to);
JS
cat > "$folder/check.py" <<'PY'
import pathlib
import random
import subprocess

import pyvips
from PIL import Image

folder = pathlib.Path(__file__).parent
SIDE = 32
noise = random.Random(1)
picture = Image.frombytes("RGB", (SIDE, SIDE), noise.randbytes(SIDE * SIDE * 3)).convert("RGBA")
alpha = Image.new("L", (SIDE, SIDE), 255)
alpha.paste(0, (0, 0, SIDE, SIDE // 2))
picture.putalpha(alpha)
picture.save(folder / "mask.png")


def changed(name):
    """Number of pixels whose colour and whose alpha differ from the picture."""
    with Image.open(folder / name) as opened:
        before, after = picture.tobytes(), opened.convert("RGBA").tobytes()
    pairs = [(before[at : at + 4], after[at : at + 4]) for at in range(0, len(before), 4)]
    return sum(a[:3] != b[:3] for a, b in pairs), sum(a[3] != b[3] for a, b in pairs)


def sharp(name, *exact):
    subprocess.run(["node", folder / "write.mjs", folder / "mask.png", folder / name, *exact], check=True, timeout=30)


picture.save(folder / "pillow.webp", lossless=True)
picture.save(folder / "pillow-exact.webp", lossless=True, exact=True)
pyvips.Image.new_from_file(str(folder / "mask.png")).webpsave(str(folder / "vips.webp"), lossless=True)
sharp("sharp.webp")
sharp("sharp-exact.webp", "exact")
results = {name: changed(name) for name in ("mask.png", *sorted(path.name for path in folder.glob("*.webp")))}
hidden = SIDE * SIDE // 2
for name, (colours, alphas) in results.items():
    print(f"{name}: {colours} of {hidden} hidden pixels have another colour, {alphas} another alpha")
assert results["mask.png"] == results["pillow-exact.webp"] == results["sharp-exact.webp"] == (0, 0)
for name in ("pillow.webp", "vips.webp", "sharp.webp"):
    assert results[name][0] > hidden * 0.9 and results[name][1] == 0, f"{name} keeps the hidden pixels now"
print("seen: lossless WebP of Pillow, libvips and sharp changes the colours below alpha 0")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
