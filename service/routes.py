"""The HTTP routes beside the MCP endpoint: the one table of their paths, and of the checks that they are spared.

The path of the endpoint itself is a setting; it may not begin with any of these.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route. A path that ends in a slash is a prefix, followed by a name that cannot be guessed."""

    path: str
    needs_token: bool = True
    """Requests must bring a token, where tokens are set."""
    checks_origin: bool = True
    """A foreign `Origin` is refused for GET and HEAD as well; for all other methods it always is."""
    shows_more: bool = False
    """A token that a request brings is checked, although none is needed: an administrator is shown more."""


PICTURES: Final = Route(path="/mcp-cache/", needs_token=False, checks_origin=False)
"""Stored pictures. The name is the key, and pages and frames of chat programs must be able to show them."""

UPLOADS: Final = Route(path="/upload/", needs_token=False)
"""The page of a one-time link, which is the key."""

HEALTH: Final = (Route(path="/healthz", needs_token=False), Route(path="/health", needs_token=False))
"""The sign that the process serves, under the two names that monitors use. It reveals nothing else."""

READY: Final = Route(path="/readyz", needs_token=False, shows_more=True)
"""The checks of the data folder and the image services, by name and state. The reasons are an administrator's."""

METRICS: Final = Route(path="/metrics")
"""The counts of this process, for Prometheus."""

RESOURCE_METADATA: Final = Route(path="/.well-known/oauth-protected-resource", needs_token=False, checks_origin=False)
"""The metadata by which clients find the authorization server, there where one is set (RFC 9728)."""

GALLERY_ASSETS: Final = Route(path="/gallery/assets/", needs_token=False)
"""The script and the style of the gallery, which are the same for everybody."""

GALLERY: Final = Route(path="/gallery", needs_token=False)
"""The gallery: its page, its data, and the ways to sign in. A session stands in the place of the token."""

GALLERY_LINKS: Final = Route(path="/gallery/open/", needs_token=False)
"""The page of a one-time link into the gallery, which is the key."""

HOME: Final = "/"
"""The page for people who open the address. It is no beginning of other paths, so it stands in no table below."""

ROUTES: Final = (PICTURES, UPLOADS, *HEALTH, READY, METRICS, RESOURCE_METADATA, GALLERY)

WITHOUT_TOKEN: Final = tuple(route.path for route in ROUTES if not route.needs_token)
"""The beginnings of paths that need no token."""

SHOWING_MORE: Final = tuple(route.path for route in ROUTES if route.shows_more)
"""Those of them that check a token all the same when one comes."""

ANY_ORIGIN: Final = tuple(route.path for route in ROUTES if not route.checks_origin)
"""The beginnings of paths that may be read from any origin."""

RESERVED: Final = tuple(route.path.rstrip("/") for route in ROUTES)
"""The beginnings that the path of the MCP endpoint may not have."""
