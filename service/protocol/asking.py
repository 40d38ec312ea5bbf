"""Requests of ours to a legacy client: sent on the stream of the call that asks, answered by a later POST.

Spec 2025-11-25, Streamable HTTP. Ids are our own, unguessable, and belong to one session: nobody else can answer.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.protocol.call import Call
from service.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, RpcError
from service.protocol.inquiry import Inquiry
from service.protocol.jsonrpc import Response, notification_message, request_message
from service.protocol.questions import Answer, Question
from service.protocol.session import Session

PATIENCE_S: Final = 600.0
"""How long a person may take over a form."""


@dataclass
class OpenRequests:
    """The requests that were sent and not answered yet, by session and id."""

    patience_s: float = PATIENCE_S
    _waiting: dict[tuple[str, str], asyncio.Future[Response]] = field(default_factory=dict)

    def answer(self, session: Session, response: Response) -> None:
        """Hand a response to whoever waits for it; one that nobody waits for is dropped."""
        waiting = self._waiting.get((session.id, str(response.id)))
        if waiting is not None and not waiting.done():
            waiting.set_result(response)

    def give_up(self, session_id: str) -> None:
        """Nobody can answer for a session that has ended: the calls of it that wait for an answer end too."""
        for waiting in [each for (session, _), each in self._waiting.items() if session == session_id]:
            waiting.cancel()

    def inquiry_of(self, call: Call, session: Session) -> "ServerRequests":
        """What lets this call ask."""
        return ServerRequests(self, call, session)

    async def ask(self, call: Call, session: Session, question: Question) -> Response:
        """Send one request on the call's stream and wait for its response; raises `TimeoutError`."""
        id_ = f"easel-{secrets.token_hex(16)}"
        key = (session.id, id_)
        waiting: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[key] = waiting
        try:
            await call.send(request_message(id_, question.method, {**question.params, **question.legacy_params}))
            async with asyncio.timeout(self.patience_s):
                return await waiting
        except TimeoutError:
            # Spec 2025-11-25, Timeouts: the sender SHOULD cancel what it stopped waiting for.
            params = {"requestId": id_, "reason": "It was not answered in time."}
            await call.send(notification_message("notifications/cancelled", params))
            raise
        finally:
            del self._waiting[key]


class ServerRequests(Inquiry):
    """Asks by requests on the call's own stream, one after the other: a person can fill in one form at a time."""

    def __init__(self, requests: OpenRequests, call: Call, session: Session) -> None:
        self.kept: Mapping[str, Any] = {}
        self._requests = requests
        self._call = call
        self._session = session

    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:
        """Raises `RpcError` when the client answers with an error or not as the method has it."""
        if keep is not None:
            self.kept = keep
        if not self._call.takes_streams:
            raise RpcError(INVALID_REQUEST, "This call asks the client back: accept text/event-stream.")
        answers = {}
        for key, question in questions.items():
            try:
                response = await self._requests.ask(self._call, self._session, question)
            except TimeoutError as late:
                raise RpcError(INTERNAL_ERROR, f"The client did not answer {question.method} in time.") from late
            if response.failed or not question.accepts(response.answer):
                raise RpcError(INTERNAL_ERROR, f"The client did not answer {question.method} with a result of it.")
            answers[key] = response.answer
        return answers
