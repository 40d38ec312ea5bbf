"""The parser of the commands for whoever runs the service."""

from pathlib import Path

import pytest

from service.commands.operations import COMMANDS, parser
from tests.command_process import said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(tmp_path: Path, command: str) -> None:
    assert f"usage: easel {command}" in said(tmp_path, command, "--help")


def test_the_help_of_the_whole_names_them(tmp_path: Path) -> None:
    assert all(command in said(tmp_path, "--help") for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup",), "the following arguments are required: TARGET"),
        (("token",), "the following arguments are required: step"),
        (("token", "make", "anna"), "invalid choice: 'make'"),
        (("history", "give", "anna"), "the following arguments are required: NEW"),
        (("usage", "--month", "november"), "--month: 'november' is no month such as 2026-11"),
        (("token", "add", "a name"), "'a name' is no name: up to 64 letters of a to z, digits, and _ . -"),
    ],
)
def test_a_wrong_word_is_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in said(tmp_path, *arguments, status=2)


def test_every_command_has_its_work() -> None:
    """Ours: a command without would end with a trace."""
    for words in (["backup", "x"], ["restore", "x"], ["token", "list"], ["history", "delete", "x"], ["usage"]):
        assert callable(parser().parse_args(words).run)
