"""Telemetry: the end of each call, generation and refused request, as one log line with fields and one count.

1. A failed generation is one WARNING: owner, image service, kind, the fact, and the settings to change if there are
   any. The service's own words stay out, since some repeat the prompt.
2. Counts are of this process, since its start; `/metrics` (`web/health.py`) shows them. No label is a name that clients
   choose, so that the number of series is bounded.
3. A call is traced by W3C Trace Context: the `traceparent` of its request, of its header or of `_meta` (SEP-414), goes
   to the image service unchanged and into the fields of the log.
"""

import logging
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from service.images import Job
from service.logs import FIELDS, dropped

logger = logging.getLogger(__name__)

# A process counts for itself. With PROMETHEUS_MULTIPROC_DIR the library would keep the counts in files by process id:
# process 1 of a container that is started again would add to those of the last one.
values.ValueClass = values.MutexValue

COUNTS: Final = CollectorRegistry()
"""The counts of this process."""

GENERATIONS: Final = Counter(
    "easel_generations",
    "Generations that have ended: done, or the kind of failure.",
    ("upstream", "outcome"),
    registry=COUNTS,
)
GENERATION_SECONDS: Final = Histogram(
    "easel_generation_duration_seconds",
    "Seconds from the beginning to the end of the work on a generation, its wait for a turn included.",
    ("upstream",),
    buckets=(1, 2, 5, 10, 20, 40, 60, 120, 300, 600),
    registry=COUNTS,
)
COST: Final = Counter(
    "easel_cost",
    "Cost of generations that have ended, by currency; estimated: yes where no image service told it.",
    ("upstream", "currency", "estimated"),
    registry=COUNTS,
)
REFUSED: Final = Counter("easel_refused_requests", "HTTP requests that were refused.", ("status",), registry=COUNTS)


class _LogCollector(Collector):
    """The count of the log's own, which no call makes."""

    def collect(self) -> Iterator[Metric]:
        words = "Lines of the log that standard error did not take fast enough."
        yield CounterMetricFamily("easel_log_lines_dropped", words, value=dropped())


COUNTS.register(_LogCollector())

CALL_SECONDS: Final = (0.01, 0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, math.inf)
"""The upper bounds of the durations of calls that are counted together."""


class _Calls(Collector):
    """The calls that have ended. Each is counted on the loop; the library's counters take a lock three times for it."""

    def __init__(self) -> None:
        self._ended: dict[tuple[str, str], int] = {}
        self._lasted: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def count(self, tool: str, outcome: str, seconds: float) -> None:
        """Count one more."""
        self._ended[tool, outcome] = self._ended.get((tool, outcome), 0) + 1
        self._seconds[tool] = self._seconds.get(tool, 0.0) + seconds
        lasted = self._lasted.get(tool) or self._lasted.setdefault(tool, [0] * len(CALL_SECONDS))
        lasted[bisect_left(CALL_SECONDS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the counts. A thread asks for them, and takes a copy, while others are counted."""
        words = "Calls of tools that have ended."
        calls = CounterMetricFamily("easel_calls", words, labels=("tool", "outcome"))
        for (tool, outcome), number in self._ended.copy().items():
            calls.add_metric((tool, outcome), number)
        yield calls
        words = "Seconds from the beginning to the end of a call."
        durations = HistogramMetricFamily("easel_call_duration_seconds", words, labels=("tool",))
        for tool, lasted in self._lasted.copy().items():
            up_to = zip(map(floatToGoString, CALL_SECONDS), map(float, accumulate(lasted)), strict=True)
            durations.add_metric((tool,), list(up_to), self._seconds[tool])
        yield durations


CALLS: Final = _Calls()
COUNTS.register(CALLS)

CANCELLED: Final = "cancelled"
"""The kind of a generation that its client did not want any more: nobody has to mend anything."""

TRACEPARENT: Final = "traceparent"
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

OF_REQUEST: Final[ContextVar[str]] = ContextVar(TRACEPARENT, default="")
"""The header `traceparent` of the request that this context handles, "" for one without."""

NO_FIELDS: Final[Mapping[str, Any]] = {}


def request_began(traceparent: str) -> None:
    """Begin a request in the context of an earlier one, with its header `traceparent`, "" for one without."""
    OF_REQUEST.set(traceparent)
    FIELDS.set(NO_FIELDS)


def call_began(tool: str, owner: str, request_id: object, meta: object) -> None:
    """Give the lines of this context, and of jobs that it begins, the fields of a call."""
    of_meta = meta.get(TRACEPARENT) if isinstance(meta, dict) else None
    traceparent = of_meta if isinstance(of_meta, str) else OF_REQUEST.get()
    begun: dict[str, Any] = {"request_id": request_id, "owner": owner, "tool": tool}
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        begun[TRACEPARENT] = traceparent
    FIELDS.set(begun)


def trace_headers() -> Mapping[str, str]:
    """Return the headers by which a request to an image service belongs to the trace of this context's call."""
    traceparent = FIELDS.get().get(TRACEPARENT)
    return {} if traceparent is None else {TRACEPARENT: traceparent}


def call_ended(tool: str, owner: str, outcome: str, seconds: float) -> None:
    """Log and count the end of a call: done, failed, cancelled, or error for a bug."""
    extra = {"fields": {"seconds": round(seconds, 3)}}
    logger.info("%s: %s in %.2f s for %s", tool, outcome, seconds, owner, extra=extra)
    CALLS.count(tool, outcome, seconds)


def generation_ended(job: Job, ended: Job | None, seconds: float, setting: str) -> None:
    """Log and count the end of the work on a job; `ended` is None where it stays at work for a later process.

    `setting` names the settings that may have to be changed after a failure.
    """
    failure = None if ended is None else ended.failure
    outcome = "left working" if ended is None else str(ended.state) if failure is None else failure.kind
    told: dict[str, object] = {
        "owner": job.owner,
        "history_id": job.history_id,
        "upstream": job.upstream,
        "seconds": round(seconds, 3),
    }
    if failure is not None:
        told |= {"kind": failure.kind, **({"setting": setting} if setting else {})}
    extra = {"fields": told}
    if failure is None or failure.kind == CANCELLED:
        line = "history_id %d of %s: %s after %.1f s, %s"
        logger.info(line, job.history_id, job.owner, outcome, seconds, job.model, extra=extra)
    else:
        change = f" Setting to change: {setting}." if setting else ""
        logger.warning(
            "history_id %d of %s: failed (%s: %s) at %s after %.1f s, %s.%s",
            *(job.history_id, job.owner, failure.kind, failure.fact, job.upstream, seconds, job.model, change),
            extra=extra,
        )
    GENERATIONS.labels(job.upstream, outcome).inc()
    used = None if ended is None else ended.usage
    if used is not None and used.cost:
        COST.labels(job.upstream, used.currency, "yes" if used.estimated else "no").inc(used.cost)
    GENERATION_SECONDS.labels(job.upstream).observe(seconds)
