"""A chat-completions request for a picture: one message, its references as parts, and what OpenRouter needs beside it.

References are `image_url` parts in the object form: Flow2API answers 500 to a plain string. They come in their order,
however many: Flow2API and OpenRouter have no limit of their own.
"""

from collections.abc import Mapping
from typing import Final

from yarl import URL

from service.images import ImageRequest, Reference

OPENROUTER: Final = "openrouter.ai"

TALKATIVE: Final = ("google/", "openai/", "openrouter/")
"""Makers whose image models also write. OpenRouter finds no provider for words from the others, such as FLUX."""

Json = dict[str, object]


def messages(request: ImageRequest) -> list[Json]:
    """Exactly one message: Flow2API takes a picture in an earlier answer for a reference."""
    if not request.references:
        return [{"role": "user", "content": request.prompt}]
    parts: list[Json] = [{"type": "text", "text": request.prompt}]
    parts += [{"type": "image_url", "image_url": {"url": address(each)}} for each in request.references]
    return [{"role": "user", "content": parts}]


def address(reference: Reference) -> str | Reference:
    """The URL of a reference; where it has bytes, itself, which becomes a data URI as it is sent."""
    return reference if reference.data else reference.url


def is_openrouter(base: URL) -> bool:
    """Whether this is OpenRouter, which draws only when it is told that a picture is wanted."""
    host = base.host or ""
    return host == OPENROUTER or host.endswith(f".{OPENROUTER}")


def openrouter_extras(request: ImageRequest) -> Json:
    """OpenRouter, "Image generation": without `modalities` many models answer in words."""
    asked: Mapping[str, str | None] = {"aspect_ratio": request.aspect_ratio, "image_size": request.resolution}
    config = {name: value for name, value in asked.items() if value is not None}
    modalities = ["image", "text"] if request.model.startswith(TALKATIVE) else ["image"]
    return {"modalities": modalities} | ({"image_config": config} if config else {})
