"""The arguments of a call that bring references and a mask: read, and checked against the model, before any is had.

Models fill in arguments that they mean to leave out, with false, an empty text or a count of nothing: all of these
count as left out. For a model that takes one picture, two kinds of arguments contradict each other; for others they
come together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from service.image_models.abilities import names
from service.image_models.models import Model, Models
from service.images import ReferenceRules, WorkError
from service.references.masks import MaskArgument
from service.references.uploads import upload_request
from service.storage.upload_records import UploadRequest

KINDS: Final = ("history_id", "use_latest_user_image", "image_url", "use_upload")
"""The arguments that bring references, in the order in which the image service gets them."""

FOLDER: Final = frozenset({"use_latest_user_image", "user_image_count"})
ARGUMENTS: Final = frozenset({*KINDS, "picture", "user_image_count", "mask"})
"""`KINDS`, and the arguments that say more about one of them."""

MOST_UNKNOWN: Final = 4
"""Most references of a model whose own limit is not known."""

SHOWN_MODELS: Final = 6


@dataclass(frozen=True, kw_only=True)
class ReferenceArguments:
    """The references that a call asks for, and its mask; `newest` is the number of pictures of the image folder."""

    history_id: int | None = None
    picture: int = 1
    newest: int = 0
    urls: tuple[str, ...] = ()
    upload: UploadRequest | None = None
    mask: MaskArgument | None = None

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> "ReferenceArguments":
        """Read arguments that passed the schema; 5.0 is an integer to it."""
        history_id, urls = arguments.get("history_id"), arguments.get("image_url", ())
        read = cls(
            history_id=None if history_id is None else int(history_id),
            picture=int(arguments.get("picture", 1)),
            newest=int(arguments.get("user_image_count", 1)) if arguments.get("use_latest_user_image") else 0,
            urls=tuple(filter(str.strip, [urls] if isinstance(urls, str) else urls)),
            mask=MaskArgument.read(arguments.get("mask")),
        )
        if not arguments.get("use_upload"):
            return read
        paints = read.mask is not None and read.mask.is_painted and not read.counts
        return replace(read, upload=replace(upload_request(arguments), paints=paints))

    @property
    def counts(self) -> dict[str, int]:
        """The number of pictures by argument, for arguments that bring any. An upload brings one or more."""
        counted = (int(self.history_id is not None), self.newest, len(self.urls), int(self.upload is not None))
        return {kind: count for kind, count in zip(KINDS, counted, strict=True) if count}


def check_room(wanted: ReferenceArguments, model: Model, models: Models) -> int:
    """Return the room for pictures of an upload. Raises `WorkError` where the model takes fewer than asked."""
    counts = wanted.counts
    most = MOST_UNKNOWN if model.references is None else model.references
    if wanted.mask is not None:
        _check_mask(counts, model, models)
        most -= model.mask == "marked"  # the copy with the region marked takes the place of one
    given = ", ".join(f"`{kind}`" for kind in counts)
    if counts and not most:
        raise problem(f"{model.id} draws without reference pictures: leave {given} out{_instead(models)}.")
    if len(counts) > most:
        raise problem(f"{model.id} starts from {_number(most)}: give only {'one' if most == 1 else most} of {given}.")
    asked = sum(counts.values())
    if asked > most:
        raise problem(f"{model.id} starts from {_number(most)}, and {asked} are asked for by {given}.")
    return most - asked + 1


def _check_mask(counts: Mapping[str, int], model: Model, models: Models) -> None:
    if not model.mask:
        takers = [each.id for each in models.listed if each.mask]
        raise problem(f"{model.id} takes no mask: leave `mask` out{_or_use(takers)}.")
    if not counts:
        raise problem(
            "`mask` marks a part of a picture, and there is none: name the picture by `history_id` or `image_url`, or "
            "let the person send it by `use_upload`."
        )


def rules_of(model: Model) -> ReferenceRules:
    """Return the form in which a model takes references and a mask."""
    return ReferenceRules(
        types=model.reference_types,
        most_bytes=model.reference_bytes,
        most_pixels=model.reference_pixels,
        mask=model.mask,
    )


def offer(models: Models, properties: Mapping[str, Any], *, folder: bool) -> dict[str, Any]:
    """Return the properties of a schema that are of use, with these models and perhaps without an image folder."""
    left_out = (frozenset() if folder else FOLDER) if models.take_references else ARGUMENTS
    shown = {name: schema for name, schema in properties.items() if name not in left_out}
    takers = [each for each in models.listed if each.mask]
    if "mask" in shown and not takers:
        del shown["mask"]
    elif "mask" in shown and len(takers) < len(models.listed):
        words = f"{shown['mask']['description']} Only for {', '.join(names(takers, models.listed))}."
        shown["mask"] = shown["mask"] | {"description": words}
    return shown


def problem(message: str) -> WorkError:
    """Make the error about the references of a call."""
    return WorkError(message, kind="reference")


def _number(most: int) -> str:
    return "one picture" if most == 1 else f"up to {most} pictures"


def _instead(models: Models) -> str:
    takers = [each.id for each in models.listed if each.references] or [
        each.id for each in models.listed if each.references is None
    ]
    return _or_use(takers)


def _or_use(models: Sequence[str]) -> str:
    """Name some models instead of the one that was chosen."""
    *others, last = models[:SHOWN_MODELS] or [""]
    return f", or use {', '.join(others)}{' or ' if others else ''}{last}" if last else ""
