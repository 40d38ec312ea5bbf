"""What a result carries besides its own members, by era.

Legacy results stay as their handler made them: `ping` must answer exactly `{}`. Modern ones say their type and who
answers, and lists say how long they may be kept (spec 2026-07-28, Result Responses, Per-response fields, Caching).
"""

from collections.abc import Mapping
from typing import Any, Final

from service.protocol.catalog import Server
from service.protocol.jsonrpc import Result
from service.protocol.versions import Era

SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

CACHING: Final[Mapping[str, Mapping[str, Any]]] = {
    # The same for every caller and changed by a restart at most; after a minute a client looks again.
    "server/discover": {"ttlMs": 60_000, "cacheScope": "public"},
    # How a tool is shown may depend on the client.
    "tools/list": {"ttlMs": 60_000, "cacheScope": "private"},
    "prompts/list": {"ttlMs": 60_000, "cacheScope": "public"},
    # What an owner made is their own, and may be more the next moment.
    "resources/list": {"ttlMs": 0, "cacheScope": "private"},
    "resources/templates/list": {"ttlMs": 60_000, "cacheScope": "public"},
    "resources/read": {"ttlMs": 0, "cacheScope": "private"},
}
"""Caching hints of the methods that must give them."""


def stamp(server: Server, era: Era, method: str, result: Result) -> Result:
    """The result as it goes out in this era."""
    if era is Era.LEGACY:
        return result
    meta = {**result.get("_meta", {}), SERVER_INFO: server.info}
    if "resultType" in result:  # what is not complete is nothing to keep (spec 2026-07-28, Caching)
        return {**result, "_meta": meta}
    return {"resultType": "complete", **CACHING.get(method, {}), **result, "_meta": meta}
