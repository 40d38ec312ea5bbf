"""Starlette's static files under uvicorn."""

import argparse

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--folder", required=True)

if __name__ == "__main__":
    asked = parser.parse_args()
    app = Starlette(routes=[Mount("/mcp-cache", StaticFiles(directory=asked.folder))])
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="error", access_log=False)
