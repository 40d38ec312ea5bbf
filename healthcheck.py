"""Asks the service in this container whether it is well. Exit 0: yes. 1: no, and why in one line.

For `HEALTHCHECK`, Compose and Kubernetes (`exec`): no arguments, so nothing needs quoting, and the standard library
alone. It asks over loopback whatever the service listens on.
"""

import os
import sys
import urllib.request
from http.client import HTTPException
from typing import Final

DEFAULT_PORT: Final = "8866"
"""The default of `EASEL_PORT`."""

TIMEOUT_S: Final = 4
"""Below the five seconds that the Containerfile gives the check: so it is we who say why."""


def main() -> int:
    """Print one line and return the exit status."""
    port = os.environ.get("EASEL_PORT", "").strip(" \"'") or DEFAULT_PORT  # `--env-file` passes quotes on
    url = f"http://127.0.0.1:{port}/healthz"
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of HTTP_PROXY
    try:
        with loopback.open(url, timeout=TIMEOUT_S) as answer:
            print(f"{url}: {answer.status}")
    except (OSError, HTTPException, ValueError) as error:  # URLError and HTTPError are OSErrors
        print(f"{url}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
