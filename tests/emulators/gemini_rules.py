"""Requests to the emulator of the Gemini API: read, and refused as Google refuses them.

Gemini API reference, "Generating content" and "Image generation", as of November 2026. Names of fields come in camel
case or in that of Protocol Buffers, which Google's JSON takes, too.
"""

import base64
import binascii
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image, UnidentifiedImageError

TEN: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
FOURTEEN: Final = (*TEN, "1:4", "4:1", "1:8", "8:1")
TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
MOST_IMAGES: Final = 14


@dataclass(frozen=True)
class Abilities:
    """An image model: its shapes and sizes, and whether it thinks."""

    ratios: tuple[str, ...] = TEN
    sizes: tuple[str, ...] = ("1K",)
    thinks: bool = True


IMAGE_MODELS: Final[Mapping[str, Abilities]] = {
    "gemini-3-pro-image": Abilities(sizes=("1K", "2K", "4K")),
    "gemini-3.1-flash-image": Abilities(ratios=FOURTEEN, sizes=("512", "1K", "2K", "4K")),
    "gemini-3.1-flash-lite-image": Abilities(),
    "gemini-2.5-flash-image": Abilities(thinks=False),
}
OTHER_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "gemini-3.5-flash": ("generateContent", "countTokens"),
    "veo-3.1-generate": ("predictLongRunning",),
    "imagen-5-image": ("predict",),
    "gemini-embedding-001": ("embedContent",),
}

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"contents", "generationConfig", "systemInstruction", "safetySettings", "tools", "toolConfig",
                   "cachedContent", "model"}),
    "generation_config": frozenset({"responseModalities", "imageConfig", "thinkingConfig", "seed", "temperature",
                                    "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences",
                                    "mediaResolution"}),
    "generation_config.image_config": frozenset({"aspectRatio", "imageSize"}),
    "generation_config.thinking_config": frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"}),
}  # fmt: skip


@dataclass
class Asked:
    """One request: its route, its headers, and its JSON with names in camel case."""

    model: str
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any] = field(repr=False)

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.body.get("generationConfig") or {})

    @property
    def shape(self) -> tuple[str, str]:
        config = self.config.get("imageConfig") or {}
        return config.get("aspectRatio", "1:1"), config.get("imageSize", "1K")

    @property
    def thoughts(self) -> bool:
        return bool((self.config.get("thinkingConfig") or {}).get("includeThoughts"))

    @property
    def parts(self) -> list[dict[str, Any]]:
        return [part for content in self.body.get("contents") or [] for part in content.get("parts") or []]

    @property
    def prompt(self) -> str:
        return " ".join(part["text"] for part in self.parts if "text" in part)

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        blobs = [part["inlineData"] for part in self.parts if "inlineData" in part]
        return [(blob["mimeType"], decoded(blob["data"])) for blob in blobs]


def decoded(digits: str) -> bytes:
    """Base64 of either alphabet, padded or not, as ProtoJSON has it: google-genai of Python sends that of URLs."""
    standard = digits.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def camel(value: object) -> Any:
    """The value with each name of a field in camel case."""
    match value:
        case {**fields}:
            return {re.sub(r"_([a-z])", lambda found: found[1].upper(), str(n)): camel(v) for n, v in fields.items()}
        case [*items]:
            return [camel(item) for item in items]
        case _:
            return value


def error(code: int, message: str, status: str, *details: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """An answer in Google's form, google.rpc.Status."""
    said: dict[str, Any] = {"code": code, "message": message, "status": status}
    return code, {"error": said | ({"details": list(details)} if details else {})}


def invalid(message: str, place: str = "") -> tuple[int, dict[str, Any]]:
    violations = {"@type": f"{RPC}BadRequest", "fieldViolations": [{"field": place, "description": message}]}
    return error(400, message, "INVALID_ARGUMENT", *([violations] if place else []))


RPC: Final = "type.googleapis.com/google.rpc."
UNREGISTERED: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)


def key_refusal(key: str, right: str) -> tuple[int, dict[str, Any]] | None:
    """Refuse a key as Google does: 403 for none, and 400 for a wrong one."""
    if not key:
        return error(403, UNREGISTERED, "PERMISSION_DENIED")
    if key != right:
        reason = {"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
                  "metadata": {"service": "generativelanguage.googleapis.com"}}  # fmt: skip
        words = {"@type": f"{RPC}LocalizedMessage", "locale": "en-US", "message": "API key not valid."}
        message = "API key not valid. Please pass a valid API key."
        return error(400, message, "INVALID_ARGUMENT", reason, words)
    return None


def refusal(asked: Asked) -> tuple[int, dict[str, Any]] | None:
    """Refuse what the API refuses, before anything is drawn."""
    if asked.model not in IMAGE_MODELS:
        message = (
            f"models/{asked.model} is not found for API version v1beta, or is not supported for {asked.method}. "
            "Call ListModels to see the list of available models and their supported methods."
        )
        return error(404, message, "NOT_FOUND")
    return next((found for found in _problems(asked, IMAGE_MODELS[asked.model])), None)


def _problems(asked: Asked, able: Abilities) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from _unknown_names(asked)
    if not asked.body.get("contents"):
        yield invalid("* GenerateContentRequest.contents: contents is not specified\n")
    if not asked.parts:
        yield invalid("* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n")
    modalities = asked.config.get("responseModalities", ["TEXT", "IMAGE"])
    if not set(modalities) <= {"TEXT", "IMAGE"}:
        yield invalid("Invalid value at 'generation_config.response_modalities[0]'", "generation_config")
    if "IMAGE" not in modalities and (asked.config.get("imageConfig")):
        yield invalid("Image config is only supported with the IMAGE response modality.")
    if not able.thinks and asked.config.get("thinkingConfig"):
        yield invalid("Thinking is not enabled for this model")
    if asked.config.get("candidateCount", 1) != 1:
        yield invalid("Multiple candidates is not enabled for this model")
    ratio, size = asked.shape
    if ratio not in able.ratios:
        yield invalid(f"aspect_ratio must be one of {able.ratios}", "generation_config.image_config.aspect_ratio")
    if size not in able.sizes:
        yield invalid(f"image_size must be one of {able.sizes}", "generation_config.image_config.image_size")
    yield from _bad_parts(asked)


def _unknown_names(asked: Asked) -> Iterator[tuple[int, dict[str, Any]]]:
    config = asked.config
    places: dict[str, Mapping[str, Any]] = {
        "": asked.body,
        "generation_config": config,
        "generation_config.image_config": config.get("imageConfig") or {},
        "generation_config.thinking_config": config.get("thinkingConfig") or {},
    }
    for place, fields in places.items():
        for name in fields.keys() - FIELDS[place]:
            where = f" at '{place}'" if place else ""
            yield invalid(
                f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.', place or name
            )


def _bad_parts(asked: Asked) -> Iterator[tuple[int, dict[str, Any]]]:
    blobs = [part["inlineData"] for part in asked.parts if "inlineData" in part]
    if len(blobs) > MOST_IMAGES:
        yield invalid(f"The request has {len(blobs)} input images, and the model takes up to {MOST_IMAGES}.")
    for number, blob in enumerate(blobs):
        place = f"contents[0].parts[{number}].inline_data"
        if blob.get("mimeType") not in TYPES:
            yield invalid(f"Unsupported MIME type: {blob.get('mimeType')}")
        try:
            data = decoded(blob.get("data", ""))
        except binascii.Error:
            yield invalid(f"Invalid value at '{place}.data' (TYPE_BYTES), Base64 decoding failed", f"{place}.data")
            return
        try:
            Image.open(io.BytesIO(data)).verify()
        except (UnidentifiedImageError, OSError):
            yield invalid("Unable to process input image. Please retry or report in " + HELP)


HELP: Final = "https://developers.generativeai.google/guide/troubleshooting"
EDGES: Final[Mapping[str, int]] = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}


def pixels(asked: Asked) -> tuple[int, int]:
    """The size of the picture: about the area of the square, in steps of 32."""
    ratio, size = asked.shape
    width, height = map(int, ratio.split(":"))
    edge = EDGES[size]
    scale = (width / height) ** 0.5
    return max(32, round(edge * scale / 32) * 32), max(32, round(edge / scale / 32) * 32)
