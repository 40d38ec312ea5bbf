"""The kinds of failure of an image service. `RULES` is the one table of what each kind says and allows.

A failure is up to three lines: the fact, the advice, and the service's own words in quotes. The fact stays true for
ever and is what a list of old failures shows; the advice is for the moment at which it happens.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """The kind of a failure: kept in the history, and the key of `RULES`."""

    AUTH = "auth"
    ACCOUNT = "account"
    FORBIDDEN = "forbidden"
    TIER = "tier"
    BLOCKED = "blocked"
    ADDRESS = "address"
    POLICY = "policy"
    REFERENCE = "reference"
    MODEL = "model"
    BAD_REQUEST = "bad_request"
    QUOTA = "quota"
    LIMIT = "limit"
    RATE = "rate"
    CAPTCHA = "captcha"
    UNAVAILABLE = "unavailable"
    TRANSIENT = "transient"
    UNREACHABLE = "unreachable"
    NO_IMAGE = "no_image"
    LOST = "lost"
    DOWNLOAD = "download"
    GONE = "gone"
    ACCEPTED = "accepted"


class Rule(NamedTuple):
    """The consequences of a kind.

    `fact` and `advice` may hold `{Service}` and `{service}` (its name, at the start of a sentence or within one),
    `{key}` and `{url}` (the settings of its key and its base URL, in parentheses). `unexplained` replaces the advice
    where the service gave no reason. `retries` is how often the same request may be sent again, `delay_s` the seconds
    before the first of them. `may_be_charged`: money may be gone, so nothing is sent again.
    `setting` names the setting that may mend it, for the log; `{prefix}` stands for the service in it.
    """

    fact: str
    advice: str
    retries: int = 0
    delay_s: float = 0
    may_be_charged: bool = False
    unexplained: str = ""
    setting: str = ""


OPERATOR: Final = "Only whoever runs Easel can correct it; calling again does not help."
ASK_FIRST: Final = "It is not asked for again by itself: ask the person before calling again."

KEY: Final = "{prefix}_API_KEY"
BASE_URL: Final = "{prefix}_BASE_URL"
MODELS: Final = "EASEL_MODELS_FILE"

RULES: Final[Mapping[Kind, Rule]] = {
    Kind.AUTH: Rule("{Service} refused the key of this server{key}.", OPERATOR, setting=KEY),
    Kind.ACCOUNT: Rule(
        "{Service} wants the account of this server{key} completed first: verified, bound to another account, or "
        "opened for this model.",
        OPERATOR,
        setting=KEY,
    ),
    Kind.FORBIDDEN: Rule(
        "{Service} does not let the account of this server{key} use this model.",
        "Choose another model. Whoever runs Easel can have this one opened; calling again does not help.",
        setting=MODELS,
    ),
    Kind.TIER: Rule(
        "{Service} has no account of the tier that this model or size needs.",
        "Choose a smaller size or another model.",
    ),
    Kind.BLOCKED: Rule(
        "A guard in front of {service}, or its rule on countries and networks, blocked this server before the service "
        "saw the request.",
        "Only whoever runs Easel can mend that: with the service, by another network (HTTPS_PROXY), or by another base "
        "URL{url}. Calling again does not help.",
        setting=f"HTTPS_PROXY, {BASE_URL}",
    ),
    Kind.ADDRESS: Rule(
        "No image service answers at the configured address.",
        "Only whoever runs Easel can correct its base URL{url}; calling again does not help.",
        setting=BASE_URL,
    ),
    Kind.POLICY: Rule(
        "{Service} refused this prompt or its result under its content policy.",
        "Tell the person, and change the prompt before calling again.",
    ),
    Kind.REFERENCE: Rule(
        "{Service} refused a reference picture under its content policy.",
        "Tell the person, and use another reference picture or none.",
    ),
    Kind.MODEL: Rule(
        "{Service} does not have this model.",
        "Choose another one. Whoever runs Easel can compare the lists with `python -m service models`.",
        setting=MODELS,
    ),
    Kind.BAD_REQUEST: Rule(
        "{Service} could not accept this request.",
        "Correct what it names before calling again.",
        unexplained="It gave no reason. Leave out what is special about the request, or choose another model.",
    ),
    Kind.QUOTA: Rule(
        "The quota or balance of this server at {service} is used up.",
        "Whoever runs Easel can top it up, or it is renewed in time; until then only another model may work.",
    ),
    Kind.LIMIT: Rule(
        "{Service} takes no more requests for now.",
        "Nothing was charged. Call again after that time, or choose another model.",
    ),
    Kind.RATE: Rule("{Service} asks for fewer requests.", "Wait a minute and call again.", retries=3, delay_s=2),
    Kind.CAPTCHA: Rule(
        "A captcha stopped the account behind {service}.",
        "Call again in a few minutes; if it stays so, whoever runs the image service has to look at its captcha "
        "settings.",
        retries=1,
        delay_s=5,
    ),
    Kind.UNAVAILABLE: Rule(
        "{Service} is busy.",
        "It has no account or capacity free just now. Call again later.",
        retries=2,
        delay_s=10,
    ),
    Kind.TRANSIENT: Rule("{Service} failed.", "Call again; if it fails the same way, change the request."),
    Kind.UNREACHABLE: Rule(
        "{Service} could not be reached, and nothing was charged.",
        "Call again; if it stays so, whoever runs Easel has to check that it is up, and its base URL{url}.",
        retries=2,
        delay_s=1,
        setting=BASE_URL,
    ),
    Kind.NO_IMAGE: Rule(
        "{Service} answered without a picture, and may have charged for it.",
        "Ask for a picture more plainly, or choose another model.",
        may_be_charged=True,
    ),
    Kind.LOST: Rule(
        "{Service} failed, or its answer was lost, after the work may have begun: it may have been charged.",
        ASK_FIRST,
        may_be_charged=True,
    ),
    Kind.DOWNLOAD: Rule(
        "The picture was made, and may have been charged, but could not be downloaded.",
        f"Where it lies is kept: `history` with its history_id downloads it again, at no cost. {ASK_FIRST}",
        may_be_charged=True,
    ),
    Kind.GONE: Rule("{Service} does not have this picture any more.", ASK_FIRST),
    Kind.ACCEPTED: Rule(
        "{Service} took the work in and gives the picture later, in a way that Easel does not follow; it may have been "
        "charged.",
        "Do not call again for it: the person can look for the picture at the service.",
        may_be_charged=True,
    ),
}
"""Only a kind that is known to be refused before any work is retried: a failure without a reason may have been charged.

`RATE` doubles from 2 s: 2, 4, 8. A captcha and an account pool need longer to recover.
"""

HAD_BEGUN: Final = "The service had begun, and it may have been charged."
"""Added to the fact of a failure that came later than its kind usually does; such a request is never sent again."""
