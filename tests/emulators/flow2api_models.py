"""Which models a Flow2API server has, and what its generic names become (src/core/model_resolver.py)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

ASPECTS: Final[Mapping[str, tuple[int, int]]] = {
    "landscape": (1376, 768),
    "portrait": (768, 1376),
    "square": (1024, 1024),
    "four-three": (1200, 896),
    "three-four": (896, 1200),
}
"""Each aspect and its pixels in 1K."""

RATIOS: Final = {"16:9": "landscape", "9:16": "portrait", "1:1": "square", "4:3": "four-three", "3:4": "three-four"}
SIZES: Final = {"2k": "-2k", "4k": "-4k"}
QUALITIES: Final = {"medium": "-2k", "high": "-4k", "hd": "-4k", "ultra": "-4k"}
GEMINI: Final = {"gemini-3.0-pro-image": "GEM_PIX_2", "gemini-3.1-flash-image": "NARWHAL"}
IMAGEN: Final = "imagen-4.0-generate-preview"
ALIASES: Final = (*GEMINI, IMAGEN)

FULL_IDS: Final[Mapping[str, str]] = {
    **{
        f"{alias}-{aspect}{size}": internal
        for alias, internal in GEMINI.items()
        for size in ("", "-2k", "-4k")
        for aspect in ASPECTS
    },
    **{f"{IMAGEN}-{aspect}": "IMAGEN_3_5" for aspect in ("landscape", "portrait")},
}
"""The 32 image models and their internal names. Parameters have no effect on these."""


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The models of one version of the server. Versions without generic names have no descriptions."""

    ids: Mapping[str, str]
    generic: tuple[str, ...]
    describes: bool = True


CURRENT: Final = Catalog(ids=FULL_IDS, generic=ALIASES)
BEFORE_ALIASES: Final = Catalog(
    ids={
        **{name: internal for name, internal in FULL_IDS.items() if re.search(r"-(landscape|portrait)", name)},
        **{f"gemini-2.5-flash-image-{shape}": "GEM_PIX" for shape in ("landscape", "portrait")},
    },
    generic=(),
    describes=False,
)
"""As in February 2026."""


def resolved(model: str, request: Mapping[str, object], catalog: Catalog = CURRENT) -> str | None:
    """The full id that a request means, or `None` for a model that there is not."""
    if model in catalog.ids:
        return model
    if model not in catalog.generic:
        return None
    asked = list(_places(request))
    aspect = next((found for place in asked if (found := _aspect(place))), "landscape")
    if model == IMAGEN:
        return f"{model}-{aspect if aspect == 'portrait' else 'landscape'}"
    size = next((found for place in asked if (found := _size(place)) is not None), "")
    return f"{model}-{aspect}{size}"


def _places(request: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """The objects that may hold parameters, first found wins. Within the top level, `size` beats `aspect_ratio`."""
    match request:
        case {"generationConfig": {"imageConfig": {**image}}} | {"generationConfig": {"image_config": {**image}}}:
            yield {str(name): str(value) for name, value in image.items()}
    match request:
        case {"generationConfig": {**config}}:
            yield {str(name): str(value) for name, value in config.items()}
    match request:
        case {"extra_body": {**extra}} | {"extraBody": {**extra}}:
            yield from _places({"generationConfig": extra.get("generationConfig")})
    top = {name: str(value) for name, value in request.items()}
    yield {name: top[name] for name in ("size", "quality") if name in top}
    yield {name: top[name] for name in ("aspect_ratio", "aspectRatio", "image_size", "imageSize") if name in top}


def _aspect(place: Mapping[str, str]) -> str | None:
    for name in ("aspectRatio", "aspect_ratio", "aspect"):
        if name in place:
            ratio = re.sub(r"[x/：]", ":", place[name])
            word = ratio.replace("_", "-")
            return RATIOS.get(ratio) or (word if word in ASPECTS else "landscape")
    pixels = re.fullmatch(r"(\d+)x(\d+)", place.get("size", ""))
    if pixels is None:
        return None
    wanted = int(pixels[1]) / int(pixels[2])
    return min(ASPECTS, key=lambda aspect: abs(ASPECTS[aspect][0] / ASPECTS[aspect][1] - wanted))


def _size(place: Mapping[str, str]) -> str | None:
    for name in ("imageSize", "image_size", "resolution"):
        if name in place:
            return SIZES.get(place[name].lower(), "")
    for name in ("quality", "imageQuality", "image_quality"):
        if name in place:
            return QUALITIES.get(place[name].lower(), "")
    return None


def pixels(model: str) -> tuple[int, int]:
    """The pixels of a picture that a full id makes."""
    aspect = next(aspect for aspect in ASPECTS if re.search(rf"image-{aspect}|preview-{aspect}", model))
    scale = 4 if model.endswith("-4k") else 2 if model.endswith("-2k") else 1
    width, height = ASPECTS[aspect]
    return width * scale, height * scale


def model_list(catalog: Catalog = CURRENT) -> dict[str, object]:
    """`GET /v1/models`: full ids only; one video model stands for the 182."""
    listed = [*((name, f"Image generation - {internal}") for name, internal in catalog.ids.items())]
    listed.append(("veo_3_1_t2v_fast_portrait", "Video generation - veo_3_1_t2v_fast_portrait"))
    entries = [{"id": name, "object": "model", "owned_by": "flow2api", "description": about} for name, about in listed]
    bare = [{name: value for name, value in entry.items() if name != "description"} for entry in entries]
    return {"object": "list", "data": entries if catalog.describes else bare}


def alias_list(catalog: Catalog = CURRENT) -> dict[str, object]:
    """`GET /v1/models/aliases`: the generic names."""
    aspects = ", ".join(ASPECTS)
    about = dict.fromkeys(GEMINI, f"Image generation (alias) - aspects: {aspects}; sizes: 2k, 4k")
    about[IMAGEN] = "Image generation (alias) - aspects: landscape, portrait"
    data = [
        {"id": alias, "object": "model", "owned_by": "flow2api", "description": about[alias], "is_alias": True}
        for alias in catalog.generic
    ]
    return {"object": "list", "data": data}
