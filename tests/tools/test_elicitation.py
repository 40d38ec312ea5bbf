"""How a person is asked for pictures of their own: by a page, by a link, in both eras."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, TextContent

from service.app import Running
from service.protocol.call import Call
from service.protocol.client import Era
from service.protocol.jsonrpc import Response, Result
from service.protocol.pending_requests import PendingRequests
from service.protocol.round_trips import InputRequiredError, RoundTrips, begin_state
from service.references.collect import own_url
from service.references.uploads import Uploads, mask_request, upload_request
from service.storage.upload_records import UploadRequest
from service.tools.base import load_schema
from service.tools.elicitation import UploadQuestion
from tests.emulators.pictures import png
from tests.protocol.samples import NOW, SESSION, Outbox, call
from tests.reference_fixture import REQUEST, ReferenceFixture, reference_fixture, secret_of
from tests.wire import CAPABILITIES_KEY, WireClient

A = png(1, (8, 8))
URL_MODE = ("elicitation/url",)
PATIENT = math.inf
GONE = -math.inf
"""Times of the loop up to which a client waits."""


async def ask_upload(
    uploads: Uploads, asking: Call, request: UploadRequest, most: int, until: float, *, structured: bool = True
) -> Result | None:
    """Ask as `generate` does."""
    question = UploadQuestion(uploads=uploads, request=request, most=most, structured=structured)
    return await question.ask(asking, until)


@pytest.fixture
async def at_desk(tmp_path: Path) -> AsyncIterator[ReferenceFixture]:
    async with reference_fixture(tmp_path) as fixture:
        yield fixture


def text_of(result: Result | None) -> str:
    assert result is not None
    assert "isError" not in result
    [block] = result["content"]
    text: str = block["text"]
    return text


def modern(answers: Mapping[str, Any] | None = None, outbox: Outbox | None = None) -> Call:
    """A call of the modern era, with the answers of its last round."""
    asking = call(can=URL_MODE, params={"_meta": {"progressToken": 1}}, channel=outbox or Outbox())
    asking.round_trips = lambda: RoundTrips(begin_state(b"s" * 32, asking.request, "anna", NOW), dict(answers or {}))
    return asking


def legacy(outbox: Outbox) -> Call:
    return call(era=Era.LEGACY, can=URL_MODE, channel=outbox)


async def test_what_was_sent_before_needs_no_question(at_desk: ReferenceFixture) -> None:
    await at_desk.sent("anna", A)
    assert await ask_upload(at_desk.uploads, call(), REQUEST, 1, GONE) is None
    assert await ask_upload(at_desk.uploads, modern(), REQUEST, 1, GONE) is None


@pytest.mark.parametrize("can", [(), ("elicitation/form", "sampling")])
async def test_a_client_that_opens_no_pages_is_given_the_link(at_desk: ReferenceFixture, can: tuple[str, ...]) -> None:
    """Ours: no failure, nothing is charged, and what to do next is said; twice the same link."""
    text = text_of(await ask_upload(at_desk.uploads, call(can=can), REQUEST, 2, PATIENT))
    url = await at_desk.uploads.link("anna", REQUEST, 2)
    assert f"\n\n{url}\n\n" in text
    assert f"curl --data-binary @picture.png '{url}'" in text
    assert "call `generate` again with the same arguments" in text
    assert "image_url" not in text
    assert text_of(await ask_upload(at_desk.uploads, call(can=can), REQUEST, 2, PATIENT)) == text


@pytest.mark.parametrize(
    ("reached_at", "said"),
    [("http://127.0.0.1:8866", "on this machine only"), ("", "on a phone too")],
    ids=["loopback", "public URL"],
)
async def test_a_phone_is_named_only_where_it_can_open_the_link(
    at_desk: ReferenceFixture, reached_at: str, said: str
) -> None:
    """Bug: a loopback link was said to open on a phone, where it leads to the phone itself."""
    asking = replace(call(), reached_at=reached_at)
    assert f"to send the picture by, {said}." in text_of(await ask_upload(at_desk.uploads, asking, REQUEST, 1, GONE))


async def test_the_answer_fits_the_output_schema_for_clients_that_read_it(at_desk: ReferenceFixture) -> None:
    """Spec 2025-06-18, Tools, Output Schema: servers MUST provide structured results that conform to it."""
    shown = await ask_upload(at_desk.uploads, call(), REQUEST, 1, PATIENT)
    assert shown is not None
    Draft202012Validator(load_schema("generate.output")).validate(shown["structuredContent"])
    assert shown["structuredContent"]["upload_url"] in text_of(shown)
    plain = await ask_upload(at_desk.uploads, call(), REQUEST, 1, PATIENT, structured=False)
    assert plain is not None
    assert "structuredContent" not in plain


async def test_what_is_used_up_can_be_taken_once_more_by_its_name(at_desk: ReferenceFixture) -> None:
    """Ours: the model knows whether the person means the photo of before or another one; we do not."""
    [name] = await at_desk.sent("anna", A)
    upload = await at_desk.uploads.ready("anna", REQUEST)
    assert upload is not None
    await at_desk.uploads.spend(upload)
    text = text_of(await ask_upload(at_desk.uploads, call(), REQUEST, 1, PATIENT))
    assert f'image_url "{own_url(name)}" instead of use_upload' in text


async def test_a_modern_client_opens_the_page_and_comes_again(at_desk: ReferenceFixture) -> None:
    """Spec 2026-07-28, MRTR: the call ends with the question, and is run again with the answer."""
    with pytest.raises(InputRequiredError) as asked:
        await ask_upload(at_desk.uploads, modern(), REQUEST, 3, PATIENT)
    params = asked.value.result["inputRequests"]["upload"]["params"]
    assert (params["mode"], params["url"]) == ("url", await at_desk.uploads.link("anna", REQUEST, 3))
    assert "up to 3 pictures" in params["message"]
    outbox = Outbox()
    again = asyncio.create_task(
        ask_upload(at_desk.uploads, modern({"upload": {"action": "accept"}}, outbox), REQUEST, 3, PATIENT)
    )
    told = await outbox.next()
    assert told["params"]["message"] == "Waiting for the picture that the person sends"
    await at_desk.sent("anna", A)
    assert await again is None


async def test_a_legacy_client_opens_the_page_and_is_told_when_it_is_done(at_desk: ReferenceFixture) -> None:
    """Spec 2025-11-25, Completion Notifications for URL Mode Elicitation."""
    requests = PendingRequests()
    outbox = Outbox(requests)
    asking = asyncio.create_task(ask_upload(at_desk.uploads, legacy(outbox), REQUEST, 1, PATIENT))
    sent = await outbox.next()
    assert sent["params"]["url"] == await at_desk.uploads.link("anna", REQUEST)
    requests.resolve(SESSION, Response(id=sent["id"], answer={"action": "accept"}, failed=False))
    await at_desk.sent("anna", A)
    assert await asking is None
    told = await outbox.next()
    assert told["method"] == "notifications/elicitation/complete"
    assert told["params"]["elicitationId"] == sent["params"]["elicitationId"]
    assert secret_of(sent["params"]["url"]) not in sent["params"]["elicitationId"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_want_to_is_not_pressed(at_desk: ReferenceFixture, action: str) -> None:
    text = text_of(await ask_upload(at_desk.uploads, modern({"upload": {"action": action}}), REQUEST, 1, PATIENT))
    assert "did not open the page" in text
    assert "http" not in text


async def test_when_patience_ends_the_link_is_given(at_desk: ReferenceFixture) -> None:
    """Ours: the person may still send, and the same call then goes on."""
    accepted = modern({"upload": {"action": "accept"}})
    text = text_of(await ask_upload(at_desk.uploads, accepted, REQUEST, 1, GONE))
    assert text.startswith("Nothing was sent yet. Give the person this link.")
    await at_desk.sent("anna", A)
    assert await ask_upload(at_desk.uploads, accepted, REQUEST, 1, GONE) is None


async def test_a_mask_is_asked_for_in_words_of_its_own(at_desk: ReferenceFixture) -> None:
    painting = mask_request(REQUEST, "board.png")
    text = text_of(await ask_upload(at_desk.uploads, call(), painting, 1, PATIENT))
    assert "It opens a page to paint over the part of the picture that is to change, on a phone too." in text
    assert "curl" not in text
    assert "call `generate` again with the same arguments" in text
    with pytest.raises(InputRequiredError) as asked:
        await ask_upload(at_desk.uploads, modern(), painting, 1, PATIENT)
    params = asked.value.result["inputRequests"]["mask"]["params"]
    assert params["message"].startswith(
        "Paint over the part of the picture that is to change, by a page of Easel, for:"
    )
    refused = await ask_upload(at_desk.uploads, modern({"mask": {"action": "decline"}}), painting, 1, PATIENT)
    assert "did not open the page to paint over" in text_of(refused)
    await at_desk.sent("anna", A, request=painting)
    assert await ask_upload(at_desk.uploads, call(), painting, 1, GONE) is None


async def test_one_page_is_opened_for_a_picture_and_its_mask(at_desk: ReferenceFixture) -> None:
    """Ours: the page leads on to the brush, so that the call waits for both, and no second page is opened."""
    request = replace(REQUEST, paints=True)
    outbox = Outbox()
    waiting = asyncio.create_task(
        ask_upload(at_desk.uploads, modern({"upload": {"action": "accept"}}, outbox), request, 1, PATIENT)
    )
    assert "the picture that the person sends" in (await outbox.next())["params"]["message"]
    [sent] = await at_desk.sent("anna", A, request=request)
    assert "the mask that the person paints" in (await outbox.next())["params"]["message"]
    assert not waiting.done()
    await at_desk.sent("anna", A, request=mask_request(request, sent))
    assert await waiting is None


async def test_nobody_else_gets_what_was_sent(at_desk: ReferenceFixture) -> None:
    await at_desk.sent("ben", A)
    assert await ask_upload(at_desk.uploads, call(), REQUEST, 1, GONE) is not None


async def test_a_picture_that_was_sent_for_another_chat_is_never_taken(at_desk: ReferenceFixture) -> None:
    """Bug: two chats of one owner shared a link, and the cat that was sent for one was drawn into the other's house."""
    cat, house = (upload_request({"prompt": prompt, "use_upload": True}) for prompt in ("my cat as a king", "a house"))
    [name] = await at_desk.sent("anna", A, request=cat)
    text = text_of(await ask_upload(at_desk.uploads, call(), house, 1, GONE))
    assert await at_desk.uploads.link("anna", house) in text
    assert (
        f'for another request, “my cat as a king”. Only if the person means that one: image_url "{own_url(name)}"'
        in text
    )
    assert await ask_upload(at_desk.uploads, call(), cat, 1, GONE) is None


async def test_a_page_that_is_opened_says_for_what_it_asks(at_desk: ReferenceFixture) -> None:
    request = upload_request({"prompt": "my cat\nas a king"})
    with pytest.raises(InputRequiredError) as asked:
        await ask_upload(at_desk.uploads, modern(), request, 1, PATIENT)
    message = asked.value.result["inputRequests"]["upload"]["params"]["message"]
    assert message == "Send a picture from your device, by a page of Easel, for: my cat as a king"


YES = ElicitResult(action="accept", content={"confirm": True})
BOTH_ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])


class Person:
    """Answers a form always alike, and remembers what it said."""

    def __init__(self, answer: ElicitResult) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def fill_in(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG002 - the client's signature
        self.asked.append(params.message)
        return self.answer


async def deleted(easel: Running, mode: str, person: Person | None, **arguments: Any) -> tuple[str, int]:
    """Draw a fox and ask to delete it: what is said, and how many are left."""
    asking = None if person is None else person.fill_in
    async with Client(easel.mcp_url, mode=mode, read_timeout_seconds=20, elicitation_callback=asking) as client:
        await client.call_tool("generate", {"prompt": "a fox"})
        result = await client.call_tool("delete", {"history_id": 1, **arguments})
        left = (await client.call_tool("history", {})).structured_content
    [said] = result.content
    assert isinstance(said, TextContent)
    assert left is not None
    return said.text, left["total"]


@BOTH_ERAS
async def test_a_person_who_says_yes_is_asked_once_what_is_lost(easel: Running, mode: str) -> None:
    person = Person(YES)
    assert await deleted(easel, mode, person) == ("history_id 1 was deleted.", 0)
    [question] = person.asked
    assert question.startswith("Delete history_id 1, “a fox”, for good? Its prompt and 1 picture are lost")


@BOTH_ERAS
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ElicitResult(action="decline"), id="declined"),
        pytest.param(ElicitResult(action="cancel"), id="cancelled"),
        pytest.param(ElicitResult(action="accept", content={"confirm": False}), id="not ticked"),
    ],
)
async def test_without_a_yes_nothing_happens(easel: Running, mode: str, answer: ElicitResult) -> None:
    """Ours: some clients answer by themselves, so nobody is said to have refused (comfy-mcp #236)."""
    said, left = await deleted(easel, mode, Person(answer))
    assert left == 1
    assert said.startswith("history_id 1 was not deleted. The question came back without a yes.")


@BOTH_ERAS
async def test_who_has_agreed_already_is_not_asked(easel: Running, mode: str) -> None:
    person = Person(ElicitResult(action="decline"))
    assert await deleted(easel, mode, person, confirm=True) == ("history_id 1 was deleted.", 0)
    assert person.asked == []


@BOTH_ERAS
async def test_where_nobody_can_be_asked_it_says_what_is_lost_and_what_to_pass(easel: Running, mode: str) -> None:
    """Ours: few clients show forms; the model can ask in the chat."""
    said, left = await deleted(easel, mode, None)
    assert left == 1
    assert said.startswith("history_id 1 was not deleted. Delete history_id 1, “a fox”, for good?")
    assert said.endswith("Ask the person; only if they agree, call again with confirm true.")


@pytest.mark.parametrize("content", [{}, {"confirm": "yes"}, {"confirm": 1}])
async def test_only_true_is_a_yes(client: WireClient, content: Mapping[str, Any]) -> None:
    """Attack: what comes back is the client's word, and need not fit the form."""
    await client.call("generate", {"prompt": "a fox"})
    asked = {"name": "delete", "arguments": {"history_id": 1}}
    answers = {"inputResponses": {"confirm": {"action": "accept", "content": content}}}
    heard = await client.modern("tools/call", asked | answers, **{CAPABILITIES_KEY: {"elicitation": {}}})
    assert "was not deleted" in heard.result["content"][0]["text"]
    assert (await client.call("history"))["structuredContent"]["total"] == 1
