"""A request to an Images API: new pictures as JSON, pictures from references as a form, or as JSON by their URLs.

OpenAI API reference, "Create image" and "Create image edit". Only parameters that were asked for are sent, since other
services which speak this API refuse some that they do not know.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from service.images import ImageRequest, Reference
from service.pictures.sniffing import sniff
from service.upstreams.error_body import find_error, parse_body
from service.upstreams.http import UNKNOWN_TYPE, Body, form_body, json_body
from service.upstreams.openai_rules import Family, check, family_of, size_of

PARTIALS: Final = 2
"""Partial pictures asked for. Each costs about 100 tokens, and keeps proxies from closing a silent connection."""

OURS: Final = frozenset({"stream", "partial_images", "response_format"})
"""Parameters that no caller asks for: a service may go without them unnoticed."""

BACKGROUND: Final = "background"
TRANSPARENCY: Final = re.compile(r"(?i)\btransparen|\bbackground\b")

NEEDED: Final = frozenset({"model", "prompt", "images"})
UNKNOWN: Final = re.compile(
    r"(?i)(?:unknown|unrecognized|unsupported|unexpected)[\w ]* (?:parameter|argument)[\w ]*[:=]? *['\"`]?(?P<name>\w+)"
)

EDITS: Final = "images/edits"
FILE_FIELDS: Final = ("image", "image[]")
"""Names of the form field of one reference, and of several. Some relays know only one of them (litellm PR #17046)."""

NO_FILE: Final = re.compile(
    r"(?i)\bimage(?:\[\])?['\"`]?\W{1,4}(?:\w+ ){0,4}(?:required|missing)|(?:required|missing)\b.{0,60}\bimage\b"
    r"|no images? (?:\w+ )?(?:provided|uploaded|found|given)|at least one image"
)

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One request before it is encoded: where it goes, its parameters, and references and mask that go as files."""

    path: str
    parameters: Json
    files: tuple[Reference, ...] = ()
    file_field: str = "image"
    mask: Reference | None = None
    task_route: str = ""
    """The route that gives a task, with `{path}` in the place of `path`; empty for an answer with the picture."""

    @property
    def route(self) -> str:
        """Return the route to send it to."""
        return self.task_route.format(path=self.path) or self.path

    @property
    def is_clear(self) -> bool:
        """True where a transparent background is asked for: with another one, the picture would be paid in vain."""
        return self.parameters.get(BACKGROUND) == "transparent"

    def without(self, name: str) -> "Draft":
        """Return the same without one parameter, and without those that mean nothing then."""
        gone = {name, "partial_images"} if name == "stream" else {name}
        return replace(self, parameters={each: self.parameters[each] for each in self.parameters if each not in gone})


def draft(request: ImageRequest, *, streams: bool = True, task_route: str = "") -> Draft:
    """Draft the request. Raise `UnsuitableError` for what the model cannot do. References are bytes or `by_url`.

    `streams`: the service is known to stream pictures. A task is not streamed: sub2api refuses that.
    """
    family = family_of(request.model)
    check(request, family)
    parameters = {name: value for name, value in _parameters(request, family).items() if value is not None}
    if streams and not task_route and family.modern and request.count == 1 and request.output_format != "gif":
        # How several pictures stream is not specified, and a frame of an animation is none.
        parameters |= {"stream": True, "partial_images": PARTIALS}
    if not request.references:
        return Draft(path="images/generations", parameters=parameters, task_route=task_route)
    if by_url(request):
        images = [{"image_url": each.url} for each in request.references]
        return Draft(path=EDITS, parameters=parameters | {"images": images}, task_route=task_route)
    field = FILE_FIELDS[len(request.references) > 1]
    return Draft(
        path=EDITS,
        parameters=parameters,
        files=request.references,
        file_field=field,
        mask=request.mask,
        task_route=task_route,
    )


def by_url(request: ImageRequest) -> bool:
    """Tell whether the service reads the references itself, by their URLs. A mask goes beside bytes."""
    has_bytes = request.mask is not None or any(each.data for each in request.references)
    return family_of(request.model).modern and not has_bytes


def encoded(draft: Draft) -> Body:
    """Encode the body: JSON, or a form where there are files."""
    if not draft.files:
        return json_body(draft.parameters)
    fields = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in draft.parameters.items()
    }
    files = [replace(each, media_type=each.media_type or sniff(each.data) or UNKNOWN_TYPE) for each in draft.files]
    return form_body(fields, draft.file_field, files, draft.mask)


def amended(draft: Draft, body: bytes) -> tuple[Draft, str] | None:
    """Return the draft as a service wants it that refused it with this body, and the parameter it has to go without.

    A refusal costs nothing. None: the body names nothing that could be amended.
    """
    unknown = unknown_parameter(draft, body)
    if unknown is not None:
        return draft.without(unknown), "" if unknown in OURS else unknown
    if draft.files and NO_FILE.search(find_error(parse_body(body)).message):
        return replace(draft, file_field=FILE_FIELDS[draft.file_field == FILE_FIELDS[0]]), ""
    return None


def unknown_parameter(draft: Draft, body: bytes) -> str | None:
    """Return the parameter of the draft that the service says it does not know, if the request can do without."""
    match parse_body(body):
        case {"error": {"code": "unknown_parameter", "param": str(name)}}:
            found = name
        case {"error": {"param": "stream" | "partial_images" as name}}:
            found = name
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"detail": str(message)}:
            match_ = UNKNOWN.search(message[:1000])
            found = match_["name"] if match_ else ""
        case _:
            return None
    can_do_without = found in draft.parameters and found not in NEEDED and not (found == BACKGROUND and draft.is_clear)
    return found if can_do_without else None


def refuses_transparency(draft: Draft, body: bytes) -> bool:
    """Tell that a refusal is one of the transparent background that the draft asks for.

    A preview of some models, it is not there for every account, nor at every relay.
    """
    if not draft.is_clear:
        return False
    match parse_body(body):
        case {"error": {"param": "background"}}:
            return True
        case parsed:
            return TRANSPARENCY.search(find_error(parsed).message) is not None


def _parameters(request: ImageRequest, family: Family) -> Json:
    parameters: Json = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.count if request.count > 1 else None,
        "size": size_of(request, family),
        "quality": request.quality,
        "complexity": request.complexity,
        "background": request.background,
        "output_format": request.output_format,
    }
    if not family.known:
        parameters |= {
            "aspect_ratio": request.aspect_ratio,
            "resolution": request.resolution,
            "negative_prompt": request.negative_prompt,
            "seed": request.seed,
            "steps": request.steps,
            "guidance": request.guidance,
            "loras": request.loras,
        }
    if family.known and not family.modern:
        parameters["response_format"] = "b64_json"  # its URLs last an hour, and may not be reachable from here
    return parameters
