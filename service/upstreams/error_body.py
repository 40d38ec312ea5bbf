"""The error inside the body of a bad answer: its words, its codes, and the status it claims.

Services agree on no shape: `error` is an object or a text, FastAPI says `detail`, ModelScope
`errors`, relays `message` or `msg`, and a proxy sends a page.
"""

from collections.abc import Mapping
from typing import NamedTuple

import orjson


class Reported(NamedTuple):
    """An error as the body reports it: its words for a person, its codes, and the status it claims."""

    message: str
    codes: str = ""
    status: int | None = None


def parsed(answer: object) -> object:
    """Parse what is JSON; what is not, is a text."""
    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace")
    if not isinstance(answer, str):
        return answer
    try:
        return orjson.loads(answer)
    except ValueError:
        return answer


def reported(body: object) -> Reported:
    """Take the error out of a parsed body, or the text of one that is no JSON."""
    match body:
        case str(text):
            return Reported(text)
        case {**fields}:
            error = fields.get("error") or fields.get("errors") or fields.get("detail") or fields
            return _error(error)
        case _:
            return Reported("")


def _error(error: object) -> Reported:
    match error:
        case str(text):
            return Reported(text)
        case [*items]:
            return Reported("; ".join(_item(item) for item in items[:5]))
        case {**fields}:
            message = fields.get("message") or fields.get("msg") or fields.get("error_message") or ""
            codes = " ".join(str(fields[name]) for name in ("code", "type", "status", "metadata") if name in fields)
            return Reported(message if isinstance(message, str) else "", codes, _claimed(fields))
        case _:
            return Reported("")


def _item(item: object) -> str:
    """One entry of `detail` or `errors`. Never its `input`, which echoes the request."""
    match item:
        case {"msg": str(message), "loc": [*place]}:
            return f"{'.'.join(str(step) for step in place)}: {message}"
        case {"message": str(message)} | {"msg": str(message)} | str(message):
            return message
        case _:
            return ""


def _claimed(fields: Mapping[object, object]) -> int | None:
    """The status inside an error, where it is one of failure."""
    for name in ("status_code", "code"):
        claimed = fields.get(name)
        if isinstance(claimed, int) and 400 <= claimed <= 599:
            return claimed
    return None
