"""Access tokens in the whole service: the official client signs in by itself, scopes bound it, owners stay apart."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.app import Running
from service.web.access_tokens import LEEWAY_S
from tests.conftest import Serve
from tests.emulators.authorization_server import AuthorizationServer, Signer
from tests.signing_in import signing_in
from tests.wire import CAPABILITIES_KEY, WireClient, listening, request, wire_client

TASKS: dict[str, Any] = {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
SCOPE = re.compile(r'scope="([^"]*)"')

each_mode = pytest.mark.parametrize("mode", ["2026-07-28", "auto", "legacy"])


@each_mode
async def test_the_official_client_signs_in_by_itself_and_draws(
    serve: Serve, issuer: AuthorizationServer, mode: str
) -> None:
    """Spec 2025-11-25 and 2026-07-28, Authorization Flow Steps: discovery, registration, PKCE, resource, token."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, signing_in(easel.mcp_url, mode) as client:
        made = await client.call_tool("generate", {"prompt": "a lighthouse"})
        assert not made.is_error
        assert issuer.asked_resources == [easel.mcp_url]
        assert set(issuer.asked_scopes[0].split()) - {"offline_access"} == {"draw", "look", "delete"}
        [job] = await easel.context.store.jobs(f"{issuer.url}#anna", 10)
        assert job.prompt == "a lighthouse"


@each_mode
async def test_the_official_client_gets_a_further_scope_when_a_call_needs_it(
    serve: Serve, issuer: AuthorizationServer, mode: str
) -> None:
    """Spec 2025-11-25 and 2026-07-28, Step-Up Authorization Flow."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, signing_in(easel.mcp_url, mode) as client:
        await client.call_tool("generate", {"prompt": "a lighthouse"})
        cleared = await client.call_tool("cache", {"action": "clear", "confirm": True})
        assert not cleared.is_error
        assert len(issuer.asked_scopes) == 2
        assert set(issuer.asked_scopes[1].split()) >= {"draw", "look", "delete", "admin"}


@asynccontextmanager
async def with_token(
    easel: Running, issuer: AuthorizationServer, scope: str, **claims: Any
) -> AsyncIterator[WireClient]:
    async with wire_client(easel.mcp_url, issuer.token(easel.mcp_url, scope, **claims)) as client:
        yield client


def tool(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "tools/call", {"name": name, "arguments": arguments}


NEEDS: list[tuple[str, dict[str, Any], str]] = [
    (*tool("generate", prompt="a boat"), "draw"),
    (*tool("history"), "look"),
    (*tool("delete", history_id=1), "delete"),
    (*tool("cache"), "look"),
    (*tool("cache", action="status"), "look"),
    (*tool("cache", action="clear"), "admin"),
    (*tool("cache", action="Prune"), "admin"),
    (*tool("cache", arguments={"action": "clear"}), "admin"),
    ("resources/list", {}, "look"),
    ("resources/read", {"uri": "easel://history/1"}, "look"),
    ("prompts/get", {"name": "x"}, "look"),
    ("completion/complete", {}, "look"),
    ("tasks/get", {"taskId": "x"}, "look"),
    ("tasks/update", {"taskId": "x"}, "draw"),
    ("tasks/cancel", {"taskId": "x"}, "draw"),
    ("subscriptions/listen", {"notifications": {}}, "look"),
]
OTHERS = {"look": "openid", "draw": "look delete", "delete": "draw look", "admin": "draw look delete"}
"""For each scope, all that a token may have without it."""


@pytest.mark.parametrize(("method", "params", "scope"), NEEDS)
async def test_a_call_beyond_the_scopes_of_its_token_is_answered_with_the_scope_that_it_needs(
    serve: Serve, issuer: AuthorizationServer, method: str, params: dict[str, Any], scope: str
) -> None:
    """Spec 2026-07-28, Runtime Insufficient Scope Errors."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, OTHERS[scope]) as client:
            heard = await client.modern(method, params)
            assert heard.status == 403
            challenge = heard.headers["WWW-Authenticate"]
            assert 'error="insufficient_scope"' in challenge
            assert f'resource_metadata="{easel.origin}/.well-known/oauth-protected-resource/mcp"' in challenge
            assert SCOPE.findall(challenge) == [scope]
            assert (heard.message["id"], scope in heard.message["error"]["message"]) == (1, True)
        if method != "subscriptions/listen":  # which goes on and on
            async with with_token(easel, issuer, scope) as client:
                assert (await client.modern(method, params)).status != 403


async def test_a_refused_call_costs_nothing_and_leaves_nothing(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, with_token(easel, issuer, "look") as client:
        await client.modern(*tool("generate", prompt="a boat"))
        assert await easel.context.store.jobs(f"{issuer.url}#anna", 10) == []


async def test_the_whole_list_of_tools_is_shown_to_every_token(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: a client can ask for a scope only by calling what needs it, so it must know that there is such a thing."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "") as nothing, with_token(easel, issuer, "admin") as all_:
            lists = [(await client.modern("tools/list")).result["tools"] for client in (nothing, all_)]
    assert lists[0] == lists[1]
    assert {each["name"] for each in lists[0]} >= {"generate", "history", "delete", "cache"}


async def test_the_scopes_bound_a_session_call_by_call(serve: Serve, issuer: AuthorizationServer) -> None:
    """Spec 2025-11-25: each request has a token of its own, also within one session."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "look") as client:
            await client.open()
            method, params = tool("generate", prompt="a boat")
            assert (await client.legacy(method, params)).status == 403
            assert (await client.legacy(*tool("history"))).status == 200
            client.headers["Authorization"] = f"Bearer {issuer.token(easel.mcp_url, 'draw')}"
            assert "result" in (await client.legacy(method, params)).message


async def test_a_batch_beyond_its_token_is_refused_whole_with_all_scopes_that_it_needs(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    """Spec 2026-07-28: all scopes for an operation SHOULD come in one challenge. Nothing of the batch has run."""
    batch = [
        request(*tool("generate", prompt="a boat"), 1),
        request(*tool("history"), 2),
        request(*tool("delete", history_id=1), 3),
    ]
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, with_token(easel, issuer, "look") as client:
        await client.open("2025-03-26")
        heard = await client.post(batch, {"Mcp-Session-Id": client.session_id})
        assert (heard.status, SCOPE.findall(heard.headers["WWW-Authenticate"])) == (403, ["delete draw"])
        assert await easel.context.store.jobs(f"{issuer.url}#anna", 10) == []


async def test_the_stream_of_a_session_needs_a_token_that_may_look(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: results of earlier calls can be read from it again."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, with_token(easel, issuer, "openid") as client:
        await client.open()
        headers = {"Accept": "text/event-stream", "Mcp-Session-Id": client.session_id, **client.headers}
        async with client.session.get(easel.mcp_url, headers=headers) as answer:
            assert answer.status == 403
            assert 'scope="look"' in answer.headers["WWW-Authenticate"]


async def test_what_one_subject_has_another_does_not_find(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: history, sessions and resources are looked up with the owner, a static token of the same name included."""
    static = "s3cr3t-of-anna-s3cr3t"
    async with serve(EASEL_OAUTH_ISSUER=issuer.url, EASEL_TOKENS=f"anna:{static}") as easel:
        async with with_token(easel, issuer, "admin") as anna:
            await anna.call("generate", {"prompt": "a secret garden"})
            await anna.open()
            listed = [each["uri"] for each in (await anna.modern("resources/list")).result["resources"]]
            [own] = [uri for uri in listed if uri.startswith("easel://images/")]
            assert (await anna.modern("resources/read", {"uri": own})).status == 200
            for token in (issuer.token(easel.mcp_url, "admin", sub="ben"), static):
                async with wire_client(easel.mcp_url, token) as stranger:
                    assert "garden" not in str(await stranger.call("history"))
                    assert (await stranger.call("history", {"history_id": 1}))["isError"]
                    assert (await stranger.modern("resources/read", {"uri": own})).code == -32602
                    stranger.session_id = anna.session_id
                    assert (await stranger.legacy("ping")).status == 404


async def test_a_subscription_is_told_of_its_own_subjects_pictures_alone(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "draw") as anna, with_token(easel, issuer, "draw", sub="ben") as ben:
            async with listening(anna, {"resourcesListChanged": True}) as stream:
                await ben.call("generate", {"prompt": "of ben"})
                await anna.call("generate", {"prompt": "of anna"})
                assert (await stream.next())["method"] == "notifications/resources/list_changed"
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await stream.next()


async def test_a_new_token_of_the_same_subject_goes_on_where_the_old_one_was(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    """Ours: tokens live minutes; a history and a session outlive them."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "draw", client_id="one") as old:
            await old.call("generate", {"prompt": "a lighthouse"})
            await old.open()
            async with with_token(easel, issuer, "draw", client_id="two") as new:
                assert "lighthouse" in str(await new.call("history"))
                new.session_id = old.session_id
                assert (await new.legacy("ping")).result == {}


async def test_calls_go_on_when_the_server_signs_with_a_new_key(serve: Serve, issuer: AuthorizationServer) -> None:
    issuer.rotate("second", "RS256")
    issuer.published.append({"kty": "odd"})
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, with_token(easel, issuer, "draw") as client:
        assert (await client.modern("server/discover")).status == 200


async def test_a_subscription_ends_when_its_token_expires(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: a token is checked when a stream begins, and a stream may last for days."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        almost_over = int(time.time()) - LEEWAY_S + 2
        async with with_token(easel, issuer, "draw", exp=almost_over) as client:
            async with listening(client, {"resourcesListChanged": True}) as stream:
                with pytest.raises(StopAsyncIteration):
                    await stream.next()
            assert (await client.modern("server/discover")).status == 401


async def test_the_stream_of_a_session_ends_when_its_token_expires(serve: Serve, issuer: AuthorizationServer) -> None:
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "draw", exp=int(time.time()) - LEEWAY_S + 2) as client:
            await client.open()
            headers = {"Accept": "text/event-stream", "Mcp-Session-Id": client.session_id, **client.headers}
            async with client.session.get(easel.mcp_url, headers=headers) as answer:
                assert answer.status == 200
                async with asyncio.timeout(60):
                    await answer.read()


async def test_expired_tokens_of_many_people_at_one_address_are_each_told_so(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    """Ours: all people of claude.ai come from few addresses; one who is told 429 does not get a new token."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        for number in range(15):
            async with with_token(easel, issuer, "draw", exp=1, sub=f"person {number}") as client:
                assert (await client.modern("server/discover")).status == 401


async def test_forged_tokens_are_slowed_down(serve: Serve, issuer: AuthorizationServer) -> None:
    forger = AuthorizationServer(url=issuer.url, signer=Signer(kid=issuer.signer.kid))
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel, with_token(easel, forger, "admin") as client:
        statuses = [(await client.modern("server/discover")).status for _ in range(11)]
    assert statuses == [401] * 10 + [429]


async def test_a_service_with_an_authorization_server_is_not_open_behind_a_proxy(
    serve: Serve, issuer: AuthorizationServer
) -> None:
    """Ours: without any token of its own it still asks for one, and serves who has one, whatever a proxy adds."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "draw") as client, wire_client(easel.mcp_url) as stranger:
            for each, status in ((client, 200), (stranger, 401)):
                each.headers["X-Forwarded-For"] = "192.0.2.1"
                assert (await each.modern("server/discover")).status == status


async def test_a_task_is_its_subjects_whichever_token_comes_for_it(serve: Serve, issuer: AuthorizationServer) -> None:
    """Ours: tasks outlive tokens. To everybody else there is no such task."""
    async with serve(EASEL_OAUTH_ISSUER=issuer.url) as easel:
        async with with_token(easel, issuer, "draw") as anna:
            method, params = tool("generate", prompt="a lighthouse")
            task = {"taskId": (await anna.modern(method, params, **TASKS)).result["taskId"]}
        async with with_token(easel, issuer, "admin", sub="ben") as ben:
            for each in ("tasks/get", "tasks/cancel"):
                assert (await ben.modern(each, task, **TASKS)).code == -32602
        async with with_token(easel, issuer, "look", client_id="another") as later:
            assert (await later.modern("tasks/get", task, **TASKS)).result["taskId"] == task["taskId"]
