"""OpenAI's own client asks for edits with masks: one as it should be, and those that the API refuses."""

import asyncio
import base64
import io
import os
import sys

import openai
from PIL import Image

from tests.interop.report import Report

SIZE = (64, 32)


def png(mode: str, size: tuple[int, int] = SIZE) -> tuple[str, bytes, str]:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return ("picture.png", out.getvalue(), "image/png")


async def main() -> int:
    """Take the steps; the status is 1 when one failed."""
    report = Report()
    client = openai.AsyncOpenAI(
        base_url=f"{os.environ['INTEROP_URL']}/v1", api_key=os.environ["INTEROP_KEY"], max_retries=0
    )

    async def edit(mask: tuple[str, bytes, str]) -> openai.types.ImagesResponse:
        return await client.images.edit(model="gpt-image-1.5", image=png("RGB"), mask=mask, prompt="a red sky")

    async def takes() -> None:
        answer = await edit(png("RGBA"))
        picture = base64.b64decode(answer.data[0].b64_json)
        assert Image.open(io.BytesIO(picture)).format == "PNG"

    async def refuses(mask: tuple[str, bytes, str], words: str) -> None:
        said = ""
        try:
            await edit(mask)
        except openai.BadRequestError as refused:
            said = f"{refused.param}: {refused}"
        assert said.startswith("mask:"), said or "it was taken"
        assert words in said, said

    await report.step("edit with mask", takes)
    await report.step("no alpha", lambda: refuses(png("RGB"), "alpha"))
    await report.step("another size", lambda: refuses(png("RGBA", (32, 32)), "same size"))
    await client.close()
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
