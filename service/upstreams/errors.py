"""Failures of an image service: any bad answer, and any answer that never came, becomes an `UpstreamError`.

1. `error_body` finds the error in the answer.
2. Its status is the one that the error claims, else the HTTP status, else 500: a service that streams reports its
   failures inside HTTP 200.
3. `signs` tells its kind, by its words first.
4. `kinds` says what each kind allows, and what the person reads.
5. `request_to`, around each request, names the service and measures the time. A failure that only its haste shows to
   have come before any work is `LOST` once seconds have passed: the picture may be drawn, and paid for.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Final

import aiohttp

from service.bounds.bodies import read_limited
from service.images import SAID, WorkError
from service.redaction import Redactor
from service.troubles import DESCRIPTORS, MEMORY, trouble_of
from service.upstreams.error_body import find_error, parse_body, sanitize
from service.upstreams.kinds import HAD_BEGUN, RULES, Kind
from service.upstreams.signs import classify

AT_ONCE_S: Final = 2.0
"""Seconds within which a failure counts as one that came before any work.

A refusal takes a few round trips, and a picture at least this long even from the fastest models. The time runs from the
start of the request, so that a slow upload makes it look later, never earlier: that costs a second try, not a second
picture.
"""

TOO_LARGE: Final = "(It was too large for it, or for a proxy before it: use fewer or smaller reference pictures.)"
"""Of a request, HTTP 413. nginx takes 1 MB unless it is told otherwise."""

MAX_WORDS: Final = 1500
"""Characters of an error's words, and of its codes, that are searched for the wait that it asks for."""

MAX_ECHO: Final = 8000
"""Characters of an error's words that may be quoted: more than `sanitize` looks at, by more than the longest key."""

MAX_ERROR: Final = 128 * 1024
"""Bytes of a bad answer that are read. Some echo the whole request, of many megabytes."""

GUARD_HEADERS: Final = ("cf-mitigated", "x-amzn-waf-action")
"""Headers by which Cloudflare and AWS say that their guard has answered, and not the service."""


@dataclass(frozen=True)
class Service:
    """An image service as its failures name it: its name within a sentence, the prefix of its settings, its key."""

    name: str = "the image service"
    prefix: str = ""
    key: str = field(default="", repr=False)

    def words(self) -> Mapping[str, str]:
        """Return the words for the places in the sentences of `RULES`."""
        return {
            "service": self.name,
            "Service": self.name[:1].upper() + self.name[1:],
            "key": f" ({self.prefix}_API_KEY)" if self.prefix else "",
            "url": f" ({self.prefix}_BASE_URL)" if self.prefix else "",
        }

    def without_key(self, words: str) -> str:
        """Return the words without the key, which services quote when they refuse it, before anything is cut off."""
        return Redactor([self.key]).clean(words[:MAX_ECHO])


ANY_SERVICE: Final = Service()


class UpstreamError(WorkError):
    """An image service failed, or its answer did. What may be tried again follows from the kind."""

    def __init__(  # noqa: PLR0913 - each circumstance of a failure is one that a caller may know
        self,
        kind: Kind,
        words: str = "",
        *,
        detail: str = "",
        wait_s: float | None = None,
        accepted: bool = False,
        early: bool = False,
        service: Service = ANY_SERVICE,
    ) -> None:
        """Put the failure into words.

        `words` are the service's own words, `detail` ours, added to the fact. `wait_s` is the wait that it asks for.
        `accepted`: the service had begun, and may charge for it. `early`: it had not begun if it failed at once.
        """
        is_long = wait_s is not None and wait_s > LONGEST_WAIT_S
        if is_long and kind == Kind.RATE:
            kind = Kind.LIMIT
        rule = RULES[kind]
        names = service.words()
        begun = HAD_BEGUN if accepted and not rule.may_be_charged else ""
        wait = f"It asks to wait {spoken(wait_s)}." if wait_s is not None and is_long else ""
        quote = sanitize(service.without_key(words))
        advice = rule.advice if quote or detail or not rule.unexplained else rule.unexplained
        fact = _joined(" ", rule.fact.format(**names), wait, detail, begun)
        super().__init__(
            _joined("\n", fact, advice.format(**names), quote and f"{SAID}“{quote}”"),
            kind=kind,
            retries=0 if accepted or is_long else rule.retries,
            retry_after_s=rule.delay_s if wait_s is None else wait_s,
            may_be_charged=accepted or rule.may_be_charged,
            setting=rule.setting.format(prefix=service.prefix) if service.prefix else "",
        )
        self._service = service
        self._early = early
        self._retell = partial(UpstreamError, words=words, detail=detail, wait_s=wait_s, accepted=accepted)

    def of_request(self, service: Service, elapsed_s: float) -> "UpstreamError":
        """Return this failure as one of a request to `service` that began `elapsed_s` seconds ago."""
        if self._service is not ANY_SERVICE:
            return self  # a request within this one has done so
        kind = Kind.LOST if self._early and elapsed_s >= AT_ONCE_S else Kind(self.kind)
        return self._retell(kind, service=service).keeping(task=self.task, links=self.links)


FAILURES: Final = (UpstreamError, aiohttp.ClientError, TimeoutError, ValueError)
"""The exceptions of a request: of its answer, of the network, and of an answer that cannot be read."""


def upstream_error(
    status: int,
    answer: object,
    headers: Mapping[str, str] | None = None,
    *,
    detail: str = "",
    accepted: bool = False,
) -> UpstreamError:
    """Classify one bad answer: its HTTP status, its body (parsed, text or bytes) or the error event, its headers."""
    headers = headers or {}
    body = parse_body(answer)
    is_text = isinstance(body, str)
    error = find_error(body)
    effective = error.status or (500 if status == HTTPStatus.OK and not is_text else status)
    kind, early = classify(effective, error.message, error.codes, is_text=is_text)
    if any(name in headers for name in GUARD_HEADERS):
        kind, early = Kind.BLOCKED, False
    if effective == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = detail or TOO_LARGE
    return UpstreamError(
        kind,
        error.message or ("" if is_text else error.codes),
        detail=detail,
        wait_s=asked_wait(headers, f"{error.message[:MAX_WORDS]}\n{error.codes[:MAX_WORDS]}"),
        accepted=accepted,
        early=early,
    )


async def read_error(response: aiohttp.ClientResponse) -> UpstreamError:
    """Classify an answer whose status already says that it is bad. Redirects count: a key is not sent after them."""
    return upstream_error(response.status, await read_start(response), response.headers)


async def read_start(response: aiohttp.ClientResponse) -> bytes:
    """Read as much of a bad answer as is of use."""
    return await read_limited(response.content, MAX_ERROR)


@contextmanager
def request_to(service: Service, *, paid: bool = True) -> Iterator[None]:
    """Turn every failure of the request inside into an `UpstreamError` that names the service.

    That is the exceptions of the network, an answer that cannot be read, and an `UpstreamError` that does not know yet
    which service it is of, nor how long the request took. `paid`: the request may be charged once it was sent; false
    for a poll or a list of models.
    """
    began = time.monotonic()
    try:
        yield
    except FAILURES as error:
        named = request_failure(error, service, time.monotonic() - began if paid else 0, paid=paid)
        if named is error:
            raise
        raise named from error


def request_failure(error: Exception, service: Service, elapsed_s: float, *, paid: bool = True) -> UpstreamError:
    """Turn one of `FAILURES` of a request, which began `elapsed_s` seconds ago, into the error of its service."""
    match error:
        case UpstreamError():
            return error.of_request(service, elapsed_s)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return UpstreamError(Kind.ADDRESS, detail="(The URL cannot be read.)", service=service)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.ClientHttpProxyError():
            return UpstreamError(Kind.UNREACHABLE, detail=f"({_reason(error)}.)", service=service)
        case _:
            kind = Kind.LOST if paid else Kind.TRANSIENT
            return UpstreamError(kind, detail=f"({_reason(error)}.)", service=service)


def _joined(separator: str, *parts: str) -> str:
    return separator.join(filter(None, parts))


def _reason(error: Exception) -> str:
    """Name the trouble without an address: messages of aiohttp hold host, port and sometimes a path."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "The proxy of HTTP_PROXY or HTTPS_PROXY does not accept connections"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"The proxy of HTTPS_PROXY refused the way there with HTTP {status}"
        case aiohttp.ClientConnectorDNSError():
            return "Its host name is not known"
        case aiohttp.ClientSSLError():
            return "There is no secure connection to it, its certificate may be wrong"
        case aiohttp.ClientConnectorError() if trouble_of(error) in {DESCRIPTORS, MEMORY}:
            trouble = trouble_of(error) or DESCRIPTORS
            return f"This server opens no connection, since {trouble.fact}: to mend it, {trouble.advice}"
        case aiohttp.ClientConnectorError():
            return "It does not accept connections"
        case TimeoutError():
            return "It did not answer in time"
        case aiohttp.ClientError():
            return "The connection broke"
        case _:
            return "Its answer could not be read"


LONGEST_WAIT_S: Final = 60.0
"""The longest wait within one call, in seconds. A call that waits for longer is given up by most clients."""

UNITS_S: Final[Mapping[str, float]] = {
    "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "秒": 1, "分": 60, "小": 3600, "时": 3600, "天": 86400,
}  # fmt: skip
"""Seconds of a unit, by its first letter; `ms` by both."""

NUMBER: Final = r"\d{1,9}(?:\.\d+)?"
UNIT: Final = r"(?:ms|(?:s|m|h|d)(?:ec|in|r|our|ay|inute|econd)?(?:ond|ute)?s?)\b"
SPAN: Final = rf"(?:{NUMBER}\s*{UNIT}(?:,?\s*(?:and\s*)?)?)+|(?:{NUMBER}\s*(?:ms|[smhd]))+"
PHRASES: Final = (
    re.compile(
        rf"(?:try again|retry|wait|resets?|available|renewed)(?: again)?(?: in| after| for| at least| about|:)*\s*"
        rf"(?P<span>{SPAN})",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:retry_?(?:delay|after)|resets?_(?:in|after))(?:_?(?:seconds|secs|s))?['\"]?\s*[:=]\s*['\"]?"
        rf"(?P<span>{NUMBER}\s*[a-z]?)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?P<span>{NUMBER}\s*(?:秒|分钟?|个?小时|天))(?:钟)?(?:之?后|以后|再试|重试|内)"),
    re.compile(rf"(?:等待|重试|恢复|重置)[^\d。]{{0,8}}(?P<span>{NUMBER}\s*(?:秒|分钟?|个?小时|天))"),
)
"""The forms in which services say it: OpenAI and Azure in a sentence, Google as `retryDelay`, relays in Chinese."""

PART: Final = re.compile(rf"({NUMBER})\s*个?(ms|[a-z秒分小时天]?)", re.IGNORECASE)


def asked_wait(headers: Mapping[str, str], words: str = "") -> float | None:
    """Return the seconds to wait by the headers of an answer, else by its words; None where neither says."""
    by_headers = retry_after(headers)
    return by_words(words) if by_headers is None else by_headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the headers of an answer, or None.

    RFC 9110, 10.2.3: seconds, or a date, which is measured from the `Date` of the same answer.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()  # OpenAI's own, and more exact
    if re.fullmatch(r"[0-9]{1,12}", milliseconds):
        return int(milliseconds) / 1000
    wanted = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", wanted):
        return float(wanted)
    try:
        seconds = (parsedate_to_datetime(wanted) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):  # no date at all, or one with a zone and one without
        return None
    return max(seconds, 0.0)


def by_words(words: str) -> float | None:
    """Return the seconds to wait by a sentence such as "try again in 3 hours 12 minutes", or None."""
    for phrase in PHRASES:
        found = phrase.search(words)
        if found:
            return sum(float(number) * UNITS_S[_unit(unit)] for number, unit in PART.findall(found["span"]))
    return None


def spoken(seconds: float) -> str:
    """Put a wait into words, rounded up: "12 seconds", "1 minute", "90 minutes", "5 hours", "3 days"."""
    number, unit = max(1, math.ceil(seconds)), "second"
    for longer, length in (("minute", 60), ("hour", 60), ("day", 24)):
        if number < length or (number % length and number < 2 * length):
            break
        number, unit = math.ceil(number / length), longer
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _unit(text: str) -> str:
    lower = text.lower()
    return lower if lower == "ms" else lower[:1] or "s"
