"""A call becomes an encoded response. The only place where an exception meets the wire.

Results differ by era: legacy results stay as their handler made them, since `ping` must answer exactly `{}`; modern
ones name their type and the server, and lists say how long they may be cached (spec 2026-07-28, Result Responses,
Per-response fields, Caching).
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from service.bounds.limits import LimitError
from service.images import WorkError
from service.protocol.call import Call, DeliveryCallbacks
from service.protocol.catalog import Server
from service.protocol.client import Era
from service.protocol.client_requests import UnaskableError, tool_error
from service.protocol.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RpcError,
    limit_exceeded,
    status_of,
)
from service.protocol.jsonrpc import Result, encoded_message, error_message, result_message
from service.protocol.methods import METHODS, Method
from service.protocol.round_trips import InputRequiredError
from service.troubles import storage_error, trouble_of

logger = logging.getLogger(__name__)

SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

CACHING: Final[Mapping[str, Mapping[str, Any]]] = {
    # The same for every caller, and changed by a restart at most; after a minute a client looks again.
    "server/discover": {"ttlMs": 60_000, "cacheScope": "public"},
    # The shown tools may depend on the client.
    "tools/list": {"ttlMs": 60_000, "cacheScope": "private"},
    "prompts/list": {"ttlMs": 60_000, "cacheScope": "public"},
    # An owner's pictures are their own, and may be more the next moment.
    "resources/list": {"ttlMs": 0, "cacheScope": "private"},
    "resources/templates/list": {"ttlMs": 60_000, "cacheScope": "public"},
    "resources/read": {"ttlMs": 0, "cacheScope": "private"},
}
"""Caching hints of the methods that must give them."""


class EncodedResponse(NamedTuple):
    """One encoded JSON-RPC response, and the HTTP status it has when it is the whole HTTP answer.

    The transport runs the callbacks of `delivery` once the client has it whole. A task keeps its callbacks for itself.
    `error` is that of a failed response.
    """

    body: bytes
    status: int = 200
    error: RpcError | None = None
    delivery: DeliveryCallbacks | None = None

    @property
    def failed(self) -> bool:
        """True for an error."""
        return self.error is not None


def respond_from_cache(server: Server, call: Call) -> EncodedResponse | None:
    """Return the response of a `fixed` method that was encoded before; None where a handler must run."""
    method = METHODS.get(call.request.method)
    if method is None or not method.fixed or "cursor" in call.params:
        return None
    encoded = server.encoded.get(_cache_key(server, call))
    return None if encoded is None else EncodedResponse(body=encoded_message(call.id, encoded))


async def respond(server: Server, call: Call) -> EncodedResponse:
    """Run the method of the call. Never raises, but for the cancellation of the task it runs in."""
    name, id_ = call.method, call.id  # and not the request: a stream of notices lets go of it
    try:
        server.call_rate.take(call.owner)
        method = _method_of(server, call)
        if call.session is not None:
            call.log_level = server.memory.level_of(call.session.id)
        result = stamp(server, call.era, name, await method.handle(server, call))
        if method.fixed and "cursor" not in call.params:
            server.encoded[_cache_key(server, call)] = orjson.dumps(result)
        delivery = None if call.channel.is_task else call.delivery
        return EncodedResponse(body=result_message(id_, result), delivery=delivery)
    except InputRequiredError as early:
        return _succeed(server, call, early.result)
    except (UnaskableError, LimitError) as refusal:
        return refuse(server, call, refusal)
    except RpcError as error:
        return _fail(call, error)
    except WorkError as error:
        return _fail(call, RpcError(INTERNAL_ERROR, str(error)))
    except Exception as error:
        if (trouble := trouble_of(error)) is not None:
            return _fail(
                call, RpcError(INTERNAL_ERROR, str(storage_error("This call came to nothing", trouble, error)))
            )
        logger.exception("%s failed", name[:100])
        return _fail(call, RpcError(INTERNAL_ERROR, "Internal error. The server's log has the details."))


def refuse(server: Server, call: Call, refusal: UnaskableError | LimitError) -> EncodedResponse:
    """Return the response to a call that its client, or a limit, does not let run."""
    method = METHODS.get(call.method)
    if method is not None and method.refuses_in_result:
        return _succeed(server, call, tool_error(str(refusal)))
    if isinstance(refusal, LimitError):
        return _fail(call, limit_exceeded(refusal))
    return _fail(call, RpcError(INVALID_PARAMS, str(refusal)))


def stamp(server: Server, era: Era, method: str, result: Result) -> Result:
    """Return the result with the members that every result of this era and method has."""
    if era is Era.LEGACY:
        return result
    meta = {**result.get("_meta", {}), SERVER_INFO: server.info}
    if "resultType" in result:  # an incomplete result is not cached (spec 2026-07-28, Caching)
        return {**result, "_meta": meta}
    return {"resultType": "complete", **CACHING.get(method, {}), **result, "_meta": meta}


def _method_of(server: Server, call: Call) -> Method:
    """Return the method that a call names; raises `RpcError` where it is not offered in its era."""
    method = METHODS.get(call.request.method)
    if method is None or not _is_offered(server, method, call.era):
        name = call.request.method[:100]
        raise RpcError(METHOD_NOT_FOUND, f"There is no method {name!r} here in revision {call.version}.")
    return method


def _is_offered(server: Server, method: Method, era: Era) -> bool:
    """Return whether this server has the method, in this era."""
    return era in method.eras and (method.capability is None or method.capability in server.capabilities)


def _cache_key(server: Server, call: Call) -> tuple[str, Era, int]:
    """The things that the result of a `fixed` method depends on."""
    return call.method, call.era, id(server.tools_shown(call))


def _succeed(server: Server, call: Call, result: Result) -> EncodedResponse:
    return EncodedResponse(body=result_message(call.id, stamp(server, call.era, call.method, result)))


def _fail(call: Call, error: RpcError) -> EncodedResponse:
    return EncodedResponse(body=error_message(call.id, error), status=status_of(call.era, error), error=error)
