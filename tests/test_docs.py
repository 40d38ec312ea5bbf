"""README and the pages in `docs/`: what they show to be copied is right, and what they name is there."""

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from service.authorization import IMPLIED
from service.commands.environment import OTHER_FILE
from service.commands.main import _parser
from service.commands.operations import COMMANDS, parser
from service.profiles import FIELDS, KEYS
from service.settings import Settings
from service.settings_table import SETTINGS, WITHOUT_EFFECT, unknown_names
from tests.documents import DOCS, GUIDES, PAGES, blocks, dead_links, inline, name_of
from tests.paths import ROOT
from tests.settings_page import PAGE, table, written

OAUTH = (DOCS / "oauth.md").read_text(encoding="utf-8")
CLIENTS = (DOCS / "clients.md").read_text(encoding="utf-8")
WINDOWS = {"APPDATA": "C:/Users/anna/AppData/Roaming"}


def test_the_settings_are_those_of_the_service() -> None:
    """Ours: one table. `python -m tests.settings_page` writes it anew."""
    assert written(PAGE.read_text(encoding="utf-8")) == table()


@pytest.mark.parametrize(("page", "block"), [each for each in blocks("json") if "easel" in each[1]])
def test_what_is_pasted_into_a_client_is_json_with_our_address_or_command(page: str, block: str) -> None:
    [servers] = [value for key, value in json.loads(block).items() if key in ("servers", "mcpServers")]
    [entry] = servers.values()
    match entry:
        case {"command": "uvx"}:
            assert entry["args"][0] == "--from"
        case {"command": _}:
            assert entry["args"] == ["-m", "service", "--stdio"]
        case {"url": url}:
            address, _, hint = url.partition("?client=")
            assert address == "http://127.0.0.1:8866/mcp"
            assert hint in ("", *KEYS)


@pytest.mark.parametrize(("page", "block"), blocks("toml"))
def test_what_codex_reads_is_toml_with_our_address_and_a_tool_of_ours(page: str, block: str) -> None:
    [(name, entry)] = tomllib.loads(block)["mcp_servers"].items()
    assert (name, entry["url"]) == ("easel", "http://127.0.0.1:8866/mcp")
    assert all((ROOT / "schemas" / f"{tool}.json").exists() for tool in entry["tools"])


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_each_hint_in_an_address_is_a_client_that_is_known(page: Path) -> None:
    assert set(re.findall(r"\?client=([\w-]+)", page.read_text(encoding="utf-8"))) <= set(KEYS)


def test_every_profile_and_what_can_be_set_of_it_is_named() -> None:
    assert not [each for each in (*KEYS, *FIELDS) if f"`{each}`" not in CLIENTS]


@pytest.mark.parametrize(("page", "block"), blocks("ini"))
def test_a_settings_file_that_is_shown_can_be_read(page: str, block: str) -> None:
    """Ours: each name in it is a setting, and together they are a service that starts."""
    lines = [line.partition("=") for line in block.splitlines() if line.strip() and not line.startswith("#")]
    names = {name for setting in SETTINGS for name in (setting.name, *setting.older)}
    assert {name for name, _, _ in lines} <= names
    assert Settings.from_env({**WINDOWS, **{name: value for name, _, value in lines}}).oauth or page != "docs/oauth.md"


def test_a_variable_that_a_client_reads_is_no_slip_of_ours() -> None:
    """Bug: README had Cursor users set EASEL_TOKEN, of which a service started beside it says that it is no setting."""
    named = re.findall(r"\$\{(?:env:)?(\w+)\}|bearer_token_env_var = \"(\w+)\"", CLIENTS)
    assert named
    assert not unknown_names(dict.fromkeys((name for found in named for name in found), "x"))


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_make_target_that_is_named_is_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {
        name for code in commands_of(page) for name in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", code, re.MULTILINE)
    }
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_commands_of_the_service_that_are_shown_are_read(page: Path) -> None:
    """Ours: a page that shows a command which does not exist costs an evening."""
    for code in commands_of(page):
        for shown in re.findall(r"python(?:\.exe)? -m service\b([^\n;|`]*)", code):
            words = shlex.split(shown, comments=True)
            read = parser() if words[:1] and words[0] in COMMANDS else _parser()
            if words[1:] or words[:1] != ["token"]:  # the family of commands is named alone
                read.parse_args(words)


def commands_of(page: Path) -> list[str]:
    """The code of a page that a person would run."""
    shown = [text for language in ("sh", "powershell", "") for _, text in blocks(language, (page,))]
    return shown + inline(page)


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_program_of_the_tests_that_is_named_is_there(page: Path) -> None:
    named = set(re.findall(r"python -m ((?:tests|benchmarks)[\w.]*)", page.read_text(encoding="utf-8")))
    assert not [name for name in named if importlib.util.find_spec(name) is None]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    """Ours: to a file that is there, and to a heading in it."""
    assert not dead_links(page)


@pytest.mark.parametrize(
    "file", sorted(path for path in (*DOCS.rglob("*.*"), *GUIDES) if path.suffix != ".png"), ids=name_of
)
def test_every_setting_that_is_named_is_one(file: Path) -> None:
    known = {setting.name for setting in SETTINGS}
    assert not set(re.findall(r"\bEASEL_[A-Z_]+\b", file.read_text(encoding="utf-8"))) - known


def test_every_scope_is_told_and_no_other() -> None:
    assert set(re.findall(r"^\| `([a-z]+)` \| ", OAUTH, re.MULTILINE)) == set(IMPLIED)


def test_the_settings_of_the_compose_file_are_all_in_its_example() -> None:
    compose = (DOCS / "keycloak" / "compose.yaml").read_text(encoding="utf-8")
    example = (DOCS / "keycloak" / "settings.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", compose)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_every_older_name_is_told_to_those_who_move() -> None:
    """Ours: who comes from another program finds each of its settings, those that have no effect any more as well."""
    moving = (DOCS / "moving.md").read_text(encoding="utf-8")
    older = {name for setting in SETTINGS for name in setting.older if name.startswith(("FLOW2API_", "MODELSCOPE_"))}
    told = set(re.findall(r"`((?:FLOW2API_MCP|MODELSCOPE)_\w+)`", moving)) - {setting.name for setting in SETTINGS}
    assert told == older | set(WITHOUT_EFFECT) | {OTHER_FILE}
