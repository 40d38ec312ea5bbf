"""The command line, as far as it needs no process of its own; `test_main.py` runs the real command."""

from pathlib import Path

import pytest

from service.commands.main import environment, run
from service.settings import SettingsError


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("EASEL_PORT=1\nEASEL_LOG=debug # loud\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASEL_PORT", "2")
    env = environment()
    assert (env["EASEL_PORT"], env["EASEL_LOG"]) == ("2", "debug")


def test_a_line_of_the_file_that_is_none_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a line that could not be read was skipped, and a service started without its tokens."""
    (tmp_path / ".env").write_text('EASEL_TOKENS="x\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="line 1"):
        environment()


def test_a_switch_without_its_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(["--write"])
    assert stopped.value.code == 2
    assert "models" in capsys.readouterr().err
