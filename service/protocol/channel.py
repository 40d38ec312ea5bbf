"""The way from a call back to its client: `Channel`, which a transport gives to a call and a task takes over.

A channel holds no call, so that the two are freed together without a run of the garbage collector: methods that
depend on the call take it as an argument.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from service.protocol.client_requests import ClientRequest, ClientResult, UnaskableError, missing_capabilities
from service.protocol.origins import Origin

if TYPE_CHECKING:  # a call has a channel
    from service.protocol.call import Call

TASKS: Final = "io.modelcontextprotocol/tasks"
"""The identifier of the tasks extension (SEP-2663)."""


class Channel(ABC):
    """Carries messages, requests and the state of a task to one client. The task methods are those of a plain call."""

    takes_messages: bool = True
    """False for a client that takes the result alone, and no message before it."""
    is_task: bool = False
    """True once the call was answered with a task."""

    @abstractmethod
    async def send(self, message: bytes) -> bool:
        """Send one encoded message, waiting for a client that reads slowly. Return whether it went out."""

    @abstractmethod
    def post(self, message: bytes) -> None:
        """Send one encoded message without waiting; it is dropped where the client does not read."""

    @abstractmethod
    def open(self) -> None:
        """Begin the answer now: clients and proxies give up on a connection that stays silent."""

    @abstractmethod
    def hang_up(self, call: "Call") -> None:
        """End the connection and not the call; the client comes again for the rest (SEP-1699). Else do nothing."""

    @abstractmethod
    async def ask(
        self, call: "Call", requests: Mapping[str, ClientRequest], keep: Mapping[str, Any] | None
    ) -> dict[str, ClientResult]:
        """Return the result of each request, and leave in `call.kept` what the handler kept.

        The capabilities were checked (`Call.ask_all`). Raises `RpcError` for a client that does not answer as the
        method has it, and `InputRequiredError` where the call is to come again.
        """

    async def become_task(self, call: "Call", *, required: bool) -> None:  # noqa: ARG002 - the contract's
        """Answer the call with a durable task, whose work goes on. A plain call stays one; -32021 if `required`."""
        if required:
            raise missing_capabilities({"extensions": {TASKS: {}}})

    def show_status(self, message: str) -> None:  # noqa: B027 - a call has no status
        """Set the status message of the task."""

    async def remember(self, work: str) -> None:  # noqa: B027 - a call ends with its process
        """Write down the words by which the tool can tell later how the task's work ended."""

    def note_origin(self, origin: Origin) -> None:  # noqa: B027 - its answer comes, or does not
        """Note what the answer comes from, for a client that comes again for it, perhaps to another replica."""

    def leave_running(self) -> None:  # noqa: B027 - a call is to be answered
        """End the handler and not the task, where its work was remembered."""


class NullChannel(Channel):
    """A channel to nobody: of a call that was answered, or that has no transport."""

    takes_messages = False

    async def send(self, message: bytes) -> bool:  # noqa: ARG002 - the contract's
        """Drop the message."""
        return False

    def post(self, message: bytes) -> None:
        """Drop the message."""

    def open(self) -> None:
        """Do nothing: there is no answer to begin."""

    def hang_up(self, call: "Call") -> None:
        """Do nothing: there is no connection to end."""

    async def ask(
        self,
        call: "Call",  # noqa: ARG002 - the contract's
        requests: Mapping[str, ClientRequest],  # noqa: ARG002 - the contract's
        keep: Mapping[str, Any] | None,  # noqa: ARG002 - the contract's
    ) -> dict[str, ClientResult]:
        """Refuse."""
        raise UnaskableError("Nobody can be asked here.")


NULL_CHANNEL: Final = NullChannel()
