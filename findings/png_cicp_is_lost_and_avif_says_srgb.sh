#!/usr/bin/env bash
set -euo pipefail
# Packages: Pillow 13.0.0 and av 18.1.0 (PyPI). Seen on 2026-11-28.
#
# Expectation: the third edition of PNG tells HDR by a cICP chunk of four numbers, the same four that AVIF keeps in its
# `nclx` colour property. Turning such a PNG into an AVIF copies them, or refuses.
#
# Behaviour: Pillow ignores the chunk (nothing in `info`), copies the HDR pixels as they are, and writes an AVIF that
# says in its `nclx` that they are sRGB. Saved as PNG again, the chunk is gone as well. FFmpeg's reader, in the package
# av, knows the chunk: PQ and BT.2020 for the first file, sRGB and BT.709 for the second.
#
# Meaning for a server that returns pictures: previews of HDR pictures have wrong colours, and their label is wrong, which
# is worse than none, since every viewer believes it. Look for cICP in the bytes of a PNG before it is re-encoded, and leave
# such a picture as it is.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check pillow==13.0.0 av==18.1.0

cat > "$folder/check.py" <<'PY'
import io
import struct
import zlib

import av
from PIL import Image

BT2020_PQ, BT709_SRGB = (9, 16), (1, 13)  # primaries and transfer, by the numbers of ITU-T H.273


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def save(picture, kind):
    written = io.BytesIO()
    picture.save(written, kind)
    return written.getvalue()


def ffmpeg_reads(data):
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        return int(frame.color_primaries), int(frame.color_trc)


plain = save(Image.new("RGB", (64, 64), (148, 148, 148)), "PNG")
after_header = 8 + 25
hdr = plain[:after_header] + chunk(b"cICP", bytes([*BT2020_PQ, 0, 1])) + plain[after_header:]

with Image.open(io.BytesIO(hdr)) as opened:
    opened.load()
    info = dict(opened.info)
    png, avif = save(opened, "PNG"), save(opened, "AVIF")
nclx = avif.index(b"nclx") + 4
told = struct.unpack(">HH", avif[nclx : nclx + 4])
print(f"the PNG: primaries and transfer {ffmpeg_reads(hdr)} in FFmpeg, info in Pillow: {info}")
print(f"the AVIF made from it: nclx {told}, {ffmpeg_reads(avif)} in FFmpeg")
print(f"the PNG made from it has cICP: {b'cICP' in png}")
assert ffmpeg_reads(hdr) == BT2020_PQ and info == {}, "Pillow knows cICP now"
assert told == ffmpeg_reads(avif) == BT709_SRGB and b"cICP" not in png, "the AVIF is labelled otherwise now"
print("seen: the HDR pixels of a PNG with cICP come out as an AVIF that says sRGB")
PY
timeout 60 "$folder/venv/bin/python" "$folder/check.py"
