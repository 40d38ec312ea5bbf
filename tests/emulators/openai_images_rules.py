"""Requests to the emulator of the Images API: read, and checked by the rules of the models.

OpenAI API reference, "Create image" and "Create image edit", as of November 2026.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import BodyPartReader, web
from PIL import Image

GPT_IMAGE: Final = re.compile(
    r"(?:gpt-image-(?:1-mini|1\.5|2|2\.[56]-[a-z]+)|chatgpt-image-latest)(?:-20\d\d-\d\d-\d\d)?"
)
FIXED: Final = frozenset({"auto", "1024x1024", "1536x1024", "1024x1536"})
SIZES: Final[Mapping[str, frozenset[str]]] = {
    "dall-e-2": frozenset({"256x256", "512x512", "1024x1024"}),
    "dall-e-3": frozenset({"1024x1024", "1792x1024", "1024x1792"}),
}
COMMON: Final = frozenset({"model", "prompt", "n", "size", "user"})
GPT_FIELDS: Final = COMMON | {
    "quality", "background", "output_format", "output_compression", "moderation", "stream", "partial_images",
}  # fmt: skip
DALL_E_FIELDS: Final = COMMON | {"response_format", "quality", "style"}
LARGEST_IMAGE, LARGEST_OLD_IMAGE, LARGEST_MASK = 50_000_000, 4_000_000, 4_000_000
EDIT_FIELDS: Final = frozenset({"images", "mask", "input_fidelity"})


@dataclass
class File:
    """One file of a form."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass
class Asked:
    """One request: where it came in, how it was encoded, its parameters as text, its files."""

    path: str
    form: bool
    headers: Mapping[str, str]
    parameters: dict[str, object]
    files: list[File] = field(default_factory=list)

    @property
    def model(self) -> str:
        return str(self.parameters.get("model", ""))

    @property
    def prompt(self) -> str:
        return str(self.parameters.get("prompt", ""))

    @property
    def count(self) -> int:
        return int(str(self.parameters.get("n", 1)))

    @property
    def streams(self) -> bool:
        return str(self.parameters.get("stream", False)).lower() == "true"

    @property
    def partials(self) -> int:
        return int(str(self.parameters.get("partial_images", 0)))

    @property
    def is_gpt(self) -> bool:
        return GPT_IMAGE.fullmatch(self.model) is not None


async def asked(request: web.Request) -> Asked:
    """Read a request of either encoding."""
    path, headers = request.path, request.headers.copy()
    if not request.content_type.startswith("multipart/"):
        return Asked(path=path, form=False, headers=headers, parameters=await request.json())
    read = Asked(path=path, form=True, headers=headers, parameters={})
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        data = bytes(await part.read())
        if part.name in {"image", "image[]", "mask"}:
            read.files.append(File(part.name, part.filename or "", part.headers.get("Content-Type", ""), data))
        else:
            read.parameters[part.name] = data.decode()
    return read


def error(message: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def refusal(asked: Asked) -> tuple[int, dict[str, object]] | None:
    """Return the answer that refuses a request before anything is drawn, or None."""
    if not asked.is_gpt and asked.model not in SIZES:
        return 404, error(f"The model '{asked.model}' does not exist.", "model", "model_not_found")
    allowed = (GPT_FIELDS if asked.is_gpt else DALL_E_FIELDS) | (EDIT_FIELDS if "edits" in asked.path else set())
    if asked.model.startswith("gpt-image-2.6-"):
        allowed |= {"complexity"}
    for name in asked.parameters:
        if name not in allowed:
            return 400, error(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if not asked.prompt.strip():
        return 400, error("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    for name, right in _values(asked):
        value = asked.parameters.get(name)
        if value is not None and str(value) not in right:
            return 400, error(f"Invalid value: '{value}'.", name, "invalid_value")
    if asked.partials and not asked.streams:
        return 400, error("partial_images needs stream.", "partial_images", "invalid_value")
    return _files_refused(asked) if "edits" in asked.path else None


def pixels(asked: Asked) -> tuple[int, int]:
    size = str(asked.parameters.get("size", "auto"))
    width, _, height = ("1024x1024" if size == "auto" else size).partition("x")
    return int(width), int(height)


def _values(asked: Asked) -> list[tuple[str, frozenset[str]]]:
    if not asked.is_gpt:
        qualities = frozenset({"standard", "hd"} if asked.model == "dall-e-3" else {"standard"})
        counts = 1 if asked.model == "dall-e-3" else 10
        return [("size", SIZES[asked.model]), ("quality", qualities), ("n", frozenset(map(str, range(1, counts + 1))))]
    newer = re.match(r"gpt-image-2", asked.model) is not None
    qualities = frozenset({"auto", "low", "medium", "high"})
    if re.match(r"gpt-image-2\.", asked.model):
        qualities |= {"xhigh", "max"}
    size = str(asked.parameters.get("size", "auto"))
    return [
        ("size", frozenset({size}) if newer and _is_free_size(size) else FIXED),
        ("quality", qualities),
        ("complexity", frozenset({"low", "medium", "high"})),
        ("background", frozenset({"auto", "transparent", "opaque"})),
        ("output_format", frozenset({"png", "jpeg", "webp"})),
        ("n", frozenset(map(str, range(1, 11)))),
        ("partial_images", frozenset("0123")),
    ]


def _is_free_size(size: str) -> bool:
    if size == "auto":
        return True
    width, height = (int(number) for number in size.split("x"))
    whole = width % 16 == height % 16 == 0
    return whole and max(width, height) <= min(3840, 3 * min(width, height)) and 655_360 <= width * height <= 8_294_400


def _files_refused(asked: Asked) -> tuple[int, dict[str, object]] | None:
    match asked.parameters.get("images"):
        case None if asked.form:
            images = [file for file in asked.files if file.name != "mask"]
        case [{"image_url": str()}, *_] if asked.is_gpt and not asked.form:
            return None
        case _:
            return 400, error("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    names = {file.name for file in images}
    if not images or len(images) > (16 if asked.is_gpt else 1) or (len(images) > 1 and names != {"image[]"}):
        return 400, error("Invalid images.", "image", "invalid_image")
    for file in images:
        if not file.filename or file.content_type not in {"image/png", "image/jpeg", "image/webp"}:
            return 400, error(f"Unsupported file: '{file.content_type}'.", "image", "unsupported_image_media_type")
        if len(file.data) > (LARGEST_IMAGE if asked.is_gpt else LARGEST_OLD_IMAGE):
            return 400, error("Image is too large.", "image", "image_too_large")
    masks = [file for file in asked.files if file.name == "mask"]
    return _mask_refused(masks, images[0]) if masks else None


def _mask_refused(masks: list[File], image: File) -> tuple[int, dict[str, object]] | None:
    """Refuse what the reference rules out: "a PNG, less than 4MB, with the same dimensions as image", with alpha.

    The image generation guide, "Mask requirements", wants "the same format and size" of both.
    """
    [mask, *others] = masks
    if others or mask.content_type != "image/png" or not mask.filename or not mask.data.startswith(b"\x89PNG"):
        return 400, error("Invalid mask: a single PNG is expected.", "mask", "invalid_image_file")
    if image.content_type != mask.content_type:
        return 400, error("Invalid mask image format - mask and image must be of the same format.", "mask", None)
    if len(mask.data) >= LARGEST_MASK:
        return 400, error("Invalid mask: it must be less than 4MB.", "mask", "image_too_large")
    with Image.open(io.BytesIO(mask.data)) as drawn, Image.open(io.BytesIO(image.data)) as picture:
        if drawn.mode not in {"RGBA", "LA"}:
            return 400, error("Invalid mask image format - mask image missing alpha channel.", "mask", None)
        if drawn.size != picture.size:
            return 400, error("Invalid mask image size - mask and image must be the same size.", "mask", None)
    return None
