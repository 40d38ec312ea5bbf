"""The yardstick of pictures: aiohttp's own answer with a file."""

import argparse
from pathlib import Path

from aiohttp import web

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--folder", type=Path, required=True)


def application(folder: Path) -> web.Application:
    """Answer with the files of a folder, each by its name."""

    async def picture(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / request.match_info["name"])

    app = web.Application()
    app.router.add_get("/mcp-cache/{name}", picture)
    return app


if __name__ == "__main__":
    asked = parser.parse_args()
    web.run_app(application(asked.folder), host="127.0.0.1", port=asked.port, access_log=None, print=None)
