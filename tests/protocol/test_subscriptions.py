"""Change notices: who hears what, how much memory it costs, and how it ends."""

import asyncio
import time
from typing import Any

import pytest

from service.bounds.limits import SESSIONS, SUBSCRIPTIONS, LimitError
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.subscriptions import (
    LEGACY_DEFAULT,
    LEVELS,
    MAX_NAME,
    MAX_NAMED,
    PROMPTS,
    RESOURCES,
    TOOLS,
    Change,
    ElicitationCompleted,
    Hub,
    ListChanged,
    Remembered,
    ResourceUpdated,
    SessionMemory,
    Subscription,
    TaskChanged,
    changes_of,
    notification_of,
    passes,
    read_filter,
    read_level,
)
from tests.limited import limited

FOX, CAT = ResourceUpdated("test://fox"), ResourceUpdated("test://cat")
ONE, TWO = TaskChanged("1"), TaskChanged("2")
EVERY = (TOOLS, PROMPTS, RESOURCES, FOX, CAT, ONE, TWO)


async def told(subscription: Subscription) -> list[Change]:
    """The notices that a subscription still has to tell, by closing it."""
    subscription.close()
    notices = []
    while (notice := await subscription.next()) is not None:
        notices.append(notice)
    return notices


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_five_thousand_streams_that_close_at_once_cost_each_the_same(era: str) -> None:
    """Bug: each looked through all others, and the loop stood still for three seconds."""

    def cost(streams: int) -> float:
        hub = Hub()
        opened = [
            hub.open([TOOLS], "anna") if era == "modern" else hub.open_for_session(str(number), [TOOLS], "anna")
            for number in range(streams)
        ]
        began = time.thread_time()
        for each in opened:
            hub.forget(each)
        assert not hub.is_heard
        return (time.thread_time() - began) / streams

    assert min(cost(5000) for _ in range(3)) < 5 * min(cost(500) for _ in range(3))


@pytest.mark.parametrize(
    ("asked", "heard"),
    [
        pytest.param({"toolsListChanged": True}, [TOOLS], id="tools"),
        pytest.param({"promptsListChanged": True}, [PROMPTS], id="prompts"),
        pytest.param({"resourcesListChanged": True}, [RESOURCES], id="resources"),
        pytest.param({"resourceSubscriptions": ["test://fox"]}, [FOX], id="one resource"),
        pytest.param({"taskIds": ["2"]}, [TWO], id="one task"),
        pytest.param({"toolsListChanged": True, "taskIds": ["1", "2"]}, [TOOLS, ONE, TWO], id="several"),
        pytest.param({"toolsListChanged": False, "promptsListChanged": None}, [], id="said no"),
        pytest.param({}, [], id="nothing"),
        pytest.param({"everything": True}, [], id="a kind that there is not"),
    ],
)
async def test_a_subscription_hears_exactly_what_it_asked_for(asked: dict[str, Any], heard: list[Change]) -> None:
    """Spec 2026-07-28, Subscriptions: the server MUST NOT send types that were not requested."""
    hub = Hub()
    subscription = hub.open(changes_of(read_filter(asked)), "anna")
    for notice in EVERY:
        hub.publish(notice)
    assert await told(subscription) == heard


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(None, id="missing"),
        pytest.param([], id="a list"),
        pytest.param({"toolsListChanged": "yes"}, id="a text for yes"),
        pytest.param({"toolsListChanged": 1}, id="a number for yes"),
        pytest.param({"promptsListChanged": 0}, id="a number for no"),
        pytest.param({"resourceSubscriptions": "test://fox"}, id="a bare URI"),
        pytest.param({"resourceSubscriptions": [5]}, id="a number as URI"),
        pytest.param({"taskIds": {}}, id="an object of tasks"),
        pytest.param({"taskIds": ["x"] * (MAX_NAMED + 1)}, id="too many"),
    ],
)
def test_a_filter_that_is_none_is_refused(asked: object) -> None:
    with pytest.raises(RpcError, match=r"params\.notifications") as refused:
        read_filter(asked)
    assert refused.value.code == INVALID_PARAMS


def test_what_is_named_twice_is_acknowledged_once() -> None:
    assert read_filter({"taskIds": ["b", "a", "b"]}) == {"taskIds": ["b", "a"]}


async def test_two_changes_of_the_same_are_one() -> None:
    """Ours: a notice says that something changed, so a reader that does not read costs a notice of each kind."""
    subscription = Subscription([TOOLS, FOX], "anna")
    for _ in range(10_000):
        subscription.offer(TOOLS)
        subscription.offer(FOX)
    assert await told(subscription) == [TOOLS, FOX]


async def test_what_changes_again_after_it_was_told_is_told_again() -> None:
    subscription = Subscription([TOOLS], "anna")
    for _ in range(2):
        subscription.offer(TOOLS)
        assert await subscription.next() == TOOLS
    assert await told(subscription) == []


async def test_a_reader_waits_for_the_next_notice() -> None:
    hub = Hub()
    subscription = hub.open([TOOLS], "anna")
    upcoming = asyncio.create_task(subscription.next())
    await asyncio.wait({upcoming}, timeout=0)
    hub.publish(PROMPTS)
    hub.publish(TOOLS)
    assert await upcoming == TOOLS


async def test_an_end_lets_the_reader_finish_what_it_has() -> None:
    """Ours: a notice that was published before the server stops still arrives."""
    hub = Hub()
    modern, legacy = hub.open([TOOLS], "anna"), hub.open_for_session("s", [TOOLS], "anna")
    hub.publish(TOOLS)
    hub.close()
    hub.publish(TOOLS)
    for subscription in (modern, legacy):
        assert await subscription.next() == TOOLS
        assert await subscription.next() is None


async def test_a_stream_that_is_opened_while_the_server_stops_ends_at_once() -> None:
    """Ours: a client that comes again during a stop does not hold it up."""
    hub = Hub()
    hub.close()
    assert await hub.open([TOOLS], "anna").next() is None
    assert await hub.open_for_session("s", [TOOLS], "anna").next() is None


async def test_a_waiting_reader_is_woken_by_the_end() -> None:
    subscription = Subscription([TOOLS], "anna")
    upcoming = asyncio.create_task(subscription.next())
    await asyncio.wait({upcoming}, timeout=0)
    subscription.close()
    assert await upcoming is None


async def test_of_several_streams_of_a_session_only_the_newest_is_told() -> None:
    """Spec 2025-11-25, Multiple Connections: a message MUST NOT be broadcast over several streams."""
    hub = Hub()
    first, second = hub.open_for_session("s", [TOOLS], "anna"), hub.open_for_session("s", [TOOLS], "anna")
    other = hub.open_for_session("t", [TOOLS], "anna")
    hub.publish(TOOLS)
    hub.forget(second)
    hub.publish(TOOLS)
    assert hub.streams_of("s") == [first]
    assert [len(await told(each)) for each in (first, second, other)] == [1, 1, 1]


async def test_a_notice_for_one_principal_reaches_no_other() -> None:
    """Ours: what somebody drew, and when, is nobody else's business."""
    hub = Hub()
    wanted: list[Change] = [TOOLS, FOX]
    subscriptions = [
        *(hub.open(wanted, each) for each in ("anna", "ben")),
        *(hub.open_for_session(each, wanted, each) for each in ("anna", "ben")),
    ]
    hub.publish(FOX, "anna")
    hub.publish(TOOLS)
    assert [await told(each) for each in subscriptions] == [[FOX, TOOLS], [TOOLS], [FOX, TOOLS], [TOOLS]]


async def test_the_end_of_an_elicitation_is_told_to_the_newest_stream_of_its_session_alone() -> None:
    """Spec 2025-11-25, Elicitation: it MUST only be sent to the client that was asked."""
    hub = Hub()
    older, newer = (hub.open_for_session("s", [TOOLS], "anna") for _ in range(2))
    other = hub.open_for_session("t", [TOOLS], "anna")
    hub.complete_elicitation("s", "e-1")
    hub.complete_elicitation("nobody", "e-2")
    heard = [await told(each) for each in (older, newer, other)]
    assert heard == [[], [ElicitationCompleted("e-1")], []]
    assert notification_of(ElicitationCompleted("e-1")) == (
        "notifications/elicitation/complete",
        {"elicitationId": "e-1"},
    )


async def test_a_reader_that_does_not_read_holds_so_many_notices_and_no_more() -> None:
    """Ours: each of these differs from the others, and a stream may stay unread for days."""
    hub = Hub()
    stream = hub.open_for_session("s", [TOOLS], "anna")
    for number in range(MAX_NAMED + 5):
        hub.complete_elicitation("s", str(number))
    hub.publish(TOOLS)
    heard = await told(stream)
    assert (len(heard), heard[-1]) == (MAX_NAMED + 1, TOOLS)


async def test_every_modern_subscription_is_told() -> None:
    hub = Hub()
    subscriptions = [hub.open([TOOLS], "anna") for _ in range(3)]
    hub.publish(TOOLS)
    assert [await told(each) for each in subscriptions] == [[TOOLS]] * 3


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    """Ours: a thousand streams that came and went cost nothing."""
    hub = Hub()
    for subscription in [hub.open([TOOLS], "anna"), hub.open_for_session("s", [TOOLS], "anna")]:
        hub.forget(subscription)
        hub.forget(subscription)
    assert (hub, hub.streams_of("s")) == (Hub(), [])


@pytest.mark.parametrize(
    ("notice", "method", "params"),
    [
        pytest.param(TOOLS, "notifications/tools/list_changed", {}, id="tools"),
        pytest.param(PROMPTS, "notifications/prompts/list_changed", {}, id="prompts"),
        pytest.param(RESOURCES, "notifications/resources/list_changed", {}, id="resources"),
        pytest.param(FOX, "notifications/resources/updated", {"uri": "test://fox"}, id="a resource"),
    ],
)
def test_a_notice_has_its_notification(
    notice: ListChanged | ResourceUpdated, method: str, params: dict[str, str]
) -> None:
    assert notification_of(notice) == (method, params)


def test_a_session_that_told_nothing_has_the_defaults() -> None:
    assert SessionMemory().look("a") == Remembered(log_level="info", resources=set())


def test_looking_leaves_nothing_behind() -> None:
    """Ours: a request of a session that told nothing costs no memory."""
    memory = SessionMemory()
    memory.look("a")
    assert memory == SessionMemory()


def test_what_a_session_told_is_its_own() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error", "anna")
    memory.subscribe("a", "test://1", "anna")
    memory.subscribe("a", "test://2", "anna")
    memory.unsubscribe("a", "test://2")
    memory.unsubscribe("b", "test://1")
    assert memory.look("a") == Remembered("anna", "error", {"test://1"})
    assert memory.look("b") == Remembered()


def test_a_session_that_was_ended_is_forgotten() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error", "anna")
    memory.forget("a")
    memory.forget("a")
    assert memory.look("a") == Remembered()


def test_a_session_subscribes_to_so_many_resources_and_no_more() -> None:
    """Ours: what one client can make us remember is bounded."""
    memory = SessionMemory()
    for number in range(MAX_NAMED):
        memory.subscribe("a", f"test://{number}", "anna")
    memory.subscribe("a", "test://0", "anna")
    with pytest.raises(RpcError, match=str(MAX_NAMED)) as refused:
        memory.subscribe("a", "test://one-more", "anna")
    assert refused.value.code == INVALID_PARAMS
    assert len(memory.look("a").resources) == MAX_NAMED


def test_the_sessions_heard_from_longest_ago_are_forgotten_first() -> None:
    """Ours: memory is bounded over all sessions, and one that is at work keeps what it told."""
    memory = SessionMemory(limited(SESSIONS, 0, 100))
    for number in range(100):
        memory.set_level(str(number), "error", f"owner {number}")
    memory.look("0")
    for late in ("late", "later"):
        memory.set_level(late, "error", late)
    levels = {name: memory.look(name).log_level for name in ("0", "1", "2", "3", "later")}
    assert levels == {"0": "error", "1": "info", "2": "info", "3": "error", "later": "error"}


def test_the_sessions_of_one_owner_push_out_their_own_alone() -> None:
    memory = SessionMemory(limited(SESSIONS, 2, 0))
    memory.set_level("b", "error", "ben")
    for number in range(5):
        memory.set_level(str(number), "error", "anna")
    levels = {name: memory.look(name).log_level for name in ("b", "2", "3", "4")}
    assert levels == {"b": "error", "2": "info", "3": "error", "4": "error"}


def test_an_owner_is_subscribed_to_so_many_resources_in_all_sessions_together() -> None:
    allowances = limited(SUBSCRIPTIONS, 3, 4)
    hub = Hub(allowances)
    memory = SessionMemory(allowances, hub.names)
    for session, uri in (("a", "test://1"), ("a", "test://2"), ("b", "test://1")):
        memory.subscribe(session, uri, "anna")
    memory.subscribe("a", "test://1", "anna")
    with pytest.raises(LimitError, match="You are subscribed to 3 resources and tasks .EASEL_SUBSCRIPTIONS"):
        memory.subscribe("c", "test://1", "anna")
    memory.subscribe("d", "test://1", "ben")
    with pytest.raises(LimitError, match="All users together"):
        memory.subscribe("d", "test://2", "ben")
    memory.unsubscribe("a", "test://2")
    memory.unsubscribe("a", "test://2")
    memory.subscribe("c", "test://1", "anna")
    for session in ("a", "b", "c", "d"):
        memory.forget(session)
    assert (hub.names.of("anna"), hub.names.of("ben"), memory) == (0, 0, SessionMemory(allowances))


def test_a_name_that_is_no_name_of_ours_for_its_length_is_refused() -> None:
    """Bug: 60 subscriptions with a thousand names of 4 kB each held 700 MB."""
    long = "x" * (MAX_NAME + 1)
    with pytest.raises(RpcError, match=f"at most {MAX_NAME} characters"):
        read_filter({"resourceSubscriptions": ["test://fox", long]})
    with pytest.raises(RpcError, match=f"at most {MAX_NAME} characters"):
        SessionMemory().subscribe("a", long, "anna")


def test_a_level_is_the_default_until_it_is_told() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error", "anna")
    assert [memory.level_of(each) for each in ("a", "b")] == ["error", "info"]
    assert memory.look("b") == Remembered()


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_the_spec_can_be_asked_for(level: str) -> None:
    assert read_level(level) == level


@pytest.mark.parametrize("value", ["INFO", "trace", "", None, 3, ["info"]])
def test_any_other_level_is_refused_and_told_which_there_are(value: object) -> None:
    """Spec 2025-11-25, Logging: -32602 for an invalid level."""
    with pytest.raises(RpcError, match="debug, info, notice") as refused:
        read_level(value)
    assert refused.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("level", "threshold", "wanted"),
    [
        pytest.param("warning", "warning", True, id="as severe"),
        pytest.param("emergency", "warning", True, id="more severe"),
        pytest.param("notice", "warning", False, id="less severe"),
        pytest.param("debug", LEGACY_DEFAULT, False, id="debug by default"),
        pytest.param("info", LEGACY_DEFAULT, True, id="info by default"),
        pytest.param("emergency", None, False, id="no threshold: modern clients opt in"),
    ],
)
def test_a_message_passes_from_its_threshold_on(level: str, threshold: str | None, wanted: bool) -> None:
    """Spec 2026-07-28, Logging: without a level in `_meta` the server MUST NOT send any."""
    assert passes(level, threshold) is wanted
