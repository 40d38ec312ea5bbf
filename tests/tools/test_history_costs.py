"""The cost of pictures, as `history`, results and the settings have it: estimates of a price table, at a service."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.costs import DailyCost
from service.tools.base import load_schema
from service.tools.history_costs import costs_text
from tests.conftest import Serve
from tests.emulators import flow2api
from tests.wire import WireClient, wire_client

OUTPUT = Draft202012Validator(load_schema("history.output"))
MODELS = {
    "prices": {"cheap": {"picture": 0.04}},
    "models": [
        {"id": "gemini-3.1-flash-image", "price": "cheap"},
        {"id": "gemini-3.0-pro-image", "price": {"picture": 1, "currency": "CNY"}},
    ],
}
LIMIT = 20_785
"""A day: the 28th of November 2026."""


def cost(day: int, model: str, currency: str, spent: float, estimated: float = 0.0) -> DailyCost:
    return DailyCost(day=day, owner="ann", model=model, currency=currency, cost=spent, estimated=estimated)


def test_costs_are_summed_by_model_and_by_day_and_never_over_currencies() -> None:
    costs = [
        cost(LIMIT, "b", "USD", 0.5),
        cost(LIMIT, "a", "CNY", 3, 3),
        cost(LIMIT - 1, "b", "USD", 0.25, 0.25),
    ]
    assert costs_text(costs).splitlines() == [
        "Cost of the last 31 days: about 0.75 USD, about 3.00 CNY.",
        "- b: about 0.75 USD",
        "- a: about 3.00 CNY",
        "By day (UTC):",
        "- 2026-11-28: 0.50 USD, about 3.00 CNY",
        "- 2026-11-27: about 0.25 USD",
        "“about”: estimated with the price table of this server, since the image service told no cost.",
    ]


def test_where_nothing_is_known_that_is_said() -> None:
    assert costs_text([]).startswith("Nothing is known to have cost anything in the last 31 days")


async def draw(client: WireClient) -> list[dict[str, Any]]:
    ids = [entry["id"] for entry in MODELS["models"]]  # type: ignore[index]  # a table's fields
    return [await client.call("generate", {"prompt": "a fox", "model": each}) for each in ids]


@pytest.mark.parametrize("shown", ["on", "off"])
async def test_results_and_the_history_say_what_a_picture_cost_unless_a_setting_turns_it_off(
    serve: Serve, tmp_path: Path, shown: str
) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(MODELS))
    async with flow2api.running() as upstream:
        env = {"FLOW2API_BASE_URL": upstream.url, "FLOW2API_API_KEY": upstream.key, "EASEL_MODELS_FILE": str(path)}
        async with serve(**env, EASEL_SHOW_COSTS=shown) as easel, wire_client(easel.mcp_url) as client:
            made = await draw(client)
            listed = await client.call("history")
            costs = await client.call("history", {"costs": True})
            resource = (await client.modern("resources/read", {"uri": "easel://history/1"})).result["contents"]
    assert ["about 0.04 USD" in each["content"][0]["text"] for each in made] == [shown == "on", False]
    assert ("about 1.00 CNY" in made[1]["content"][0]["text"]) == (shown == "on")
    assert ("about 0.04 USD" in listed["content"][0]["text"]) == (shown == "on")
    used = [entry.get("usage") for entry in listed["structuredContent"]["entries"]]
    assert ["0.04" in each["text"] for each in resource] == [shown == "on"] * 2
    if shown == "off":
        assert used == [None, None]
        assert "EASEL_SHOW_COSTS" in costs["content"][0]["text"]
        assert costs["isError"]
        return
    assert used[1] == {"cost": 0.04, "currency": "USD", "estimated": True}
    OUTPUT.validate(costs["structuredContent"])
    assert {(each["model"], each["cost"], each["currency"]) for each in costs["structuredContent"]["costs"]} == {
        ("gemini-3.1-flash-image", 0.04, "USD"),
        ("gemini-3.0-pro-image", 1.0, "CNY"),
    }
    assert "Cost of the last 31 days: about 1.00 CNY, about 0.04 USD." in costs["content"][0]["text"]
