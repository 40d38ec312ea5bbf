"""Flow2API, or any other gateway that gives pictures as chat completions.

Flow2API always streams and answers with one picture in markdown. It reports failures inside HTTP 200, says how far it
is in `reasoning_content`, is silent for minutes while Google draws, and cancels the work when the connection closes.

A request is one message, its references as parts of it, and what OpenRouter needs beside it. References are `image_url`
parts in the object form: Flow2API answers 500 to a plain string. They come in their order, however many: Flow2API and
OpenRouter have no limit of their own.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

import aiohttp
from yarl import URL

from service.images import ImageRequest, Picture, Progress, Reference
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import listen
from service.upstreams.base import Offers, RemoteTask
from service.upstreams.chat import ChatAnswer
from service.upstreams.error_body import sanitize
from service.upstreams.errors import UpstreamError, read_error
from service.upstreams.flow2api_models import ModelChoice, ModelList, choose, guess, is_full_id
from service.upstreams.http import SUCCESSES, Body, HttpUpstream, json_body, task_of
from service.upstreams.kinds import Kind

logger = logging.getLogger(__name__)

PREPARING: Final = "The image service is preparing"
READING: Final = "The image service is reading the reference pictures"
DRAWING: Final = "The image service is drawing"
ENLARGING: Final = "The image service is enlarging the picture"
HANDING_OVER: Final = "The image service is handing the picture over"

STAGES: Final[tuple[tuple[str, float, str], ...]] = (
    ("放大失败", 90, HANDING_OVER),
    ("已放大", 88, ENLARGING),
    ("放大", 82, ENLARGING),
    ("缓存失败", 95, HANDING_OVER),
    ("缓存成功", 95, HANDING_OVER),
    ("缓存已关闭", 95, HANDING_OVER),
    ("缓存", 90, HANDING_OVER),
    ("返回", 95, HANDING_OVER),
    ("上传完成", 38, READING),
    ("上传", 28, READING),
    ("打码", 38, DRAWING),
    ("正在生成", 48, DRAWING),
    ("初始化", 8, PREPARING),
    ("已启动", 0, PREPARING),
)
"""Progress texts of Flow2API: a fragment, the percent of the work that is done, and the stage in words for a person.

The first fragment that a text holds counts. Whole texts differ by version in every comma.
"""

FAILURES: Final = ("错误", "❌")
"""Fragments of texts that announce the error event which follows them."""

UPLOADED: Final = re.compile(r"已上传第 ?([0-9]{1,3})/([0-9]{1,3})")
PERCENT: Final = re.compile(r"(?<![0-9.])([0-9]{1,3})(?:\.[0-9]+)? ?[%％]")
"""The form in which grok's gateways and others count."""

UPSCALE_FAILED: Final = "放大失败"
UPSCALE_NOTE: Final = "The service could not enlarge this picture: it is the original in 1K."


OPENROUTER: Final = "openrouter.ai"

TALKATIVE: Final = ("google/", "openai/", "openrouter/")
"""Makers whose image models also write. OpenRouter finds no provider for words from the others, such as FLUX."""

Json = dict[str, object]


class Stage(NamedTuple):
    """A stage of the work: its words for a person, and the percent that is done."""

    message: str
    percent: float


class Narration:
    """Reports the server's thoughts as stages that never go back, and keeps the note for the person in `note`.

    Thoughts that name no stage go to the log: they are in the language of the server, or a model's own.
    """

    def __init__(self, progress: Progress) -> None:
        """Report to `progress`."""
        self.note = ""
        self._progress = progress
        self._percent = 0.0

    async def tell(self, thoughts: Sequence[str]) -> None:
        """Report the last stage of thoughts that came at once: nobody sees the others."""
        last: Stage | None = None
        for thought in thoughts:
            if UPSCALE_FAILED in thought:
                self.note = UPSCALE_NOTE
            if (stage := stage_of(thought)) is None:
                logger.debug("flow2api: %s", sanitize(thought))
                continue
            last = stage
            self._percent = max(stage.percent, self._percent)
        if last is not None:
            await self._progress(last.message, self._percent)


class Flow2ApiUpstream(HttpUpstream):
    """One server."""

    name: ClassVar[str] = "flow2api"
    title: ClassVar[str] = "Flow2API"
    called: ClassVar[str] = title

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        """Reach one server, as `HttpUpstream` does."""
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._list = ModelList(session, self._base, self.service)
        self._is_openrouter = is_openrouter(self._base)

    async def offers(self) -> Offers:
        """Return full ids and generic names."""
        return (await self._list.read()).offers

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture] | RemoteTask:
        """Draw one picture. A gateway may answer with a task."""
        narration = Narration(progress)
        try:
            answer = await self._ask_by_best_name(request, narration)
        except UpstreamError as error:
            return task_of(error)
        return await self._pictures_of(answer, progress, narration.note)

    async def _ask_by_best_name(self, request: ImageRequest, narration: Narration) -> ChatAnswer:
        """Send the request, and once more by another name if the server does not know the model: that costs nothing."""
        if self._is_openrouter or is_full_id(request.model):
            return await self._ask(request, choose(request, None), narration)
        first = choose(request, await self._list.known())
        try:
            return await self._ask(request, first, narration)
        except UpstreamError as error:
            if error.kind != Kind.MODEL:
                raise
            listed = await self._list.renewed()
            second = choose(request, listed) if listed else guess(request)
            if second == first:
                raise
        return await self._ask(request, second, narration)

    async def _ask(self, request: ImageRequest, choice: ModelChoice, narration: Narration) -> ChatAnswer:
        """Send the request and read the whole answer. A cancellation closes the connection, which stops the work."""
        answer = ChatAnswer(request.model)
        # There are no heartbeats: captcha, launch queue and upscaling may each be silent for minutes.
        silence_s = self._timeouts.silence_s * (2 if is_4k(request) else 1)
        body = chat_body(request, choice, for_openrouter=self._is_openrouter)
        async with self._post("chat/completions", body, silence_s=silence_s) as response:
            if response.status not in SUCCESSES:
                raise await read_error(response)
            await listen(response, answer, narration.tell, self._timeouts.linger_s)
        return answer


def chat_body(request: ImageRequest, choice: ModelChoice, *, for_openrouter: bool = False) -> Body:
    """Encode the request. It always asks for a stream: Flow2API before 2026-03-14 (c579630) draws nothing otherwise."""
    body: Json = {"model": choice.model, "stream": True, "messages": messages(request)}
    return json_body(body | (openrouter_extras(request) if for_openrouter else parameters(choice)))


def messages(request: ImageRequest) -> list[Json]:
    """Return exactly one message: Flow2API takes a picture in an earlier answer for a reference."""
    if not request.references:
        return [{"role": "user", "content": request.prompt}]
    parts: list[Json] = [{"type": "text", "text": request.prompt}]
    parts += [{"type": "image_url", "image_url": {"url": _address(each)}} for each in request.references]
    return [{"role": "user", "content": parts}]


def _address(reference: Reference) -> str | Reference:
    """Return the URL of a reference, or the reference where it has bytes, which are sent as a data URI."""
    return reference if reference.data else reference.url


def is_openrouter(base: URL) -> bool:
    """Tell whether this is OpenRouter, which draws only when it is told that a picture is wanted."""
    host = base.host or ""
    return host == OPENROUTER or host.endswith(f".{OPENROUTER}")


def parameters(choice: ModelChoice) -> Json:
    """Return the parameters of Flow2API in both forms: servers of different age read the one or the other first."""
    top = _without_none({"aspect_ratio": choice.aspect_ratio, "image_size": choice.image_size})
    nested = _without_none({"aspectRatio": choice.aspect_ratio, "imageSize": choice.image_size})
    return {**top, "generationConfig": {"imageConfig": nested}} if top else {}


def openrouter_extras(request: ImageRequest) -> Json:
    """Return the extra fields of OpenRouter, "Image generation": without `modalities` many models answer in words."""
    config = _without_none({"aspect_ratio": request.aspect_ratio, "image_size": request.resolution})
    modalities = ["image", "text"] if request.model.startswith(TALKATIVE) else ["image"]
    return {"modalities": modalities} | ({"image_config": config} if config else {})


def _without_none(fields: Mapping[str, str | None]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def is_4k(request: ImageRequest) -> bool:
    """Tell whether 4K was asked for, which takes twice as long."""
    return request.resolution == "4K" or request.model.endswith("-4k")


def stage_of(thought: str) -> Stage | None:
    """Return the stage that a progress text tells, or None for any other text."""
    if any(fragment in thought for fragment in FAILURES):
        return None
    uploaded = UPLOADED.search(thought)
    if uploaded and int(uploaded[2]):
        return Stage(READING, 28 + 10 * min(1.0, int(uploaded[1]) / int(uploaded[2])))
    stated = PERCENT.search(thought)
    if stated:
        return Stage(DRAWING, min(95.0, float(stated[1])))
    return next((Stage(message, percent) for fragment, percent, message in STAGES if fragment in thought), None)
