"""Failures of an image service: any bad answer, and any answer that never came, becomes an `UpstreamError`.

1. `error_body` finds the error in the answer.
2. Its status is `error.status_code`, else a whole `error.code` of 400 to 599, else the HTTP status, else 500: a service
   that streams reports its failures inside HTTP 200.
3. `signs` tells its kind, by its words first.
4. `kinds` says what each kind allows, and what the person reads.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp

from service.bodies import read_limited
from service.images import SAID, WorkError
from service.upstreams.error_body import READ, find_error, parse_body, sanitize
from service.upstreams.kinds import RULES, TAKEN_IN, Kind
from service.upstreams.signs import classify

LONGEST_RETRY_AFTER_S: Final = 60.0
"""The longest wait within one call, in seconds."""

TOO_LARGE: Final = "(It was too large for it, or for a proxy before it: use fewer or smaller reference pictures.)"
"""Of a request, HTTP 413. nginx takes 1 MB unless it is told otherwise."""

MAX_ERROR: Final = 128 * 1024
"""Bytes of a bad answer that are read. Some echo the whole request, of many megabytes."""

PROXY_GAVE_UP: Final = frozenset({504, 524})
"""Sent by a proxy without a JSON body, these mean that the service went on with a request that may be charged."""


NETWORK_ERRORS: Final = (aiohttp.ClientError, TimeoutError, ValueError)
"""Exceptions of a request whose connection failed, or whose answer could not be read."""


class UpstreamError(WorkError):
    """An image service failed, or its answer did. What may be tried again follows from the kind."""

    def __init__(
        self,
        kind: Kind,
        said: str = "",
        *,
        detail: str = "",
        retry_after_s: float | None = None,
        taken_in: bool = False,
    ) -> None:
        """Put the failure into words.

        `said` are the service's own words, `detail` ours, added to the fact. `taken_in`: the service had begun, and may
        charge for it.
        """
        rule = RULES[kind]
        quote = sanitize(said)
        names = {"Service": "The image service", "service": "the image service", "key": "", "url": ""}
        begun = TAKEN_IN if taken_in and not rule.may_be_charged else ""
        advice = rule.advice if quote or detail or not rule.unexplained else rule.unexplained
        fact = " ".join(filter(None, (rule.fact.format(**names), detail, begun)))
        super().__init__(
            "\n".join(filter(None, (fact, advice.format(**names), quote and f"{SAID}“{quote}”"))),
            kind=kind,
            retries=0 if taken_in else rule.retries,
            retry_after_s=rule.delay_s if retry_after_s is None else retry_after_s,
            may_be_charged=taken_in or rule.may_be_charged,
        )


def upstream_error(
    status: int,
    answer: object,
    headers: Mapping[str, str] | None = None,
    *,
    detail: str = "",
    taken_in: bool = False,
) -> UpstreamError:
    """Classify one bad answer: its HTTP status, its body (parsed, text or bytes) or the error event, its headers."""
    body = parse_body(answer)
    error = find_error(body)
    effective = error.status or (status if status != HTTPStatus.OK else 500)
    if effective in PROXY_GAVE_UP and isinstance(body, str):
        return UpstreamError(Kind.LOST, error.message)
    kind = classify(effective, f"{error.message[:READ]}\n{error.codes[:READ]}")
    if effective == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = detail or TOO_LARGE
    delay_s = retry_after(headers or {})
    return UpstreamError(kind, error.message, detail=detail, retry_after_s=delay_s, taken_in=taken_in)


async def read_error(response: aiohttp.ClientResponse) -> UpstreamError:
    """Classify an answer whose status already says that it is bad. Redirects count: a key is not sent after them."""
    return upstream_error(response.status, await read_start(response), response.headers)


async def read_start(response: aiohttp.ClientResponse) -> bytes:
    """Read as much of a bad answer as is of use."""
    return await read_limited(response.content, MAX_ERROR)


@contextmanager
def reaching(name: str, *, paid: bool = True) -> Iterator[None]:
    """Turn the exceptions of the network, and of an answer that cannot be read, into an `UpstreamError`.

    `paid`: the request may be charged once it was sent; false for a poll or a list of models.
    """
    try:
        yield
    except NETWORK_ERRORS as error:
        raise network_error(error, name, paid=paid) from error


def network_error(error: Exception, name: str, *, paid: bool = True) -> UpstreamError:
    """Turn one of `NETWORK_ERRORS` into the error of the service `name`. `paid` is that of `reaching`."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return UpstreamError(Kind.ADDRESS, detail=f"({name}: the URL cannot be read.)")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.ClientHttpProxyError():
            return UpstreamError(Kind.UNREACHABLE, detail=f"({name}: {_reason(error)}.)")
        case _:
            return UpstreamError(Kind.LOST if paid else Kind.TRANSIENT, detail=f"({name}: {_reason(error)}.)")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the headers of an answer, or None.

    RFC 9110, 10.2.3: seconds, or a date, which is measured from the `Date` of the same answer.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()  # OpenAI's own, and more exact
    if re.fullmatch(r"[0-9]{1,9}", milliseconds):
        return min(int(milliseconds) / 1000, LONGEST_RETRY_AFTER_S)
    wanted = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", wanted):
        return min(float(wanted), LONGEST_RETRY_AFTER_S)
    try:
        seconds = (parsedate_to_datetime(wanted) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):  # no date at all, or one with a zone and one without
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def _reason(error: Exception) -> str:
    """Name the trouble without an address: messages of aiohttp hold host, port and sometimes a path."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "the proxy of HTTP_PROXY or HTTPS_PROXY does not accept connections"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"the proxy of HTTPS_PROXY refused the way there with HTTP {status}"
        case aiohttp.ClientConnectorDNSError():
            return "its host name is not known"
        case aiohttp.ClientSSLError():
            return "no secure connection, its certificate may be wrong"
        case aiohttp.ClientConnectorError():
            return "it does not accept connections"
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ClientError():
            return "the connection broke"
        case _:
            return "its answer could not be read"
