"""Requests to a legacy client: on the call's own stream, answered by a later POST of the same session."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.protocol.call import Call
from service.protocol.client import Era
from service.protocol.client_requests import elicit, elicit_url, list_roots
from service.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, RpcError
from service.protocol.jsonrpc import Response
from service.protocol.pending_requests import PendingRequests
from tests.protocol.samples import SESSION, Outbox, call

NAME = elicit("Your name?", {"type": "object", "properties": {"name": {"type": "string"}}})
ADA = {"action": "accept", "content": {"name": "Ada"}}


def asking_call(outbox: Outbox, **others: Any) -> Call:
    return call(era=Era.LEGACY, can=["elicitation/form", "roots"], channel=outbox, **others)


def response(id_: object, answer: object, failed: bool = False) -> Response:
    return Response(id=id_, answer=answer, failed=failed)  # type: ignore[arg-type]  # whatever a client sends


async def test_a_question_is_a_request_and_its_response_is_the_answer() -> None:
    """Spec 2025-11-25, Streamable HTTP: the server may send requests on the stream of the client's request."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asked = asyncio.create_task(asking_call(outbox).ask("name", NAME))
    sent = await outbox.next()
    assert sent == {"jsonrpc": "2.0", "id": sent["id"], **NAME.wire()}
    requests.resolve(SESSION, response(sent["id"], ADA))
    assert await asked == ADA


async def test_a_page_is_named_and_its_end_told_by_that_name() -> None:
    """Spec 2025-11-25, URL Mode Elicitation Requests and Completion Notifications."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asking = asking_call(outbox)
    asking.client = replace(asking.client, capabilities=frozenset({"elicitation/url"}))
    page = elicit_url("Upload a picture.", "https://easel.example.com/upload/x", "e-1")
    asked = asyncio.create_task(asking.ask("page", page))
    sent = await outbox.next()
    assert sent["params"] == {**page.params, "elicitationId": "e-1"}
    requests.resolve(SESSION, response(sent["id"], {"action": "accept"}))
    assert await asked == {"action": "accept"}
    await asking.complete_elicitation("e-1")
    told = await outbox.next()
    assert (told["method"], told["params"]) == ("notifications/elicitation/complete", {"elicitationId": "e-1"})


async def test_several_questions_are_asked_one_after_the_other() -> None:
    """Ours: a person fills in one form at a time. Each request has an id of its own."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asked = asyncio.create_task(asking_call(outbox).ask_all({"name": NAME, "roots": list_roots()}))
    first = await outbox.next()
    assert outbox.rest() == []
    requests.resolve(SESSION, response(first["id"], ADA))
    second = await outbox.next()
    requests.resolve(SESSION, response(second["id"], {"roots": []}))
    assert await asked == {"name": ADA, "roots": {"roots": []}}
    assert first["id"] != second["id"]


async def test_only_the_session_that_was_asked_can_answer_and_only_once() -> None:
    """Ours: who guesses an id of another session answers nothing; a second answer comes too late."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asked = asyncio.create_task(asking_call(outbox).ask("name", NAME))
    id_ = (await outbox.next())["id"]
    requests.resolve(replace(SESSION, id="other"), response(id_, {"action": "decline"}))
    requests.resolve(SESSION, response("easel-0", {"action": "decline"}))
    requests.resolve(SESSION, response(None, {"action": "decline"}))
    requests.resolve(SESSION, response(id_, ADA))
    requests.resolve(SESSION, response(id_, {"action": "cancel"}))
    assert await asked == ADA
    requests.resolve(SESSION, response(id_, {"action": "cancel"}))


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        pytest.param({"code": -1, "message": "no"}, True, id="an error"),
        pytest.param({"action": "perhaps"}, False, id="no result of the method"),
    ],
)
async def test_an_answer_that_is_none_ends_the_call(answer: object, failed: bool) -> None:
    requests = PendingRequests()
    outbox = Outbox(requests)
    asked = asyncio.create_task(asking_call(outbox).ask("name", NAME))
    requests.resolve(SESSION, response((await outbox.next())["id"], answer, failed))
    with pytest.raises(RpcError, match="elicitation/create") as refused:
        await asked
    assert refused.value.code == INTERNAL_ERROR


async def test_a_client_that_never_answers_is_waited_for_no_longer_than_patience_lasts() -> None:
    """Spec 2025-11-25, Timeouts: what the server stopped waiting for it SHOULD cancel."""
    requests = PendingRequests(timeout_s=0)
    outbox = Outbox(requests)
    with pytest.raises(RpcError, match="in time") as refused:
        await asking_call(outbox).ask("name", NAME)
    assert refused.value.code == INTERNAL_ERROR
    sent, cancelled = outbox.rest()
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == sent["id"]
    requests.resolve(SESSION, response(sent["id"], ADA))


async def test_a_call_that_takes_no_stream_cannot_ask() -> None:
    """Ours: the request could never reach the client, and the call would wait for nothing."""
    outbox = Outbox(takes_messages=False)
    with pytest.raises(RpcError, match="text/event-stream") as refused:
        await asking_call(outbox).ask("name", NAME)
    assert (refused.value.code, outbox.rest()) == (INVALID_REQUEST, [])


async def test_what_was_kept_is_there_after_asking() -> None:
    requests = PendingRequests()
    outbox = Outbox(requests)
    asking = asking_call(outbox)
    assert asking.kept == {}
    for keep, kept in [({"step": 1}, {"step": 1}), (None, {"step": 1}), ({"step": 2}, {"step": 2})]:
        asked = asyncio.create_task(asking.ask("name", NAME, keep=keep))
        requests.resolve(SESSION, response((await outbox.next())["id"], ADA))
        await asked
        assert asking.kept == kept


async def test_a_cancelled_call_leaves_nothing_to_answer() -> None:
    """Ours: whoever asks and goes away leaves no trace in memory."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asked = asyncio.create_task(asking_call(outbox).ask("name", NAME))
    id_ = (await outbox.next())["id"]
    asked.cancel()
    await asyncio.wait({asked})
    assert asked.cancelled()
    requests.resolve(SESSION, response(id_, ADA))
    assert requests == PendingRequests()


async def test_who_waits_for_a_session_that_has_ended_waits_no_longer() -> None:
    """Ours: nobody can answer any more, so the call ends as one that its client cancelled; other sessions' go on."""
    requests = PendingRequests()
    outbox, others = Outbox(requests), Outbox(requests)
    ended = asyncio.create_task(asking_call(outbox).ask("name", NAME))
    await outbox.next()
    other_session = replace(SESSION, id="other")
    elsewhere = call(era=Era.LEGACY, can=["elicitation/form"], channel=others, session=other_session)
    asked = asyncio.create_task(elsewhere.ask("name", NAME))
    id_ = (await others.next())["id"]
    requests.cancel_session(SESSION.id)
    await asyncio.wait({ended})
    assert ended.cancelled()
    requests.resolve(other_session, response(id_, ADA))
    assert await asked == ADA
    assert requests == PendingRequests()
