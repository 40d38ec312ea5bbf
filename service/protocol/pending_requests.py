"""Requests to clients that wait for their results, and the channel of a transport that sends them.

Spec 2025-11-25, Streamable HTTP: a request goes out on the stream of the call that asks, and a later POST brings its
result. Its id is our own, unguessable, and belongs to one session: no other session can answer it.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.protocol.call import Call
from service.protocol.channel import Channel
from service.protocol.client_requests import ClientRequest, ClientResult, UnaskableError
from service.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, RpcError
from service.protocol.jsonrpc import Response, notification_message, request_message
from service.protocol.session import Session

TIMEOUT_S: Final = 600.0
"""Seconds that a person may take over a form."""


@dataclass
class PendingRequests:
    """The requests that were sent and have no result yet, by session and id."""

    timeout_s: float = TIMEOUT_S
    _waiting: dict[tuple[str, str], asyncio.Future[Response]] = field(default_factory=dict)

    def resolve(self, session: Session, response: Response) -> None:
        """Hand a response to the call that waits for it; a response to no pending request is dropped."""
        waiting = self._waiting.get((session.id, str(response.id)))
        if waiting is not None and not waiting.done():
            waiting.set_result(response)

    def cancel_session(self, session_id: str) -> None:
        """Cancel the calls that wait for a result of this session, which has ended and cannot answer any more."""
        for waiting in [each for (session, _), each in self._waiting.items() if session == session_id]:
            waiting.cancel()

    async def send(self, channel: Channel, session: Session, request: ClientRequest) -> Response:
        """Send one request on the channel and return its response; raises `TimeoutError`."""
        id_ = f"easel-{secrets.token_hex(16)}"
        key = (session.id, id_)
        waiting: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[key] = waiting
        try:
            await channel.send(request_message(id_, request.method, {**request.params, **request.legacy_params}))
            async with asyncio.timeout(self.timeout_s):
                return await waiting
        except TimeoutError:
            # Spec 2025-11-25, Timeouts: the sender SHOULD cancel a request that it stopped waiting for.
            params = {"requestId": id_, "reason": "It was not answered in time."}
            await channel.send(notification_message("notifications/cancelled", params))
            raise
        finally:
            del self._waiting[key]


class ClientChannel(Channel):
    """A channel to a connected client. It asks by requests within a session, and by round trips without one."""

    pending: PendingRequests

    async def ask(
        self, call: Call, requests: Mapping[str, ClientRequest], keep: Mapping[str, Any] | None
    ) -> dict[str, ClientResult]:
        """Return the results, one request after the other: a person can fill in one form at a time."""
        if call.session is not None:
            call.kept = call.kept if keep is None else keep
            return {key: await self._ask(call.session, request) for key, request in requests.items()}
        asking = call.round()
        if asking is None:
            raise UnaskableError(f"{call.method} cannot ask the client.")
        return asking.ask(requests, keep)

    async def _ask(self, session: Session, request: ClientRequest) -> ClientResult:
        if not self.takes_messages:
            raise RpcError(INVALID_REQUEST, "This call asks the client back: accept text/event-stream.")
        try:
            response = await self.pending.send(self, session, request)
        except TimeoutError as late:
            raise RpcError(INTERNAL_ERROR, f"The client did not answer {request.method} in time.") from late
        if response.failed or not request.accepts(response.answer):
            raise RpcError(INTERNAL_ERROR, f"The client did not answer {request.method} with a result of it.")
        result: ClientResult = response.answer
        return result
