"""Google's own Python client draws by the Gemini API: whole and streamed, with references, refused and failing."""

import asyncio
import io
import os
import re
import sys
from collections.abc import Awaitable
from functools import partial

from google import genai
from google.genai import errors, types
from PIL import Image

from tests.interop.report import Report

MODEL = "gemini-3.1-flash-image"
COMPARED = "three of them [compared]"
OPTIONS = types.HttpOptions(base_url=os.environ["INTEROP_URL"])


def picture(mode: str = "RGB", kind: str = "PNG") -> types.Part:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert(mode).save(out, kind)
    return types.Part.from_bytes(data=out.getvalue(), mime_type=f"image/{kind.lower()}")


def config(ratio: str | None = None, size: str | None = None, *, thinks: bool = False) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=ratio, image_size=size) if ratio or size else None,
        thinking_config=types.ThinkingConfig(include_thoughts=True) if thinks else None,
    )


def drawn(parts: list[types.Part] | None, *, thought: bool = False) -> list[Image.Image]:
    found = [part for part in parts or [] if part.inline_data is not None and bool(part.thought) == thought]
    return [Image.open(io.BytesIO(part.inline_data.data)) for part in found]


async def problem_of(asking: Awaitable[object]) -> errors.APIError:
    """The error with which the client answers."""
    try:
        await asking
    except errors.APIError as problem:
        return problem
    raise AssertionError("it was not refused")


class Steps:
    """The steps of the client, by name."""

    def __init__(self, client: genai.Client) -> None:
        self.client = client
        self.models = client.aio.models

    async def ask(self, prompt: str, **changed: object) -> types.GenerateContentResponse:
        return await self.models.generate_content(**{"model": MODEL, "contents": prompt, "config": config()} | changed)

    async def streamed(self, contents: object, asked: types.GenerateContentConfig) -> list[types.Part]:
        """The parts of a stream; the last chunk has counted the thoughts."""
        stream = await self.models.generate_content_stream(model=MODEL, contents=contents, config=asked)
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage_metadata.thoughts_token_count == 240
        return [part for each in chunks for part in (each.candidates[0].content or types.Content()).parts or []]

    async def whole(self) -> None:
        answer = await self.ask("a boat", config=config("8:1", "512"))
        [found] = drawn(answer.candidates[0].content.parts)
        assert 7 < found.width / found.height < 9, found.size
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert answer.usage_metadata.candidates_token_count == 1120, answer.usage_metadata

    async def stream_with_thoughts(self) -> None:
        parts = await self.streamed("a boat", config(thinks=True))
        assert [part.text for part in parts if part.thought and part.text], parts
        assert (len(drawn(parts, thought=True)), len(drawn(parts))) == (1, 1)

    async def references(self) -> None:
        contents = [COMPARED, picture(), picture("L"), picture(kind="JPEG")]
        assert len(drawn(await self.streamed(contents, config("16:9", "2K", thinks=True)))) == 1

    async def conversation(self) -> None:
        chat = self.client.aio.chats.create(model=MODEL)
        first = await chat.send_message("a boat")
        assert first.candidates[0].content.parts[0].thought_signature
        assert len(drawn((await chat.send_message("in fog")).candidates[0].content.parts)) == 1

    async def held_back(self) -> None:
        [candidate] = (await self.ask("a boat [image-safety]")).candidates
        assert candidate.finish_reason == types.FinishReason.IMAGE_SAFETY
        assert not drawn((candidate.content or types.Content()).parts)

    async def blocked_prompt(self) -> None:
        answer = await self.ask("a boat [blocked]")
        assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
        assert not answer.candidates

    async def list_of_models(self) -> None:
        pages = await self.models.list(config={"page_size": 3})
        names = {model.name: model.supported_actions async for model in pages}
        assert "generateContent" in names[f"models/{MODEL}"], names
        assert "predict" in names["models/imagen-5-image"], names
        assert (await self.models.get(model=MODEL)).name == f"models/{MODEL}"

    async def file(self) -> None:
        [part] = (await self.ask("a boat [file]")).candidates[0].content.parts
        [name] = re.findall("files/[0-9]+", part.file_data.file_uri)
        data = await self.client.aio.files.download(file=name)
        assert Image.open(io.BytesIO(data)).format == "PNG"

    async def wrong_key(self) -> None:
        stranger = genai.Client(api_key="AIzaWrong", http_options=OPTIONS)
        problem = await problem_of(stranger.aio.models.generate_content(model=MODEL, contents="a boat"))
        await stranger.aio.aclose()
        assert (problem.code, problem.status) == (400, "INVALID_ARGUMENT")
        assert "API_KEY_INVALID" in str(problem.details), problem

    async def error_within_a_stream(self) -> None:
        problem = await problem_of(self.streamed("a boat [error-mid-stream]", config(thinks=True)))
        assert (problem.code, problem.status) == (503, "UNAVAILABLE"), problem


REFUSALS = {
    "unknown model": (404, "NOT_FOUND", {"model": "gemini-9-image"}),
    "wrong shape": (400, "aspect_ratio", {"config": config("7:3")}),
    "wrong size": (400, "image_size", {"config": config(size="512px")}),
    "too many pictures": (400, "up to 14", {"contents": ["a", *[picture()] * 15]}),
    "rate": (429, "'retryDelay': '7s'", {"contents": "a boat [rate]"}),
    "quota": (429, "PerDay", {"contents": "a boat [quota]"}),
    "overloaded": (503, "overloaded", {"contents": "a boat [overloaded]"}),
}
"""The refused requests, each with its status and a word of the reason."""


async def main() -> int:
    """Take the steps; the status is 1 when one failed."""
    report = Report()
    client = genai.Client(api_key=os.environ["INTEROP_KEY"], http_options=OPTIONS)
    steps = Steps(client)

    async def refused(status: int, words: str, changed: dict[str, object]) -> None:
        problem = await problem_of(steps.ask("a boat", **changed))
        assert problem.code == status, problem
        assert words in str(problem.details), problem

    for step in (
        steps.whole, steps.stream_with_thoughts, steps.references, steps.conversation, steps.held_back,
        steps.blocked_prompt, steps.list_of_models, steps.file, steps.wrong_key, steps.error_within_a_stream,
    ):  # fmt: skip
        await report.step(step.__name__.replace("_", " "), step)
    for name, refusal in REFUSALS.items():
        await report.step(name, partial(refused, *refusal))
    await client.aio.aclose()
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
