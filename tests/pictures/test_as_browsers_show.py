"""A real browser shows each of these pictures, and the preview shows the same: turn and colours."""

import asyncio
import io
from collections.abc import Mapping

from aiohttp import web
from PIL import Image

from service.pictures.colour import SRGB_CURVE, profile_by_numbers
from service.pictures.previews import derive, examine
from service.pictures.sniffing import sniff
from tests.browser import browser
from tests.emulators.loopback import serving
from tests.pictures.samples import (
    corner_marked,
    encoded,
    exif_segment,
    jpeg_segment,
    jpeg_with,
    photo,
    png_chunk,
    png_with,
    tiff,
    xmp_segment,
)

WIDE = corner_marked(160, 80)
FLAT = Image.new("RGB", (160, 80), (200, 100, 50))
P3 = profile_by_numbers(12, SRGB_CURVE)
NCLX = encoded(FLAT, "image/avif", quality=100)
AT = NCLX.index(b"nclx") + 4

PICTURES: Mapping[str, bytes] = {
    "turned-jpeg": jpeg_with(WIDE, exif_segment(tiff(6))),
    "stale-xmp": jpeg_with(WIDE, exif_segment(tiff(1)), xmp_segment(6)),
    "turned-png": png_with(WIDE, png_chunk(b"eXIf", tiff(8))),
    "turned-webp": encoded(WIDE, "image/webp", exif=tiff(6), quality=95),
    "turned-avif": encoded(WIDE, "image/avif", exif=b"Exif\0\0" + tiff(6), quality=95),
    "profile": encoded(FLAT, "image/jpeg", quality=100, icc_profile=P3),
    "cut-profile": encoded(FLAT, "image/jpeg", quality=100, icc_profile=P3[:-300]),
    "cicp": png_with(FLAT, png_chunk(b"cICP", bytes([12, 13, 0, 1]))),
    "gamma": png_with(FLAT, png_chunk(b"gAMA", (100_000).to_bytes(4))),
    "nclx": NCLX[:AT] + bytes([0, 12, 0, 13]) + NCLX[AT + 4 :],
    "apng": encoded(WIDE, save_all=True, append_images=[FLAT], default_image=True),
    "wrong-checksum": png_with(FLAT, png_chunk(b"tEXt", b"a\0b", wrong=1)),
    "no-end": encoded(photo(160, 320), "image/jpeg")[:-2],
    "odd-segment": jpeg_with(FLAT, jpeg_segment(0xE2, b"ICC_PROFILE\0")),
    "no-profile": png_with(FLAT, png_chunk(b"iCCP", b"")),
}
POINTS = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.5), (0.1, 0.9), (0.9, 0.9))
SHOW = """(async () => {
  const image = new Image();
  image.src = '/%s';
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const at = ([x, y]) => [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
  return [canvas.width, canvas.height, %s.map(at)];
})()"""


async def test_a_preview_shows_what_a_browser_shows() -> None:
    """Ours: the person looks at the link in a browser, the model at the preview."""

    async def picture(request: web.Request) -> web.Response:
        data = PICTURES.get(request.match_info["name"])
        if data is None:
            return web.Response(text="<!doctype html><title>Pictures</title>", content_type="text/html")
        return web.Response(body=data, content_type=sniff(data) or "")

    app = web.Application()
    app.router.add_get("/{name:.*}", picture)
    async with serving(app) as url, browser() as open_tab, open_tab() as tab:
        await tab.open(url)
        for name, data in PICTURES.items():
            width, height, shown = await tab.run(SHOW % (name, [list(point) for point in POINTS]))
            seen = await asyncio.to_thread(examine, data)
            assert (seen.width, seen.height) == (width, height), name
            derived = await asyncio.to_thread(derive, data, 1280, "image/webp")
            for small in (seen.preview, derived.data):
                image = Image.open(io.BytesIO(small)).convert("RGB")
                for (x, y), colour in zip(POINTS, shown, strict=True):
                    pixel = image.getpixel((int(x * width), int(y * height)))
                    assert isinstance(pixel, tuple)
                    assert max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) <= 14, (name, x, y, pixel)
