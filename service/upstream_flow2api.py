"""Flow2API: chat completions that always stream, and whose answer is one picture in markdown (upstreams.md 2).

It reports failures inside HTTP 200, says how far it is in `reasoning_content`, is silent for minutes while Google
draws, and cancels the work when the connection closes.
"""

import asyncio
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, Final

import aiohttp
import orjson
from yarl import URL

from service.fetch import PAUSES_S, FetchError, Trusted, fetch, read_url
from service.images import ImageRequest, Picture, Progress
from service.settings import Endpoint
from service.upstream import Upstream
from service.upstream_base64 import Lifted
from service.upstream_chat import ChatAnswer
from service.upstream_chat_places import Inline, Link, Source
from service.upstream_errors import Kind, UpstreamError, reaching, read_error
from service.upstream_quotes import cleaned

CONNECT_S: Final = 10.0
READ_GAP_S: Final = 300.0
"""There are no heartbeats: captcha, launch queue and upscaling may each be silent for minutes (upstreams.md 2.12)."""

PIECE: Final = 32 * 1024
"""Bytes taken at one go, at most 0.5 ms of work."""

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
UPSCALE_FAILED: Final = "放大失败"
UPSCALE_NOTE: Final = "The service could not enlarge this picture: it is the original in 1K."
STORED: Final = "/tmp/"  # noqa: S108 - a path of Flow2API's web server, not of this machine


class Narration:
    """Hands the server's thoughts on as progress that never goes back, and remembers what the person should know."""

    def __init__(self, progress: Progress) -> None:
        self.note = ""
        self._progress = progress
        self._percent = 0.0

    async def tell(self, thought: str) -> None:
        message = cleaned(thought)
        if not message:
            return
        if UPSCALE_FAILED in message:
            self.note = UPSCALE_NOTE
        percent = percent_of(message)
        if percent is not None:
            self._percent = percent = max(percent, self._percent)
        await self._progress(message, percent)


class Flow2ApiUpstream(Upstream):
    """One Flow2API server. Its picture URLs may lie on its own host, private or not, and on Google's."""

    name: ClassVar[str] = "flow2api"
    deadline_s: ClassVar[float] = 600.0

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint, *, max_file_bytes: int) -> None:
        self._session = session
        self._base = api_base(endpoint.url)
        self._trusted = Trusted(base=self._base, key=endpoint.key)
        self._max_file_bytes = max_file_bytes

    def describe(self) -> str:
        return f"Flow2API at {self._base}"

    async def generate(self, request: ImageRequest, progress: Progress) -> list[Picture]:
        narration = Narration(progress)
        with reaching(self.name):
            answer = await self._ask(request, narration)
            if not answer.pictures():
                raise answer.without_picture()
            return [
                Picture(data=await self._bytes(source, answer.lifted), note=narration.note)
                for source in answer.pictures()
            ]

    async def _ask(self, request: ImageRequest, narration: Narration) -> ChatAnswer:
        """Send the request and read the whole answer. Cancelled, it closes the connection, which stops the work."""
        answer = ChatAnswer()
        async with self._session.post(
            self._base / "chat/completions",
            data=body(request),
            headers={"Authorization": f"Bearer {self._trusted.key}", "Content-Type": "application/json"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=self.deadline_s, sock_connect=CONNECT_S, sock_read=READ_GAP_S),
        ) as response:
            if response.status != HTTPStatus.OK:
                raise await read_error(response)
            try:
                while not answer.done and (piece := await response.content.read(PIECE)):
                    for thought in answer.feed(piece):
                        await narration.tell(thought)
                    await asyncio.sleep(0)  # reading what is buffered already lets nobody else run
            except (aiohttp.ClientError, TimeoutError):
                answer.cut()
                if not answer.pictures():
                    raise
                return answer  # upstreams.md 3.2: the picture arrived, so nothing is lost
            for thought in answer.end():
                await narration.tell(thought)
        return answer

    async def _bytes(self, source: Source, lifted: Lifted) -> bytes:
        match source:
            case Inline(digits):
                data = await lifted.decode(digits)
                if len(data) > self._max_file_bytes:
                    detail = f"(It is larger than {self._max_file_bytes} bytes.)"
                    raise UpstreamError(Kind.DOWNLOAD, detail=detail)
                return data
            case Link(url):
                try:
                    return await self._download(url)
                except FetchError as error:
                    raise UpstreamError(Kind.DOWNLOAD, detail=str(error)) from error

    async def _download(self, text: str) -> bytes:
        """Download a picture. Quirk: Flow2API may not know its own address (flow2api #103, `0.0.0.0` until ef4e9b3)."""
        url = read_url(text, base=self._base)
        stored = self._base.join(URL(url.raw_path_qs, encoded=True))
        if url == stored or not url.raw_path.startswith(STORED):
            return await self._fetch(url, PAUSES_S)
        try:
            return await self._fetch(url, ())
        except FetchError:
            return await self._fetch(stored, PAUSES_S)

    async def _fetch(self, url: URL, pauses_s: Sequence[float]) -> bytes:
        return await fetch(
            self._session, str(url), max_bytes=self._max_file_bytes, trusted=self._trusted, pauses_s=pauses_s
        )


def api_base(text: str) -> URL:
    """Read the base URL as a person wrote it: the server's root, with or without `/v1` and slashes."""
    url = URL(text.strip())
    root = url.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return url.with_user(None).with_path(f"{root}/v1")


def body(request: ImageRequest) -> bytes:
    """Exactly one message: Flow2API takes a picture in an earlier answer for a reference (upstreams.md 2.3).

    Always streaming: servers before 2026-03-14 draw nothing otherwise.
    """
    message = {"role": "user", "content": request.prompt}
    return orjson.dumps({"model": request.model, "stream": True, "messages": [message]})


def percent_of(message: str) -> float | None:
    """How far the work is by this text, or `None` where it does not say."""
    uploaded = UPLOADED.search(message)
    if uploaded and int(uploaded[2]):
        return 28 + 10 * min(1.0, int(uploaded[1]) / int(uploaded[2]))
    return next((percent for fragment, percent in STAGES if fragment in message), None)
