"""Any bad answer of an image service becomes one `Kind`; the `RULES` of upstream_kinds say what that allows.

Steps:

1. Take the error out of the body: `error` (object or text), `errors`, `detail` (text or list), `message` or `msg`; of a
   body that is not JSON, its first words without tags.
2. Effective status: `error.status_code`, else a whole `error.code` of 400 to 599, else the HTTP status, else 500: a
   service that streams reports its failures inside HTTP 200.
3. Classify by words first, then by status: Flow2API sends refusals, quotas and captchas alike as 500.

What the service said is quoted shortened and sanitize, since error bodies echo keys, signed URLs and base64.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp

from service.images import WorkError
from service.upstreams.error_body import parsed, reported
from service.upstreams.kinds import RULES, TAKEN_IN, Kind
from service.upstreams.sanitize import READ, sanitize

LONGEST_RETRY_AFTER_S: Final = 60.0
"""A service that asks for more is not waited for within one call."""

TOO_LARGE: Final = "(It was too large for it, or for a proxy before it: use fewer or smaller reference pictures.)"
"""Of a request, HTTP 413. nginx takes 1 MB unless it is told otherwise."""

MAX_ERROR: Final = 128 * 1024
"""Bytes of a bad answer that are read. Some echo the whole request, of many megabytes."""


class Sign(NamedTuple):
    """Words that give a kind away, and the statuses to which that is limited."""

    kind: Kind
    words: re.Pattern[str]
    statuses: frozenset[int] = frozenset()


SIGNS: Final = (
    Sign(
        Kind.REFERENCE,
        re.compile(
            r"UNSAFE_IMAGE_UPLOAD|(MINOR|MINOR_HARM|SEXUAL|PROMINENT_PEOPLE|PHOTOREAL)_UPLOAD"
            r"|(PHOTOREAL|PROMINENT_PEOPLE|MINOR|IP)_INPUT_IMAGE"
        ),
    ),
    Sign(Kind.TIER, re.compile(r"USER_MINOR|USER_REGION_DISALLOWED|MODEL_ACCESS_DENIED|APP_UNAVAILABLE")),
    Sign(Kind.TIER, re.compile(r"需要.{0,20}账号|图片生成功能已全部禁用")),
    Sign(
        Kind.POLICY,
        re.compile(
            r"moderation_blocked|content_policy_violation|content_filter|safety_violations|blockReason|flagged_input"
            r"|UNSAFE_GENERATION|PROMINENT_PEOPLE|VIOLENCE|DANGER_FILTER|SEXUAL|PUBLIC_ERROR_MINOR|IP_FILTER|REPUTATIONAL"
            r"|SAFETY|PROHIBITED|(?i:data_?inspection_?failed|inappropriate content|content check)"
        ),
    ),
    Sign(Kind.MODEL, re.compile(r"不支持的模型|model_not_found|has no provider supported")),
    Sign(
        Kind.BAD_REQUEST,
        re.compile(
            r"UNKNOWN_IMAGE_FILE_FORMAT|IMAGE_TOO_LARGE|IMAGE_TOO_SMALL|NON_ENGLISH_PROMPT|VERTEX_UNSUPPORTED_INPUT"
            r"|unknown_parameter|HTTP Error 400"
        ),
    ),
    Sign(
        Kind.QUOTA,
        re.compile(
            r"insufficient_quota|(?i:insufficient[ _]balance|today's quota|billing)|QUOTA_REACHED|QUOTA_EXHAUSTED"
            r"|RESOURCE_EXHAUSTED quota"
        ),
    ),
    Sign(
        Kind.RATE,
        re.compile(
            r"THROTTLED|HIGH_TRAFFIC|DUE_TO_TRAFFIC|MODEL_OVERLOADED|GENERATION_ALREADY_IN_PROGRESS"
            r"|CONCURRENT_LIMIT_REACHED|VERTEX_SERVICE_UNAVAILABLE|limit_burst_rate|RESOURCE_EXHAUSTED|HTTP 429"
        ),
    ),
    Sign(Kind.CAPTCHA, re.compile(r"UNUSUAL_ACTIVITY|(?i:recaptcha)")),
    Sign(Kind.UNAVAILABLE, re.compile(r"没有可用的Token|Token AT无效|(?i:queue wait timeout|\bbusy\b)")),
    Sign(Kind.TRANSIENT, re.compile(r"SOMETHING_WENT_WRONG|UNSPECIFIED|生成结果为空")),
    Sign(Kind.ACCOUNT, re.compile(r"(?i)\bbind your\b|real[ -]name|\bverified\b"), frozenset({401, 403})),
    Sign(Kind.AUTH, re.compile(r"(?i)not authenticated"), frozenset({403})),
    Sign(Kind.ADDRESS, re.compile(r"^Not Found$|^Method Not Allowed$"), frozenset({404, 405})),
)
"""Read from the top: a refused reference also holds a word of policy, a missing tier also one of capacity.

Upper case are Google's reasons, as Flow2API hands them on; they are not looked for in lower case,
where `minor` or `safety` is an ordinary word. A quota that Google only suggests to check is a rate limit.
"""

STATUSES: Final[Mapping[int, Kind]] = {
    400: Kind.BAD_REQUEST,
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.TIER,
    404: Kind.BAD_REQUEST,
    405: Kind.ADDRESS,
    408: Kind.TRANSIENT,
    409: Kind.TRANSIENT,
    413: Kind.BAD_REQUEST,
    415: Kind.BAD_REQUEST,
    422: Kind.BAD_REQUEST,
    425: Kind.TRANSIENT,
    429: Kind.RATE,
    503: Kind.UNAVAILABLE,
}

PROXY_GAVE_UP: Final = frozenset({504, 524})
"""Sent by a proxy without a JSON body, these mean that the service went on with a request that may be charged."""


class UpstreamError(WorkError):
    """The image service failed, or its answer did. What may be tried again follows from the kind."""

    def __init__(
        self,
        kind: Kind,
        said: str = "",
        *,
        detail: str = "",
        retry_after_s: float | None = None,
        taken_in: bool = False,
    ) -> None:
        """`said` are the service's own words, `detail` ours. `taken_in`: the service had begun, and may charge."""
        rule = RULES[kind]
        words = sanitize(said)
        taken = TAKEN_IN if taken_in and not rule.may_be_charged else ""
        message = " ".join(filter(None, (rule.sentence, detail, taken, words and f"It said: {words}")))
        super().__init__(
            message,
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
    body = parsed(answer)
    error = reported(body)
    effective = error.status or (status if status != HTTPStatus.OK else 500)
    if effective in PROXY_GAVE_UP and isinstance(body, str):
        return UpstreamError(Kind.LOST, error.message)
    kind = _kind(effective, f"{error.message[:READ]}\n{error.codes[:READ]}")
    if effective == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = detail or TOO_LARGE
    delay_s = retry_after(headers or {})
    return UpstreamError(kind, error.message, detail=detail, retry_after_s=delay_s, taken_in=taken_in)


async def read_error(response: aiohttp.ClientResponse) -> UpstreamError:
    """Classify an answer whose status already says that it is bad. Redirects count: a key is not sent after them."""
    return upstream_error(response.status, await read_start(response), response.headers)


async def read_start(response: aiohttp.ClientResponse) -> bytes:
    """As much of a bad answer as is worth reading."""
    body = b""
    while len(body) < MAX_ERROR and (piece := await response.content.read(MAX_ERROR)):
        body += piece
    return body


@contextmanager
def reaching(name: str, *, paid: bool = True) -> Iterator[None]:
    """Around a request: turn whatever the network or an unreadable answer raises into an `UpstreamError`.

    `paid` says that the request may be charged once it was sent. Not so for a poll or a list of models.
    """
    try:
        yield
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise UpstreamError(Kind.ADDRESS, detail=f"({name}: the URL cannot be read.)") from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise UpstreamError(Kind.UNREACHABLE, detail=f"({name}: {_reason(error)}.)") from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise UpstreamError(Kind.LOST if paid else Kind.TRANSIENT, detail=f"({name}: {_reason(error)}.)") from error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, 10.2.3: seconds, or a date, which is measured from the `Date` of the same answer."""
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


def _kind(status: int, words: str) -> Kind:
    for sign in SIGNS:
        if (not sign.statuses or status in sign.statuses) and sign.words.search(words):
            return sign.kind
    if 300 <= status < 400:
        return Kind.ADDRESS
    return STATUSES.get(status, Kind.TRANSIENT if status >= 500 else Kind.BAD_REQUEST)


def _reason(error: Exception) -> str:
    """What went wrong in words without an address: messages of aiohttp hold host, port and sometimes a path."""
    match error:
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
