"""The rows of requests: each is a request, the peer that answers it, the form of its answer, and its target."""

import http.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks import wire
from benchmarks.load import Expected, Tally, Turns
from benchmarks.work import TOOL

_CALL: Final[Mapping[str, Any]] = {"name": TOOL, "arguments": {"message": "hello"}}
_CACHE: Final[Mapping[str, Any]] = {"name": "cache", "arguments": {}}
_HISTORY: Final[Mapping[str, Any]] = {"name": "history", "arguments": {}}

BARE: Final = "bare: call, JSON"
DERIVATIVE: Final = "derivative"


@dataclass(frozen=True)
class Names:
    """The names of the pictures that are asked for, by their size: those of a row that are hot, and those never."""

    hot: Mapping[str, str]
    cold: Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table. `target` is the least ratio to the yardstick's rate, `p99` the most to its 99th percentile.

    `of` names the yardstick.
    """

    peer: str
    what: str
    of: str = BARE
    target: float | None = None
    p99: float | None = None

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"{self.peer}: {self.what}"

    @property
    def expected(self) -> Expected:
        """The form of each answer."""
        return Expected()

    def turns(self, port: int, names: Names, connections: int) -> list[Turns]:
        """The requests of each connection."""
        raise NotImplementedError

    def check(self, tally: Tally) -> None:
        """Raise unless every connection got what was asked for, in the form that this row is about."""
        if tally.problems:
            raise RuntimeError(f"{self.name}: {len(tally.problems)} problems, such as {tally.problems[0]}")
        for sample in tally.samples:
            if not self.fits(sample):
                raise RuntimeError(f"{self.name}: an answer is not of the expected form: {sample[:1000]!r}")

    def fits(self, sample: bytes) -> bool:
        """Look at a whole answer."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class CallRow(Row):
    """A JSON-RPC request; `stream`: one that asks for progress. `holds` is what its answer must hold."""

    build: Callable[..., bytes] = wire.modern
    method: str = "tools/call"
    params: Mapping[str, Any] = field(default_factory=lambda: _CALL)
    stream: bool = False
    holds: bytes = b""

    def turns(self, port: int, names: Names, connections: int) -> list[Turns]:  # noqa: ARG002 - no picture is asked for
        """One request for each connection, under an id of its own."""
        return [
            [self.build(port, id_, self.method, self.params, progress=self.stream)] for id_ in range(1, connections + 1)
        ]

    def fits(self, sample: bytes) -> bool:
        """With a notice of progress where that was asked for, and without an error."""
        streamed = b"notifications/progress" in sample
        return streamed is self.stream and b'"isError":true' not in sample and self.holds in sample


@dataclass(frozen=True, kw_only=True)
class PictureRow(Row):
    """A picture, `cold` ones each in their turn, a part of it, or the answer that the copy at hand is still right."""

    size: str
    cold: bool = False
    part: int = 0
    unchanged: bool = False

    @property
    def expected(self) -> Expected:
        """The status, and nothing else: pictures are looked at once."""
        status = b"304" if self.unchanged else b"206" if self.part else b"200"
        return Expected(start=b"HTTP/1.1 " + status, holds=b"")

    def turns(self, port: int, names: Names, connections: int) -> list[Turns]:
        """The same picture for all, or of the cold ones each connection's own, of which nobody else asks."""
        if self.cold:
            all_ = [self._get(port, name) for name in names.cold[self.size]]
            return [all_[number::connections] or [all_[number % len(all_)]] for number in range(connections)]
        return [[self._get(port, names.hot[self.size])]] * connections

    def _get(self, port: int, name: str) -> bytes:
        path = f"/mcp-cache/{name}"
        if self.size == DERIVATIVE:
            path = f"{path}?w=320&f=webp" if self.peer == "service" else f"/mcp-cache/320-{name}"
        headers = {"Host": f"127.0.0.1:{port}", "Accept": "*/*"}
        if self.part:
            headers["Range"] = f"bytes=1000-{1000 + self.part - 1}"
        if self.unchanged:
            headers["If-None-Match"] = entity_tag(port, path)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()

    def fits(self, sample: bytes) -> bool:
        """With as many bytes as there should be."""
        body = len(sample.partition(b"\r\n\r\n")[2])
        return body == 0 if self.unchanged else body == self.part if self.part else body > 1000


def entity_tag(port: int, path: str) -> str:
    """The ETag by which a peer knows a picture."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        tag = answer.getheader("ETag")
        if tag is None:
            raise RuntimeError(f"{path} was answered with {answer.status} and no ETag")
        return tag
    finally:
        connection.close()


CALLS: Final = (
    CallRow(peer="bare", what="call, JSON"),
    CallRow(peer="bare", what="call, one progress, SSE", stream=True),
    CallRow(peer="easel", what="modern call, JSON", target=0.84),
    CallRow(peer="easel", what="modern call, one progress, SSE", stream=True, target=0.74),
    CallRow(peer="easel", what="legacy call, JSON", build=wire.legacy, target=0.98),
    CallRow(peer="easel", what="legacy call, one progress, SSE", build=wire.legacy, stream=True, target=0.73),
    CallRow(peer="easel", what="server/discover", method="server/discover", params={}, target=1.0),
    CallRow(peer="service", what="modern cache", params=_CACHE, target=0.75, p99=1.5),
    CallRow(peer="service", what="legacy cache", build=wire.legacy, params=_CACHE, target=0.75, p99=1.5),
    CallRow(peer="service", what="modern history, 5 of 10,000", params=_HISTORY, target=0.4, holds=b"history_id"),
    CallRow(peer="service", what="legacy history, 5 of 10,000", build=wire.legacy, params=_HISTORY, target=0.4,
            holds=b"history_id"),
    CallRow(peer="service", what="modern tools/list", method="tools/list", params={}, target=1.0),
    CallRow(peer="service", what="legacy tools/list", build=wire.legacy, method="tools/list", params={}, target=1.0),
    CallRow(peer="sdk", what="modern call, JSON"),
    CallRow(peer="sdk", what="modern call, one progress, SSE", stream=True),
    CallRow(peer="sdk", what="legacy call, SSE", build=wire.legacy),
    CallRow(peer="sdk", what="modern tools/list", method="tools/list", params={}),
    CallRow(peer="fastmcp", what="modern call, JSON"),
    CallRow(peer="typescript 2", what="modern call, JSON"),
    CallRow(peer="typescript 1", what="legacy call, SSE", build=wire.legacy),
)  # fmt: skip
"""In the order of the table."""

PART: Final = 64_000
_HOT: Final[Mapping[str, Mapping[str, Any]]] = {
    "200 kB": {"size": "200 kB"},
    "2 MB": {"size": "2 MB"},
    "Range 64 kB": {"size": "2 MB", "part": PART},
    "304": {"size": "200 kB", "unchanged": True},
    "derivative": {"size": DERIVATIVE},
}
_COLD: Final[Mapping[str, Mapping[str, Any]]] = {
    f"{size}, cold": {"size": size, "cold": True} for size in ("200 kB", "2 MB")
}
_FORMS: Final = {**_HOT, **_COLD}
_TARGETS: Final = {
    "200 kB": 2.4,
    "2 MB": 1.05,
    "Range 64 kB": 2.4,
    "304": 1.45,
    "200 kB, cold": 0.95,
    "2 MB, cold": 0.95,
}

PICTURES: Final = tuple(
    PictureRow(
        peer=peer,
        what=what,
        of=f"FileResponse: {what}",
        target=_TARGETS.get(what) if peer == "service" else None,
        **_FORMS[what],
    )
    for what in _FORMS
    for peer in ("FileResponse", "service", "Starlette", "nginx")
    if peer not in {"Starlette", "nginx"} or what in _HOT
)

ROWS: Final[Sequence[Row]] = (*CALLS, *PICTURES)
"""A row and its yardstick are measured in one round. Targets are ratios to the yardstick's rate."""


def chosen(words: Sequence[str]) -> list[Row]:
    """The rows whose name holds one of the words, and their yardsticks; all rows where there is no word."""
    wanted = [row for row in ROWS if not words or any(word.lower() in row.name.lower() for word in words)]
    names = {name for row in wanted for name in (row.name, row.of)}
    return [row for row in ROWS if row.name in names]
