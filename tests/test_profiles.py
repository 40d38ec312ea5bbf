"""Profiles: who a client is, what it is given, how long it waits, and what EASEL_PROFILES changes in that."""

import logging
import math
from dataclasses import asdict

import pytest

from service.profiles import FIELDS, KEYS, PROFILES, UNKNOWN, Profiles, ProfilesError, key_of, read_overrides
from service.protocol.client import Client
from tests.paths import ROOT
from tests.profiles.golden import FOLDER, Caller, golden


@pytest.mark.parametrize("key", KEYS)
def test_each_client_gets_what_its_golden_file_says(key: str) -> None:
    """Ours: `python -m tests.profiles` writes the files anew; then read what changed, and say why."""
    [profile] = [each for each in PROFILES if each.name == key]
    assert golden(profile).decode() == (FOLDER / f"{key}.json").read_text(encoding="utf-8")


def test_no_golden_file_is_of_a_client_that_is_gone() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(KEYS)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Cherry Studio", "cherry-studio"),
        ("claude-ai", "claude"),
        ("Anthropic/ClaudeAI", "claude"),
        ("claude-ai (via mcp-remote 0.1.37)", "claude"),
        ("claude-desktop-3p", "claude"),
        ("local-agent-mode-easel", "claude"),
        ("claude-code", "claude-code"),
        ("claude-code (via mcp-remote 0.1.37) (via mcp-remote 0.1", "claude-code"),
        ("cursor-vscode", "cursor"),
        ("Visual Studio Code", "vscode"),
        ("Visual Studio Code - Insiders", "vscode"),
        ("Visual-Studio-Code", "vscode"),
        ("Code - OSS", "vscode"),
        ("VSCodium", "vscode"),
        ("github-copilot-developer", "copilot-cli"),
        ("@librechat/api-client", "librechat"),
        ("mcp", "mcp"),
        ("mcp (via mcp-remote 0.1.37)", "mcp"),
        ("goose", "goose"),
        ("goose-desktop", "goose"),
        ("codex-mcp-client", "codex"),
        ("Codex", "codex"),
        ("opencode", "opencode"),
        ("gemini-cli-mcp-client", "gemini-cli"),
        ("gemini-cli-mcp-client-easel", "gemini-cli"),
        ("qwen-code-mcp-client", "gemini-cli"),
        ("qwen-cli-mcp-client-easel", "gemini-cli"),
        ("continue-cli-client", "continue"),
        ("continue-client", "continue"),
        ("@cline/core", "cline"),
        ("Cline", "cline"),
        ("google-adk", "google-adk"),
        ("fast-agent-mcp", "fast-agent"),
        ("fastmcp", "fastmcp"),
        ("@n8n/n8n-nodes-langchain.mcpClientTool", "n8n"),
        ("openai-mcp", "chatgpt"),
        ("ChatGPT", "chatgpt"),
        ("mcp-inspector", "inspector"),
        ("inspector-cli", "inspector"),
        ("spring-ai-mcp-client - easel", "spring-ai"),
        ("mcp-client-of-mine", "unknown"),
        ("my claude-ai", "unknown"),
        ("[", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_client_is_known_by_the_name_that_it_sends(name: str, key: str) -> None:
    """Ours: names as seen in the sources and logs of the clients."""
    assert key_of(name) == key
    assert Profiles().of(Caller(client=Client(name=name))).name == key


def test_no_two_rows_have_one_key_and_no_row_but_the_first_is_unknown() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert UNKNOWN.name == "unknown"


def test_what_the_url_says_counts_more_than_the_name() -> None:
    """Ours: a person who chats with a text-only model can say so, whatever program it is."""
    caller = Caller(client=Client(name="Cherry Studio"), client_hint=" Text ")
    assert Profiles().of(caller).name == "text"


def test_a_url_that_names_nobody_is_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller(client=Client(name="Cherry Studio"), client_hint="cherry\nstudio" + "x" * 1000)
    with caplog.at_level(logging.DEBUG):
        assert Profiles().of(caller).name == "cherry-studio"
    [record] = caplog.records
    assert record.levelno == logging.DEBUG
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 150


@pytest.mark.parametrize(
    ("caller", "seconds"),
    [
        pytest.param(Caller(), 45, id="nobody knows who"),
        pytest.param(Caller(progress_token=7), 45, id="progress that may extend nothing"),
        pytest.param(Caller(client_hint="cherry-studio", progress_token="p"), 45, id="a switch that we cannot see"),
        pytest.param(Caller(client_hint="cherry-studio-long", progress_token=0), 570, id="the switch is on"),
        pytest.param(Caller(client_hint="opencode"), 45, id="would be extended, but nobody listens"),
        pytest.param(Caller(client_hint="opencode", progress_token=7), 600, id="extended by progress"),
        pytest.param(Caller(client_hint="claude-code", progress_token=7), 100, id="reports conflict"),
        pytest.param(Caller(is_task=True), math.inf, id="a task"),
        pytest.param(Caller(client_hint="inspector", is_from_view=True), 45, id="a view, by the bridge of ext-apps"),
        pytest.param(Caller(client_hint="claude-code", progress_token=7, is_from_view=True), 45, id="a view, at most"),
        pytest.param(Caller(client_hint="copilot-cli", is_from_view=True), 25, id="a view of a hasty client"),
    ],
)
def test_a_call_may_take_as_long_as_its_client_waits(caller: Caller, seconds: float) -> None:
    """Ours: answered in time, with the picture or with how to get it."""
    assert Profiles().patience_s(caller) == seconds


def test_every_result_leaves_room_below_the_limit_of_the_strictest_desktop() -> None:
    """Ours: 800 kB whatever is asked; an image and the words around it fit in it together."""
    for profile in PROFILES:
        assert profile.max_bytes <= 800_000
        assert profile.preview_bytes * 4 / 3 < profile.max_bytes - 16_000


def test_a_setting_changes_one_client_or_all_of_them() -> None:
    profiles = Profiles(
        read_overrides(" Cherry-Studio:patience=120, preview=off; *:structured=off,links=on,preview=80;")
    )
    cherry = profiles.of(Caller(client_hint="cherry-studio"))
    assert (cherry.patience_s, cherry.preview_bytes, cherry.structured, cherry.links) == (120, 0, False, True)
    unknown = profiles.of(Caller())
    assert (unknown.patience_s, unknown.preview_bytes, unknown.structured, unknown.links) == (45, 80_000, False, True)


def test_every_field_can_be_set() -> None:
    text = "text:patience=1,progress=on,limit=3600,preview=on,structured=on,links=on,notices=off,costs=off,size=20"
    profile = Profiles(read_overrides(text)).of(Caller(client_hint="text"))
    assert text.count("=") == len(FIELDS)
    assert asdict(profile) == {
        "name": "text",
        "known_as": (),
        "patience_s": 1,
        "progress_extends": True,
        "limit_s": 3600,
        "preview_bytes": 150_000,
        "structured": True,
        "links": True,
        "max_bytes": 20_000,
        "costs": False,
        "notices": False,
    }


def test_no_call_takes_longer_than_the_limit() -> None:
    profiles = Profiles(read_overrides("*:limit=30; cursor:progress=on"))
    assert profiles.patience_s(Caller()) == 30
    assert profiles.patience_s(Caller(client_hint="cursor", progress_token=1)) == 30


def test_nothing_set_changes_nothing() -> None:
    assert read_overrides("") == read_overrides(" ; ") == {}
    assert Profiles(read_overrides("")).of(Caller()) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("patience=5", "'patience=5' is not of the form client:field=value", id="no client"),
        pytest.param("text:", "'text:' is not of the form client:field=value", id="no field"),
        pytest.param("cherry:patience=5", "'cherry' is no client; known are unknown, cherry-studio,", id="client"),
        pytest.param(":patience=5", "'' is no client", id="empty client"),
        pytest.param("text:patient=5", "text: 'patient' is no field; known are patience, progress,", id="field"),
        pytest.param("text:patience=5,", "text: '' is no field", id="comma at the end"),
        pytest.param("text:patience=2m", "patience is '2m'; it must be seconds from 1 to 600", id="minutes"),
        pytest.param("text:patience=601", "patience is '601'; it must be seconds from 1 to 600", id="too patient"),
        pytest.param("text:patience=0", "patience is '0'; it must be seconds from 1 to 600", id="no patience"),
        pytest.param("text:patience=٣", "it must be seconds from 1 to 600", id="digits of another script"),
        pytest.param("text:patience", "patience is ''; it must be seconds from 1 to 600", id="no value"),
        pytest.param("text:progress=yes", "progress is 'yes'; it must be on or off", id="switch"),
        pytest.param("text:limit=3601", "it must be seconds from 1 to 3600", id="limit"),
        pytest.param("text:preview=201", "it must be on, off or kilobytes from 1 to 200", id="preview"),
        pytest.param("text:structured=1", "it must be on or off", id="structured"),
        pytest.param("text:links=", "it must be on or off", id="links"),
        pytest.param("text:size=801", "it must be kilobytes from 20 to 800", id="size"),
        pytest.param("text:size=50,size=60", "text: 'size=60' sets again what was set before", id="twice"),
        pytest.param("text:size=50;text:size=60", "text: 'size=60' sets again what was set before", id="twice, apart"),
        pytest.param("x" * 5000 + ":size=5", "is no client", id="very long"),
    ],
)
def test_a_setting_that_cannot_be_read_names_what_is_wrong_and_what_would_be_right(text: str, words: str) -> None:
    """Ours: the start stops with one line that can be acted on."""
    with pytest.raises(ProfilesError) as stopped:
        read_overrides(text)
    assert words in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert len(str(stopped.value)) < 500


def test_the_page_of_clients_names_every_client_and_every_field() -> None:
    """Ours: what can be written into the setting and the URL is written down."""
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    assert not [word for word in (*KEYS, *FIELDS) if f"`{word}`" not in page]
