"""The table of limits: how settings are read, which number holds for whom, and the words of a refusal."""

import math

import pytest

from service.bounds.limits import (
    CALLS_PER_MINUTE,
    LIMITS,
    PICTURES_PER_DAY,
    REQUEST_MEGABYTES,
    SPEND_PER_DAY,
    STREAMS,
    UNLIMITED,
    InUse,
    LimitError,
    refusal,
    spoken_wait,
)
from service.settings import Settings
from service.settings_reader import SettingsError
from service.settings_table import SETTINGS
from tests.conftest import Serve
from tests.limited import limited
from tests.wire import wire_client


def test_every_limit_has_a_setting() -> None:
    names = {setting.name for setting in SETTINGS}
    assert all(limit.setting in names for limit in LIMITS)


def test_without_settings_the_defaults_hold() -> None:
    allowances = Settings.from_env({}).allowances
    for limit in LIMITS:
        assert allowances.each(limit, "anna") == (limit.each or math.inf)
        assert allowances.overall(limit) == (limit.overall or math.inf)


def test_a_part_of_the_service_that_is_built_without_settings_has_no_limits() -> None:
    for limit in LIMITS:
        assert UNLIMITED.each(limit, "anna") == UNLIMITED.overall(limit) == math.inf


@pytest.mark.parametrize(
    ("text", "each", "overall"),
    [
        pytest.param("20/100", 20, 100, id="both"),
        pytest.param("20", 20, PICTURES_PER_DAY.overall, id="of each owner alone"),
        pytest.param(" 20 / 100 ", 20, 100, id="with spaces"),
        pytest.param("0/0", math.inf, math.inf, id="no limit"),
    ],
)
def test_a_setting_has_a_part_for_each_owner_and_one_for_all(text: str, each: float, overall: float) -> None:
    allowances = Settings.from_env({"EASEL_PICTURES_PER_DAY": text}).allowances
    assert (allowances.each(PICTURES_PER_DAY, "anna"), allowances.overall(PICTURES_PER_DAY)) == (each, overall)


def test_money_has_fractions() -> None:
    assert Settings.from_env({"EASEL_SPEND_PER_DAY": "2.50/10"}).allowances.each(SPEND_PER_DAY, "anna") == 2.5


def test_an_owner_may_have_limits_of_their_own() -> None:
    env = {"EASEL_LIMITS": "alice.pictures_per_day=50, b.o.b.spend_per_day=2.5 carol.pictures_per_day=0"}
    env["EASEL_LIMITS"] += ",https://id.example#a=b.pictures_per_day=7"
    allowances = Settings.from_env(env).allowances
    assert allowances.each(PICTURES_PER_DAY, "alice") == 50
    assert allowances.each(SPEND_PER_DAY, "b.o.b") == 2.5
    assert allowances.each(PICTURES_PER_DAY, "carol") == math.inf
    assert allowances.each(PICTURES_PER_DAY, "https://id.example#a=b") == 7
    assert allowances.each(PICTURES_PER_DAY, "dave") == PICTURES_PER_DAY.each


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("EASEL_PICTURES_PER_DAY", "many", "'many' is not a whole number from 0"),
        ("EASEL_PICTURES_PER_DAY", "-1", "such as 500/2000"),
        ("EASEL_PICTURES_PER_DAY", "2.5", "'2.5' is not a whole number"),
        ("EASEL_PICTURES_PER_DAY", "1/2/3", "'2/3' is not"),
        ("EASEL_BATCH_GENERATIONS", "8/8", "'8/8' is not a whole number from 0, such as 8"),
        ("EASEL_SPEND_PER_DAY", "5 EUR", "'5 EUR' is not a number from 0"),
        ("EASEL_LIMITS", "pictures_per_day=5", "not of the form owner.limit=number"),
        ("EASEL_LIMITS", "alice.pictures=5", "'pictures' is no limit; known are calls_per_minute"),
        ("EASEL_LIMITS", "alice.pictures_per_day=x", "'x' is not a whole number"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_its_setting(name: str, value: str, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert wrong in str(caught.value)


def test_a_refusal_names_the_limit_its_setting_and_the_wait() -> None:
    """Ours: a model reads it and waits, a person knows which setting to change."""
    error = refusal(CALLS_PER_MINUTE, 600, overall=False, retry_after_s=11.2)
    assert isinstance(error, LimitError)
    assert (error.kind, error.retry_after_s, error.may_be_charged) == ("limit", 11.2, False)
    assert str(error) == (
        "You have sent 600 requests within a minute (EASEL_CALLS_PER_MINUTE). Nothing was charged. "
        "Try again in 12 seconds."
    )
    assert "All users together" in str(refusal(CALLS_PER_MINUTE, 3000, overall=True, retry_after_s=1))


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(0, "a second"), (0.2, "a second"), (12, "12 seconds"), (119.5, "2 minutes"), (121, "3 minutes"),
     (3600, "an hour"), (3660, "an hour and a minute"), (12000, "3 hours and 20 minutes")],
)  # fmt: skip
def test_a_wait_is_told_in_the_units_of_a_person(seconds: float, spoken: str) -> None:
    assert spoken_wait(seconds) == spoken


async def test_a_tool_beyond_the_rate_says_so_in_its_result(serve: Serve) -> None:
    """Ours: the model reads it and waits; an error of the protocol it may never see."""
    async with serve(EASEL_CALLS_PER_MINUTE="1") as easel, wire_client(easel.mcp_url) as client:
        await client.call("history")
        refused = await client.call("history")
    assert refused["isError"]
    assert refused["content"][0]["text"] == (
        "You have sent 1 requests within a minute (EASEL_CALLS_PER_MINUTE). Nothing was charged. "
        "Try again in 60 seconds."
    )


async def test_another_method_beyond_the_rate_is_an_error(serve: Serve) -> None:
    async with serve(EASEL_CALLS_PER_MINUTE="1") as easel, wire_client(easel.mcp_url) as client:
        await client.modern("resources/list")
        refused = await client.modern("resources/list")
    error = refused.message["error"]
    assert (refused.status, error["code"]) == (429, -32005)
    assert "EASEL_CALLS_PER_MINUTE" in error["message"]
    assert 0 < error["data"]["retryAfter"] <= 60


def test_an_amount_is_in_use_until_it_is_given_back() -> None:
    in_use = InUse(STREAMS, limited(STREAMS, 2, 3))
    with in_use.hold("anna"), in_use.hold("anna"):
        with pytest.raises(LimitError, match="^2 of your streams are open .EASEL_STREAMS.*again in 5 seconds"):
            in_use.take("anna")
        in_use.take("ben")
        with pytest.raises(LimitError, match="^3 streams of all users are open .EASEL_STREAMS"):
            in_use.take("ben")
        assert (in_use.of("anna"), in_use.of("ben")) == (2, 1)
    in_use.give_back("ben")
    assert (in_use.of("anna"), in_use.of("ben")) == (0, 0)
    in_use.take("ben", 2)


def test_what_a_block_held_is_given_back_when_it_fails() -> None:
    in_use = InUse(STREAMS, limited(STREAMS, 1))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), in_use.hold("anna"):
            raise ZeroDivisionError


def test_a_limit_may_count_in_millions() -> None:
    in_use = InUse(REQUEST_MEGABYTES, limited(REQUEST_MEGABYTES, 2), unit=1_000_000)
    in_use.take("anna", 2_000_000)
    with pytest.raises(LimitError, match="^2 MB of your requests"):
        in_use.take("anna", 1)


def test_nothing_may_be_used_several_times_over() -> None:
    """Bug: of two empty uploads of one owner at once, the second to end was answered 500."""
    in_use = InUse(STREAMS)
    for _ in range(2):
        in_use.take("anna", 0)
    for _ in range(2):
        in_use.give_back("anna", 0)
    assert (in_use.of("anna"), in_use.overall) == (0, 0)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"no": "message"},
    ],
)
async def test_messages_that_are_no_calls_count_as_well(serve: Serve, message: dict[str, object]) -> None:
    """Bug: 960 messages without a session were read and refused within a quarter of a second, none of them counted."""
    async with serve(EASEL_CALLS_PER_MINUTE="2") as easel, wire_client(easel.mcp_url) as client:
        answers = [await client.post(message) for _ in range(3)]
    assert [each.status == 429 for each in answers] == [False, False, True]
    assert answers[2].headers["Retry-After"]


async def test_a_call_of_an_unknown_method_counts(serve: Serve) -> None:
    """Bug: the name of the method was looked up before the call was counted."""
    async with serve(EASEL_CALLS_PER_MINUTE="1") as easel, wire_client(easel.mcp_url) as client:
        assert "no method" in (await client.modern("no/such")).message["error"]["message"]
        assert "EASEL_CALLS_PER_MINUTE" in (await client.modern("no/such")).message["error"]["message"]


async def test_a_cancellation_is_taken_beyond_the_limit(serve: Serve) -> None:
    """Ours: a picture that nobody wants any more would be drawn and paid for."""
    async with serve(EASEL_CALLS_PER_MINUTE="2") as easel, wire_client(easel.mcp_url) as client:
        await client.open()
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        session = {"Mcp-Session-Id": client.session_id}
        assert [(await client.post(cancel, session)).status for _ in range(5)] == [202] * 5


async def test_each_message_of_a_batch_counts(serve: Serve) -> None:
    """Bug: a batch of 60,000 notifications, or of messages that are refused, counted as nothing."""
    async with serve(EASEL_CALLS_PER_MINUTE="5") as easel, wire_client(easel.mcp_url) as client:
        await client.open("2025-03-26")
        noise = [{"jsonrpc": "2.0", "method": "notifications/initialized"}, {"no": "message"}] * 3
        answer = await client.post(noise, {"Mcp-Session-Id": client.session_id})
    assert answer.status == 429
