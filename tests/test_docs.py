"""Pages in `docs/`: what they show to be copied is right, and what they name is there."""

import re
from pathlib import Path

import pytest

from service.authorization import IMPLIED
from service.commands.environment import OTHER_FILE
from service.commands.operations import COMMANDS, parser
from service.settings import Settings
from service.settings_table import SETTINGS, WITHOUT_EFFECT
from tests.paths import ROOT

DOCS = ROOT / "docs"
OAUTH = (DOCS / "oauth.md").read_text(encoding="utf-8")
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("block", re.findall(r"^```ini\n(.*?)^```$", OAUTH, re.MULTILINE | re.DOTALL))
def test_settings_that_are_shown_are_those_of_a_service_that_starts(block: str) -> None:
    settings = dict(line.split("=", 1) for line in block.splitlines() if line)
    assert set(settings) <= {setting.name for setting in SETTINGS}
    assert Settings.from_env(settings).oauth


@pytest.mark.parametrize("file", sorted(path for path in DOCS.rglob("*") if path.is_file()), ids=lambda file: file.name)
def test_every_setting_that_is_named_is_one(file: Path) -> None:
    known = {setting.name for setting in SETTINGS}
    assert not set(re.findall(r"\bEASEL_[A-Z_]+\b", file.read_text(encoding="utf-8"))) - known


def test_every_scope_is_told_and_no_other() -> None:
    assert set(re.findall(r"^\| `([a-z]+)` \| ", OAUTH, re.MULTILINE)) == set(IMPLIED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_settings_of_the_compose_file_are_all_in_its_example() -> None:
    compose = (DOCS / "keycloak" / "compose.yaml").read_text(encoding="utf-8")
    example = (DOCS / "keycloak" / "settings.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", compose)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


@pytest.mark.parametrize("name", ["backup.md", "people.md"])
def test_commands_that_are_shown_are_read(name: str) -> None:
    """Ours: a page that shows a command which does not exist costs an evening."""
    text = (DOCS / name).read_text(encoding="utf-8")
    shown = [each.split() for each in re.findall(r"python -m service ([^`\n]+)", text)]
    ours = [words for words in shown if words[0] in COMMANDS and len(words) > 1 and "NEW" not in words]
    assert len(ours) >= 3
    for words in ours:
        assert callable(parser().parse_args(words).run)


def test_every_older_name_is_told_to_those_who_move() -> None:
    """Ours: who comes from another program finds each of its settings, those that have no effect any more as well."""
    moving = (DOCS / "moving.md").read_text(encoding="utf-8")
    older = {name for setting in SETTINGS for name in setting.older if name.startswith(("FLOW2API_", "MODELSCOPE_"))}
    told = set(re.findall(r"`((?:FLOW2API_MCP|MODELSCOPE)_\w+)`", moving)) - {setting.name for setting in SETTINGS}
    assert told == older | set(WITHOUT_EFFECT) | {OTHER_FILE}
