"""README: what it shows to be copied can be read, and what it says of the project is so."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from service.profiles import FIELDS, KEYS
from service.settings import Settings
from service.settings_table import SETTINGS, unknown_names
from tests.paths import ROOT, SERVICE
from tests.readme_settings import README, table, written

TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_settings_are_those_of_the_service() -> None:
    """Ours: one table. `python -m tests.readme_settings` writes it anew."""
    assert written(TEXT) == table()


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "json"])
def test_what_is_pasted_into_a_client_is_json_with_our_address_or_command(block: str) -> None:
    [servers] = [value for key, value in json.loads(block).items() if key in ("servers", "mcpServers")]
    match servers["easel"]:
        case {"command": _, **entry}:
            assert entry["args"] == ["-m", "service", "--stdio"]
        case {"url": url}:
            address, _, hint = url.partition("?client=")
            assert address == "http://127.0.0.1:8866/mcp"
            assert hint in ("", *KEYS)


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "toml"])
def test_what_codex_reads_is_toml_with_our_address_and_a_tool_of_ours(block: str) -> None:
    [(name, entry)] = tomllib.loads(block)["mcp_servers"].items()
    assert (name, entry["url"]) == ("easel", "http://127.0.0.1:8866/mcp")
    assert all((ROOT / "schemas" / f"{tool}.json").exists() for tool in entry["tools"])


def test_every_older_name_is_told_and_no_other() -> None:
    """Ours: who comes from another program finds each of its settings in the table."""
    told = set(re.findall(r"`(FLOW2API_MCP_\w+)`", TEXT))
    assert told == {name for setting in SETTINGS for name in setting.older if name.startswith("FLOW2API_MCP_")}


def test_every_profile_and_what_can_be_set_of_it_is_named() -> None:
    assert not [each for each in (*KEYS, *FIELDS) if f"`{each}`" not in TEXT]


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "ini"])
def test_a_settings_file_that_is_shown_can_be_read(block: str) -> None:
    """Ours: each name in it is a setting, and together they are a service that starts."""
    lines = [line.partition("=") for line in block.splitlines() if line and not line.startswith("#")]
    names = {name for setting in SETTINGS for name in (setting.name, *setting.older)}
    assert {name for name, _, _ in lines} <= names
    Settings.from_env({name: value for name, _, value in lines})


def test_a_variable_that_a_client_reads_is_no_slip_of_ours() -> None:
    """Bug: README had Cursor users set EASEL_TOKEN, of which a service started beside it says that it is no setting."""
    named = re.findall(r"\$\{env:(\w+)\}|bearer_token_env_var = \"(\w+)\"", TEXT)
    assert named
    assert not unknown_names(dict.fromkeys((name for found in named for name in found), "x"))


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`?make ([a-z]+)", TEXT))
    assert named >= {"run", "test"}
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_the_layout_names_every_file_of_the_service_and_none_that_is_gone() -> None:
    layout = TEXT.partition("## How the code is laid out")[2].partition("\n## ")[0]
    patterns = re.findall(r"`([\w*/.]+)`", "".join(line.split("|")[1] for line in layout.splitlines() if "|" in line))
    names = [str(path.relative_to(ROOT)) for path in SERVICE.rglob("*.py")]
    assert not [name for name in names if not any(matches(name, pattern) for pattern in patterns)]
    assert not [pattern for pattern in patterns if not list(ROOT.glob(pattern.rstrip("/")))]


def matches(name: str, pattern: str) -> bool:
    """Whether a file is named by a pattern, or lies in a folder that is."""
    return name.startswith(pattern) if pattern.endswith("/") else fnmatch(name, pattern) and "/" not in name[8:]


def test_links_within_the_project_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", TEXT)
    assert not [target for target in targets if not (ROOT / Path(target)).exists()]


def test_the_architecture_names_what_there_is() -> None:
    """Ours: a page about the code that falls behind the code misleads whoever comes new."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w./]+(?:/|\.py|\.json))`", text)
    assert len(paths) > 30
    everywhere = {path.name for path in SERVICE.rglob("*.py")}
    assert not [
        path
        for path in paths
        if not (ROOT / path).exists() and not (SERVICE / path).exists() and not ("/" not in path and path in everywhere)
    ]
