"""The cost of a picture, from the answer of each image service to the words in the chat, the sums and the budget."""

from typing import Any

import aiohttp
import pytest

from tests.conftest import Serve
from tests.emulators import flow2api, gemini, openai_images, openrouter
from tests.wire import ANNA, BEN, TWO_TOKENS, wire_client

TOKENS = (14 * 5 + 1056 * 30) / 1_000_000
"""The usage of the emulated Images API, at the prices of gpt-image-2.6."""


def settings(name: str, upstream: Any) -> dict[str, str]:
    return {f"{name}_BASE_URL": upstream.url, f"{name}_API_KEY": upstream.key}


@pytest.mark.parametrize(
    ("service", "name", "words", "cost"),
    [
        pytest.param(openrouter, "OPENROUTER", "cost 0.039 USD", openrouter.COST, id="told"),
        pytest.param(openai_images, "OPENAI", "about 0.032 USD", TOKENS, id="tokens"),
        pytest.param(gemini, "GEMINI", "about 0.067 USD", 0.067, id="a price for each picture"),
        pytest.param(flow2api, "FLOW2API", "", None, id="nothing"),
    ],
)
async def test_the_cost_of_a_picture_is_what_its_service_tells_or_an_estimate(
    serve: Serve, service: Any, name: str, words: str, cost: float | None
) -> None:
    estimated = words.startswith("about")
    async with (
        service.running() as upstream,
        serve(**settings(name, upstream)) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        made = await client.call("generate", {"prompt": "a fox"})
        summed = (await client.call("history", {"costs": True}))["structuredContent"]["costs"]
        async with aiohttp.ClientSession() as session, session.get(f"{easel.origin}/metrics") as answer:
            metrics = await answer.text()
    text, used = made["content"][0]["text"], made["structuredContent"].get("usage", {})
    assert (words in text) if words else ("USD" not in text)
    assert used.get("cost") == (None if cost is None else pytest.approx(cost))
    assert used.get("estimated", False) is estimated
    assert [each["cost"] for each in summed] == ([] if cost is None else [pytest.approx(cost, abs=1e-6)])
    told = f'easel_cost_total{{currency="USD",estimated="{"yes" if estimated else "no"}",upstream="{name.lower()}"}}'
    assert (told in metrics) is (cost is not None)


async def test_the_costs_of_several_answers_are_one_sum_and_the_budget_counts_it(serve: Serve) -> None:
    """Ours: no price table is needed for a service that tells: its last picture says what the next one will cost."""
    async with (
        openrouter.running() as upstream,
        serve(**settings("OPENROUTER", upstream), EASEL_SPEND_PER_DAY="0.15") as easel,
        wire_client(easel.mcp_url) as client,
    ):
        made = await client.call("generate", {"prompt": "a fox", "count": 3})
        refused = await client.call("generate", {"prompt": "a hare"})
    assert f"All 3 pictures: cost {3 * openrouter.COST:.2f} USD" in made["content"][0]["text"]
    assert made["structuredContent"]["usage"]["cost"] == pytest.approx(3 * openrouter.COST)
    assert refused["isError"]
    assert refused["content"][0]["text"].startswith("Your budget of 0.15 for today would be passed")
    assert upstream.drawn == 3


async def test_nobody_is_told_the_costs_of_others(serve: Serve) -> None:
    async with (
        openrouter.running() as upstream,
        serve(**settings("OPENROUTER", upstream), EASEL_TOKENS=TWO_TOKENS) as easel,
        wire_client(easel.mcp_url, token=ANNA) as anna,
        wire_client(easel.mcp_url, token=BEN) as ben,
    ):
        await anna.call("generate", {"prompt": "a fox"})
        own, others = [(await each.call("history", {"costs": True}))["structuredContent"] for each in (anna, ben)]
    assert (len(own["costs"]), others["costs"]) == (1, [])


@pytest.mark.parametrize("name", ["upscale", "upscale_factor", "enlarge"])
async def test_enlarging_an_earlier_picture_is_refused_in_a_sentence_that_says_what_to_do(
    serve: Serve, name: str
) -> None:
    """Ours: a service that draws it anew gives another picture, and is paid for it."""
    async with (
        flow2api.running() as upstream,
        serve(**settings("FLOW2API", upstream)) as easel,
        wire_client(easel.mcp_url) as client,
    ):
        await client.call("generate", {"prompt": "a fox"})
        refused = await client.call("generate", {"prompt": "a fox", "history_id": 1, name: "4K"})
    assert refused["isError"]
    assert f"`{name}`: none of the image services here enlarges an earlier picture" in refused["content"][0]["text"]
    assert upstream.charges.total() == 1
