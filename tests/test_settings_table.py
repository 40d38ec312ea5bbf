"""The table of settings: names of today, names of earlier programs, and slips of the pen."""

import pytest

from service.settings import Settings
from service.settings_table import SETTINGS, names_without_effect, unknown_names
from tests.settings_page import PAGE


@pytest.mark.parametrize(
    ("value", "level"), [("1", "debug"), ("0", "info"), ("true", "debug"), ("yes", "debug"), ("on", "debug"),
                         ("false", "debug"), ("error", "debug")],
)  # fmt: skip
def test_the_older_debug_switch_is_on_unless_it_is_0(value: str, level: str) -> None:
    """Bug: `yes` stopped the start. The Flow2API MCP Server read `!= "0"`."""
    assert Settings.from_env({"FLOW2API_MCP_DEBUG": value}).log_level == level
    assert Settings.from_env({"FLOW2API_MCP_DEBUG": value, "EASEL_LOG": "warning"}).log_level == "warning"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param("26214400", 27_000_000, id="bytes, the earlier default"),
        pytest.param("209715200", 210_000_000, id="200 MB in bytes"),
        pytest.param("1000001", 2_000_000, id="the fewest bytes"),
        pytest.param("25", 25_000_000, id="megabytes"),
        pytest.param("5000", 1_000_000_000, id="more megabytes than are taken"),
        pytest.param("5368709120", 1_000_000_000, id="more bytes than are taken"),
    ],
)
def test_the_older_file_size_is_bytes_or_megabytes(value: str, size: int) -> None:
    """Bug: 26214400 stopped the start. Early releases of the Flow2API MCP Server counted bytes, later ones MB."""
    assert Settings.from_env({"FLOW2API_MCP_URL_CACHE_MAX_FILE_BYTES": value}).max_file_bytes == size


@pytest.mark.parametrize(("value", "retries"), [("3", 3), ("10", 10), ("20", 10), ("-1", 0)])
def test_the_older_retry_count_is_capped(value: str, retries: int) -> None:
    """Bug: 20 stopped the start. The Flow2API MCP Server took it for 10."""
    assert Settings.from_env({"FLOW2API_MCP_GENERATE_RETRY_COUNT": value}).retries == retries


@pytest.mark.parametrize(
    ("older", "newer", "value"),
    [
        (older, setting.name, "3")
        for setting in SETTINGS
        for older in setting.older
        if older.endswith(("COUNT", "BYTES", "SIZE", "ENTRIES"))
    ],
)
def test_a_newer_name_wins_over_an_older_one(older: str, newer: str, value: str) -> None:
    assert Settings.from_env({older: value}) != Settings.from_env({})
    assert Settings.from_env({older: "nonsense", newer: value}) == Settings.from_env({newer: value})


def test_the_page_has_every_setting() -> None:
    """Ours: one table; the page repeats it and may not fall behind."""
    page = PAGE.read_text(encoding="utf-8")
    missing = [s.name for s in SETTINGS if f"`{s.name}`" not in page or s.meaning not in page]
    missing += [older for s in SETTINGS for older in s.older if f"`{older}`" not in page]
    assert not missing


def test_a_slip_of_the_pen_is_told_the_nearest_name() -> None:
    """Ours: `EASEL_TOKEN=…` would otherwise leave the door open without a word."""
    assert unknown_names({"EASEL_TOKEN": "x", "EASEL_PORT": "1", "HOME": "/", "FLOW2API_MCP_DEBUG": "1"}) == [
        "EASEL_TOKEN is no setting; did you mean EASEL_TOKENS?"
    ]


@pytest.mark.parametrize(("older", "value", "field", "read"), [
    ("FLOW2API_MCP_SERVER_HOST", "::1", "host", "::1"),
    ("FLOW2API_MCP_SERVER_PORT", "9000", "port", 9000),
    ("FLOW2API_MCP_SERVER_PATH", "/flow", "path", "/flow"),
    ("MODELSCOPE_POLL_INTERVAL_SECONDS", "2.5", "modelscope_poll_s", 2.5),
    ("MODELSCOPE_LOG_LEVEL", "WARNING", "log_level", "warning"),
    ("MODELSCOPE_LOG_LEVEL", "critical", "log_level", "error"),
    ("MODELSCOPE_LOG_LEVEL", "40", "log_level", "error"),
    ("MODELSCOPE_LOG_LEVEL", "10", "log_level", "debug"),
])  # fmt: skip
def test_names_of_both_earlier_programs_go_on_working(older: str, value: str, field: str, read: object) -> None:
    assert getattr(Settings.from_env({older: value}), field) == read


@pytest.mark.parametrize(("older", "newer"), [
    ("MODELSCOPE_MAX_POLL_ATTEMPTS", "EASEL_MODELSCOPE_TIMEOUT_S"),
    ("MODELSCOPE_POLL_BACKOFF", "EASEL_MODELSCOPE_POLL_S"),
    ("MODELSCOPE_MAX_POLL_INTERVAL_SECONDS", "EASEL_MODELSCOPE_POLL_S"),
    ("MODELSCOPE_MODEL", "EASEL_MODELS_FILE"),
    ("FLOW2API_MCP_CACHE_HTTP_PORT", "EASEL_PORT"),
    ("FLOW2API_MCP_HOST", "EASEL_HOST"),
])  # fmt: skip
def test_a_name_without_effect_is_told_with_the_setting_to_use(older: str, newer: str) -> None:
    """Ours: a setting that is passed over in silence is looked for all day."""
    [note] = names_without_effect({older: "1", "EASEL_PORT": "1"})
    assert note.startswith(f"{older} has no effect: ")
    assert newer in note
    assert newer in {setting.name for setting in SETTINGS}
