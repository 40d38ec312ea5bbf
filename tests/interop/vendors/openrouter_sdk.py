"""OpenRouter's own client draws by the Image API and by the chat route, and reads cost, stream and errors."""

import asyncio
import base64
import os
import sys

import openrouter
from openrouter import errors

from tests.interop.report import Report

IMAGES, CHAT = "google/gemini-3.1-flash-image", "acme/painter-that-chats"
PNG = b"\x89PNG"


async def main() -> int:
    """Take the steps; the status is 1 when one failed."""
    report = Report()
    client = openrouter.OpenRouter(api_key=os.environ["INTEROP_KEY"], server_url=os.environ["INTEROP_URL"])

    async def draws() -> None:
        reference = {"type": "image_url", "image_url": {"url": "https://pics.example/1.png"}}
        answer = await client.images.generate_async(
            model=IMAGES, prompt="a boat", aspect_ratio="16:9", resolution="2K", n=2, input_references=[reference]
        )
        assert [base64.b64decode(each.b64_json)[:4] for each in answer.data] == [PNG, PNG]
        assert answer.usage.cost > 0

    async def streams() -> None:
        events = await client.images.generate_async(model=IMAGES, prompt="a boat", stream=True)
        kinds = [event.type async for event in events]
        assert kinds == ["image_generation.partial_image", "image_generation.completed"], kinds

    async def chats() -> None:
        answer = await client.chat.send_async(
            model=CHAT, messages=[{"role": "user", "content": "a boat"}], modalities=["image", "text"]
        )
        assert answer.choices[0].message.images[0].image_url.url.startswith("data:image/png;base64,")

    async def lists() -> None:
        answer = await client.models.list_async(output_modalities="image")
        listed = answer.result.data if hasattr(answer, "result") else answer.data
        assert next(model.id for model in listed) == IMAGES

    async def is_refused() -> None:
        said = ""
        try:
            await client.images.generate_async(model=IMAGES, prompt="a boat [moderation]", retries=None)
        except errors.OpenRouterError as refused:
            said = refused.body
        assert "flagged" in said, said or "it was taken"

    await report.step("images", draws)
    await report.step("images stream", streams)
    await report.step("chat", chats)
    await report.step("list", lists)
    await report.step("refusal", is_refused)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
