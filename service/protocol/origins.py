"""The origin of a stream in the ids of its events: the call that it answers, and words by which its work is found.

Another replica has none of the events of a stream, but can tell how the work ended, by its tool. An id is no secret and
no proof: whoever writes one of their own learns what `tools/call` would tell them.
"""

import re
from typing import Final, NamedTuple

import orjson

from service.protocol import signing
from service.protocol.jsonrpc import RequestId, is_request_id

MARK: Final = "~"
MOST: Final = 1000
"""Characters of an origin in an id: that of the longest request id of a client is shorter."""

_ID: Final = re.compile(rf"[0-9a-f]{{1,32}}{MARK}([A-Za-z0-9_-]{{1,{MOST}}})-[0-9]{{1,9}}")


class Origin(NamedTuple):
    """A call of a tool by its request id, and the words that the tool remembered of its work."""

    tool: str
    request_id: RequestId
    work: str

    def written(self) -> str:
        """Return the origin as it follows the id of its stream; "" for one that is too long."""
        text = MARK + signing.encode(orjson.dumps(list(self)))
        return text if len(text) <= MOST else ""


def read_origin(event_id: str) -> Origin | None:
    """Return the origin in the id of an event, or None."""
    found = _ID.fullmatch(event_id)
    if found is None:
        return None
    try:
        value = orjson.loads(signing.decode(found[1]))
    except ValueError:
        return None
    match value:
        case [str(tool), request_id, str(work)] if is_request_id(request_id):
            return Origin(tool, request_id, work)
    return None
