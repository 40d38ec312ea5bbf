"""Why an image service gave no picture, and what follows from that: `RULES` is the only place that says it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """Why the work failed: what the history keeps, and what decides whether it is tried again."""

    AUTH = "auth"
    ACCOUNT = "account"
    TIER = "tier"
    ADDRESS = "address"
    POLICY = "policy"
    REFERENCE = "reference"
    MODEL = "model"
    BAD_REQUEST = "bad_request"
    QUOTA = "quota"
    RATE = "rate"
    CAPTCHA = "captcha"
    UNAVAILABLE = "unavailable"
    TRANSIENT = "transient"
    UNREACHABLE = "unreachable"
    NO_IMAGE = "no_image"
    LOST = "lost"
    DOWNLOAD = "download"
    GONE = "gone"


class Rule(NamedTuple):
    """How often a kind may be tried again, how many seconds before the first time, and what to tell the person.

    `may_be_charged`: money may be gone, so that nothing is tried again.
    """

    retries: int
    delay_s: float
    sentence: str
    may_be_charged: bool = False


RULES: Final[Mapping[Kind, Rule]] = {
    Kind.AUTH: Rule(
        0, 0, "The image service did not accept our key. Whoever runs this server has to correct it; do not try again."
    ),
    Kind.ACCOUNT: Rule(
        0,
        0,
        "The image service wants its account completed first, as it says below: bound to another account, or verified. "
        "Whoever runs this server has to do that with the service; do not try again.",
    ),
    Kind.TIER: Rule(
        0,
        0,
        "The image service's account may not use this model or size. Choose a smaller size or another model.",
    ),
    Kind.ADDRESS: Rule(
        0,
        0,
        "No image service answered at the configured address. Whoever runs this server has to check its base URL.",
    ),
    Kind.POLICY: Rule(
        0,
        0,
        "The image service refused this prompt or its result under its content policy. "
        "Tell the person, and change the prompt before calling again.",
    ),
    Kind.REFERENCE: Rule(
        0,
        0,
        "The image service refused a reference picture under its content policy. "
        "Tell the person, and use another reference or none.",
    ),
    Kind.MODEL: Rule(
        0,
        0,
        "The image service does not have this model. Choose another one; "
        "whoever runs this server can compare the lists with `python -m service models`.",
    ),
    Kind.BAD_REQUEST: Rule(
        0, 0, "The image service could not accept this request. Correct what it names before calling again."
    ),
    Kind.QUOTA: Rule(
        0,
        0,
        "The image service's quota or balance is used up. Wait until it is renewed, or choose another model.",
    ),
    Kind.RATE: Rule(3, 2, "The image service asks for fewer requests. Wait a minute and call again."),
    Kind.CAPTCHA: Rule(
        1,
        5,
        "The image service's account was stopped by a captcha. Call again in a few minutes; "
        "if it stays so, whoever runs the image service has to look at its captcha settings.",
    ),
    Kind.UNAVAILABLE: Rule(2, 10, "The image service has no account or capacity free just now. Call again later."),
    Kind.TRANSIENT: Rule(1, 2, "The image service failed. Call again; if it fails the same way, change the request."),
    Kind.UNREACHABLE: Rule(
        2,
        1,
        "The image service could not be reached, and nothing was charged. Call again; "
        "if it stays so, whoever runs this server has to check that the image service is up.",
    ),
    Kind.NO_IMAGE: Rule(
        0,
        0,
        "The image service answered without a picture, and may have charged for it. "
        "Ask for a picture more plainly, or choose another model.",
        may_be_charged=True,
    ),
    Kind.LOST: Rule(
        0,
        0,
        "The answer of the image service was lost after the request had been sent. It may have been charged, "
        "so it is not sent again by itself: ask the person before calling again.",
        may_be_charged=True,
    ),
    Kind.DOWNLOAD: Rule(
        0,
        0,
        "The picture was made, and may have been charged, but could not be downloaded. "
        "It is not made again by itself: ask the person before calling again.",
        may_be_charged=True,
    ),
    Kind.GONE: Rule(
        0,
        0,
        "The image service does not have this picture any more. It is not made anew by itself: "
        "ask the person before calling again.",
    ),
}
"""`RATE` doubles from 2 s: 2, 4, 8. A captcha and an account pool need longer to recover than a failure of chance."""

TAKEN_IN: Final = "The image service had taken the work in, and may have charged for it."
"""Of a failure that comes later than its kind usually does: then nothing is tried again either."""
