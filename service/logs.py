"""Logging set-up: destination and form of the lines, and the filter that keeps secrets out of them.

A JSON line has fields beside its message: those of the call in which it is logged (`FIELDS`), and those that its logger
gives as `extra=fields(...)`. A job that a call began is logged with the fields of that call.

A faulty log call, such as `warning("%d pictures", "three")`, is logged as it stands and never raises into its caller.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from service.log_writer import LogWriter
from service.redaction import HIDDEN, Redactor, visible

_SHAPES: Final = re.compile(
    r"(?i)(bearer\s+|authorization\W+basic\s+|x-(?:goog-)?api-key[\"']?\s*[:=]\s*[\"']?"
    r"|[?&](?:key|api_?key|token|access_token|signature|sig|x-(?:amz|goog)-signature)=)[^\s\"'&,}]+"
)
"""Credentials by the words before them. Those that settings hold are known, and need none."""


FIELDS: Final[ContextVar[Mapping[str, Any]]] = ContextVar("fields", default={})  # noqa: B039 - nobody changes it
"""The fields of all lines that are logged in this context."""

LONGEST_FIELD: Final = 200
"""Characters; clients choose the ids of their requests."""

MOST_KNOWN: Final = 2000
"""Texts of which it is kept what is left of them without secrets: owners, tools, and ends of calls come again."""

LONGEST_KNOWN: Final = 100
"""Characters of such a text."""


def fields(**values: object) -> dict[str, Any]:
    """Return the `extra` of a log call with these fields. Those that are None are left out."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class SecretFilter(logging.Filter):
    """Replaces known secrets, and all that looks like a credential, in every record. Lines show all that they hold."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._redactor: Final = Redactor(secrets)
        self._cleaned: dict[str, str] = {}

    def hide(self, secret: str) -> None:
        """Replace one more secret from now on."""
        self._redactor.add(secret)
        self._cleaned = {}

    def follow(self, secrets: Iterable[str]) -> None:
        """Replace these secrets from now on, in the place of those that were followed before."""
        self._redactor.follow(secrets)
        self._cleaned = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message, traceback and fields; let every record pass."""
        settle(record)
        self.clean_settled(record)
        return True

    def clean_settled(self, record: logging.LogRecord) -> None:
        """Rewrite a record that is settled already."""
        record.msg = self.clean(record.msg)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        record.fields = {
            name: self.clean(value)[:LONGEST_FIELD] if isinstance(value, str) else value
            for name, value in record.__dict__.get("fields", {}).items()
        }

    def clean(self, text: str) -> str:
        """Return the text without secrets, and without characters that nobody sees or that steer a terminal."""
        known = self._cleaned  # the mapping of the secrets that are known now: a thread may be told another meanwhile
        cleaned = known.get(text)
        if cleaned is None:
            cleaned = _SHAPES.sub(lambda match: match[1] + HIDDEN, self._redactor.clean(visible(text)))
            if len(text) <= LONGEST_KNOWN and len(known) < MOST_KNOWN:
                known[text] = cleaned
        return cleaned


def settle(record: logging.LogRecord) -> None:
    """Turn message and traceback of a record into text, and add the fields of this context: then it may be kept."""
    record.msg, record.args = message_of(record), None
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    record.fields = {**FIELDS.get(), **getattr(record, "fields", {})}


def message_of(record: logging.LogRecord) -> str:
    """Return the message of a record; where its arguments do not fit, the template and the types of the arguments.

    The arguments themselves stay out: one that cannot be shown as intended may hold a secret in another form.
    """
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - formatting runs code of whoever logs, and a filter must not raise into it
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        return f"{template} (arguments that do not fit: {', '.join(type(each).__name__ for each in arguments)})"


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Reject aiohttp's tracebacks of malformed HTTP: anybody could fill the log with them."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__module__ != "aiohttp.http_exceptions"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, fields and, after a failure, traceback."""

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
        return json.dumps(line | getattr(record, "fields", {}) | line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line of text: time of day, level, logger, message and, after a failure, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line = f"{_clock(int(record.created))} {record.levelname:<7} {record.name}: {record.getMessage()}"
        return f"{line}\n{record.exc_text}" if record.exc_text else line


@lru_cache(maxsize=2)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


class Log(LogWriter):
    """The log of the service; its lines are without secrets."""

    def __init__(self, secrets: Iterable[str], formatter: logging.Formatter) -> None:
        secret_filter = SecretFilter(secrets)
        super().__init__(sys.stderr, settle, secret_filter.clean_settled)
        self.hide: Final = secret_filter.hide
        self.follow: Final = secret_filter.follow
        self.addFilter(is_worth_a_line)
        self.setFormatter(formatter)


def hide(secret: str) -> None:
    """Keep a secret that was made after `set_up` out of the log."""
    for log in _logs():
        log.hide(secret)


def follow(secrets: Collection[str]) -> None:
    """Keep secrets that change out of the log, in the place of those that were followed before."""
    for log in _logs():
        log.follow(secrets)


def dropped() -> int:
    """Return the number of lines that standard error did not take fast enough, since the start."""
    return sum(log.dropped for log in _logs())


def _logs() -> list[Log]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, Log)]


def set_up(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send the service's log to standard error at `level`, as `text` or `json`, without `secrets`."""
    log = Log(secrets, JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[log], force=True)
    # Facts of a record that no line of ours shows: to find them out takes half the time of a line.
    logging._srcfile = None  # docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("service").setLevel(level.upper())
