"""`python -m mcp_server`, by which the Flow2API MCP Server was started: the same as `python -m service`."""

import sys

from service.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
