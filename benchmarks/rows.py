"""What is measured: each row is a request, the peer that answers it, and what its answer must look like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks import wire
from benchmarks.load import Tally
from benchmarks.work import TOOL

PEERS: Final[Mapping[str, str]] = {
    "bare": "benchmarks.server_bare",
    "easel": "benchmarks.server_easel",
    "service": "service",
    "sdk": "benchmarks.server_sdk",
}
"""Who answers, and the module that is started: `easel` is our layer with a trivial tool, `service` all of Easel."""

_CALL: Final[Mapping[str, Any]] = {"name": TOOL, "arguments": {"message": "hello"}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `target` is what its ratio to the yardstick should reach."""

    peer: str
    what: str
    build: Callable[..., bytes] = wire.modern
    method: str = "tools/call"
    params: Mapping[str, Any] = field(default_factory=lambda: _CALL)
    stream: bool = False
    target: float | None = None

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"{self.peer}: {self.what}"

    def requests(self, port: int, connections: int) -> list[bytes]:
        """The request of each connection, under an id of its own."""
        return [
            self.build(port, id_, self.method, self.params, progress=self.stream) for id_ in range(1, connections + 1)
        ]

    def check(self, tally: Tally) -> None:
        """Raise unless every connection got what was asked for, in the form that this row is about."""
        if tally.problems:
            raise RuntimeError(f"{self.name}: {len(tally.problems)} problems, such as {tally.problems[0]}")
        for sample in tally.samples:
            streamed = b"notifications/progress" in sample
            if streamed is not self.stream or b'"isError":true' in sample:
                raise RuntimeError(f"{self.name}: an answer is not of the expected form: {sample[:1000]!r}")


YARDSTICK: Final = Row(peer="bare", what="call, JSON")

ROWS: Final = (
    YARDSTICK,
    Row(peer="bare", what="call, one progress, SSE", stream=True),
    Row(peer="easel", what="modern call, JSON", target=0.75),
    Row(peer="easel", what="modern call, one progress, SSE", stream=True, target=0.6),
    Row(peer="easel", what="legacy call, JSON", build=wire.legacy, target=0.75),
    Row(peer="easel", what="legacy call, one progress, SSE", build=wire.legacy, stream=True, target=0.6),
    Row(peer="easel", what="modern tools/list", method="tools/list", params={}, target=1.0),
    Row(peer="easel", what="legacy tools/list", build=wire.legacy, method="tools/list", params={}, target=1.0),
    Row(peer="easel", what="server/discover", method="server/discover", params={}, target=1.0),
    Row(peer="service", what="modern call of cache", params={"name": "cache", "arguments": {}}, target=0.75),
    Row(peer="service", what="legacy call of cache", build=wire.legacy, params={"name": "cache", "arguments": {}},
        target=0.75),
    Row(peer="service", what="modern tools/list", method="tools/list", params={}, target=1.0),
    Row(peer="sdk", what="modern call, JSON"),
    Row(peer="sdk", what="modern call, one progress, SSE", stream=True),
    Row(peer="sdk", what="legacy call, SSE", build=wire.legacy),
    Row(peer="sdk", what="legacy call, one progress, SSE", build=wire.legacy, stream=True),
    Row(peer="sdk", what="modern tools/list", method="tools/list", params={}),
)  # fmt: skip
"""In the order of the table. Targets are those of the finished service, as ratios to the yardstick's rate."""
