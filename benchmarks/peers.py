"""Peers that are measured: command and environment of each, and the folder of pictures that all of them serve."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.installing import nginx, npm, python
from benchmarks.work import DESCRIPTION, FILLING, TOOL
from service.bounds.limits import LIMITS

UNLIMITED: Final = {
    **{limit.setting: "0" if limit.overall is None else "0/0" for limit in LIMITS},
    "EASEL_CACHE_MAX_ENTRIES": "0",
    "EASEL_CACHE_MAX_MB": "0",
    "EASEL_PROFILES": "*:patience=600",
}
"""A load is more than any limit lets through, and a client of it waits. All else is as it is shipped."""

NGINX: Final = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location /mcp-cache/ {{ alias {pictures}/; }} }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """One program. `command` is given the port, and the folder of pictures that it may serve."""

    about: str
    command: Callable[[int, Path], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)


def _own(module: str, *options: str) -> Callable[[int, Path], Sequence[str]]:
    return lambda port, _: [sys.executable, "-m", module, "--port", str(port), *options]


def _python(module: str) -> Callable[[int, Path], Sequence[str]]:
    return lambda port, pictures: [python(), "-m", module, "--port", str(port), "--folder", str(pictures)]


def _node(server: str) -> Callable[[int, Path], Sequence[str]]:
    return lambda port, _: ["node", str(npm() / server), "--port", str(port)]


def _nginx(port: int, pictures: Path) -> Sequence[str]:
    folder = pictures.parent / "nginx"
    folder.mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, pictures=pictures))
    return [nginx(), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _files(port: int, pictures: Path) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.server_files", "--port", str(port), "--folder", str(pictures)]


WORK: Final = {"TOOL": TOOL, "DESCRIPTION": DESCRIPTION, "FILLING": FILLING}

PEERS: Final[Mapping[str, Peer]] = {
    "bare": Peer("aiohttp with the least that answers", _own("benchmarks.server_bare")),
    "easel": Peer("Easel's protocol layer and HTTP edge with one trivial tool", _own("benchmarks.server_easel")),
    "service": Peer("all of Easel", _own("service"), UNLIMITED),
    "sdk": Peer("official Python SDK 2.3.0", _python("benchmarks.server_sdk")),
    "fastmcp": Peer("FastMCP 4.1.6", _python("benchmarks.server_fastmcp")),
    "typescript 2": Peer("official TypeScript SDK 2.4.0", _node("server_typescript_2.mjs"), WORK),
    "typescript 1": Peer("official TypeScript SDK 1.32.2", _node("server_typescript_1.mjs"), WORK),
    "FileResponse": Peer("aiohttp's own answer with a file", _files),
    "Starlette": Peer("Starlette's StaticFiles under uvicorn", _python("benchmarks.server_starlette")),
    "nginx": Peer("nginx", _nginx),
}


@cache
def cores() -> tuple[int, int]:
    """The core of the peers, and that of the load, as they are before either is taken."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        sys.exit("benchmarks need two cores: one for the peers, one for the load")
    return found[0], found[1]
