"""What sessions told us, bounded."""

import pytest

from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.session_memory import (
    LEGACY_DEFAULT,
    LEVELS,
    MAX_SESSIONS,
    Remembered,
    SessionMemory,
    passes,
    read_level,
)
from service.protocol.subscriptions import MAX_NAMED


def test_a_session_that_told_nothing_has_the_defaults() -> None:
    assert SessionMemory().look("a") == Remembered(log_level="info", resources=set())


def test_looking_leaves_nothing_behind() -> None:
    """Ours: a request of a session that told nothing costs no memory."""
    memory = SessionMemory()
    memory.look("a")
    assert memory == SessionMemory()


def test_what_a_session_told_is_its_own() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error")
    memory.subscribe("a", "test://1")
    memory.subscribe("a", "test://2")
    memory.unsubscribe("a", "test://2")
    memory.unsubscribe("b", "test://1")
    assert memory.look("a") == Remembered(log_level="error", resources={"test://1"})
    assert memory.look("b") == Remembered()


def test_a_session_that_was_ended_is_forgotten() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error")
    memory.forget("a")
    memory.forget("a")
    assert memory.look("a") == Remembered()


def test_a_session_subscribes_to_so_many_resources_and_no_more() -> None:
    """Ours: what one client can make us remember is bounded."""
    memory = SessionMemory()
    for number in range(MAX_NAMED):
        memory.subscribe("a", f"test://{number}")
    memory.subscribe("a", "test://0")
    with pytest.raises(RpcError, match=str(MAX_NAMED)) as refused:
        memory.subscribe("a", "test://one-more")
    assert refused.value.code == INVALID_PARAMS
    assert len(memory.look("a").resources) == MAX_NAMED


def test_the_sessions_heard_from_longest_ago_are_forgotten_first() -> None:
    """Ours: memory is bounded over all sessions, and one that is at work keeps what it told."""
    memory = SessionMemory()
    for number in range(MAX_SESSIONS):
        memory.set_level(str(number), "error")
    memory.look("0")
    for late in ("late", "later"):
        memory.set_level(late, "error")
    levels = {name: memory.look(name).log_level for name in ("0", "1", "2", "3", "later")}
    assert levels == {"0": "error", "1": "info", "2": "info", "3": "error", "later": "error"}


def test_a_level_is_the_default_until_it_is_told() -> None:
    memory = SessionMemory()
    memory.set_level("a", "error")
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
