"""Asked before what cannot be undone: by the official client in both eras, and in words where nobody can be asked."""

from collections.abc import Mapping
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, TextContent

from service.app import Running
from tests.wire import CAPABILITIES_KEY, WireClient

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
