"""A call becomes an answer. The only place where an exception meets the wire."""

import logging
from dataclasses import dataclass

import orjson

from service.protocol.call import Call
from service.protocol.catalog import Server
from service.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError, status_of
from service.protocol.inquiry import InputRequiredError, UnaskableError
from service.protocol.jsonrpc import encoded_message, error_message, result_message
from service.protocol.methods import METHODS, Method
from service.protocol.receipts import Receipts
from service.protocol.results import stamp
from service.protocol.versions import Era

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One encoded JSON-RPC response, and the HTTP status it has when it is the whole HTTP answer.

    Whoever hands it over whole runs the `receipts`; those of a call that became a task are not for this answer.
    """

    body: bytes
    status: int = 200
    failed: bool = False
    receipts: Receipts | None = None


def answer_again(server: Server, call: Call) -> Answer | None:
    """The answer to a call of a `fixed` method, once it was encoded: nothing has to run."""
    method = METHODS.get(call.method)
    if method is None or not method.fixed or "cursor" in call.params:
        return None
    encoded = server.encoded.get(_said_to(server, call))
    return None if encoded is None else Answer(body=encoded_message(call.id, encoded))


async def answer(server: Server, call: Call) -> Answer:
    """Run the method that the call names. Never raises, but for the cancellation of the task it runs in."""
    try:
        if call.session is not None:
            call.log_level = server.memory.level_of(call.session.id)
        method = _method(server, call)
        result = stamp(server, call.era, call.method, await method.handle(server, call))
        if method.fixed and "cursor" not in call.params:
            server.encoded[_said_to(server, call)] = orjson.dumps(result)
        return Answer(body=result_message(call.id, result), receipts=None if call.detached else call.receipts)
    except InputRequiredError as early:
        return Answer(body=result_message(call.id, stamp(server, call.era, call.method, early.result)))
    except RpcError as error:
        return _failed(call, error)
    except UnaskableError as refusal:
        return _failed(call, RpcError(INVALID_PARAMS, str(refusal)))
    except Exception:
        logger.exception("%s failed", call.method[:100])
        return _failed(call, RpcError(INTERNAL_ERROR, "Internal error. The service's log has the details."))


def _said_to(server: Server, call: Call) -> tuple[str, Era, int]:
    """What the result of a `fixed` method depends on."""
    return call.method, call.era, id(server.tools_shown(call))


def _method(server: Server, call: Call) -> Method:
    method = METHODS.get(call.method)
    if method is None or not method.is_offered(server, call.era):
        raise RpcError(METHOD_NOT_FOUND, f"There is no method {call.method[:100]!r} here in revision {call.version}.")
    return method


def _failed(call: Call, error: RpcError) -> Answer:
    return Answer(body=error_message(call.id, error), status=status_of(call.era, error), failed=True)
