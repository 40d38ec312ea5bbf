"""The values that go through the pipeline: requests, pictures, jobs, progress, failed work.

A call becomes an `ImageRequest`, an upstream turns it into `Picture`s, the pipeline keeps them as `KeptPicture`s and
the whole story of it is one `Job`. Values only: nothing here opens, reads or waits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Protocol, Self

from service.costs import FREE, Price
from service.costs import Usage as Usage  # noqa: PLC0414 - part of a picture and of a job, and so of these values

EXTENSIONS: Final[Mapping[str, str]] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
}
"""The media types we keep and serve, and the extension each is stored under. SVG is active content and stays out."""

OLD_EXTENSIONS: Final[Mapping[str, str]] = {
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""Types of files of an earlier server: they are served as they are, and neither drawn, decoded nor taken otherwise."""

MEDIA_TYPES: Final[Mapping[str, str]] = {extension: media_type for media_type, extension in EXTENSIONS.items()}

SAID: Final = "It said: "
"""Stands before the quoted words of an image service, on the last line of a failure."""

FORMATS: Final[Mapping[str, str]] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WebP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "video/mp4": "MP4 video",
    "video/webm": "WebM video",
}
"""The names of these types for people."""

AWAY: Final = "away-"
"""The beginning of the names of pictures that are not kept here."""

NOT_DRAWN: Final = "not drawn"
"""The upstream of an entry of an earlier server that is no generation: a picture that the person gave."""

NOT_PARAMETERS: Final = frozenset({"model", "prompt", "references", "mask", "rules", "price", "native_count"})
"""Fields of a request that are kept elsewhere than among the parameters of its job, or as the origin of a picture."""

LOCAL_OWNER: Final = "local"
"""Owner of everything made while no tokens are configured."""


@dataclass(frozen=True, kw_only=True)
class Parent:
    """An earlier picture that a new one started from: which of the pictures of which job, counted from 1."""

    history_id: int
    picture: int = 1


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A picture that the new one starts from: its bytes and their media type, or an address that the service reads.

    `name` is the one under which we keep the bytes; the same bytes of the same owner have the same name. `origin` says
    to a person where it came from: "history_id 12, picture 1", "cat.png of the image folder", "example.com",
    "an upload". `parent` is set where it came from the history, `upload` is the id of the upload that it came by.
    `fresh`: the call that it came with stored it, so that nothing else has a use for it if the call comes to nothing.
    """

    data: bytes = field(default=b"", repr=False)
    media_type: str = ""
    url: str = ""
    name: str = ""
    origin: str = ""
    parent: Parent | None = None
    upload: str = ""
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class ReferenceRules:
    """The form in which a model takes references and a mask; 0 bytes or pixels stand for no limit.

    No `types` stand for those of its service. `mask` is as in the models file: "alpha", "marked", or "" for none.
    """

    types: tuple[str, ...] = ()
    most_bytes: int = 0
    most_pixels: int = 0
    mask: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One request for a picture, made of arguments that passed the schema and of a model that was found.

    None is "not asked for": each upstream sends what was asked for and it knows, and leaves the rest to its own
    defaults. `aspect_ratio` is such as "16:9", `resolution` 1K, 2K or 4K, `size` pixels such as "1024x1024".
    """

    model: str
    prompt: str
    aspect_ratio: str | None = None
    resolution: str | None = None
    size: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    loras: Mapping[str, float] | None = None
    count: int = 1
    quality: str | None = None
    complexity: str | None = None
    background: str | None = None
    output_format: str | None = None
    variation: int = 1
    """Tells wanted variations of one request apart; no image service is told of it."""
    price: Price = FREE
    """The price by the models file, for the spend of the day; no image service is told of it."""
    native_count: int = 1
    """The pictures that the model draws for one request to its service; no image service is told of it."""
    references: tuple[Reference, ...] = ()
    mask: Reference | None = None
    """The region of the first reference that is to change: white there, black elsewhere.

    A service that takes masks gets it as a PNG of that reference's size, transparent where it is to change.
    """
    rules: ReferenceRules = ReferenceRules()
    """The form in which the pipeline brings references and mask to the service; that one is not told of it."""

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The request without model and prompt, as JSON keeps it; a reference is kept as its origin."""
        asked = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in NOT_PARAMETERS and getattr(self, each.name) != each.default
        }
        loras = {"loras": dict(self.loras)} if self.loras else {}
        origins = [each.origin or "a picture" for each in self.references]
        mask = {"mask": self.mask.origin or "a picture"} if self.mask else {}
        return asked | loras | ({"references": origins} if origins else {}) | mask

    @cached_property
    def parents(self) -> tuple[Parent, ...]:
        """The earlier pictures that it starts from."""
        return tuple(each.parent for each in self.references if each.parent is not None)

    @property
    def parts(self) -> int:
        """The number of requests to its image service that draw its pictures."""
        return math.ceil(self.count / max(1, self.native_count))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture as an upstream gave it: bytes of a type that nobody has checked yet.

    `data` is empty for one of several that could not be downloaded from its `source` yet.

    `note` is what the upstream said about it that the person should know, such as "upscaling failed, this is 1K".
    `source` is the URL at the upstream where the same bytes can be had again, empty where they came inside the answer.
    `usage` is that of the whole answer, and stands at its first picture.
    """

    data: bytes = field(repr=False)
    note: str = ""
    source: str = field(default="", repr=False)
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """One picture in our keeping: `name` is its last path segment under `/mcp-cache/`; sizes in pixels and bytes.

    `kept` turns false when its bytes were removed to make room; `source` is where the upstream may still have them.
    A picture of a name that begins with `AWAY` was never kept here (EASEL_CACHE=0): its `source` is all there is of it.
    `part` is the request to the image service that it came by, counted from 0.
    """

    name: str
    media_type: str
    width: int
    height: int
    size: int
    note: str = ""
    source: str = field(default="", repr=False)
    kept: bool = True
    part: int = 0

    @cached_property
    def is_away(self) -> bool:
        """True for a picture that lies at its image service alone."""
        return self.name.startswith(AWAY)

    def link(self, pictures_url: str) -> str:
        """Return the link to it; `pictures_url` stands before the names of those that are kept, with a slash."""
        if not self.is_away:
            return pictures_url + self.name
        return self.source.translate({ord("("): "%28", ord(")"): "%29", ord(" "): "%20"})  # markdown would end there


class JobState(StrEnum):
    """The state of a job. A job ends once, as done or failed, and stays so."""

    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The failure of a job: a short word for programs (`policy`, `interrupted`, …), and words for people and models.

    `reason` is up to three lines: the fact, the advice of that moment, and `SAID` with the image service's own words in
    quotes. A list of old failures shows `fact` and `quote`, since the advice is out of date there.
    """

    kind: str
    reason: str

    @property
    def fact(self) -> str:
        """The first line of the reason."""
        return first_line(self.reason)

    @property
    def quote(self) -> str:
        """The image service's own words, in quotes; empty where it said nothing."""
        last = self.reason.rpartition("\n")[2]
        return last.removeprefix(SAID) if last.startswith(SAID) else ""


INTERRUPTED: Final = Failure(
    kind="interrupted",
    reason="This server stopped before it had asked the image service. Nothing was charged.\n"
    "Call `generate` again if the picture is still wanted.",
)
"""The failure of a job whose process died before its image service was asked."""

INTERRUPTED_SUBMITTED: Final = Failure(
    kind="interrupted",
    reason="This server stopped after it had asked the image service, and before the whole answer had arrived. The "
    "image service may have charged for it all the same.\nCall `generate` again if the picture is still wanted.",
)
"""The failure of a job whose process died after its image service was asked. Of an answer nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of the history. Times are seconds since the epoch, UTC.

    `history_id` counts the jobs of its `owner` from 1, and is never used twice: the two together are one job.
    `parameters` are those of the request. `tasks` are the ids under which the work goes on without us at the image
    service that `upstream` names, by the part of the job: one part for each request to it, counted from 0. It is empty
    for work that lives and dies with its process. `submitted` counts the pictures that the image service was asked for
    and may have charged. `links` of an ended job are URLs of pictures that it gave and that are not here, though paid
    for. `shortfall` is the first reason why not all pictures of several came, also while the others are drawn; without
    any picture there is a `failure` instead. `delivered_at`: when all pictures were first handed to a client; None
    before.
    """

    history_id: int
    owner: str
    state: JobState
    model: str
    prompt: str
    created_at: float
    finished_at: float | None = None
    pictures: tuple[KeptPicture, ...] = ()
    failure: Failure | None = None
    shortfall: Failure | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    upstream: str = ""
    tasks: Mapping[int, str] = field(default_factory=dict)
    submitted: int = 0
    links: tuple[str, ...] = field(default=(), repr=False)
    delivered_at: float | None = None
    parents: tuple[Parent, ...] = ()
    usage: Usage | None = None

    @cached_property
    def count(self) -> int:
        """The number of pictures that were asked for."""
        asked = self.parameters.get("count", 1)
        return asked if isinstance(asked, int) else 1

    @property
    def missing(self) -> int:
        """The number of pictures that were asked for and that never came."""
        return max(0, self.count - len(self.pictures) - len(self.links))

    @property
    def task(self) -> str:
        """The ids of its tasks in words; there may be several for one request, one on each line."""
        return ", ".join(id_ for each in self.tasks.values() for id_ in each.split("\n"))


class Progress(Protocol):
    """A receiver of progress: a line for the person, and percent (0 to 100) when it can be told.

    `links` are the URLs at which the pictures lie that the service has drawn, before the first of them is downloaded.
    They are written down before this returns, so that they outlive this process.
    """

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
        """Report one step."""


class WorkError(Exception):
    """The work failed. The message, for a model to act on and a person to read, has the lines of `Failure.reason`.

    It never holds a key, a signed query, base64, HTML or a path of this machine. `kind` is the short word that the
    history keeps. `retries` says how often the same work may be tried again without anybody's leave (0 where that may
    be charged twice or is of no use), `retry_after_s` how many seconds to wait before the first of them.
    `may_be_charged` says that money may be gone although there is no picture. `task` is the id of work that goes on at
    the service, which nobody follows; `links` are URLs of pictures that are paid for and could not be downloaded yet.
    `setting` names the setting that whoever runs this server may have to change; for the log, "" where there is none.
    """

    def __init__(  # noqa: PLR0913 - each is one that a caller may know
        self,
        message: str,
        *,
        kind: str = "failed",
        retries: int = 0,
        retry_after_s: float = 0.0,
        may_be_charged: bool = False,
        setting: str = "",
    ) -> None:
        """Fail with a message; by default nothing is tried again."""
        super().__init__(message)
        self.kind = kind
        self.retries = retries
        self.retry_after_s = retry_after_s
        self.may_be_charged = may_be_charged
        self.setting = setting
        self.task = ""
        self.links: tuple[str, ...] = ()

    def keeping(self, *, task: str = "", links: Sequence[str] = ()) -> Self:
        """Add the task or the links that are to be kept with the job, and return the error."""
        self.task = task
        self.links = tuple(links)
        return self

    @property
    def fact(self) -> str:
        """The first line of the message: what happened, without advice."""
        return first_line(str(self))


def first_line(text: str) -> str:
    """Return the text up to its first line break."""
    return text.partition("\n")[0]
