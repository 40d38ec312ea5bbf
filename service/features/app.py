"""The MCP App: its view as a resource, and the tools as they are listed to clients that show it (SEP-1865).

1. Only a client that declares the extension with the type of our view is told of it; others see nothing new.
2. The view loads pictures from the address by which the call came. Hosts allow that by `csp`, which stands both in the
   list and in what is read. Some want `data:` and `blob:` named, too, and some drop the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from service.pictures.library import Pictures
from service.protocol.call import Call
from service.protocol.catalog import ResourceEntry, ToolEntry
from service.protocol.client import APP_TYPE
from service.protocol.jsonrpc import Result
from service.tools.app_view import APP_URI

SHOWN_BY: Final = ("generate", "generate_image", "history")
"""Tools whose results the view shows."""

URI_MEMBER: Final = "ui/resourceUri"
"""The older place of the URI, which some hosts alone read (claude-ai-mcp #71)."""


@dataclass(frozen=True, kw_only=True)
class AppPage:
    """The view; without HTML there is none. `pictures` knows the address of the pictures."""

    html: str
    pictures: Pictures

    def is_shown(self, call: Call) -> bool:
        """Return whether this caller is told of the view."""
        return bool(self.html) and call.client.shows_apps

    def tools(self, tools: Mapping[str, ToolEntry], own: Mapping[str, ToolEntry]) -> dict[str, ToolEntry]:
        """Return the tools as a client with views sees them: those that it shows name the view; `own` are for it."""
        named = {
            name: _with_meta(entry, _ui(["model", "app"])) if name in SHOWN_BY else entry
            for name, entry in tools.items()
        }
        return {**named, **{name: _with_meta(entry, _ui(["app"])) for name, entry in own.items()}}

    def entries(self) -> dict[str, ResourceEntry]:
        """Return the resource, by its URI."""
        return {APP_URI: ResourceEntry(listing={"uri": APP_URI}, read=self.read)} if self.html else {}

    def listings(self, call: Call) -> list[Result]:
        """Return the entry of the view in the list of resources, for a caller that is told of it."""
        if not self.is_shown(call):
            return []
        about = {"uri": APP_URI, "name": "pictures", "title": "Easel", "mimeType": APP_TYPE}
        return [{**about, "description": "Shows pictures in the chat.", "_meta": self._meta(call)}]

    async def read(self, call: Call, uri: str) -> Sequence[Result]:
        """Read the view."""
        return [{"uri": uri, "mimeType": APP_TYPE, "text": self.html, "_meta": self._meta(call)}]

    def _meta(self, call: Call) -> dict[str, Any]:
        address = urlsplit(self.pictures.own_url_for(call.reached_at))
        origin = f"{address.scheme}://{address.netloc}"
        csp = {"connectDomains": [origin], "resourceDomains": [origin, "data:", "blob:"]}
        return {"ui": {"csp": csp, "prefersBorder": False}}


def _ui(visibility: list[str]) -> dict[str, Any]:
    return {"ui": {"resourceUri": APP_URI, "visibility": visibility}, URI_MEMBER: APP_URI}


def _with_meta(entry: ToolEntry, meta: Mapping[str, Any]) -> ToolEntry:
    return replace(entry, listing={**entry.listing, "_meta": dict(meta)})
