"""Decoding in processes: their number, their limits and their end. Real processes, small pictures."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from service.images import ReferenceRules
from service.pictures.decoders import DECODERS, DecodeLimits, Decoders
from service.pictures.messages import BadPictureError
from service.pictures.previews import copy, examine, take_in
from service.pictures.sniffing import MEMORY_BESIDE, MEMORY_PER_PIXEL
from tests.paths import ROOT
from tests.pictures.decoder_processes import decoder_pids, until_decoders
from tests.pictures.samples import corner_marked, encoded, noise, photo, png_of_size

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")

PNG = encoded(corner_marked(320, 200))
PNG_ALONE = ReferenceRules(types=("image/png",))
SLOW = encoded(photo(2048, 2048), "image/jpeg")
"""To convert it to PNG takes seconds."""


@asynccontextmanager
async def decoding(limits: DecodeLimits | None = None, idle_s: float = 60) -> AsyncIterator[Decoders]:
    decoders = Decoders(limits, idle_s)
    try:
        yield decoders
    finally:
        await decoders.close()
        assert not decoder_pids()


async def refusal(decoders: Decoders, data: bytes) -> tuple[str, str]:
    with pytest.raises(BadPictureError) as caught:
        await decoders.examine("anna", data)
    return caught.value.code, str(caught.value)


async def test_a_process_gives_what_the_function_gives() -> None:
    async with decoding() as decoders:
        assert await decoders.examine("anna", PNG) == examine(PNG)
        assert await decoders.take_in("anna", PNG) == take_in(PNG)
        assert await decoders.copy("anna", PNG, 90_000) == copy(PNG, 90_000)
        assert (await decoders.examine("anna", PNG, is_paid=False)).preview == examine(PNG).preview
        assert (await decoders.convert("anna", PNG, PNG_ALONE)).data == PNG


def test_the_service_itself_loads_no_pillow() -> None:
    """Ours: 10 MB of memory and 40 ms of the start; and no picture is opened where the keys are."""
    code = "import sys, service.app; sys.exit(sum(name.partition('.')[0] == 'PIL' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


async def test_two_hundred_at_once_are_decoded_by_few_processes() -> None:
    """Ours: a decoded picture takes hundreds of megabytes, so how many there are at once is bounded."""
    async with decoding() as decoders:
        assert not decoder_pids(), "none is started before it is needed"
        seen = asyncio.gather(*(decoders.examine("anna", PNG) for _ in range(200)))
        while not seen.done():
            assert len(decoder_pids()) <= DECODERS
            await asyncio.sleep(0.01)
        assert [each.width for each in seen.result()] == [320] * 200


async def test_decoders_go_when_there_is_nothing_to_do() -> None:
    """Ours: a laptop has other uses for their memory. The next picture has a new one."""
    async with decoding(idle_s=0.01) as decoders:
        for _ in range(2):
            await decoders.examine("anna", PNG)
            await until_decoders(0)


async def test_a_large_picture_leaves_with_its_decoder() -> None:
    """Ours: the memory goes back to the system at once."""
    async with decoding() as decoders:
        await decoders.examine("anna", encoded(Image.new("L", (8000, 6000)), "image/jpeg"))
        await until_decoders(0)


async def test_a_picture_over_the_time_is_refused_and_its_decoder_replaced() -> None:
    """Attack: a small valid file held a thread, and everybody behind it, for 29 seconds."""
    async with decoding(DecodeLimits(cpu_s=0.001)) as decoders:
        code, words = await refusal(decoders, PNG)
        assert (code, words) == (
            "too_complex",
            "The image service's PNG picture takes more than 0.001 s to decode (EASEL_DECODE_S).",
        )
        await until_decoders(0)


async def test_a_picture_over_the_memory_is_refused_by_its_header() -> None:
    """Attack: a WebP of some hundred kilobytes took a gigabyte. No decoder is even started."""
    need = (MEMORY_BESIDE + 6000 * 6000 * MEMORY_PER_PIXEL["image/png"]) // 1_000_000
    async with decoding(DecodeLimits(memory_bytes=300_000_000)) as decoders:
        assert await refusal(decoders, png_of_size(6000, 6000)) == (
            "too_complex",
            f"The image service's PNG picture takes about {need} MB of memory to decode, and 300 MB are allowed "
            "(EASEL_DECODE_MEMORY_MB).",
        )
        assert (await refusal(decoders, png_of_size(60_000, 60_000)))[0] == "too_many_pixels"
        assert not decoder_pids()


async def test_a_decoder_that_dies_costs_one_picture() -> None:
    """Ours: a mistake in a library, or the system when memory is short, ends a decoder and not the service."""
    async with decoding() as decoders:
        await decoders.examine("anna", PNG)
        [pid] = decoder_pids()
        slow = asyncio.create_task(decoders.convert("anna", SLOW, PNG_ALONE))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BadPictureError, match="the system ended its decoder, as it does when memory is short"):
            await slow
        assert (await decoders.examine("anna", PNG)).width == 320


async def test_a_decoder_that_died_while_it_waited_costs_nothing() -> None:
    async with decoding() as decoders:
        await decoders.examine("anna", PNG)
        [pid] = decoder_pids()
        os.kill(pid, signal.SIGKILL)
        await until_decoders(0)
        assert (await decoders.examine("anna", PNG)).width == 320


async def test_a_decoder_that_cannot_be_started_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a picture that is paid for is kept then, see `test_library.py`."""
    monkeypatch.setattr("service.pictures.decoders.COMMAND", ("/nonexistent",))
    async with decoding() as decoders:
        code, words = await refusal(decoders, PNG)
        assert code == "undecoded"
        assert "could not be started" in words


async def test_cancelled_callers_leave_the_decoders_usable() -> None:
    """Ours: a client that goes away takes no decoder with it, and waits for none."""
    async with decoding() as decoders:
        leaving = [asyncio.create_task(decoders.convert("anna", SLOW, PNG_ALONE)) for _ in range(20)]
        await until_decoders(1)
        for task in leaving:
            task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*leaving, return_exceptions=True)
        assert all(task.cancelled() for task in leaving)
        assert (await decoders.examine("anna", PNG)).width == 320


async def test_a_stop_waits_for_no_decoder() -> None:
    """Ours: all have their answer at once, and the processes are gone."""
    async with decoding() as decoders:
        slow = [asyncio.create_task(decoders.convert("anna", SLOW, PNG_ALONE)) for _ in range(3)]
        await until_decoders(1)
        async with asyncio.timeout(60):
            decoders.stop()
            results = await asyncio.gather(*slow, return_exceptions=True)
        assert [getattr(each, "code", each) for each in results] == ["undecoded"] * 3
        assert (await refusal(decoders, PNG))[0] == "undecoded"


async def test_a_paid_picture_does_not_wait_for_those_of_strangers() -> None:
    """Attack: references that take seconds each stood before everybody's pictures."""
    async with decoding() as decoders:
        strangers = [asyncio.create_task(decoders.convert(f"{each}", SLOW, PNG_ALONE)) for each in range(5)]
        await until_decoders(DECODERS - 1)
        await decoders.examine("anna", PNG)
        assert not all(task.done() for task in strangers)
        for task in strangers:
            task.cancel()


async def test_megabytes_pass_beside_the_event_loop() -> None:
    """Ours: a picture has up to a hundred megabytes; the loop spends on it as long as on one of a kilobyte."""
    large = encoded(noise("RGB", (2600, 2600)), compress_level=0)
    async with decoding() as decoders:
        await decoders.examine("anna", PNG)
        began = time.thread_time()
        await decoders.examine("anna", large)
        assert time.thread_time() - began < 0.01


async def test_a_decoder_has_no_secret_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a picture that takes a decoder over finds no key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    async with decoding() as decoders:
        await decoders.examine("anna", PNG)
        [pid] = decoder_pids()
        assert b"sk-a-secret" not in await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
