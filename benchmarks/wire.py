"""HTTP requests as bytes, made before anything is measured: both eras, a result alone or after one progress message."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, Final

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
_META: Final = "io.modelcontextprotocol/"
_CLIENT: Final = {"name": "context", "version": "1"}
_COMMON: Final = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def modern(port: int, id_: int, method: str, params: Mapping[str, Any], *, progress: bool) -> bytes:
    """A request that says everything itself."""
    meta: dict[str, Any] = {
        f"{_META}protocolVersion": MODERN,
        f"{_META}clientInfo": _CLIENT,
        f"{_META}clientCapabilities": {},
    }
    if progress:
        meta["progressToken"] = id_
    headers = {"Mcp-Protocol-Version": MODERN, "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    return _post(port, headers, _message(id_, method, {**params, "_meta": meta}))


def legacy(port: int, id_: int, method: str, params: Mapping[str, Any], *, progress: bool) -> bytes:
    """A request in a session that is opened here, as by a client of its own."""
    meta = {"_meta": {"progressToken": id_}} if progress else {}
    headers = {"Mcp-Protocol-Version": LEGACY, "Mcp-Session-Id": _open_session(port)}
    return _post(port, headers, _message(id_, method, {**params, **meta}))


def _open_session(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
        connection.request("POST", "/mcp", _message(0, "initialize", params), _COMMON)
        answer = connection.getresponse()
        answer.read()
        session = answer.getheader("Mcp-Session-Id")
        if session is None:
            raise RuntimeError(f"initialize was answered with {answer.status} and no session")
        notice = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
        headers = {**_COMMON, "Mcp-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
        connection.request("POST", "/mcp", notice, headers)
        connection.getresponse().read()
        return session
    finally:
        connection.close()


def _message(id_: int, method: str, params: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}).encode()


def _post(port: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = {"Host": f"127.0.0.1:{port}", **_COMMON, **headers, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"POST /mcp HTTP/1.1\r\n" + head.encode() + b"\r\n" + body
