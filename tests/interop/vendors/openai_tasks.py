"""OpenAI's own client asks a gateway that draws asynchronously, and finds a task in the place of a picture."""

import asyncio
import base64
import io
import os
import sys
from typing import Any

import openai

from tests.interop.report import Report

MODEL = "gpt-image-1.5"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


async def main() -> int:
    """Take the steps; the status is 1 when one failed."""
    report = Report()
    client = openai.AsyncOpenAI(
        base_url=f"{os.environ['INTEROP_URL']}/v1", api_key=os.environ["INTEROP_KEY"], max_retries=0
    )

    async def followed(path: str) -> dict[str, Any]:
        while True:
            task = await client.get(path, cast_to=dict[str, Any])
            if task["status"] not in {"submitted", "processing"}:
                return task

    async def ordinary() -> None:
        [entry] = (await client.images.generate(model=MODEL, prompt="a boat")).data
        assert (entry.b64_json, entry.url, entry.status) == (None, None, "submitted")
        task = await followed(f"/tasks/{entry.task_id}")
        assert task["result"]["images"][0]["url"].startswith("http")

    async def edit() -> None:
        picture = ("picture.png", io.BytesIO(PNG), "image/png")
        [entry] = (await client.images.edit(model=MODEL, image=picture, prompt="a red boat")).data
        assert entry.task_id

    async def by_route(path: str) -> None:
        told = await client.post(path, body={"model": MODEL, "prompt": "a boat"}, cast_to=dict[str, Any])
        task = await followed(told["poll_url"].removeprefix("/v1"))
        assert task["status"] == "completed"

    async def streams() -> None:
        body = {"model": MODEL, "prompt": "a boat", "stream": True}
        said = None
        try:
            await client.post("/images/generations/async", body=body, cast_to=dict[str, Any])
        except openai.BadRequestError as refused:
            said = refused.param
        assert said == "stream", "it was taken"

    await report.step("a task in place of a picture", ordinary)
    await report.step("edit", edit)
    await report.step("generations/async", lambda: by_route("/images/generations/async"))
    await report.step("images/tasks", lambda: by_route("/images/tasks"))
    await report.step("no stream of a task", streams)
    await client.close()
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
