"""One admitted request, as its handler sees it: who asks, for what, and the way to tell them how far it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from service.protocol.client import Client
from service.protocol.jsonrpc import Request, RequestId, is_request_id, notification_message
from service.protocol.session import Session
from service.protocol.versions import Era

Send: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes one encoded notification to the client, on the stream of the request that it belongs to."""

PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - the name of a field of MCP, no secret


async def unheard(message: bytes) -> None:
    """Where notifications go when nobody listens."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """All that a handler may know of its caller.

    `principal` owns what the call makes. `session` is the legacy session it came in, or the one that `initialize`
    opens; modern calls have none.
    """

    request: Request
    era: Era
    version: str
    principal: str
    client: Client
    session: Session | None = None
    send: Send = unheard

    @property
    def id(self) -> RequestId:
        """The request's id."""
        return self.request.id

    @property
    def method(self) -> str:
        """The method asked for."""
        return self.request.method

    @property
    def params(self) -> Mapping[str, Any]:
        """The params, `_meta` included."""
        return self.request.params

    @property
    def opens_session(self) -> bool:
        """Whether the answer tells the client the id of a session that it opens."""
        return self.session is not None and self.method == "initialize"

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the caller how far the work is, if it gave a token to tell it by (spec 2026-07-28, Progress)."""
        meta = self.params.get("_meta")
        token = meta.get(PROGRESS_TOKEN) if isinstance(meta, dict) else None
        if not is_request_id(token):
            return
        params: dict[str, Any] = {PROGRESS_TOKEN: token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.send(notification_message("notifications/progress", params))
