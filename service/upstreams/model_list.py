"""The list of models that services give under `GET /v1/models`, in OpenAI's shape, and the request for it."""

import asyncio
import re
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from service.bodies import read_limited
from service.upstreams.error_body import parse_body
from service.upstreams.errors import read_error, upstream_error
from service.upstreams.fetch import bearer

TOTAL_S: Final = 10.0
"""A list takes a moment or is not worth the wait."""

LARGEST: Final = 4 * 1024 * 1024
"""Relays list thousands of models, of a hundred bytes each."""

IMAGE_WORDS: Final = re.compile(
    r"(?i)image|flux|flus|dall-e|diffusion|sdxl|kolors|seedream|cogview|recraft|ideogram|banana"
)


async def ask_models(session: aiohttp.ClientSession, url: URL, key: str) -> dict[str, str]:
    """Ask for a list. Raise `UpstreamError` for a bad answer, and what aiohttp raises for none: see `request_to`."""
    async with session.get(
        url,
        headers=bearer(key),
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=TOTAL_S),
    ) as response:
        if response.status != HTTPStatus.OK:
            raise await read_error(response)
        body = await read_limited(response.content, LARGEST)
    if len(body) > LARGEST:
        raise ValueError(f"the list of models is larger than {LARGEST} bytes")
    return read_model_list(await asyncio.to_thread(parse_body, body))


def looks_like_images(id_: str) -> bool:
    """Tell whether an id looks like that of an image model, for lists without a field that says so."""
    return IMAGE_WORDS.search(id_) is not None


def read_model_list(answer: object) -> dict[str, str]:
    """Read ids and their descriptions, in order; a description is empty where there is none."""
    match answer:
        case {"data": [*entries]}:
            return dict(read for entry in entries if (read := _entry(entry)) is not None)
        case _:
            raise upstream_error(200, answer)


def _entry(entry: object) -> tuple[str, str] | None:
    match entry:
        case {"id": str(id_), "description": str(description)} if id_:
            return id_, description
        case {"id": str(id_)} if id_:
            return id_, ""
        case _:
            return None
