"""Logging set-up: where lines go, their form, and the filter that keeps secrets out of them."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import Final

_SHAPES: Final = re.compile(
    r"(?i)(bearer\s+|x-goog-api-key[\"']?\s*[:=]\s*[\"']?|[?&](?:key|token|signature|sig)=)[^\s\"'&,}]+"
)
SHORTEST: Final = 6
"""A secret of a letter or two is none, and would blank that letter everywhere."""

_HIDDEN: Final = "[hidden]"


class SecretFilter(logging.Filter):
    """Replaces the secrets it was given, and whatever looks like a credential, in every record."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # The longest first, so that no secret that holds another leaves a rest of itself behind.
        words = sorted((re.escape(each) for each in secrets if len(each) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(words)) if words else None

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message and traceback; let every record pass."""
        record.msg, record.args = self.clean(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        return True

    def clean(self, text: str) -> str:
        """The text without secrets."""
        if self._known:
            text = self._known.sub(_HIDDEN, text)
        return _SHAPES.sub(lambda match: match[1] + _HIDDEN, text)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """False for aiohttp's tracebacks of malformed HTTP: anybody could fill the log with them."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__module__ != "aiohttp.http_exceptions"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message and, after a failure, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send the service's log to standard error at `level`, as `text` or `json`, without `secrets`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_worth_a_line)
    handler.addFilter(SecretFilter(secrets))
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("service").setLevel(level.upper())
