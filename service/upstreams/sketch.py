"""The upstream that needs no image service: a landscape drawn here from the words of the prompt.

It lets a newcomer see the whole way, to the picture in the client, before there is a key. The same prompt gives the
same bytes. The picture says on itself what it is, and so does its note.
"""

import asyncio
import hashlib
import io
from typing import ClassVar, Final

from service.images import ImageRequest, Picture, Progress
from service.upstreams.base import Offers, Upstream
from service.upstreams.sketch_canvas import Canvas
from service.upstreams.sketch_scenes import SCENES
from service.upstreams.sketch_strip import add_strip
from service.upstreams.sketch_words import LIGHT_WORDS, LIGHTS, SCENE_WORDS, chosen

NOTE: Final = (
    "This is Easel's built-in sketch, drawn without an image service. "
    "Set FLOW2API_API_KEY, OPENAI_API_KEY or MODELSCOPE_API_KEY to turn on a real one."
)

JPEG_QUALITY: Final = 90


class SketchUpstream(Upstream):
    """Draws in threads, a stage at a time, so that a cancelled call ends with the stage it is in."""

    name: ClassVar[str] = "sketch"
    charges: ClassVar[bool] = False
    deadline_s = 30.0
    """A sketch takes a fifth of a second; a hundred may wait for two cores."""

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        """One picture."""
        seed = hashlib.sha256(request.prompt.encode()).digest()
        canvas = Canvas(LIGHTS[chosen(LIGHT_WORDS, request.prompt, seed[0])], seed)
        scene = chosen(SCENE_WORDS, request.prompt, seed[1])
        await progress("Sketching the sky", 10)
        await asyncio.to_thread(canvas.sky)
        await progress(f"Sketching the scene: {scene}", 35)
        await asyncio.to_thread(SCENES[scene], canvas)
        await progress("Finishing the sketch", 80)
        return [Picture(data=await asyncio.to_thread(encoded, canvas, request.prompt), note=NOTE)]

    def describe(self) -> str:
        """One line for the person who starts the service."""
        return "sketch: built in, draws a landscape from the prompt, reaches nothing"

    async def offers(self) -> Offers:
        """Itself."""
        return Offers(images=(self.name,))


def encoded(canvas: Canvas, prompt: str) -> bytes:
    """The finished picture with its strip, as JPEG."""
    picture = canvas.finished()
    add_strip(picture, prompt)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
