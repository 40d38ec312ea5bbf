"""The command line, as far as it needs no process of its own; `test_main.py` runs the real command."""

import pytest

from service.commands.main import run


def test_a_switch_without_its_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(["--write"])
    assert stopped.value.code == 2
    assert "models" in capsys.readouterr().err
