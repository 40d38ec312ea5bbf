"""The log: readable by people or machines, and no secret in it."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from service import log_writer, logs
from service.logs import JsonFormatter, SecretFilter, is_worth_a_line, set_up
from service.telemetry import COUNTS


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("service.x", logging.INFO, "x.py", 1, message, args, None)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        pytest.param("key is s3cr3t!", "s3cr3t", id="a key that it was told of"),
        pytest.param("Authorization: Bearer abc.def", "abc.def", id="bearer"),
        pytest.param("authorization: bearer  abc.def", "abc.def", id="bearer in small letters"),
        pytest.param("GET /v1/models?key=abcdef&x=1", "abcdef", id="key in a query"),
        pytest.param("https://h/i?Expires=1&Signature=a%2Bb", "a%2Bb", id="signature"),
        pytest.param('{"x-goog-api-key": "abcdef"}', "abcdef", id="key in a header"),
    ],
)
def test_no_secret_reaches_the_log(text: str, hidden: str) -> None:
    line = record("said %s", text)
    assert SecretFilter(["s3cr3t", ""]).filter(line)
    assert hidden not in line.getMessage()
    assert "[hidden]" in line.getMessage()


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    assert SecretFilter(["abc", "abcdef"]).clean("abcdef") == "[hidden]"


def test_a_traceback_is_cleaned_too() -> None:
    line = record("failed")
    try:
        int("token s3cr3t")
    except ValueError:
        line.exc_info = sys.exc_info()
    SecretFilter(["s3cr3t"]).filter(line)
    assert line.exc_text
    assert "s3cr3t" not in line.exc_text
    assert "ValueError" in json.loads(JsonFormatter().format(line))["traceback"]


def test_json_lines_are_one_object_each() -> None:
    line = json.loads(JsonFormatter().format(record("two\nlines %s", "北京")))
    assert line["message"] == "two\nlines 北京"
    assert (line["level"], line["logger"]) == ("info", "service.x")
    assert line["time"].endswith("Z")


class Unprintable:
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("template", "arguments", "shown"),
    [
        pytest.param("%d pictures", ("three",), "%d pictures (arguments that do not fit: str)", id="a wrong type"),
        pytest.param("key %d of", ("s3cr3t",), "key %d of (arguments that do not fit: str)", id="a secret"),
        pytest.param("s3cr3t %d", ("x",), "[hidden] %d (arguments that do not fit: str)", id="a secret in the words"),
        pytest.param("%s", (1, 2), "%s (arguments that do not fit: int, int)", id="too many"),
        pytest.param("%(a)s", ({"b": 1},), "%(a)s (arguments that do not fit: dict)", id="a name that is missing"),
        pytest.param("%s", (Unprintable(),), "%s (arguments that do not fit: Unprintable)", id="no text"),
        pytest.param(Unprintable(), (), "Unprintable (arguments that do not fit: )", id="a message that is no text"),
    ],
)
def test_a_faulty_log_call_is_logged_and_raises_nothing(
    capsys: pytest.CaptureFixture[str], form: str, template: object, arguments: tuple[object, ...], shown: str
) -> None:
    """Bug: a slip in a log line of any library ended the call that logged it. No secret comes out by that way."""
    with configured("info", form):
        logging.getLogger("aiohttp.x").warning(template, *arguments)
    heard = capsys.readouterr().err
    assert shown in heard
    assert "s3cr3t" not in heard


@contextmanager
def configured(level: str, form: str) -> Iterator[None]:
    """Log as the service does, and afterwards as before."""
    root, ours = logging.getLogger(), logging.getLogger("service")
    before = (root.handlers[:], root.level, ours.level)
    facts = {name: getattr(logging, name) for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing")}
    try:
        set_up(level, form, ["s3cr3t"])
        yield
    finally:
        root.handlers[0].close()
        root.handlers[:], _, _ = before
        root.setLevel(before[1])
        ours.setLevel(before[2])
        vars(logging).update(facts)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_level_counts_for_the_service_alone(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    with configured("debug", form):
        logging.getLogger("service.x").debug("ours s3cr3t")
        logging.getLogger("aiohttp").info("theirs")
    heard = capsys.readouterr().err
    assert "ours [hidden]" in heard
    assert "theirs" not in heard


def test_malformed_http_fills_no_log() -> None:
    """Ours: a port scan would otherwise leave a traceback for every probe."""
    line = record("Error handling request")
    for error, kept in ((BadHttpMessage("nonsense"), False), (ValueError("ours"), True)):
        line.exc_info = (type(error), error, None)
        assert is_worth_a_line(line) is kept
    assert is_worth_a_line(record("plain"))


def test_dropped_lines_are_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "ROOM", 0)
    with configured("info", "text"):
        logging.getLogger("service.x").info("dropped")
        logging.getLogger("service.x").warning("dropped")
        assert COUNTS.get_sample_value("easel_log_lines_dropped_total") == 2


def test_a_secret_that_is_made_later_is_hidden_in_texts_that_were_clean_before() -> None:
    """Ours: clean texts are remembered, but not beyond the secrets that were known then."""
    secrets = SecretFilter([])
    assert secrets.clean("somebody sent t0ken-of-later") == "somebody sent t0ken-of-later"
    secrets.hide("t0ken-of-later")
    assert secrets.clean("somebody sent t0ken-of-later") == "somebody sent [hidden]"


def test_no_more_than_so_many_texts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_KNOWN", 3)
    secrets = SecretFilter(["s3cr3t"])
    for number in range(9):
        assert secrets.clean(f"{number} s3cr3t") == f"{number} [hidden]"
    assert secrets.clean("x" * 1000) == "x" * 1000
    assert len(secrets._cleaned) == 3
