"""How a handler's `ask` reaches whoever can answer. The four ways behind the one text.

- `RoundTrips` (modern): the call ends with `input_required`, and is run again when the answers come back.
- `Unasked` (nothing to ask through, such as a notification's handler): refuses.
- A legacy transport sends a request on the call's own stream, and a task waits for `tasks/update`: those two keep
  something open, so they stand where it is open (`asking.py`, `tasks.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

from service.protocol.client import Client
from service.protocol.errors import MISSING_CAPABILITY, RpcError
from service.protocol.questions import Answer, Question
from service.protocol.request_state import RequestState


class InputRequiredError(Exception):
    """Ends a modern call early: `result` asks the client to come again with the answers."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("input required")
        self.result = result


class UnaskableError(Exception):
    """The client cannot be asked, and the message says which argument to pass instead."""


class Inquiry(ABC):
    """Asks questions on behalf of one call. `kept` is what the handler gave to keep when it asked before."""

    kept: Mapping[str, Any]

    @abstractmethod
    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:
        """The answer of each question. Only what the client declared may be asked; `check_askable` sees to that."""


class RoundTrips(Inquiry):
    """Multi round-trip requests (spec 2026-07-28): the call is run again, with the answers so far."""

    def __init__(self, responses: object, state: RequestState | None, begin: Callable[[], RequestState]) -> None:
        """`state` is what the call brought with it; a call that brought none begins one when it asks."""
        self.kept = {} if state is None else state.kept
        self._responses: dict[str, Any] = responses if isinstance(responses, dict) else {}
        self._brought = state
        self._begin = begin

    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:
        """The answers that came with this round or an earlier one; asks for what lacks by ending the call.

        An answer that was taken stands. One to a question with something to keep counts only beside the state that
        keeps it: what the client saw when it answered is then what the handler goes on with.
        """
        state = self._brought = self._brought or self._begin()
        counted = {key: each for key, each in self._responses.items() if keep is None or key in state.asked}
        known = {**counted, **state.answers}
        answers = {key: known[key] for key, each in questions.items() if each.accepts(known.get(key))}
        missing = {key: each for key, each in questions.items() if key not in answers}
        state.answers.update(answers)
        if not missing:
            return answers
        result: dict[str, Any] = {
            "resultType": "input_required",
            "inputRequests": {key: each.wire() for key, each in missing.items()},
        }
        token = state.token(keep, missing)
        if token is not None:
            result["requestState"] = token
        raise InputRequiredError(result)


class Unasked(Inquiry):
    """Where nobody can be asked."""

    kept: Mapping[str, Any] = {}

    async def ask(self, questions: Mapping[str, Question], keep: Mapping[str, Any] | None) -> dict[str, Answer]:  # noqa: ARG002 - the contract's
        """Refuse."""
        raise UnaskableError("Nobody can be asked here.")


UNASKED: Final = Unasked()


def check_askable(client: Client, questions: Mapping[str, Question], instead: str | None) -> None:
    """Raise unless the client declared what every question takes: -32021, or what to pass `instead`.

    Spec 2026-07-28: a server MUST NOT rely on capabilities the client has not declared.
    """
    missing = sorted({each.capability for each in questions.values()} - client.capabilities)
    if not missing:
        return
    if instead is not None:
        raise UnaskableError(instead)
    raise missing_capabilities(dict(map(_shaped, missing)))


def missing_capabilities(required: Mapping[str, Any]) -> RpcError:
    """-32021 that lists what the client must declare, shaped as `ClientCapabilities`."""
    names = ", ".join(required)
    return RpcError(MISSING_CAPABILITY, f"The client must declare: {names}.", {"requiredCapabilities": dict(required)})


def _shaped(capability: str) -> tuple[str, dict[str, Any]]:
    """A capability's name and settings, out of the name with its mode that `client.py` gives it."""
    name, _, mode = capability.partition("/")
    return name, {mode: {}} if mode else {}
