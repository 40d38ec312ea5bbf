"""The signs by which the kind of a failure is recognised: words first, then the status.

Flow2API sends refusals, quotas and captchas alike as 500, and relays send whatever status they like.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from service.upstreams.kinds import Kind


class Sign(NamedTuple):
    """Words that tell a kind, and the statuses to which that is limited; empty for all."""

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
    Sign(Kind.FORBIDDEN, re.compile(r"USER_MINOR|USER_REGION_DISALLOWED|MODEL_ACCESS_DENIED|APP_UNAVAILABLE")),
    Sign(Kind.TIER, re.compile(r"需要.{0,20}账号")),
    Sign(Kind.ACCOUNT, re.compile(r"图片生成功能已全部禁用")),
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

Upper case are Google's reasons, as Flow2API hands them on; they are not looked for in lower case, where `minor` or
`safety` is an ordinary word. A quota that Google only suggests to check is a rate limit.
"""

STATUSES: Final[Mapping[int, Kind]] = {
    400: Kind.BAD_REQUEST,
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.FORBIDDEN,
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


def classify(status: int, words: str) -> Kind:
    """Return the kind of a failure: by its words, which are its message and its codes, else by its status."""
    for sign in SIGNS:
        if (not sign.statuses or status in sign.statuses) and sign.words.search(words):
            return sign.kind
    if 300 <= status < 400:
        return Kind.ADDRESS
    return STATUSES.get(status, Kind.TRANSIENT if status >= 500 else Kind.BAD_REQUEST)
