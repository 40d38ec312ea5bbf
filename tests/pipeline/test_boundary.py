"""The boundary of the image services: all that one gives, and all that it says, goes on without secrets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from service.images import ImageRequest, Picture, Progress, WorkError
from service.pipeline.asking import RedactedUpstream
from service.redaction import HIDDEN, Redactor
from service.upstreams.base import Offers, RemoteTask, Upstream

KEY = "sk-the-key-of-this-service-01"
TAGS = "\U000e0068\U000e0069"


@dataclass
class Parrot(Upstream):
    """Repeats the key in everything."""

    name: ClassVar[str] = "parrot"
    charges: ClassVar[bool] = False
    deadline_s: float = 7.0
    fails: bool = False
    task: bool = False
    asked_for: list[str] = field(default_factory=list)

    async def generate(
        self,
        request: ImageRequest,  # noqa: ARG002 - of the contract
        progress: Progress,
    ) -> list[Picture] | RemoteTask:
        await progress(f"Drawing with {KEY}{TAGS}", 10, [f"http://h/a.png?key={KEY}"])
        self._fail()
        return RemoteTask(f"task-{KEY}") if self.task else self._pictures()

    async def follow(self, task: RemoteTask, progress: Progress) -> list[Picture]:  # noqa: ARG002 - of the contract
        await progress(f"Following with {KEY}")
        self._fail()
        return self._pictures()

    async def fetch_again(self, source: str) -> bytes:
        self.asked_for.append(source)
        self._fail()
        return b"picture"

    def reference_types(self, model: str) -> tuple[str, ...]:
        return (f"image/{model}",)

    def describe(self) -> str:
        return f"Parrot at http://h/{KEY}"

    async def offers(self) -> Offers | None:
        self._fail()
        return Offers(images=("good", f"image-{KEY}"), others=frozenset({KEY}))

    def _pictures(self) -> list[Picture]:
        return [Picture(data=b"picture", note=f"With {KEY}.{TAGS}", source=f"http://h/a.png?key={KEY}")]

    def _fail(self) -> None:
        if self.fails:
            error = WorkError(f"Refused {KEY}.{TAGS}", kind="auth", retries=2)
            raise error.keeping(task=f"task-{KEY}", links=[f"http://h/b.png?key={KEY}"])


@dataclass
class Told:
    lines: list[tuple[str, float | None]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    async def __call__(self, message: str, percent: float | None = None, links: Sequence[str] = ()) -> None:
        self.lines.append((message, percent))
        self.links += links


def redacted(parrot: Parrot) -> RedactedUpstream:
    return RedactedUpstream(parrot, Redactor([KEY]))


REQUEST = ImageRequest(model="m", prompt="a fox")


async def test_pictures_come_without_the_key_in_their_words() -> None:
    told = Told()
    [picture] = await redacted(Parrot()).generate(REQUEST, told)  # type: ignore[misc]  # a list, since it is no task
    assert picture == Picture(data=b"picture", note=f"With {HIDDEN}.", source=f"http://h/a.png?key={HIDDEN}")
    assert told.lines == [(f"Drawing with {HIDDEN}", 10)]
    assert told.links == [f"http://h/a.png?key={HIDDEN}"]


async def test_a_task_and_its_pictures_come_without_the_key() -> None:
    told = Told()
    upstream = redacted(Parrot(task=True))
    assert await upstream.generate(REQUEST, told) == RemoteTask(f"task-{HIDDEN}")
    [picture] = await upstream.follow(RemoteTask("12"), told)
    assert picture.note == f"With {HIDDEN}."
    assert told.lines[-1] == (f"Following with {HIDDEN}", None)


ASK: dict[str, Callable[[Upstream], object]] = {
    "generate": lambda upstream: upstream.generate(REQUEST, Told()),
    "follow": lambda upstream: upstream.follow(RemoteTask("12"), Told()),
    "fetch_again": lambda upstream: upstream.fetch_again("http://h/a.png"),
    "offers": lambda upstream: upstream.offers(),
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK.keys())
async def test_an_error_says_the_same_without_the_key(ask: Callable[[Upstream], object]) -> None:
    """Ours: its kind stays, and so may it be tried again."""
    with pytest.raises(WorkError) as raised:
        await ask(redacted(Parrot(fails=True)))  # type: ignore[misc]  # each is a coroutine of another result
    error = raised.value
    assert (str(error), error.kind, error.retries) == (f"Refused {HIDDEN}.", "auth", 2)
    assert (error.task, error.links) == (f"task-{HIDDEN}", (f"http://h/b.png?key={HIDDEN}",))


async def test_models_are_listed_without_the_key() -> None:
    """Ours: `models --write` would put it into the models file."""
    offers = await redacted(Parrot()).offers()
    assert offers == Offers(images=("good", f"image-{HIDDEN}"), others=frozenset({HIDDEN}))


async def test_all_else_is_that_of_the_service() -> None:
    parrot = Parrot()
    upstream = redacted(parrot)
    assert (upstream.name, upstream.charges, upstream.deadline_s) == ("parrot", False, 7.0)
    assert upstream.reference_types("webp") == ("image/webp",)
    assert upstream.describe() == f"Parrot at http://h/{HIDDEN}"
    assert await upstream.fetch_again("http://h/a.png") == b"picture"
    assert parrot.asked_for == ["http://h/a.png"]
