"""Flow2API, or any other gateway that gives pictures as chat completions.

Flow2API always streams and answers with one picture in markdown. It reports failures inside HTTP 200, says how far it
is in `reasoning_content`, is silent for minutes while Google draws, and cancels the work when the connection closes.
"""

import re
from http import HTTPStatus
from typing import ClassVar, Final

import aiohttp
from yarl import URL

from service.images import ImageRequest, Picture, Progress
from service.settings import TIMEOUTS, Endpoint, Timeouts
from service.upstreams.answer import listen
from service.upstreams.base import Offers
from service.upstreams.chat import ChatAnswer
from service.upstreams.chat_request import is_openrouter, messages, openrouter_extras
from service.upstreams.error_body import sanitize
from service.upstreams.errors import UpstreamError, reaching, read_error
from service.upstreams.flow2api_list import ModelList
from service.upstreams.flow2api_models import Asked, guess, how_to_ask, is_full_id
from service.upstreams.http import HttpUpstream
from service.upstreams.kinds import Kind
from service.upstreams.request_body import Body, json_body

STAGES: Final[tuple[tuple[str, float | None], ...]] = (
    ("错误", None),
    ("❌", None),
    ("放大失败", 90),
    ("已放大", 88),
    ("放大", 82),
    ("缓存失败", 95),
    ("缓存成功", 95),
    ("缓存已关闭", 95),
    ("缓存", 90),
    ("返回", 95),
    ("上传完成", 38),
    ("上传", 28),
    ("打码", 38),
    ("正在生成", 48),
    ("初始化", 8),
    ("已启动", 0),
)
"""How far each text says that the work is, the first fragment counts. Whole texts differ by version in every comma."""

UPLOADED: Final = re.compile(r"已上传第 ?([0-9]{1,3})/([0-9]{1,3})")
PERCENT: Final = re.compile(r"(?<![0-9.])([0-9]{1,3})(?:\.[0-9]+)? ?[%％]")
"""As grok's gateways and others count."""

UPSCALE_FAILED: Final = "放大失败"
UPSCALE_NOTE: Final = "The service could not enlarge this picture: it is the original in 1K."


class Narration:
    """Hands the server's thoughts on as progress that never goes back, and remembers what the person should know."""

    def __init__(self, progress: Progress) -> None:
        self.note = ""
        self._progress = progress
        self._percent = 0.0

    async def tell(self, thought: str) -> None:
        message = sanitize(thought)
        if not message:
            return
        if UPSCALE_FAILED in message:
            self.note = UPSCALE_NOTE
        percent = percent_of(message)
        if percent is not None:
            self._percent = percent = max(percent, self._percent)
        await self._progress(message, percent)


class Flow2ApiUpstream(HttpUpstream):
    """One server."""

    name: ClassVar[str] = "flow2api"
    title: ClassVar[str] = "Flow2API"

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        super().__init__(session, endpoint, max_file_bytes=max_file_bytes, timeouts=timeouts)
        self._list = ModelList(session, self._base, endpoint.key)

    async def offers(self) -> Offers:
        """Full ids and generic names."""
        return (await self._list.read()).offers

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        narration = Narration(progress)
        with reaching(self.name):
            answer = await self._ask_for_what_it_has(request, narration)
            return await self._drawn(answer, narration.note)

    async def _ask_for_what_it_has(self, request: ImageRequest, narration: Narration) -> ChatAnswer:
        """Send the request, and once more in other words if the server does not know the model: that costs nothing."""
        first = how_to_ask(request, None if self._takes_ids_as_they_are(request) else await self._list.known())
        try:
            return await self._ask(request, first, narration)
        except UpstreamError as error:
            if error.kind != Kind.MODEL or self._takes_ids_as_they_are(request):
                raise
            listed = await self._list.renewed()
            second = how_to_ask(request, listed) if listed else guess(request)
            if second == first:
                raise
        return await self._ask(request, second, narration)

    def _takes_ids_as_they_are(self, request: ImageRequest) -> bool:
        return is_full_id(request.model) or is_openrouter(self._base)

    async def _ask(self, request: ImageRequest, asked: Asked, narration: Narration) -> ChatAnswer:
        """Send the request and read the whole answer. Cancelled, it closes the connection, which stops the work."""
        answer = ChatAnswer()
        # There are no heartbeats: captcha, launch queue and upscaling may each be silent for minutes.
        timeout = self._patience(self._timeouts.silence_s * (2 if is_4k(request) else 1))
        async with self._post("chat/completions", body(request, asked, self._base), timeout=timeout) as response:
            if response.status != HTTPStatus.OK:
                raise await read_error(response)
            await listen(response, answer, narration.tell, self._timeouts.linger_s)
        return answer


def body(request: ImageRequest, asked: Asked, base: URL) -> Body:
    """Always streaming: Flow2API before 2026-03-14 (commit c579630) draws nothing otherwise."""
    extras = openrouter_extras(request) if is_openrouter(base) else asked.parameters()
    return json_body({"model": asked.model, "stream": True, "messages": messages(request)} | extras)


def is_4k(request: ImageRequest) -> bool:
    return request.resolution == "4K" or request.model.endswith("-4k")


def percent_of(message: str) -> float | None:
    """How far the work is by this text, or `None` where it does not say."""
    uploaded = UPLOADED.search(message)
    if uploaded and int(uploaded[2]):
        return 28 + 10 * min(1.0, int(uploaded[1]) / int(uploaded[2]))
    stated = PERCENT.search(message)
    if stated:
        return min(95.0, float(stated[1]))
    return next((percent for fragment, percent in STAGES if fragment in message), None)
