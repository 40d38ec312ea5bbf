"""The ends of calls, generations and refused requests: one line each, with fields, and one count."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.registry import Collector

from service.logs import FIELDS, JsonFormatter, SecretFilter, fields
from service.telemetry import CALL_SECONDS, COUNTS, OF_REQUEST, _Calls, call_began, trace_headers
from tests.command_process import banner_of, easel, value_of
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import modern_headers, modern_params, request, wire_client

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class JsonLines(logging.Handler):
    """Keeps the lines as the JSON log has them."""

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self.addFilter(SecretFilter(secrets))
        self.setFormatter(JsonFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@contextmanager
def heard(*secrets: str) -> Iterator[list[dict[str, Any]]]:
    """The lines of the service's log, from INFO."""
    ours, handler = logging.getLogger("service"), JsonLines(*secrets)
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)


def counted(name: str, **labels: str) -> float:
    return COUNTS.get_sample_value(name, labels) or 0.0


async def generate(serve: Serve, env: Mapping[str, str], prompt: str, **headers: str) -> None:
    call = request("tools/call", modern_params({"name": "generate", "arguments": {"prompt": prompt}}), "call-7")
    async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
        await client.post(call, modern_headers("tools/call", "generate") | headers)


async def test_a_failed_generation_is_one_warning_that_names_the_setting(serve: Serve) -> None:
    """Ours: whoever runs the service reads why, and what to change, without the service's own words or the prompt."""
    async with flow2api.running() as upstream:
        with heard("a wrong key") as lines:
            await generate(serve, {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": "wrong"}, "a secret fox")
    [line] = [each for each in lines if each["level"] == "warning" and "history_id" in each]
    expected = {"owner": "local", "history_id": 1, "upstream": "flow2api", "kind": "auth", "tool": "generate"}
    assert {name: line[name] for name in expected} == expected
    assert (line["request_id"], line["setting"]) == ("call-7", "FLOW2API_API_KEY")
    assert line["seconds"] >= 0
    assert "refused the key" in line["message"]
    assert "Setting to change: FLOW2API_API_KEY." in line["message"]
    assert "fox" not in json.dumps(lines)


async def test_the_lines_of_a_call_have_its_fields_and_those_of_the_next_request_do_not(serve: Serve) -> None:
    """Ours: one connection brings the requests of several calls."""
    call = request("tools/call", modern_params({"name": "history", "arguments": {}}), "call-7")
    with heard() as lines:
        async with serve() as easel, wire_client(easel.mcp_url) as client:
            await client.post(call, modern_headers("tools/call", "history"))
            await client.session.get(f"{easel.origin}/mcp-cache/none")
    [called] = [each for each in lines if each["message"].startswith("history: done")]
    assert (called["request_id"], called["owner"], called["tool"]) == ("call-7", "local", "history")
    assert "seconds" in called
    [refused] = [each for each in lines if each.get("kind") == "picture link"]
    assert set(refused) == {"time", "level", "logger", "message", "kind", "address"}


async def test_the_trace_of_a_request_goes_to_the_image_service_and_into_the_log(serve: Serve) -> None:
    """W3C Trace Context: a service that is no part of a trace passes its `traceparent` on unchanged."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        with heard() as lines:
            await generate(serve, env, "a fox", traceparent=TRACE)
            await generate(serve, env, "a dog")
    sent = [each.headers.get("traceparent") for each in upstream.requests]
    assert sent == [TRACE, None]
    ended = [each.get("traceparent") for each in lines if each.get("upstream") == "flow2api"]
    assert ended == [TRACE, None]


@pytest.mark.parametrize(
    ("header", "meta", "passed_on"),
    [
        pytest.param(TRACE, None, TRACE, id="of the header"),
        pytest.param("", {"traceparent": TRACE}, TRACE, id="of _meta"),
        pytest.param(TRACE.replace("b7", "c7"), {"traceparent": TRACE}, TRACE, id="_meta is nearer"),
        pytest.param("nonsense\r\nX: y", None, None, id="no trace"),
        pytest.param("00-" + "0" * 32 + "-b7ad6b7169203331-01", None, None, id="the invalid trace id"),
        pytest.param("ff" + TRACE[2:], None, None, id="the invalid version"),
        pytest.param("", {"traceparent": 5}, None, id="no text"),
    ],
)
async def test_only_a_well_formed_trace_is_passed_on(header: str, meta: object, passed_on: str | None) -> None:
    OF_REQUEST.set(header)
    call_began("generate", "anna", 1, meta)
    assert trace_headers().get("traceparent") == passed_on


def test_fields_hold_no_secret_and_are_short() -> None:
    """Attack: a client chooses the id of its request."""
    line = logging.LogRecord("service.x", logging.INFO, "x.py", 1, "done", (), None)
    vars(line).update(fields(request_id="s3cr3t\n" + "x" * 1000, seconds=1.5, kind=None))
    assert SecretFilter(["s3cr3t"]).filter(line)
    shown = json.loads(JsonFormatter().format(line))
    assert shown["request_id"].startswith("[hidden]")
    assert len(shown["request_id"]) == 200
    assert shown["seconds"] == 1.5
    assert "kind" not in shown


def test_a_field_takes_the_place_of_no_part_of_the_line() -> None:
    FIELDS.set({"message": "forged", "level": "critical"})
    line = logging.LogRecord("service.x", logging.INFO, "x.py", 1, "done", (), None)
    SecretFilter([]).filter(line)
    shown = json.loads(JsonFormatter().format(line))
    assert (shown["message"], shown["level"]) == ("done", "info")
    FIELDS.set({})


async def test_calls_and_generations_are_counted_by_their_outcome(serve: Serve) -> None:
    names = [
        ("easel_calls_total", {"tool": "generate", "outcome": "failed"}),
        ("easel_generations_total", {"upstream": "flow2api", "outcome": "policy"}),
        ("easel_generation_duration_seconds_count", {"upstream": "flow2api"}),
        ("easel_call_duration_seconds_count", {"tool": "generate"}),
    ]
    before = [counted(name, **labels) for name, labels in names]
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        await generate(serve, env, "a fox [error-policy]")
    assert [counted(name, **labels) for name, labels in names] == [each + 1 for each in before]


def test_the_durations_of_calls_are_counted_as_the_library_counts_them() -> None:
    """Ours: a count takes a tenth of the library's time, and says the same."""
    seconds = [0.0, 0.01, 0.011, 0.5, 1.0, 300.0, 301.0]
    library = CollectorRegistry()
    theirs = Histogram("theirs", "Theirs.", ("tool",), buckets=CALL_SECONDS, registry=library)
    ours = _Calls()
    for each in seconds:
        ours.count("generate", "done", each)
        theirs.labels("generate").observe(each)

    def samples(collector: Collector) -> set[tuple[str, str, float]]:
        found = [each for family in collector.collect() for each in family.samples if each.labels.get("tool")]
        return {(each.name.rpartition("_")[2], each.labels.get("le", ""), each.value) for each in found}

    assert {each for each in samples(theirs) if each[0] != "created"} == samples(ours) - {("total", "", 7)}


async def test_a_process_counts_for_itself_whatever_the_environment_says(tmp_path: Path) -> None:
    """Bug of others: as process 1, which each start of a container is, prometheus-client adds to its old files."""
    counts = tmp_path / "counts"
    counts.mkdir()
    with easel(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(counts)) as process:
        origin = value_of(banner_of(process), "MCP endpoint").removesuffix("/mcp")
        async with aiohttp.ClientSession() as session:
            await session.get(f"{origin}/mcp-cache/none")
            async with session.get(f"{origin}/metrics") as answer:
                assert 'easel_refused_requests_total{status="404"} 1.0' in await answer.text()
    assert not list(counts.iterdir())
