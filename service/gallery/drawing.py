"""Orders of pictures from the page: calls of the tool `generate`, whose checks, limits and payments hold for them.

An order is answered as soon as the job has its number. The call goes on beside the request, as a task of MCP does, and
is over when the picture is there.
"""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.bounds.limits import LIMITS
from service.images import WorkError
from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.channel import NullChannel
from service.protocol.client import MODERN_VERSIONS, Client, Era
from service.protocol.errors import RpcError
from service.protocol.jsonrpc import Request, Result

TOOL: Final = "generate"
CLIENT: Final = Client(name="easel-gallery")

NOT_HERE: Final = frozenset({"use_upload", "use_latest_user_image", "user_image_count"})
"""Arguments that ask for something beside the page: it sends pictures by itself."""

HISTORY_ID: Final = "easel/history_id"


class PageChannel(NullChannel):
    """The way back to the page: it hears the number of the job, and the rest by the events."""

    is_task = True

    def __init__(self) -> None:
        """Begin without a number."""
        self.begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def remember(self, work: str) -> None:
        """Take the number of the job."""
        if not self.begun.done():
            self.begun.set_result(int(work))


MOST_ORDERED: Final = 1000
"""Orders that no page has shown as done. Beyond, the oldest is forgotten, and the same order gets its picture again."""

SETTING: Final = re.compile(r"\((EASEL_[A-Z_]+)\)")
LIMIT_OF: Final = {limit.setting: limit.name for limit in LIMITS}


class RefusedOrderError(Exception):
    """The tool refused: the words for the person. `limit` is the name of the limit that is reached, "" for none."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        named = SETTING.search(words)  # every refusal beyond a limit names its setting
        self.limit = LIMIT_OF.get(named[1], "") if named else ""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Orders pictures by the tool that `server` offers. `beside` keeps the call running until the service stops."""

    server: Server
    beside: Callable[[Coroutine[Any, Any, None]], None]
    _ordered: dict[tuple[str, int], None] = field(default_factory=dict)
    """Owner and number of jobs that were ordered here and are not shown yet, the oldest first."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def order(self, owner: str, arguments: Mapping[str, Any]) -> int:
        """Begin a job, or join the one that draws the same; return its number. Raises `RefusedOrderError`."""
        if unfit := sorted(NOT_HERE.intersection(arguments)):
            raise RefusedOrderError(f"`{unfit[0]}` cannot be used here: add the picture on the page.")
        channel = PageChannel()
        call = self._call(owner, channel, arguments)
        ended: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.beside(_settle(self.server.tools[TOOL].run(call, arguments), ended))
        either: set[asyncio.Future[Any]] = {channel.begun, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        history_id = channel.begun.result() if channel.begun.done() else _number_of(ended.result())
        self.note(owner, history_id)
        return history_id

    def note(self, owner: str, history_id: int) -> None:
        """Take note that a job was ordered here."""
        self._ordered[owner, history_id] = None
        if len(self._ordered) > MOST_ORDERED:
            del self._ordered[next(iter(self._ordered))]

    def note_shown(self, owner: str, history_id: int) -> bool:
        """Take note that a page shows a job that has ended; tell whether it was ordered here and not shown before."""
        return self._ordered.pop((owner, history_id), ...) is None

    def _call(self, owner: str, channel: PageChannel, arguments: Mapping[str, Any]) -> Call:
        number = next(self._numbers)
        request = Request(id=f"gallery-{number}", method="tools/call", params={"name": TOOL, "arguments": arguments})
        return Call(
            request=request,
            era=Era.MODERN,
            version=MODERN_VERSIONS[0],
            owner=owner,
            client=CLIENT,
            channel=channel,
        )


async def _settle(work: Awaitable[Result], ended: asyncio.Future[Result]) -> None:
    """Do the work and hand on its result; a refusal in words is one, too."""
    try:
        result = await work
    except (RpcError, WorkError) as error:
        result = {"isError": True, "content": [{"type": "text", "text": str(error)}]}
    except BaseException as error:
        if not ended.done():
            ended.set_exception(error)
            ended.exception()  # whoever waits hears of it; else the log has it
        raise
    if not ended.done():
        ended.set_result(result)


def _number_of(result: Result) -> int:
    number = result.get("_meta", {}).get(HISTORY_ID)
    if isinstance(number, int):
        return number
    words = " ".join(each["text"] for each in result.get("content", ()) if each.get("type") == "text")
    raise RefusedOrderError(words.removeprefix("Nothing was done: the arguments of generate are not right. "))
