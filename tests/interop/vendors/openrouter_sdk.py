"""OpenRouter's own client asks for pictures: by the Image API and by chat, whole and streamed, and what is refused."""

import asyncio
import base64
import os
import sys

from openrouter import OpenRouter, components, errors

from tests.interop.report import Report

MODEL, STREAMING, PLAIN = "google/gemini-3.1-flash-image", "openai/gpt-image-2", "bytedance-seed/seedream-4.5"
PNG = b"\x89PNG\r\n\x1a\n"
REFERENCE = "data:image/png;base64," + base64.b64encode(PNG).decode()
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "a boat"}], "modalities": ["image", "text"]}


def is_png(digits: str) -> bool:
    return base64.b64decode(digits.partition(",")[2] or digits).startswith(PNG)


class Steps:
    """The steps that the client is asked for."""

    def __init__(self, client: OpenRouter) -> None:
        self._client = client
        self._draw = client.images.generate_async

    async def image(self) -> None:
        answer = await self._draw(
            model=MODEL,
            prompt="a boat [compared]",
            stream=True,
            aspect_ratio="16:9",
            resolution="2K",
            seed=7,
            input_references=[{"type": "image_url", "image_url": {"url": REFERENCE}}],
        )
        assert is_png(answer.data[0].b64_json)
        assert answer.usage.cost > 0

    async def several_images(self) -> None:
        answer = await self._draw(model=PLAIN, prompt="two boats", n=2)
        assert len({each.b64_json for each in answer.data}) == 2

    async def streamed_image(self) -> None:
        *before, last = [event async for event in await self._draw(model=STREAMING, prompt="a boat", stream=True)]
        assert {type(each) for each in before} == {components.ImageGenPartialImageEvent}, before
        assert isinstance(last, components.ImageGenCompletedEvent)
        assert is_png(last.b64_json)
        assert last.usage.cost > 0

    async def error_in_a_stream(self) -> None:
        events = await self._draw(model=STREAMING, prompt="a boat [error-mid-stream]", stream=True)
        *_, last = [event async for event in events]
        assert isinstance(last, components.ImageGenStreamErrorEvent)

    async def chat(self) -> None:
        answer = await self._client.chat.send_async(**CHAT, stream=False)
        assert is_png(answer.choices[0].message.images[0].image_url.url)
        assert answer.usage.cost > 0

    async def streamed_chat(self) -> None:
        chunks = await self._client.chat.send_async(**CHAT, stream=True)
        *_, last = [chunk async for chunk in chunks]  # its chunks have no place for the picture
        assert last.usage.cost > 0

    async def models(self) -> None:
        listed = (await self._client.models.list_async(output_modalities="image")).result.data
        assert MODEL in [each.id for each in listed]
        assert all("image" in each.architecture.output_modalities for each in listed)

    async def image_models(self) -> None:
        listed = (await self._client.images.list_models_async()).data
        assert {each.id for each in listed if each.supports_streaming} == {STREAMING}

    async def moderation(self) -> None:
        said = await self.refused("moderation", errors.ForbiddenResponseError)
        assert said.data.error.metadata["reasons"] == ["violence"]

    async def rate(self) -> None:
        said = await self.refused("rate", errors.TooManyRequestsResponseError)
        assert said.headers["retry-after"] == "7"

    async def other_refusals(self) -> None:
        await self.refused("credits", errors.PaymentRequiredResponseError)
        await self.refused("overloaded", errors.ProviderOverloadedResponseError)
        await self.refused("no-provider", errors.OpenRouterDefaultError)
        await self.refused("error-in-200", errors.ResponseValidationError)
        await self.refused("", errors.BadRequestResponseError, model="acme/nothing")
        await self.refused("", errors.NotFoundResponseError, model="acme/writer")

    async def refused(
        self, word: str, kind: type[errors.OpenRouterError], model: str = MODEL
    ) -> errors.OpenRouterError:
        try:
            await self._draw(model=model, prompt=f"a boat [{word}]")
        except kind as refusal:
            return refusal
        raise AssertionError(f"{word or model} was taken")


async def main() -> int:
    """Take the steps; the status is 1 when one failed."""
    report = Report()
    # By itself it sends a paid request again for an hour, on each 5xx and broken connection.
    client = OpenRouter(server_url=os.environ["INTEROP_URL"], api_key=os.environ["INTEROP_KEY"], retry_config=None)
    steps = Steps(client)
    for step in (
        steps.image,
        steps.several_images,
        steps.streamed_image,
        steps.error_in_a_stream,
        steps.chat,
        steps.streamed_chat,
        steps.models,
        steps.image_models,
        steps.moderation,
        steps.rate,
        steps.other_refusals,
    ):
        await report.step(step.__name__.replace("_", " "), step)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
