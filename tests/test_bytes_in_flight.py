"""Many pictures at once: the memory that the service takes is that of its settings, and every picture arrives."""

import asyncio
import base64
import io
import itertools
import sys
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from service.bounds.limits import LIMITS
from tests.emulators.loopback import serving
from tests.service_process import launched

SIDE = 1180
"""Pixels of a side: 4.2 MB without compression, which costs a decoder little."""

AT_ONCE = 20
MOST_MB = 50
"""The budget of 16 MB, what connections hold back before their turn, the answers, and the holes between."""

UNLIMITED = {limit.setting: "0" if limit.overall is None else "0/0" for limit in LIMITS}


def picture(number: int) -> bytes:
    """A PNG of its own for each number."""
    image = Image.new("RGB", (SIDE, SIDE), (number, 40, 90))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def peak_mb(pid: int) -> float:
    """The most memory that a process has taken."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


@pytest.mark.parametrize("way", ["base64", "URL"])
async def test_a_crowd_of_large_pictures_takes_bounded_memory_and_all_arrive(tmp_path: Path, way: str) -> None:
    """Ours: what waits lies at its image service. Without a budget this takes 200 MB more."""
    numbers = itertools.count()

    async def draw(request: web.Request) -> web.Response:
        await request.read()
        number = next(numbers)
        if way == "URL":
            return web.json_response({"data": [{"url": f"http://{request.host}/files/{number}"}]})
        digits = base64.b64encode(picture(number))
        return web.Response(body=b'{"data":[{"b64_json":"%b"}]}' % digits, content_type="application/json")

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=picture(int(request.match_info["number"])), content_type="image/png")

    app = web.Application()
    app.router.add_post("/v1/images/generations", draw)
    app.router.add_get("/files/{number}", file)
    async with serving(app) as url:
        settings = {**UNLIMITED, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k", "EASEL_IN_FLIGHT_MB": "16"}
        patient = {"EASEL_PROFILES": "*:patience=600"}
        command = [sys.executable, "-m", "service"]
        async with launched(command, tmp_path / "data", settings | patient, deadline_s=180) as (process, client):
            await client.call("generate", {"prompt": "the first", "model": "gpt-image-2"})
            before = peak_mb(process.pid)
            calls = (
                client.call("generate", {"prompt": f"number {each}", "model": "gpt-image-2"}) for each in range(AT_ONCE)
            )
            answers = await asyncio.gather(*calls)
            more = peak_mb(process.pid) - before
    assert all(not answer.get("isError") for answer in answers)
    kept = list((tmp_path / "data" / "files").glob("*/*.png"))
    assert len({each.name for each in kept}) == AT_ONCE + 1
    assert more < MOST_MB
