"""Which log messages pass, in both eras."""

import pytest

from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.log_levels import LEGACY_DEFAULT, LEVELS, passes, read_level


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
