"""Where an image service listens: the base of its API, out of what a person wrote.

People write the server's root, the root with `/v1`, or copy a whole endpoint from a manual; Google and others count
their versions elsewhere in the path (`/v1beta/openai`, `/api/paas/v4`).
"""

import re
from typing import Final

from yarl import URL

ENDPOINTS: Final = re.compile(r"/(?:chat/completions|images/(?:generations|edits)|models)/*\Z")
VERSION: Final = re.compile(r"/v[0-9]+(?:alpha|beta)?[0-9]*(?:/|\Z)")


def api_base(text: str) -> URL:
    """Read a base URL: without an endpoint, slashes, user name and query; with `/v1` unless it names a version."""
    url = URL(text.strip())
    root = ENDPOINTS.sub("", url.path).rstrip("/")
    return url.with_user(None).with_path(root if VERSION.search(root) else f"{root}/v1")
