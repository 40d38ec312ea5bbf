"""`/healthz`, `/readyz` and `/metrics` of the running service."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import Running
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.emulators.authorization_server import AuthorizationServer
from tests.wire import ANNA, TWO_TOKENS, wire_client

WRONG = "a-wrong-key-0123456789"


async def get(url: str, token: str = "", **headers: str) -> tuple[int, Any, str]:
    """The status, the JSON or text, and the content type of a GET."""
    sent = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    async with aiohttp.ClientSession() as session, session.get(url, headers=sent) as answer:
        body = await (answer.json() if answer.content_type == "application/json" else answer.text())
        return answer.status, body, answer.headers["Content-Type"]


async def ready_when(easel: Running, enough: Callable[[Any], bool], token: str = "") -> tuple[int, Any]:
    """The answer of `/readyz` as soon as its checks are as they should become."""
    async with asyncio.timeout(60):
        while True:
            status, body, _ = await get(f"{easel.origin}/readyz", token)
            if enough(body["checks"]):
                return status, body
            await asyncio.sleep(0.02)


def is_asked(checks: Any) -> bool:
    return bool(checks["flow2api"]["state"] != "not asked yet")


@pytest.mark.parametrize("path", ["/healthz", "/health"])
async def test_health_says_that_we_are_here_and_nothing_else(easel: Running, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(easel.origin + path) as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_service_without_faults_is_ready(easel: Running) -> None:
    status, body = await ready_when(easel, lambda checks: checks["sketch"]["state"] == "ok")
    assert status == 200
    assert body["status"] == "ready"
    assert list(body["checks"]) == ["service", "data folder", "sketch"]


async def test_a_wrong_key_is_named_at_the_start_and_costs_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: whoever runs the service learns it at the start, and not from the first person whose picture fails."""
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": WRONG, "EASEL_TOKENS": TWO_TOKENS}
        async with serve(**env) as easel:
            status, body = await ready_when(easel, is_asked)
            _, told = await ready_when(easel, is_asked, ANNA)
        assert upstream.listed == 1
    assert (status, body["status"]) == (503, "not ready")
    assert body["checks"]["flow2api"] == {"state": "key refused"}
    assert told["checks"]["flow2api"]["setting"] == "FLOW2API_API_KEY"
    assert "refused the key" in told["checks"]["flow2api"]["reason"]
    [line] = [each for each in caplog.messages if each.startswith("flow2api: ")]
    assert line.endswith("Setting to change: FLOW2API_API_KEY.")
    assert WRONG not in caplog.text + str(told)
    assert (upstream.requests, upstream.charges.total()) == ([], 0)


async def test_a_service_that_cannot_be_reached_is_named(serve: Serve) -> None:
    async with serve(FLOW2API_BASE_URL="http://127.0.0.1:9", FLOW2API_API_KEY="k") as easel:
        status, body = await ready_when(easel, is_asked)
    assert (status, body["checks"]["flow2api"]["state"]) == (503, "unreachable")


async def test_a_picture_shows_that_the_service_is_well_again(serve: Serve) -> None:
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key}
        async with serve(**env) as easel, wire_client(easel.mcp_url) as client:
            await ready_when(easel, lambda checks: checks["flow2api"]["state"] == "ok")
            upstream.key = "another one"
            await client.call("generate", {"prompt": "a fox"})
            assert (await ready_when(easel, is_asked))[0] == 503
            upstream.key = env["FLOW2API_API_KEY"]
            await client.call("generate", {"prompt": "a fox"})
            assert (await ready_when(easel, is_asked))[0] == 200


async def test_a_wrong_token_is_no_way_round_the_guard(serve: Serve) -> None:
    """Attack: a route that checks tokens beside the guard would tell right ones from wrong ones without a limit."""
    async with serve(EASEL_TOKENS=TWO_TOKENS) as easel:
        assert (await get(f"{easel.origin}/readyz", "guess"))[0] == 401
        status, body, _ = await get(f"{easel.origin}/readyz")
    assert status == 200
    assert all(set(check) == {"state"} for check in body["checks"].values())


async def test_metrics_need_a_token_with_the_scope_admin(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url, EASEL_TOKENS=TWO_TOKENS) as easel:
        url = f"{easel.origin}/metrics"
        tokens = ["", "wrong", issuer.token(easel.mcp_url, "draw"), issuer.token(easel.mcp_url, "admin"), ANNA]
        assert [(await get(url, token))[0] for token in tokens] == [401, 401, 403, 200, 200]


async def test_metrics_without_tokens_are_for_this_machine_alone(easel: Running) -> None:
    assert (await get(f"{easel.origin}/metrics"))[0] == 200
    assert (await get(f"{easel.origin}/metrics", **{"X-Forwarded-For": "203.0.113.5"}))[0] == 403


@pytest.mark.parametrize("accept", ["*/*", "application/openmetrics-text;q=0,text/plain"])
async def test_metrics_are_text_that_prometheus_reads(easel: Running, accept: str) -> None:
    """Bug of others: prometheus-client's choice of a format takes a media type of q=0 for one that is wanted."""
    async with wire_client(easel.mcp_url) as client:
        await client.call("generate", {"prompt": "a fox"})
    status, text, content_type = await get(f"{easel.origin}/metrics", Accept=accept)
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["easel_calls_total", "done", "generate"] >= 1
    assert samples["easel_generations_total", "done", "sketch"] >= 1
    assert samples["easel_generation_duration_seconds_bucket", "+Inf", "sketch"] >= 1
    assert (samples["easel_generations_at_work",], samples["easel_generations_waiting",]) == (0, 0)
    assert samples["easel_cache_files",] == 1
    assert samples["easel_cache_bytes",] > 1000
    assert samples["easel_streams",] == 0
    assert samples["easel_upstream_up", "sketch"] == 1
    assert "fox" not in text
    assert "local" not in text


async def test_metrics_hold_no_name_that_a_client_chooses(easel: Running) -> None:
    """Attack: each new label is a new series, kept for ever by the process and by Prometheus."""
    async with wire_client(easel.mcp_url) as client:
        await client.modern("tools/call", {"name": "no-such-tool", "arguments": {}})
    assert "no-such-tool" not in (await get(f"{easel.origin}/metrics"))[1]
